"""The imperative twin: the same gradients as the compiled program, from the same definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import eager

from .cases import CASES, FLOATS, Case
from .cases_structure import NAMED, STRUCTURE, Named

EVERY = [*CASES, *STRUCTURE]
SMOOTH = [pytest.param(c, id=str(c)) for c in EVERY if c.gradient and "float64" in c.dtypes]


def leaf(value: Any) -> eager.Tensor:
    return eager.tensor(value, requires_grad=True)


@pytest.mark.parametrize("case", SMOOTH)
def test_gradients_are_those_of_the_compiled_program(case: Case) -> None:
    point = Case(**{**case.__dict__, "special": False}).operands("float64", seed=3)
    tensors = [leaf(p) if p.dtype.name in FLOATS else eager.tensor(p) for p in point]
    result = case.call(*tensors)
    weight = np.random.default_rng(5).uniform(0.5, 1.5, result.shape)
    result.backward(weight)

    variables = [sn.Variable(f"x{k}", p.shape, p.dtype) for k, p in enumerate(point)]
    inner = [v for v, p in zip(variables, point, strict=True) if p.dtype.name in FLOATS]
    wanted = sn.grad(case.call(*variables), inner, unconnected="zero", cotangent=weight)
    native = sn.compile(tuple(wanted), inputs=variables)(*point)
    for found, right in zip((t.grad for t in tensors if t.requires_grad), native, strict=True):
        assert found is not None and found.dtype == right.dtype and found.shape == right.shape
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", [pytest.param(c, id=str(c)) for c in STRUCTURE])
def test_forward_is_numpy(case: Case) -> None:
    for dtype in case.dtypes:
        arrays = case.operands(dtype)
        with np.errstate(all="ignore"):
            wanted = np.asarray(case.call(*arrays))
        found = case.call(*map(eager.tensor, arrays)).numpy()
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(np.signbit(found * 1.0), np.signbit(wanted * 1.0))


@pytest.mark.parametrize("case", NAMED, ids=str)
def test_one_body_runs_on_arrays_tensors_and_named_dims(case: Named) -> None:
    """Values and gradients: numpy, the tape, native code and its twin."""
    x = sn.Variable("x", case.dims, "float64")
    both = (case.call(x), sn.grad((case.call(x) * case.call(x)).sum(), x))
    native, twin = sn.compile(both), sn.compile(both, mode="interpret")
    for shape in case.shapes:
        array = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
        value = leaf(array)
        answer = case.call(value)
        (answer * answer).sum().backward()
        for found, slope in ((answer.numpy(), value.grad), native(array), twin(array)):
            np.testing.assert_array_equal(found, case.call(array))
            np.testing.assert_array_equal(slope, value.grad)
            assert found.shape == case.call(array).shape


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("place", [3, -4])
@pytest.mark.parametrize("declared", [("n",), None])
def test_an_index_outside_a_named_dim_is_an_error_at_the_call(mode: str, place: int, declared: Any) -> None:
    x = sn.Variable("x", declared, "float64")
    f = sn.compile(x[place], mode=mode)
    for _ in range(2):
        with pytest.raises(sn.IndexOutOfBounds, match=f"index {place} .* size 3"):
            f(np.ones(3))
        assert f(np.arange(5.0)) == np.arange(5.0)[place]


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_numbers_index_a_named_dim(mode: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(x[[0, -2]], mode=mode)
    assert f(np.arange(4.0)).tolist() == [0.0, 2.0]
    with pytest.raises(sn.IndexOutOfBounds, match="-2"):
        f(np.ones(1))
    assert sn.compile(x[[]], mode=mode)(np.ones(3)).shape == (0,)


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_squeeze_drops_what_numpy_drops(mode: str) -> None:
    x = sn.Variable("x", (1, "n"), "float64")
    f = sn.compile(sn.squeeze(x), mode=mode)
    for n in (3, 1, 0, 2, 1):
        assert f(np.ones((1, n))).shape == np.squeeze(np.ones((1, n))).shape


def test_paddings_by_zeros_of_both_signs_are_two() -> None:
    x = sn.Variable("x", ("n",), "float64")
    plus, minus = sn.compile((sn.pad(x, 1, 0.0), sn.pad(x, 1, -0.0)))(np.ones(1))
    assert np.signbit(plus).tolist() == [False, False, False]
    assert np.signbit(minus).tolist() == [True, False, True]


def test_padding_does_not_need_a_declared_shape() -> None:
    f = sn.compile(sn.pad(sn.Variable("x"), 1))
    assert f(np.ones(2)).shape == (4,)
    assert f(np.ones((2, 3))).shape == (4, 5)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda x: sn.reshape(x, (-2, -3)), sn.ShapeError),
        (lambda x: x[:1.5], sn.ArgumentError),
        (lambda x: sn.pad(x, 1.5), sn.ArgumentError),
        (lambda x: sn.pad(x, (1, 2, 3)), sn.ArgumentError),
        (lambda x: sn.pad(x, -1), sn.ShapeError),
        (lambda x: sn.pad(x, ((1, 1), (1, 1))), sn.ShapeError),
        (lambda x: x[::0], (sn.ArgumentError, ValueError)),
    ],
)
def test_what_is_refused_where_it_is_written(write: Callable[[Any], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        write(sn.Variable("x", (6,), "float64"))


def test_the_oracle_of_cross_entropy_keeps_small_losses_beside_large_logits() -> None:
    logits = np.array([[1e4, 1e4 - 7]], np.float32)
    assert float(sn.cross_entropy(logits, np.array([0]))) == pytest.approx(np.log1p(np.exp(-7.0)), rel=1e-4)


def test_one_numpy_body() -> None:
    def body(v: Any) -> Any:
        return np.sum(np.exp(v) * 2.0 - np.maximum(v, 0.5) ** 2) / np.sqrt(3.0)

    array = np.array([0.1, 0.9])
    x = sn.Variable("x", ("n",), "float64")
    value = leaf(array)
    answer = body(value)
    answer.backward()
    assert answer.item() == pytest.approx(body(array))
    assert float(sn.compile(body(x))(array)) == pytest.approx(body(array))
    np.testing.assert_allclose(value.grad, sn.compile(sn.grad(body(x), x))(array), rtol=1e-12)


def test_gradients_belong_to_their_tensor_alone() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (a + b).sum().backward()
    assert a.grad is not None and b.grad is not None
    a.grad[...] = 7.0
    assert b.grad.tolist() == [1.0, 1.0]
    seed = np.ones(2)
    c = leaf([1.0, 2.0])
    c.backward(seed)
    assert c.grad is not None
    c.grad[...] = 7.0
    assert seed.tolist() == [1.0, 1.0]


def test_a_tensor_does_not_follow_the_array_it_was_made_of() -> None:
    array = np.ones(2)
    value = eager.tensor(array)
    array[0] = 9.0
    assert value.numpy().tolist() == [1.0, 1.0]


def test_gradients_add_up_over_paths_and_calls() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3.0
    (y * y + y).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [21.0, 39.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [23.0, 43.0]


def test_broadcast_operands_and_mixed_dtypes_get_gradients_of_their_own_type() -> None:
    row, column = leaf(np.float32([1, 2, 3])), leaf([[1.0], [2.0]])
    (row * column).sum().backward()
    assert row.grad is not None and column.grad is not None
    assert (row.grad.dtype, row.grad.tolist()) == (np.float32, [3.0, 3.0, 3.0])
    assert (column.grad.dtype, column.grad.tolist()) == (np.float64, [[6.0], [6.0]])


def test_a_long_tape() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y + 1.0
    y.backward()
    assert x.grad is not None and x.grad == 1.0


def test_what_is_not_recorded() -> None:
    x = leaf([1.0])
    with eager.no_grad():
        y = x * 2.0
    assert not y.requires_grad and (x * 2.0).requires_grad
    assert not (x > 0.0).requires_grad
    with pytest.raises(sn.errors.GradientError, match="requires_grad"):
        y.backward()


def test_what_cannot_be_differentiated() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(sn.errors.GradientError, match="non-scalar"):
        (x * x).backward()
    for seed in (1.0, np.ones(3)):
        with pytest.raises(sn.ShapeError, match="gradient="):
            (x * x).backward(seed)
    with pytest.raises(sn.errors.GradientError, match=r"10\.0"):
        eager.tensor([1, 2], requires_grad=True)
    with pytest.raises(sn.IndexOutOfBounds):
        x[[2]]
    with pytest.raises(sn.SymbolicUseError):
        x * sn.Variable("v")
