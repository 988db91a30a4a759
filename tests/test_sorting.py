"""sort, argsort, topk, take_along_axis and scatter_add: numpy's answers, gradients, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet as sn

DTYPES = ("bool", "int32", "int64", "float32", "float64")


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def with_ties(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Few different numbers, so that there are ties; NaN and infinities among floats."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("int"):
        info = np.iinfo(dtype)
        return rng.choice(np.array([info.min, -3, 0, 1, 2, info.max], dtype), shape)
    return rng.choice(np.array([np.nan, -np.inf, -1.5, -0.0, 0.0, 1.0, 2.0, np.inf], dtype), shape)


def both_orders(x: Any, axis: int | None) -> list[Any]:
    return [np.sort(x, axis), np.argsort(x, axis, kind="stable"), sn.argsort(x, axis, descending=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 2, 31, 400, 600])
def test_sort_is_numpy(size: int, dtype: str) -> None:
    """Also where the axis is long enough for the network."""
    x = with_ties(np.random.default_rng(size), (2, size), dtype)
    f = sn.compile(both_orders(sn.Variable("x", x.shape, dtype), -1))
    for native, numpy in zip(f(x), both_orders(x, -1), strict=True):
        assert native.dtype == numpy.dtype
        np.testing.assert_array_equal(native, numpy)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 450, 3)])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_along_every_axis(shape: tuple[int, ...], axis: int | None, mode: str) -> None:
    x = with_ties(np.random.default_rng(1), shape, "float32")
    f = sn.compile(both_orders(sn.Variable("x", x.shape, x.dtype), axis), mode=mode)
    for native, numpy in zip(f(x), both_orders(x, axis), strict=True):
        np.testing.assert_array_equal(native, numpy)


SIZED = {
    shape: sn.compile([np.sort(x, 0), np.argsort(x, 0, kind="stable"), *sn.topk(x, 1, 0)])
    for shape in (("n",), ("n", "m"))
    for x in [sn.Variable("x", shape, "float64")]
}


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(0, 4), seed=st.integers(0, 10**6))
def test_random_sizes_with_one_compilation(n: int, m: int, seed: int) -> None:
    x = with_ties(np.random.default_rng(seed), (n, m) if m else (n,), "float64")
    f = SIZED[("n", "m") if m else ("n",)]
    values, order, top, place = f(x)
    np.testing.assert_array_equal(order, np.argsort(x, 0, kind="stable"))
    np.testing.assert_array_equal(values, np.sort(x, 0))
    np.testing.assert_array_equal(top, np.sort(x, 0)[-1:])
    np.testing.assert_array_equal(np.take_along_axis(x, place, 0), top)
    assert f.n_compiles == 1


def test_topk(mode: str) -> None:
    x = np.array([[1.0, 4.0, 4.0, -2.0], [np.nan, 0.0, 5.0, 5.0]])
    X = sn.Variable("x", ("n", "m"), "float64")
    f = sn.compile([*sn.topk(X, 2), *sn.topk(X, 3, 1, largest=False), *sn.topk(X, 1, axis=0)], mode=mode)
    for found, wanted in zip(f(x), [*sn.topk(x, 2), *sn.topk(x, 3, 1, largest=False), *sn.topk(x, 1, 0)], strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(f(x)[1], [[1, 2], [0, 2]])
    np.testing.assert_array_equal(f(x)[2], [[-2, 1, 4], [0, 5, 5]])
    with pytest.raises(sn.ShapeError, match=r"test_sorting.*3 elements.*axis 1.*\(2, 2\); expected at most 2"):
        f(x[:, :2])


@pytest.mark.parametrize("size", [1, 4, 7])
def test_median_and_searchsorted(size: int, mode: str) -> None:
    rng = np.random.default_rng(size)
    x, v = rng.normal(size=(size, 3)).round(1), np.array([[-1.0, 0.3], [np.inf, np.nan]])
    X, V = sn.Variable("x", ("n", 3), "float64"), sn.Variable("v", (2, "m"), "float64")

    def program(x: Any, v: Any) -> list[Any]:
        medians = [np.median(x), np.median(x, axis=0), np.median(x, 1, keepdims=True), np.median(x, keepdims=True)]
        a = np.sort(x, 0)[:, 0]
        return [*medians, np.searchsorted(a, v), np.searchsorted(a, a, side="right")]

    f = sn.compile(program(X, V), mode=mode)
    for found, wanted in zip(f(x, v), program(x, v), strict=True):
        assert found.shape == np.shape(wanted)
        np.testing.assert_allclose(found, wanted)
    sn.check_grads(lambda x: sn.median(x, 0), x + rng.normal(size=x.shape), mode=mode)
    x[0, 0] = np.nan
    np.testing.assert_array_equal(f(x, v)[1], np.median(x, axis=0))


def test_open_shapes(mode: str) -> None:
    x = sn.Variable("x")
    f = sn.compile([np.sort(x), *sn.topk(x, 1)], mode=mode)
    for given_x in (np.array([3.0, 1.0, 2.0]), np.array([[3, 1], [2, 5]])):
        np.testing.assert_array_equal(f(given_x)[0], np.sort(given_x))


def test_gradients(mode: str) -> None:
    x = np.random.default_rng(2).permutation(12).reshape(3, 4) / 4
    for function in (
        lambda x: sn.sort(x, 0) ** 3,
        lambda x: sn.sort(x, None, descending=True) * np.arange(12.0),
        lambda x: sn.topk(x, 2)[0] ** 3,
    ):
        sn.check_grads(function, x, order=2, mode=mode)
    y = sn.eager.tensor(x, requires_grad=True)
    (sn.sort(y) * np.array([1.0, 2.0, 3.0, 4.0])).sum().backward()
    np.testing.assert_array_equal(y.grad, np.argsort(np.argsort(x)) + 1.0)


X, INDEX = sn.Variable("x", (3, "n"), "float64"), sn.Variable("i", (3, "m"), "int64")
BAD = [
    (lambda: sn.sort(X, 2), sn.ShapeError, "axis 2 is out of bounds"),
    (lambda: np.sort(X, kind="bogo"), sn.ArgumentError, "kind is 'bogo'"),
    (lambda: sn.topk(X, -1), sn.ArgumentError, "k is -1"),
    (lambda: sn.topk(X, 2.0), sn.ArgumentError, "k is 2.0"),
    (lambda: sn.topk(X, 4, 0), sn.ShapeError, r"4 elements.*axis 0.*\(3, n\)"),
    (lambda: sn.topk(np.ones(3), 4), sn.ShapeError, r"4 elements.*\(3,\)"),
    (lambda: sn.median(np.ones((2, 0)), 1), sn.ShapeError, r"median over no elements.*\(2, 0\)"),
    (lambda: sn.searchsorted(X, X), sn.ShapeError, r"\(3, n\); expected a vector"),
    (lambda: sn.searchsorted(X[0], X, "middle"), sn.ArgumentError, "side is 'middle'"),
    (lambda: sn.take_along_axis(X, INDEX[0], 1), sn.ShapeError, r"\(3, n\).*\(m,\).*number of axes"),
    (lambda: sn.take_along_axis(X, np.zeros((2, 1), int), 1), sn.ShapeError, "do not broadcast"),
    (lambda: sn.take_along_axis(X, X, 1), sn.DTypeError, "expected integers"),
    (lambda: sn.take_along_axis(np.ones(3), [3]), sn.IndexOutOfBounds, "index 3.*size 3"),
    (lambda: sn.scatter_add(X, INDEX[:2], 1.0, 1), sn.ShapeError, r"\(3, n\).*\(2, m\).*beside axis 1"),
    (lambda: sn.scatter_add(X, INDEX, 1.0, None), sn.ArgumentError, "axis is None"),
    (lambda: sn.scatter_add(X, INDEX[0], 1.0), sn.ShapeError, "expected the value's sizes"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_bad_input(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def scatter_in_numpy(x: np.ndarray, indices: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    y = x.copy()
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        y[tuple(target)] += values[place]
    return y


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_along_an_axis(axis: int, mode: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 5, 3))
    shape = list(x.shape)
    shape[axis] = 6
    i, v = rng.integers(-x.shape[axis], x.shape[axis], shape), rng.normal(size=shape)
    X, places, V = (
        sn.Variable(name, tuple(letter if k == axis % 3 else n for k, n in enumerate(a.shape)), a.dtype)
        for name, letter, a in (("x", "n", x), ("i", "m", i), ("v", "m", v))
    )
    f = sn.compile(np.take_along_axis(X, places, axis), mode=mode)
    np.testing.assert_array_equal(f(x, i), np.take_along_axis(x, i, axis))
    np.testing.assert_array_equal(sn.gather(x, axis, i), f(x, i))
    g = sn.compile(sn.scatter_add(X, places, V, axis), mode=mode)
    np.testing.assert_allclose(g(x, i, v), scatter_in_numpy(x, i, v, axis), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(sn.scatter_add(x, i, v, axis), scatter_in_numpy(x, i, v, axis), rtol=1e-12, atol=1e-14)
    for bad in (x.shape[axis], -x.shape[axis] - 1):
        i.flat[7] = bad
        for call in (lambda: f(x, i), lambda: g(x, i, v)):
            with pytest.raises(sn.IndexOutOfBounds, match=rf"test_sorting.*index {bad} .*size {x.shape[axis]}"):
                call()


def test_gradients_along_an_axis(mode: str) -> None:
    rng = np.random.default_rng(4)
    x, i, v = rng.normal(size=(3, 4)), rng.integers(-4, 4, (3, 6)), rng.normal(size=(3, 6))
    sn.check_grads(lambda x: sn.take_along_axis(x, i, 1) ** 3, x, order=2, mode=mode)
    sn.check_grads(lambda x: sn.take_along_axis(x, i[:1], 1) ** 3, x, order=2, mode=mode)
    sn.check_grads(lambda x: sn.take_along_axis(x, i[:1, 0] * 0, None) ** 3, x, mode=mode)
    sn.check_grads(lambda x, v: sn.scatter_add(x, i, v, 1) ** 3, (x, v), order=2, mode=mode)
    sn.check_grads(lambda x, v: sn.scatter_add(x, i[:1], v, 1) ** 3, (x, v[:, :1]), order=2, mode=mode)
