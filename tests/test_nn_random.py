"""Randomness in networks: dropout, training and inference, and first values of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.nn import init
from symnet.random import Generator

MODES = ["native", "interpret"]

# -- dropout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_leaves_out_and_scales(mode: str, dtype: str) -> None:
    x = sn.Variable("x", ("batch", 50), dtype)
    f = sn.compile(sn.nn.dropout(x, 0.2, Generator(seed=1)), mode=mode)
    rows = np.random.default_rng(0).uniform(1, 2, (400, 50)).astype(dtype)
    first, second = f(rows), f(rows)
    assert first.dtype == dtype
    for found in (first, second):
        kept = found != 0
        np.testing.assert_array_equal(found[kept], (rows * np.array(1 / 0.8, dtype))[kept])
        assert abs(kept.mean() - 0.8) < 4 * math.sqrt(0.2 * 0.8 / kept.size)
    both = ((first != 0) & (second != 0)).mean()
    assert abs(both - 0.64) < 4 * math.sqrt(0.64 * 0.36 / first.size)


def test_both_modes_leave_out_the_same() -> None:
    x = sn.Variable("x", ("n",), "float64")
    native, twin = (sn.compile(sn.nn.dropout(x, 0.5, Generator(seed=2)), mode=mode) for mode in MODES)
    for n in (0, 1, 7, 1000):
        np.testing.assert_array_equal(native(np.ones(n)), twin(np.ones(n)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [("batch", 6), None])
def test_the_gradient_sees_what_the_value_sees(mode: str, shape: Any) -> None:
    x = sn.Variable("x", shape, "float64" if shape else None)
    w = sn.Parameter(np.linspace(1, 2, 6))
    y = sn.nn.dropout(x * w, 0.4, Generator(seed=3))
    f = sn.compile([y, sn.grad(y.sum(), [w])[0], *sn.grad((y * y).sum(), [x, w])], mode=mode)
    rows = np.random.default_rng(0).uniform(1, 2, (9, 6))
    for _ in range(3):
        value, slope, by_x, by_w = f(rows)
        factor = (value != 0) / 0.6
        np.testing.assert_allclose(value, rows * w.value * factor)
        np.testing.assert_allclose(slope, (rows * factor).sum(0))
        np.testing.assert_allclose(by_x, 2 * value * factor * w.value)
        np.testing.assert_allclose(by_w, (2 * value * factor * rows).sum(0))


def test_dropout_of_nothing_and_of_everything() -> None:
    x, generator = sn.Variable("x", ("n",), "float32"), Generator(seed=0)
    assert sn.nn.dropout(x, 0, generator) is x
    everything = sn.compile(sn.nn.dropout(x, 1.0, generator))
    np.testing.assert_array_equal(everything([1.0, math.inf, math.nan]), np.zeros(3))
    array = sn.compile(sn.nn.dropout(np.ones((3, 40)), 0.5, generator))()
    assert array.shape == (3, 40) and set(np.unique(array)) == {0.0, 2.0}


def test_two_layers_and_two_uses_leave_out_different_elements() -> None:
    x, generator = sn.Variable("x", ("n",), "float64"), Generator(seed=0)
    one, other = sn.nn.Dropout(0.5, generator), sn.nn.Dropout(0.5, generator)
    found = sn.compile([one(x), one(x), other(x)])(np.ones(10_000))
    assert np.abs(np.corrcoef(found) - np.eye(3)).max() < 0.05
    assert generator.state.value[2] == 1  # one step for them all


def test_training_and_inference() -> None:
    dropout = sn.nn.Dropout(0.5, generator=7)
    net = sn.nn.Sequential(sn.nn.Linear(4, 300, rng=0), dropout)
    assert dropout.generator.seed == 7 and not dropout.parameters()
    x, row = sn.Variable("x", ("batch", 4), "float32"), np.ones((1, 4), np.float32)
    train, predict = sn.compile(net(x)), sn.compile(net.eval()(x))
    assert net(x) is not None and not dropout.training
    assert (train(row) == 0).sum() > 100 and not (predict(row) == 0).any()
    np.testing.assert_array_equal(predict(row), predict(row))
    assert (sn.compile(net.train()(x))(row) == 0).sum() > 100


def test_a_network_with_dropout_learns_and_its_steps_repeat() -> None:
    def trained() -> tuple[list[float], np.ndarray]:
        net = sn.nn.Sequential(
            sn.nn.Linear(8, 64, rng=0), sn.nn.ReLU(), sn.nn.Dropout(0.3, generator=5), sn.nn.Linear(64, 1, rng=1)
        )
        x, y = sn.Variable("x", ("batch", 8), "float32"), sn.Variable("y", ("batch", 1), "float32")
        loss = sn.nn.mse(net(x), y)
        # The generator's step is part of the call, though no one asks for it.
        step = sn.compile(loss, updates=sn.optim.Adam(lr=0.01)(loss, net.parameters()))
        rows = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
        losses = [float(step(rows, rows[:, :1])) for _ in range(100)]
        return losses, net.parameters()[0].value.copy()

    (losses, weights), (again, same) = trained(), trained()
    assert np.mean(losses[-10:]) < 0.4 * losses[0]
    assert losses == again
    np.testing.assert_array_equal(weights, same)


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda x, g: sn.nn.dropout(x, 1.5, g), sn.ArgumentError, "dropout: p is 1.5; expected a number from 0 to 1"),
        (lambda x, g: sn.nn.dropout(x, True, g), sn.ArgumentError, "True"),
        (lambda x, g: sn.nn.dropout(x, 0.5, 3), sn.ArgumentError, "generator is 3"),
        (lambda x, g: sn.nn.dropout(sn.Variable("i", (3,), "int64"), 0.5, g), sn.DTypeError, "int64; expected one of"),
        (lambda x, g: sn.nn.dropout([1, 2], 0.0, g), sn.DTypeError, "int64"),
        (lambda x, g: sn.compile(sn.nn.dropout(sn.Variable("i"), 0.5, g))([1, 2]), sn.DTypeError, "dropout"),
        (lambda x, g: sn.nn.dropout("x", 0.5, g), sn.ArgumentError, "str"),
        (lambda x, g: sn.nn.Dropout(-0.1), sn.ArgumentError, "Dropout: p is -0.1"),
        (lambda x, g: sn.nn.Dropout(0.1, generator=-1), sn.ArgumentError, "seed is -1"),
    ],
)
def test_bad_dropout_is_refused(use: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        use(sn.Variable("x", (3,), "float32"), Generator(seed=0))


# -- first values ----------------------------------------------------------------------------------

SHAPE = (300, 200)
KERNEL = (40, 30, 3, 5)  # fan in 450, fan out 600


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda: init.xavier_uniform(SHAPE, rng=0), math.sqrt(6 / 500)),
        (lambda: init.xavier_uniform(KERNEL, gain=2.0, rng=0), 2 * math.sqrt(6 / 1050)),
        (lambda: init.kaiming_uniform(SHAPE, rng=0), math.sqrt(2) * math.sqrt(3 / 300)),
        (lambda: init.kaiming_uniform(SHAPE, math.sqrt(5), rng=0), 1 / math.sqrt(300)),
        (lambda: init.lecun_uniform(SHAPE, rng=0), math.sqrt(3 / 300)),
        (lambda: init.kaiming_uniform(KERNEL, mode="fan_out", nonlinearity="tanh", rng=0), 5 / 3 * math.sqrt(3 / 600)),
    ],
)
def test_uniform_first_values(make: Any, bound: float) -> None:
    values = make()
    assert 0.99 * bound < np.abs(values).max() <= np.float32(bound)
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, make())


@pytest.mark.parametrize(
    ("make", "std"),
    [
        (lambda: init.xavier_normal(SHAPE, rng=1), math.sqrt(2 / 500)),
        (lambda: init.xavier_normal(KERNEL, gain=0.5, rng=1), 0.5 * math.sqrt(2 / 1050)),
        (lambda: init.kaiming_normal(SHAPE, rng=1), math.sqrt(2 / 300)),
        (lambda: init.kaiming_normal(SHAPE, 0.2, "fan_out", rng=1), math.sqrt(2 / 1.04 / 200)),
        (lambda: init.kaiming_normal(KERNEL, nonlinearity="selu", rng=1), 0.75 / math.sqrt(450)),
        (lambda: init.lecun_normal(SHAPE, rng=1), 1 / math.sqrt(300)),
    ],
)
def test_normal_first_values(make: Any, std: float) -> None:
    values = make()
    assert values.std() == pytest.approx(std, rel=0.02) and abs(values.mean()) < 4 * std / math.sqrt(values.size)
    assert np.abs(values).max() > 3.5 * std
    np.testing.assert_array_equal(values, make())


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 2, 3), (0, 3)])
def test_orthogonal_first_values(shape: tuple[int, ...]) -> None:
    q = init.orthogonal(shape, gain=3.0, rng=0, dtype="float64") / 3.0
    q = q.reshape(shape[0], math.prod(shape[1:]))
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def test_orthogonal_matrices_are_all_equally_likely() -> None:
    rng = np.random.default_rng(0)
    corners = [init.orthogonal((3, 3), rng=rng)[0, 0] for _ in range(2000)]
    # An element of a uniformly drawn one is uniform in three dimensions: Archimedes' hat box.
    assert abs(np.mean(corners)) < 0.05 and np.var(corners) == pytest.approx(1 / 3, rel=0.06)


def test_constant_first_values_and_use() -> None:
    np.testing.assert_array_equal(init.constant((2, 3), 0.5, "float64"), np.full((2, 3), 0.5))
    layer = sn.nn.Linear(5, 3)
    layer.weight.value = init.orthogonal(layer.weight.shape, rng=0)
    np.testing.assert_allclose(layer.weight.value.T @ layer.weight.value, np.eye(3), atol=1e-6)
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert not np.array_equal(init.xavier_normal((3, 3)), init.xavier_normal((3, 3)))


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda: init.xavier_uniform((3,)), sn.ShapeError, r"\(3,\) has no fans"),
        (lambda: init.orthogonal(3), sn.ShapeError, "no matrix"),
        (lambda: init.xavier_normal((3, -1)), sn.ShapeError, "axis 1 of shape has -1"),
        (lambda: init.constant((2.0,), 1), sn.ShapeError, "2.0"),
        (lambda: init.constant("ab", 1), sn.ArgumentError, "'ab'"),
        (lambda: init.constant((2,), "1"), sn.ArgumentError, "'1'; expected a finite number"),
        (lambda: init.constant((2,), 1, "int64"), sn.DTypeError, "int64: expected one of"),
        (lambda: init.kaiming_normal((3, 3), mode="in"), sn.ArgumentError, "'in'; expected one of fan_in, fan_out"),
        (lambda: init.kaiming_uniform((3, 3), nonlinearity="gelu"), sn.ArgumentError, "'gelu'; expected one of"),
        (lambda: init.kaiming_uniform((3, 3), a=math.nan), sn.ArgumentError, "slope"),
        (lambda: init.xavier_uniform((3, 3), gain=math.inf), sn.ArgumentError, "gain is inf"),
        (lambda: init.lecun_normal((3, 3), rng=-1), sn.ArgumentError, "rng is -1"),
    ],
)
def test_bad_first_values_are_refused(use: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        use()


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("types", [(("n", 16), "float32"), ()])
def test_dropout_in_a_loop_has_a_mask_for_every_step(types: Any, mode: str) -> None:
    """The gradient sees the mask of its own step; open shapes too."""
    x, layer = sn.Variable("x", *types), sn.nn.Dropout(0.5, generator=1)
    total, ys = sn.scan(lambda s, e: (s + (d := layer(e)) * d, d), np.zeros(16, "f"), x)
    f = sn.compile([ys, sn.grad(total.sum(), x)], mode=mode)
    values = np.ones((6, 16), "f")
    dropped, slope = f(values)
    assert len({tuple(r) for r in dropped != 0}) == 6 and not np.array_equal(dropped, f(values)[0])
    np.testing.assert_array_equal(slope, 4 * (dropped != 0) * dropped)


def test_names_of_keras() -> None:
    assert (init.glorot_uniform, init.glorot_normal) == (init.xavier_uniform, init.xavier_normal)
    assert (init.he_uniform, init.he_normal) == (init.kaiming_uniform, init.kaiming_normal)
