"""Optimisers against their formulas, written again in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn

START = np.array([1.0, -2.0, 0.5])
SCALE = np.array([1.0, 3.0, 0.1])


def run(optimiser: Any, steps: int, mode: str, dtype: str = "float64") -> tuple[np.ndarray, list[np.ndarray]]:
    """The Parameter after some steps on sum(scale * w**4), and what each step returned as the loss."""
    w = sn.Parameter(START.astype(dtype), name="w")
    loss = (sn.Constant(SCALE.astype(dtype)) * w * w * w * w).sum()
    step = sn.compile(loss, updates=optimiser(loss, [w]), mode=mode)
    losses = [step() for _ in range(steps)]
    return w.value, losses


def slope(w: np.ndarray) -> np.ndarray:
    return 4 * SCALE * w**3


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.1), (0.9, 0.1)])
def test_sgd(mode: str, momentum: float, decay: float) -> None:
    w, velocity = START.copy(), np.zeros(3)
    for _ in range(7):
        velocity = momentum * velocity + slope(w) + decay * w
        w = w - 0.01 * velocity
    found, losses = run(sn.optim.SGD(0.01, momentum, decay), 7, mode)
    np.testing.assert_allclose(found, w, rtol=1e-12)
    # The loss is that of the values before the update.
    assert float(losses[0]) == pytest.approx((SCALE * START**4).sum())


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.7)])
def test_adam(mode: str, betas: tuple[float, float]) -> None:
    w, mean, square = START.copy(), np.zeros(3), np.zeros(3)
    first, second = betas
    for t in range(1, 8):
        g = slope(w)
        mean, square = first * mean + (1 - first) * g, second * square + (1 - second) * g * g
        w = w - 0.1 * (mean / (1 - first**t)) / (np.sqrt(square / (1 - second**t)) + 1e-3)
    found, _ = run(sn.optim.Adam(0.1, betas, eps=1e-3), 7, mode)
    np.testing.assert_allclose(found, w, rtol=1e-10)


@pytest.mark.parametrize("optimiser", [sn.optim.SGD(0.01, momentum=0.9), sn.optim.Adam(0.01)])
def test_dtypes_stay(optimiser: Any) -> None:
    w = sn.Parameter(START.astype(np.float32))
    updates = optimiser((w * w).sum(), [w])
    sn.compile(None, updates=updates)()
    assert w.value.dtype == np.float32
    assert all(new.dtype == p.dtype for p, new in updates.items())


@pytest.mark.parametrize("optimiser", [sn.optim.SGD(0.1, momentum=0.9), sn.optim.Adam(0.1)])
def test_only_trainable_parameters_are_trained(optimiser: Any) -> None:
    w, fixed = sn.Parameter(1.0), sn.Parameter(2.0, trainable=False)
    updates = optimiser(w * fixed, [w, fixed])
    assert w in updates and fixed not in updates
    assert not any(p.trainable for p in updates if p is not w)
    sn.compile(None, updates=updates)()
    assert fixed.value == 2.0 and w.value != 1.0


def test_two_optimisers_keep_two_states() -> None:
    adam = sn.optim.Adam(0.1)
    a, b = sn.Parameter(1.0), sn.Parameter(1.0)
    one, two = sn.compile(None, updates=adam(a * a, [a])), sn.compile(None, updates=adam(b * b, [b]))
    for _ in range(3):
        one()
    two()
    assert float(b.value) == pytest.approx(0.9)
    assert float(a.value) != float(b.value)


def test_a_parameter_that_the_loss_does_not_read_is_an_error() -> None:
    w, other = sn.Parameter(1.0), sn.Parameter(1.0, name="other")
    with pytest.raises(sn.errors.GradientError, match="other"):
        sn.optim.SGD(0.1)(w * w, [w, other])


def test_digits_are_learned_natively() -> None:
    pytest.importorskip("sklearn")
    digits = sn.data.digits()
    x, y = sn.Variable("x", ("batch", 64), "float32"), sn.Variable("y", ("batch",), "int64")
    net = sn.nn.Sequential(sn.nn.Linear(64, 32, rng=0), sn.nn.ReLU(), sn.nn.Linear(32, 10, rng=1))
    loss = sn.nn.cross_entropy(net(x), y)
    step = sn.compile(loss, updates=sn.optim.Adam(0.01)(loss, net.parameters()))
    rng = np.random.default_rng(0)
    for _ in range(10):
        for rows, labels in sn.data.batches((digits.x_train, digits.y_train), 64, rng):
            step(x=rows, y=labels)
    predicted = sn.compile(sn.argmax(net(x), axis=1))(x=digits.x_test)
    assert np.mean(predicted == digits.y_test) > 0.95
