"""Losses against their formulas in numpy, at their limits, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import eager

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, 6, 4)) * 3
Z, P, T = A, RNG.uniform(0, 1, (6, 4)), RNG.uniform(0, 1, (6, 4))
ROWS = P / P.sum(1, keepdims=True)
LABELS = np.array([0, 3, 1, 1, 2, 0])


def log_softmax(z: np.ndarray) -> np.ndarray:
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


LOGS = log_softmax(Z)
FORMULAS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...], float]] = {
    "huber": (
        lambda a, b: sn.huber(a, b, 2.0),
        (A, B),
        np.mean(np.where(abs(A - B) < 2, (A - B) ** 2 / 2, 2 * (abs(A - B) - 1))),
    ),
    "hinge": (sn.hinge, (A, np.sign(B)), np.mean(np.maximum(0, 1 - A * np.sign(B)))),
    "binary_cross_entropy": (sn.binary_cross_entropy, (P, T), -np.mean(T * np.log(P) + (1 - T) * np.log(1 - P))),
    "binary_cross_entropy_with_logits": (
        sn.binary_cross_entropy_with_logits,
        (Z, T),
        np.mean(T * np.log1p(np.exp(-Z)) + (1 - T) * np.log1p(np.exp(Z))),
    ),
    "cross_entropy": (sn.cross_entropy, (Z, LABELS), -np.mean(LOGS[np.arange(6), LABELS])),
    "cross_entropy-soft": (sn.cross_entropy, (Z, ROWS), -np.mean((ROWS * LOGS).sum(1))),
    "cross_entropy-smoothed": (
        lambda z, y: sn.cross_entropy(z, y, label_smoothing=0.2),
        (Z, LABELS),
        -np.mean(((0.8 * np.eye(4)[LABELS] + 0.05) * LOGS).sum(1)),
    ),
    "cross_entropy-soft-smoothed": (
        lambda z, y: sn.cross_entropy(z, y, label_smoothing=0.2),
        (Z, ROWS),
        -np.mean(((0.8 * ROWS + 0.05) * LOGS).sum(1)),
    ),
    "nll_loss": (sn.nll_loss, (LOGS, LABELS), -np.mean(LOGS[np.arange(6), LABELS])),
    "kl_div": (sn.kl_div, (LOGS, ROWS), np.mean((ROWS * (np.log(ROWS) - LOGS)).sum(1))),
    "entropy": (lambda p: sn.mean(sn.entropy(p)), (ROWS,), -np.mean((ROWS * np.log(ROWS)).sum(1))),
    "cosine_similarity": (
        lambda a, b: sn.mean(sn.cosine_similarity(a, b)),
        (A, B),
        np.mean((A * B).sum(1) / np.linalg.norm(A, axis=1) / np.linalg.norm(B, axis=1)),
    ),
}


def declared(arrays: tuple[np.ndarray, ...], batch: Any = "batch") -> list[sn.Variable]:
    return [sn.Variable(f"x{k}", (batch, *a.shape[1:]), a.dtype) for k, a in enumerate(arrays)]


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name: str, mode: str) -> None:
    loss, arrays, wanted = FORMULAS[name]
    assert float(sn.compile(loss(*declared(arrays)), mode=mode)(*arrays)) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_eager_twin_has_the_same_gradient(name: str) -> None:
    loss, arrays, _ = FORMULAS[name]
    variables = declared(arrays)
    native = sn.compile(sn.grad(loss(*variables), variables[0]))(*arrays)
    first = eager.tensor(arrays[0], requires_grad=True)
    loss(first, *arrays[1:]).backward()
    np.testing.assert_allclose(first.grad, native, rtol=1e-12, atol=1e-15)


def values(loss: Callable[..., Any], *arrays: Any) -> tuple[float, list[np.ndarray]]:
    """A loss and its gradients by all operands, natively."""
    numbers = tuple(np.asarray(a, np.float64) for a in arrays)
    variables = declared(numbers)
    y = loss(*variables)
    value, *slopes = sn.compile([y, *sn.grad(y, variables)])(*numbers)
    return float(value), slopes


def test_probabilities_zero_and_one() -> None:
    value, (slope, _) = values(sn.binary_cross_entropy, [0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0])
    assert value == 50.0
    np.testing.assert_array_equal(slope, np.array([0, 0, -1e12, 1e12]) / 4)
    value, slopes = values(sn.kl_div, np.log([[0.5, 0.5]]), [[1.0, 0.0]])
    assert value == pytest.approx(math.log(2))
    assert all(np.isfinite(s).all() for s in slopes)
    value, (slope,) = values(lambda p: sn.mean(sn.entropy(p)), [[0.0, 1.0]])
    assert value == 0.0
    np.testing.assert_array_equal(slope, [[0.0, -1.0]])
    value, (slope,) = values(lambda z: sn.mean(sn.entropy(sn.softmax(z))), [[-1000.0, 1000.0]])
    assert value == 0.0
    np.testing.assert_array_equal(slope, [[0.0, 0.0]])


def test_large_logits() -> None:
    logits, labels = [1000.0, -1000.0, 1000.0, 20.0, 0.0], [1.0, 0.0, 0.0, 1.0, 1.0]
    value, (slope, _) = values(sn.binary_cross_entropy_with_logits, logits, labels)
    assert value == pytest.approx((1000 + math.log1p(math.exp(-20)) + math.log(2)) / 5, rel=1e-15)
    np.testing.assert_allclose(slope, np.array([0, 0, 1, -1 / (1 + math.exp(20)), -0.5]) / 5, rtol=1e-6, atol=1e-17)
    for smoothing, wanted in ((0.0, 1000.0), (0.1, 0.9 * 1000 + 0.1 * 500)):
        rows = [[1000.0, 0.0]]
        value, (slope, _) = values(lambda z, p, s=smoothing: sn.cross_entropy(z, p, s), rows, [[0.0, 1.0]])
        assert value == pytest.approx(wanted)
        np.testing.assert_allclose(slope, [[1 - smoothing / 2, smoothing / 2 - 1]])


def test_a_class_ruled_out_costs_nothing_where_its_probability_is_zero() -> None:
    rows, labels = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    z, p = declared((rows, labels))
    assert float(sn.compile(sn.cross_entropy(z, p))(rows, labels)) == 0.0


def test_corners_of_huber() -> None:
    value, (slope, back) = values(lambda a, b: sn.huber(a, b, 1.0), [0.0, 1.0, -1.0, 1e300], [0.0, 0.0, 0.0, -1e300])
    assert value == pytest.approx(5e299)
    np.testing.assert_array_equal(slope, np.array([0.0, 0.0, 0.0, 1.0]) / 4 + np.array([0, 0.25, -0.25, 0]))
    np.testing.assert_array_equal(back, -slope)


def test_vectors_of_length_zero() -> None:
    value, slopes = values(lambda a, b: sn.mean(sn.cosine_similarity(a, b)), [[0.0, 0.0]], [[3.0, 4.0]])
    assert value == 0.0
    np.testing.assert_allclose(slopes[0], [[0.6e8, 0.8e8]])
    assert np.isfinite(slopes[1]).all()


def test_labels_of_unknown_dtype_are_integers() -> None:
    z, y = sn.Variable("z"), sn.Variable("y")
    f = sn.compile(sn.cross_entropy(z, y))
    assert float(f(Z, LABELS)) == pytest.approx(FORMULAS["cross_entropy"][2])
    with pytest.raises(sn.DTypeError, match=r"float64; expected integers.*declared dtype"):
        f(Z, ROWS)
    with pytest.raises(sn.IndexOutOfBounds, match="index 4"):
        sn.compile(sn.nll_loss(z, y))(Z, LABELS + 1)


@pytest.mark.parametrize("loss", [sn.huber, sn.hinge, sn.binary_cross_entropy_with_logits, sn.kl_div])
def test_targets_that_are_broadcast_on_purpose(loss: Callable[..., Any]) -> None:
    x, y = sn.Variable("x", ("batch", 3), "float64"), sn.Variable("y", (3,), "float64")
    f = sn.compile(loss(x, sn.broadcast_to(y, x.shape)))
    rows, row = RNG.uniform(0.1, 0.9, (2, 3)), RNG.uniform(0.1, 0.9, 3)
    assert float(f(rows, row)) == pytest.approx(float(loss(rows, np.broadcast_to(row, (2, 3)))), rel=1e-14)


def test_options_may_be_numbers_of_numpy() -> None:
    a, b = np.ones((2, 4), np.float32), np.zeros((2, 4), np.float32)
    assert sn.huber(a, b, np.float64(0.5)) == np.float32(0.375)
    assert sn.huber(a, b, np.float64(0.5)).dtype == np.float32
    assert sn.cross_entropy(a, [0, 1], np.float64(0.5)).dtype == np.float32
    assert sn.group_norm(a, np.int64(2), eps=np.float64(1e-5)).dtype == np.float32


X = sn.Variable("x", ("batch", 3), "float64")
ROW = sn.Variable("row", (3,), "float64")
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sn.huber(X, ROW), sn.ShapeError, r"huber at .*\(batch, 3\) and the target \(3,\); expected the same"),
    (lambda: sn.huber(X, X, 0.0), sn.ArgumentError, r"delta is 0\.0"),
    (lambda: sn.huber(X, X, "1"), sn.ArgumentError, "delta is '1'"),
    (lambda: sn.hinge(np.ones(3), np.ones((3, 1))), sn.ShapeError, r"\(3,\) and the target \(3, 1\)"),
    (lambda: sn.binary_cross_entropy(X, X[:, 0]), sn.ShapeError, "same shape"),
    (lambda: sn.binary_cross_entropy_with_logits(X, ROW), sn.ShapeError, "same shape"),
    (lambda: sn.kl_div(X, ROW), sn.ShapeError, "same shape"),
    (lambda: sn.kl_div(X[0, 0], X[0, 0]), sn.ShapeError, r"shape \(\); expected rows"),
    (lambda: sn.nll_loss(X, X), sn.DTypeError, "float64; expected integers"),
    (
        lambda: sn.nll_loss(X, [[1, 2, 0]]),
        sn.ShapeError,
        r"log-probabilities have shape \(batch, 3\) and labels \(1, 3\)",
    ),
    (lambda: sn.cross_entropy(np.ones((2, 3)), [0, 1, 2]), sn.ShapeError, "one label for each row of logits"),
    (lambda: sn.cross_entropy(X, ROW), sn.DTypeError, "float64; expected integers"),
    (lambda: sn.cross_entropy(X, np.ones((2, 4)) / 4), sn.ShapeError, r"\(batch, 3\) and the target \(2, 4\)"),
    (lambda: sn.cross_entropy(X, [1], 1.5), sn.ArgumentError, r"label_smoothing is 1\.5"),
    (lambda: sn.cosine_similarity(X, X, axis=2), sn.ShapeError, "axis 2"),
    (lambda: sn.cosine_similarity(X, X, eps=0), sn.ArgumentError, "eps is 0"),
    (lambda: sn.entropy(X, axis="rows"), sn.ArgumentError, "axis is 'rows'"),
]


@pytest.mark.parametrize(("write", "error", "message"), WRONG)
def test_wrong_operands_and_options(write: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        write()
