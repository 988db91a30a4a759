"""Batch normalisation: PyTorch's formulas, running statistics, and how it disappears in inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.updating import brought_updates, updating


def along(numbers: np.ndarray, rank: int) -> np.ndarray:
    return numbers.reshape(-1, *(1,) * (rank - 2))


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5), (6, 3, 5, 4)])
def test_formulas(shape: tuple[int, ...], declared: bool, mode: str) -> None:
    kind = sn.nn.BatchNorm2d if len(shape) == 4 else sn.nn.BatchNorm1d
    layer = kind(3, eps=1e-3, momentum=0.25, dtype="float64")
    rng = np.random.default_rng(0)
    weight, bias = rng.uniform(0.5, 2, 3), rng.normal(size=3)
    layer.weight.value, layer.bias.value = weight, bias  # type: ignore[union-attr]
    x = sn.Variable("x", ("batch", *shape[1:]) if declared else None, "float64")
    train, predict = sn.compile(layer(x), mode=mode), sn.compile(layer.eval()(x), mode=mode)
    mean, var, axes = np.zeros(3), np.ones(3), (0, *range(2, len(shape)))
    for batch in (6, 2, 5):
        a = rng.normal(3, 2, (batch, *shape[1:]))
        own, spread = a.mean(axes), a.var(axes)
        wanted = (a - along(own, a.ndim)) / np.sqrt(along(spread, a.ndim) + 1e-3)
        np.testing.assert_allclose(train(a), wanted * along(weight, a.ndim) + along(bias, a.ndim), rtol=1e-10)
        mean, var = 0.75 * mean + 0.25 * own, 0.75 * var + 0.25 * a.var(axes, ddof=1)
        np.testing.assert_allclose(layer.running_mean.value, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_var.value, var, rtol=1e-12)
        wanted = (a - along(mean, a.ndim)) / np.sqrt(along(var, a.ndim) + 1e-3)
        np.testing.assert_allclose(predict(a), wanted * along(weight, a.ndim) + along(bias, a.ndim), rtol=1e-10)


def test_inference_changes_nothing_and_training_only_its_own() -> None:
    layer = sn.nn.BatchNorm1d(2)
    x = sn.Variable("x", ("batch", 2), "float32")
    assert len(sn.compile(layer(x)).graph.updates) == 2
    assert not sn.compile(layer.eval()(x)).graph.updates
    assert [p.trainable for p in layer.parameters()] == [True, True, False, False]
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    plain = sn.nn.BatchNorm1d(2, affine=False)
    assert list(plain.named_parameters()) == ["running_mean", "running_var"]
    np.testing.assert_allclose(sn.compile(plain(x))(np.array([[1, 2], [3, 6]])), [[-1, -1], [1, 1]], rtol=1e-5)


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("declared", [True, False])
def test_cumulative_averages_weigh_all_batches_alike(declared: bool, mode: str) -> None:
    layer = sn.nn.BatchNorm1d(2, momentum=None, dtype="float64")
    train = sn.compile(layer(sn.Variable("x", ("batch", 2) if declared else None, "float64")), mode=mode)
    batches = [np.random.default_rng(k).normal(k, 1 + k, (4, 2)) for k in range(5)]
    for batch in batches[:3]:
        train(batch)
    train(np.empty((0, 2)))  # moves nothing, and counts for nothing
    for batch in batches[3:]:
        train(batch)
    assert layer.num_batches_tracked is not None and layer.num_batches_tracked.value == 5
    assert layer.running_mean is not None and layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean.value, np.mean([b.mean(0) for b in batches], 0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.value, np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-12)
    assert list(layer.state_dict())[-1] == "num_batches_tracked"


def test_a_cumulative_layer_used_twice_counts_twice() -> None:
    layer = sn.nn.BatchNorm1d(1, momentum=None, dtype="float32")
    x, y = (sn.Variable(n, ("batch", 1), "float32") for n in "xy")
    f = sn.compile([layer(x), layer(y)])
    f([[4.0], [4.0]], [[8.0], [8.0]])
    f([[1.0], [1.0]], [[3.0], [3.0]])
    np.testing.assert_allclose(layer.running_mean.value, [4.0], rtol=1e-6)
    assert layer.num_batches_tracked.value == 4


@pytest.mark.parametrize("momentum", [0.1, None])
def test_without_running_statistics_a_batch_stands_for_itself(momentum: float | None) -> None:
    layer = sn.nn.BatchNorm1d(2, momentum=momentum, track_running_stats=False, dtype="float64")
    assert list(layer.state_dict()) == ["weight", "bias"] and layer.running_mean is None
    x = sn.Variable("x", ("batch", 2), "float64")
    train, predict = sn.compile(layer(x)), sn.compile(layer.eval()(x))
    a = np.random.default_rng(0).normal(3, 2, (6, 2))
    np.testing.assert_array_equal(train(a), predict(a))
    np.testing.assert_allclose(predict(a).mean(0), 0, atol=1e-12)
    assert not train.graph.updates


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_batches_of_nothing_and_of_one(mode: str) -> None:
    layer = sn.nn.BatchNorm1d(2, dtype="float64")
    f = sn.compile(layer(sn.Variable("x", ("batch", 2), "float64")), mode=mode)
    assert f(np.empty((0, 2))).shape == (0, 2)
    assert layer.running_mean.value.tolist() == [0, 0] and layer.running_var.value.tolist() == [1, 1]
    np.testing.assert_array_equal(f(np.full((1, 2), 5.0)), np.zeros((1, 2)))
    np.testing.assert_allclose([layer.running_mean.value, layer.running_var.value], [[0.5, 0.5], [0.9, 0.9]])


def test_gradients_go_through_the_batch() -> None:
    layer = sn.nn.BatchNorm2d(2, dtype="float64")
    x = sn.Variable("x", ("batch", 2, 3, "width"), "float64")
    loss = sn.sum(layer(x) ** 3 * sn.exp(0.1 * x))
    point = {"x": np.random.default_rng(0).normal(size=(2, 2, 3, 2))}
    sn.check_grads(loss, point)
    assert layer.running_mean.value.tolist() == [0, 0]  # a check updates nothing


def test_a_layer_used_twice_moves_its_statistics_twice() -> None:
    layer = sn.nn.BatchNorm1d(1, momentum=0.5, dtype="float64")
    x, y = (sn.Variable(n, ("batch", 1), "float64") for n in "xy")
    sn.compile([layer(x), layer(y)])([[4.0], [4.0]], [[8.0], [8.0]])
    assert layer.running_mean.value.tolist() == [0.5 * 2 + 0.5 * 8]


def test_updates_that_are_given_go_before_those_brought() -> None:
    count = sn.Parameter(0, name="count", trainable=False)
    x = sn.Variable("x", (), "float64")
    y = updating(x, {count: lambda old: old + 1})
    assert list(brought_updates([y * 2.0])) == [count] and not brought_updates([y], {count})
    sn.compile(sn.grad(y * y, x))(3.0)
    assert count.value == 1
    sn.compile(y, updates={count: count + 10})(3.0)
    assert count.value == 11


def test_updates_of_several_parameters_see_each_other() -> None:
    first, second = (sn.Parameter(1, name=n, trainable=False) for n in ("first", "second"))
    x = sn.Variable("x", (), "float64")
    y = updating(updating(x, {(first, second): lambda a, b: (b, a + b)}), {second: lambda b: b * 10})
    sn.compile(y)(0.0)
    assert (first.value, second.value) == (1, 20)
    assert list(brought_updates([y], {second})) == [first]


def test_the_body_of_a_scan_refuses_a_layer_in_training() -> None:
    layer = sn.nn.BatchNorm1d(2)
    x = sn.Variable("x", ("steps", "batch", 2), "float32")

    def run() -> Any:
        return sn.scan(lambda carry, each: (carry, layer(each)), 0.0, x)[1]

    with pytest.raises(sn.ArgumentError, match=r"the body of a scan .* updates Parameters"):
        sn.compile(run())
    layer.eval()
    assert sn.compile(run())(np.zeros((2, 3, 2))).shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda x: sn.nn.BatchNorm2d(3)(x), sn.ShapeError, r"BatchNorm2d of a value of shape \(batch, 3\); expected"),
        (lambda x: sn.nn.BatchNorm1d(4)(x), sn.ShapeError, r"\(samples, 4\) or \(samples, 4, length\)"),
        (lambda x: sn.nn.BatchNorm1d(0), sn.ArgumentError, "num_features is 0"),
        (lambda x: sn.nn.BatchNorm1d(3, momentum=2), sn.ArgumentError, "momentum is 2"),
        (lambda x: sn.nn.BatchNorm1d(3, eps=-1), sn.ArgumentError, "eps is -1"),
        (lambda x: sn.nn.BatchNorm1d(3, dtype="int32"), sn.DTypeError, "BatchNorm1d with dtype int32"),
    ],
)
def test_what_does_not_fit(write: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        write(sn.Variable("x", ("batch", 3), "float32"))


def settled(model: sn.nn.Module) -> sn.nn.Module:
    """The model as if it had been trained."""
    rng = np.random.default_rng(5)
    for p in model.parameters():
        p.value = rng.uniform(0.5, 2, p.value.shape) if p.value.ndim == 1 else p.value
    return model


NETS = {
    "convolutions": (
        lambda: sn.nn.Sequential(
            sn.nn.Conv2d(2, 4, 3, bias=False, rng=0),
            sn.nn.BatchNorm2d(4),
            sn.nn.ReLU(),
            sn.nn.Conv2d(4, 6, 3, groups=2, padding=1, rng=1),
            sn.nn.BatchNorm2d(6, affine=False),
            sn.nn.Residual(sn.nn.Sequential(sn.nn.Conv2d(6, 6, 1, rng=2), sn.nn.BatchNorm2d(6))),
            sn.nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2, rng=3),
            sn.nn.BatchNorm2d(4),
        ),
        (2, 8, 8),
    ),
    "rows": (
        lambda: sn.nn.Sequential(
            sn.nn.BatchNorm1d(5), sn.nn.Linear(5, 4, rng=0), sn.nn.BatchNorm1d(4), sn.nn.BatchNorm1d(4), sn.nn.Tanh()
        ),
        (5,),
    ),
    "sequences": (
        lambda: sn.nn.Sequential(
            sn.nn.Conv1d(2, 3, 2, rng=0), sn.nn.BatchNorm1d(3), sn.nn.ConvTranspose1d(3, 2, 2), sn.nn.BatchNorm1d(2)
        ),
        (2, 7),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_frozen_networks_agree_and_are_smaller(name: str) -> None:
    make, shape = NETS[name]
    net = settled(make()).eval()
    x = sn.Variable("x", ("batch", *shape), "float32")
    f, g = sn.compile(net(x)), sn.compile(net(x), freeze=True, check=True)
    twin = sn.compile(net(x), freeze=True, mode="interpret")
    a = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    np.testing.assert_allclose(g(a), f(a), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(g(a), twin(a), rtol=1e-5, atol=1e-5)
    left = [n.op.name for n in g.graph.nodes if n.op.name in ("subtract", "multiply")]
    # A normalisation before the first layer has none to go into.
    assert left == (["subtract", "multiply"] if name == "rows" else [])


def test_a_trainer_updates_saves_and_guards_statistics(tmp_path: Path) -> None:
    def make() -> sn.train.Trainer:
        net = sn.nn.Sequential(
            sn.nn.Linear(4, 8, rng=0), sn.nn.BatchNorm1d(8), sn.nn.Dropout(0.3, 0), sn.nn.Linear(8, 1, rng=1)
        )
        return sn.train.Trainer(net, sn.nn.mse, sn.optim.Adam(lr=0.01))

    rng = np.random.default_rng(0)
    x = rng.normal(2, 1, (50, 4)).astype(np.float32)
    y = x.sum(1, keepdims=True)
    whole, part = make(), make()
    whole.fit(x, y, epochs=4, progress=False)
    part.fit(x, y, epochs=2, progress=False)
    path = part.save(tmp_path / "half.npz")
    resumed = make().load(path)
    resumed.fit(x, y, epochs=2, progress=False)
    for name, p in whole.model.named_parameters().items():
        np.testing.assert_array_equal(p.value, resumed.model.named_parameters()[name].value, err_msg=name)
    before = whole.model.state_dict()
    with pytest.raises(sn.NonFiniteLoss):
        whole.fit(x * np.nan, y, progress=False)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
