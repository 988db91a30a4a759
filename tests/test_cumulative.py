"""cumsum and cumprod: numpy's numbers, dtypes and shapes, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import eager

CASES = [
    ((4, 3, 2), ("a", "b", "c"), (0, 1, 2, -1, -3, None)),
    ((5,), ("n",), (0, -1, None)),
    ((0, 3), ("n", 3), (0, 1, None)),
    ((1, 1), ("n", "m"), (0, 1)),
    ((), (), (None,)),
]


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize(("shape", "names", "axes"), CASES)
def test_as_numpy(name: str, dtype: str, shape: Any, names: Any, axes: Any, mode: str) -> None:
    array = np.random.default_rng(0).integers(-2, 4, shape).astype(dtype)
    for axis in axes:
        wanted = getattr(np, name)(array, axis=axis)
        for declared in (names, None):
            x = sn.Variable("x", declared, dtype if declared is not None else None)
            for function in (getattr(np, name), getattr(sn, name)):
                found = sn.compile(function(x, axis=axis), mode=mode)(array)
                assert found.dtype == wanted.dtype
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_special_values_and_one_compilation(name: str, mode: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(getattr(sn, name)(x), mode=mode)
    with np.errstate(all="ignore"):
        for values in ([1.0, np.inf, 2.0, -np.inf, 3.0], [1.0, np.nan, 0.0], [-0.0, -0.0], [1e308] * 3, [5e-324, 0.5]):
            np.testing.assert_array_equal(f(np.array(values)), getattr(np, name)(values))
    long = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_allclose(f(long), getattr(np, name)(long), rtol=1e-13)
    assert f.n_compiles == 1


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_gradients(name: str, axis: int | None, mode: str) -> None:
    point = np.random.default_rng(1).uniform(-1.5, 1.5, (3, 2))
    sn.check_grads(lambda x: getattr(sn, name)(x, axis), point, order=2, mode=mode)
    point[1] = 0.0
    sn.check_grads(lambda x: getattr(sn, name)(x, axis), point, mode=mode)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_on_arrays_and_tensors(name: str) -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(getattr(sn, name)(values, 1), getattr(np, name)(values, 1))
    tensor = sn.eager.tensor(values, requires_grad=True)
    made = getattr(sn, name)(tensor, axis=1)
    np.testing.assert_array_equal(made.data, getattr(np, name)(values, 1))
    made.sum().backward()
    wanted = [[2.0, 1.0], [2.0, 1.0]] if name == "cumsum" else [[3.0, 1.0], [5.0, 3.0]]
    np.testing.assert_array_equal(tensor.grad, wanted)


X = sn.Variable("x", ("n", 3), "float32")
BAD = [
    (lambda: sn.cumsum(X, 2), ValueError, "axis 2 is out of bounds for a value with 2 axes"),
    (lambda: sn.cumprod(X, axis=(0, 1)), TypeError, r"cumprod: axis is \(0, 1\); expected an int or None"),
    (lambda: sn.cumsum(X, 0.5), TypeError, "axis is 0.5"),
    (lambda: np.cumsum(X, axis=0, dtype="float64"), TypeError, "np.cumsum: dtype= is not supported"),
    (lambda: sn.compile(sn.cumsum(sn.Variable("y"), 1))(np.ones(3)), ValueError, "axis 1 is out of bounds"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_bad_input(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        build()
    assert isinstance(caught.value, sn.SymnetError)


@pytest.mark.parametrize("own", [sn.cumsum, sn.cumprod])
def test_gradients_where_factors_are_zero(own: Any) -> None:
    x = sn.Variable("x", (4, 3), "float64")
    point = np.random.default_rng(0).uniform(0.5, 1.5, (4, 3))
    point[1, 0] = point[2, 1] = point[3, 1] = 0.0
    for axis in (0, 1, None):
        loss = sn.sum(own(x, axis) ** 2)
        sn.check_grads(loss, {"x": point}, order=2)


@pytest.mark.parametrize("own", [sn.cumsum, sn.cumprod])
def test_the_tape_agrees(own: Any) -> None:
    array = np.random.default_rng(0).uniform(0.5, 1.5, (3, 4))
    t = eager.Tensor(array, requires_grad=True)
    sn.sum(own(t, 1) ** 2).backward()
    x = sn.Variable("x", (3, 4), "float64")
    np.testing.assert_allclose(t.grad, sn.compile(sn.grad(sn.sum(own(x, 1) ** 2), x))(array), rtol=1e-12)
