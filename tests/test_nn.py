"""Modules: what they compute, whose Parameters they own, and that state is set all or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn


def small() -> sn.nn.Sequential:
    return sn.nn.Sequential(sn.nn.Linear(4, 3, rng=0), sn.nn.ReLU(), sn.nn.Linear(3, 2, rng=1))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_a_network_is_its_formula(mode: str) -> None:
    net = small()
    x = sn.Variable("x", ("batch", 4), "float32")
    f = sn.compile(net(x), mode=mode)
    first, second = net[0], net[2]
    assert isinstance(first, sn.nn.Linear) and isinstance(second, sn.nn.Linear)
    for batch in (0, 1, 5):
        rows = np.random.default_rng(2).standard_normal((batch, 4)).astype(np.float32)
        hidden = np.maximum(rows @ first.weight.value + first.bias.value, 0)
        np.testing.assert_allclose(f(rows), hidden @ second.weight.value + second.bias.value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (sn.nn.ReLU(), lambda x: np.maximum(x, 0)),
        (sn.nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (sn.nn.Tanh(), np.tanh),
        (sn.nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (sn.nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(0, keepdims=True)),
        (sn.nn.Flatten(), lambda x: x.reshape(len(x), -1)),
        (sn.nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
        (sn.nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        (sn.nn.GELU("tanh"), lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        (sn.nn.GELU(), sn.gelu),
        (sn.nn.SELU(), sn.selu),
        (sn.nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
        (sn.nn.Mish(), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        (sn.nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        (sn.nn.Hardtanh(-0.5, 0.25), lambda x: np.clip(x, -0.5, 0.25)),
        (sn.nn.LogSigmoid(), lambda x: -np.log1p(np.exp(-x))),
        (sn.nn.Softplus(), lambda x: np.log1p(np.exp(x))),
        (sn.nn.Softsign(), lambda x: x / (1 + abs(x))),
        (sn.nn.Softmin(axis=1), lambda x: np.exp(-x) / np.exp(-x).sum(1, keepdims=True)),
        (sn.nn.LogSoftmax(), lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
        (sn.nn.Residual(sn.nn.Tanh()), lambda x: x + np.tanh(x)),
    ],
)
def test_layers_without_parameters(layer: sn.nn.Module, formula: Any) -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4))
    x = sn.Variable("x", ("batch", 3, 4), "float64")
    np.testing.assert_allclose(sn.compile(layer(x))(array), formula(array), rtol=1e-12)
    assert layer.parameters() == []


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_a_slope_for_each_channel(shape: tuple[int, ...]) -> None:
    layer = sn.nn.PReLU(3, dtype="float64")
    layer.weight.value = np.array([0.1, 0.2, 0.3])
    array = np.random.default_rng(0).standard_normal(shape)
    column = np.array([0.1, 0.2, 0.3]).reshape(3, *[1] * (len(shape) - 2))
    f = sn.compile(layer(sn.Variable("x", ("batch", *shape[1:]), "float64")))
    np.testing.assert_array_equal(f(array), np.where(array > 0, array, column * array))
    assert sn.nn.PReLU().weight.value.tolist() == [0.25]


def normal(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_normalising_layers(batch: int) -> None:
    rng = np.random.default_rng(batch)
    rows, images = rng.standard_normal((batch, 6)) * 5 + 100, rng.standard_normal((batch, 6, 2, 4)) * 5 + 100
    x, image = sn.Variable("x", ("batch", 6), "float64"), sn.Variable("x", ("batch", 6, 2, 4), "float64")
    weight, bias = rng.standard_normal((2, 6))
    layers = (
        sn.nn.LayerNorm(6, dtype="float64"),
        sn.nn.RMSNorm(6, dtype="float64"),
        sn.nn.GroupNorm(3, 6, dtype="float64"),
    )
    for layer in layers:
        layer.load_state_dict(
            {"weight": weight, "bias": bias} if "bias" in layer.named_parameters() else {"weight": weight}
        )
    found = sn.compile(layers[0](x))(rows)
    np.testing.assert_allclose(found, normal(rows, (1,)) * weight + bias, rtol=1e-12, atol=1e-12)
    found = sn.compile(layers[1](x))(rows)
    wanted = rows / np.sqrt((rows**2).mean(1, keepdims=True) + 1e-5) * weight
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    found = sn.compile(layers[2](image))(images)
    groups = normal(images.reshape(batch, 3, 2, 2, 4), (2, 3, 4)).reshape(images.shape)
    np.testing.assert_allclose(found, groups * weight[:, None, None] + bias[:, None, None], rtol=1e-12, atol=1e-12)
    assert sn.nn.LayerNorm(6, bias=False).bias is None


def test_rows_that_are_constant_have_finite_slopes() -> None:
    x = sn.Variable("x", ("batch", 4), "float32")
    for y in (sn.layer_norm(x), sn.rms_norm(x), sn.group_norm(x, 2)):
        value, slope = sn.compile([y, sn.grad((y * np.arange(4, dtype=np.float32)).sum(), x)])(
            np.full((2, 4), 1e4, "f")
        )
        assert np.isfinite(value).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_embedding(mode: str) -> None:
    layer = sn.nn.Embedding(50, 3, dtype="float64", rng=0)
    words = sn.Variable("words", ("batch", 2), "int32")
    y = layer(words)
    f = sn.compile([y, sn.grad(y.sum(), layer.weight)], mode=mode)
    rows, slope = f([[4, 0], [4, 49]])
    np.testing.assert_array_equal(rows, layer.weight.value[[[4, 0], [4, 49]]])
    np.testing.assert_array_equal(slope.sum(1), 3 * np.bincount([4, 0, 4, 49], minlength=50))
    for outside in (50, -1):
        with pytest.raises(sn.IndexOutOfBounds, match=str(outside)):
            f([[0, outside]])
    assert sn.nn.Embedding(10000, 5, rng=1).weight.value.std() == pytest.approx(1, rel=0.02)
    with pytest.raises(sn.DTypeError, match="expected integers"):
        layer(sn.Variable("x", (2,), "float32"))


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda x: sn.layer_norm(x, np.ones(5)), sn.ShapeError, r"gain has shape \(5,\); expected .* \(batch, 6\)"),
        (lambda x: sn.layer_norm(x, eps=-1.0), sn.ArgumentError, r"eps is -1\.0"),
        (lambda x: sn.rms_norm(x[0, 0]), sn.ShapeError, "axis -1"),
        (lambda x: sn.group_norm(x, 4), sn.ShapeError, r"4 groups of a value of shape \(batch, 6\)"),
        (lambda x: sn.group_norm(x, 0), sn.ArgumentError, "groups is 0"),
        (lambda x: sn.group_norm(x[0], 2), sn.ShapeError, "expected \\(batch, channels"),
        (lambda x: sn.group_norm(x, 2, np.ones(3)), sn.ShapeError, r"gain has shape \(3,\); expected .* \(batch, 6\)"),
        (lambda x: sn.group_norm(sn.Variable("y"), 2), sn.SymbolicUseError, "declare shape="),
        (lambda x: sn.nn.LayerNorm(6, dtype="int32"), sn.DTypeError, "LayerNorm with dtype int32"),
        (lambda x: sn.nn.PReLU(dtype=bool), sn.DTypeError, "PReLU with dtype bool"),
        (lambda x: sn.nn.Embedding(3, 2, dtype="int64"), sn.DTypeError, "Embedding with dtype int64"),
        (lambda x: sn.nn.Residual(sn.nn.Linear(6, 4))(x), sn.ShapeError, r"\(batch, 6\) and \(batch, 4\)"),
    ],
)
def test_layers_that_do_not_fit(write: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        write(sn.Variable("x", ("batch", 6), "float64"))


def test_loss_modules_are_the_functions() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 0.9, (2, 4, 3))
    labels = np.array([0, 2, 1, 1])
    pairs: list[tuple[sn.nn.Module, Any, Any]] = [
        (sn.nn.MSELoss(), b, sn.mse(a, b)),
        (sn.nn.L1Loss(), b, sn.mae(a, b)),
        (sn.nn.HuberLoss(0.1), b, sn.huber(a, b, 0.1)),
        (sn.nn.HingeLoss(), b * 2 - 1, sn.hinge(a, b * 2 - 1)),
        (sn.nn.BCELoss(), b, sn.binary_cross_entropy(a, b)),
        (sn.nn.BCEWithLogitsLoss(), b, sn.binary_cross_entropy_with_logits(a, b)),
        (sn.nn.CrossEntropyLoss(0.1), labels, sn.cross_entropy(a, labels, 0.1)),
        (sn.nn.NLLLoss(), labels, sn.nll_loss(a, labels)),
        (sn.nn.KLDivLoss(), b, sn.kl_div(a, b)),
        (sn.nn.CosineSimilarity(axis=0), b, sn.cosine_similarity(a, b, 0)),
    ]
    for module, target, wanted in pairs:
        np.testing.assert_array_equal(module(a, target), wanted)


def test_linear_weights() -> None:
    a, b = sn.nn.Linear(100, 7, rng=0), sn.nn.Linear(100, 7, rng=np.random.default_rng(0))
    assert a.weight.shape == (100, 7) and a.weight.dtype == np.float32
    np.testing.assert_array_equal(a.weight.value, b.weight.value)
    # Uniform within 1 / sqrt(in): the spread is known, and the edge nearly reached.
    assert np.abs(a.weight.value).max() <= 0.1
    assert a.weight.value.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.1)
    assert sn.nn.Linear(2, 3, bias=False).bias is None
    assert sn.nn.Linear(2, 3, dtype="float64").weight.dtype == np.float64
    with pytest.raises(sn.DTypeError, match="int64"):
        sn.nn.Linear(2, 3, dtype="int64")


def test_sequential_is_a_sequence() -> None:
    net = small()
    assert len(net) == 3 and isinstance(net[1], sn.nn.ReLU) and list(net)[-1] is net[2] is net[-1]


class Shared(sn.nn.Module):
    def __init__(self) -> None:
        self.table = sn.Parameter(np.ones(2), name="table")
        self.again = self.table
        self.gains = [sn.Parameter(1.0, name="gain"), sn.Parameter(2.0, name="gain")]
        self.layers = (sn.nn.Linear(1, 1), sn.nn.ReLU())


def test_parameters_are_found_in_attributes_lists_and_modules_once_each() -> None:
    names = ["gains.0", "gains.1", "layers.0.bias", "layers.0.weight", "table"]
    assert sorted(Shared().named_parameters()) == names


def test_state_goes_out_and_in() -> None:
    net, other = small(), small()
    state = net.state_dict()
    for parameter in other.parameters():
        parameter.value = parameter.value + 1
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    state["layers.0.weight"][...] = 9.0
    assert net[0].parameters()[0].value.max() < 9.0  # copies


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"last": np.ones(3)}, sn.ArgumentError, r"'last' has shape \(3,\) \(float64\); expected \(\) \(int32\)"),
        ({"last": np.array(0.5)}, sn.DTypeError, "'last' is float64, .* int32"),
        ({"last": "no"}, sn.ArgumentError, "'last': expected numbers"),
        ({"last": 2**40}, sn.OverflowInArgument, "'last': .* int32"),
        ({"unknown": 1}, sn.ArgumentError, "unknown"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    class Two(sn.nn.Module):
        def __init__(self) -> None:
            self.first, self.last = sn.Parameter(1.0), sn.Parameter(np.int32(2))

    module = Two()
    with pytest.raises(error, match=message):
        module.load_state_dict({"first": 5.0, "last": 3, **change})
    assert {n: v.item() for n, v in module.state_dict().items()} == {"first": 1.0, "last": 2}
    with pytest.raises(sn.ArgumentError, match="lacks"):
        module.load_state_dict({"first": 5.0})
    with pytest.raises(sn.ArgumentError, match="list; expected a dict"):
        module.load_state_dict([1.0, 2])  # type: ignore[arg-type]


def test_training_and_inference() -> None:
    net = small()
    assert net.training and net[0].training
    assert net.eval() is net and not net.training and not net[0].training
    assert net.train()[0].training
    with pytest.raises(NotImplementedError, match="Module"):
        sn.nn.Module()(1)


def test_losses() -> None:
    p, y = np.array([0.2, 0.9]), np.array([0.0, 1.0])
    assert float(sn.nn.mse(p, y)) == pytest.approx(np.mean((p - y) ** 2))
    assert float(sn.nn.mae(p, y)) == pytest.approx(np.mean(np.abs(p - y)))
    assert float(sn.nn.logloss(p, y)) == pytest.approx(-np.mean(np.log([0.8, 0.9])))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_labels(mode: str) -> None:
    z, y = sn.Variable("z", ("batch", 3), "float64"), sn.Variable("y", ("batch",), "int64")
    loss = sn.compile(sn.nn.cross_entropy(z, y), mode=mode)
    rows = np.random.default_rng(0).standard_normal((4, 3))
    wanted = np.mean(np.log(np.exp(rows).sum(1)) - rows[np.arange(4), [0, 2, 1, 2]])
    assert float(loss(rows, [0, 2, 1, 2])) == pytest.approx(wanted, rel=1e-12)
    with pytest.raises(sn.IndexOutOfBounds, match="3"):
        loss(rows, [0, 3, 1, 2])
    with pytest.raises(sn.DTypeError, match="float64; expected integers"):
        sn.nn.cross_entropy(z, sn.Variable("p", ("batch",), "float64"))
    with pytest.raises(sn.DTypeError, match="bool; expected integers"):
        sn.nn.cross_entropy(z, sn.Variable("p", ("batch",), "bool"))
    with pytest.raises(sn.ShapeError, match="one label"):
        sn.nn.cross_entropy(z, sn.Variable("q", ("batch", 3), "int64"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda x: sn.nn.LayerNorm(9)(x),
            r"layer_norm: the gain has shape \(9,\); expected one that broadcasts to \(n, 4\)",
        ),
        (lambda x: sn.nn.RMSNorm(3)(x), r"rms_norm: the gain has shape \(3,\)"),
        (lambda x: sn.layer_norm(np.ones((2, 4)), bias=np.ones(3)), r"layer_norm: the bias has shape \(3,\)"),
        (lambda x: sn.group_norm(x, 2, bias=np.ones(2)), r"group_norm: the bias has shape \(2,\)"),
    ],
)
def test_a_gain_or_bias_that_does_not_fit_is_named(write: Any, message: str) -> None:
    with pytest.raises(sn.ShapeError, match=message):
        write(sn.Variable("x", ("n", 4), "float32"))
