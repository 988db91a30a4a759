"""Movements on top of each other, read by element-wise work: native code gives what numpy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn

from .test_targets import EVERY

# Of a matrix of n rows and m columns and another one; on Variables and arrays alike.
READ: dict[str, Callable[[Any, Any], Any]] = {
    "reshape of a flip, a row": lambda a, b: a[:, 0][::-1].reshape((1, -1)) * 1.5,
    "reshape of a flip, a column": lambda a, b: a[:, 0][::-1].reshape((-1, 1)) + b,
    "reshape of a flipped matrix": lambda a, b: a[::-1, ::-1].reshape((a.shape[1], a.shape[0])) * 2.0,
    "reshape of a slice": lambda a, b: sn.sin(a[1:].reshape((-1, 1, a.shape[1]))) + 1.0,
    "reshape of a transpose": lambda a, b: sn.transpose(a).reshape(a.shape) + b,
    "transpose between reshapes": lambda a, b: (
        sn.transpose(a.reshape((*a.shape, 1)), (1, 0, 2)).reshape(a.shape) * 2.0 - b
    ),
    "reshape of a broadcast": lambda a, b: sn.broadcast_to(a[:, 0], (a.shape[1], a.shape[0])).reshape(a.shape) + b,
    "reshape of sums": lambda a, b: (a + b)[::-1].reshape((a.shape[1], a.shape[0])) * 3.0,
    "reshape of positions": lambda a, b: sn.arange(a.shape[0] * a.shape[1])[::-1].reshape(a.shape) + b,
    "an element": lambda a, b: a + a[0, 0],
    "an element of another": lambda a, b: a * 2.0 + b[-1, 0] * a[-1, -1],
    "an element of a sum": lambda a, b: a + (a + b)[-1, 0],
    "an element in a column": lambda a, b: a * b[:, :1] + a[0, 0],
    "an element of a reshape": lambda a, b: a + sn.transpose(b).reshape((-1,))[1],
}
SIZES = [(1, 3), (3, 3), (9, 2), (17, 5), (33, 4)]


def matrices(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, m)), rng.normal(size=(n, m))


@EVERY
@pytest.mark.parametrize("declared", ["named", "numbers"])
@pytest.mark.parametrize("name", READ)
def test_native_is_numpy(name: str, declared: str, target: str) -> None:
    f = None
    for n, m in SIZES:
        if f is None or declared == "numbers":
            shape = ("n", "m") if declared == "named" else (n, m)
            a, b = sn.Variable("a", shape, "float64"), sn.Variable("b", shape, "float64")
            f = sn.compile(READ[name](a, b), inputs=[a, b], target=target)
        given = matrices(n, m)
        np.testing.assert_allclose(f(*given), READ[name](*given), rtol=1e-12)


@EVERY
@pytest.mark.parametrize("name", READ)
def test_gradients_are_the_interpreters(name: str, target: str) -> None:
    a, b = (sn.Variable(v, ("n", "m"), "float64") for v in "ab")
    slopes = sn.grad(sn.sin(READ[name](a, b)).sum(), [a, b], unconnected="zero")
    f, g = sn.compile(slopes, inputs=[a, b], target=target), sn.compile(slopes, inputs=[a, b], mode="interpret")
    for n, m in SIZES:
        for found, wanted in zip(f(*matrices(n, m)), g(*matrices(n, m)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_a_scaled_matrix_is_one_loop() -> None:
    """The number it is scaled by may be an element of an array."""
    x, w = sn.Variable("x", ("n", "m"), "float64"), sn.Variable("w", (3, 2), "float64")
    f = sn.compile(x * w[1, 0] + x.reshape((x.shape[1], x.shape[0])).reshape(x.shape))
    f(x=np.ones((3, 4)), w=np.ones((3, 2)))
    text = f._latest.loops()  # type: ignore[union-attr]
    assert "n*m" in text.replace("m*n", "n*m")


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_sizes_divide_rounding_down(mode: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    n = x.shape[0]
    f = sn.compile([x[: n + (0 - n) // (n * 2)], x[: n + (1 - n) // 3], x[: n - (n - 3) // 2]], mode=mode)
    for size in range(1, 9):
        array = np.arange(float(size))
        wanted = [size - 1, size + (1 - size) // 3, size - (size - 3) // 2]
        for found, stop in zip(f(array), wanted, strict=True):
            np.testing.assert_array_equal(found, array[:stop])
