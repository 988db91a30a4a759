"""Checks on data: refused at the call in both modes, naming the line; they stay when their readers go."""

from __future__ import annotations

import numpy as np
import pytest

import symnet as sn
from symnet import Constant, Parameter, Variable, compile

MODES = pytest.mark.parametrize("mode", ["native", "interpret"])


@MODES
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_negative_exponents_of_integers(mode: str, dtype: str) -> None:
    a, b = Variable("a", ("n",), dtype), Variable("b", ("n",), dtype)
    f = compile(a**b, mode=mode)
    np.testing.assert_array_equal(f([2, 3, -2], [5, 0, 3]), np.array([32, 1, -8], dtype))
    for exponents in ([1, 1, -1], [-9, 0, 0]):
        with pytest.raises(sn.errors.NegativeExponent, match=r"test_data_checks\.py.*negative integer powers"):
            f([1, 1, 1], exponents)
    assert (f([2], [10]) == 1024).all()


def test_a_negative_constant_exponent_is_refused_where_types_are_known() -> None:
    with pytest.raises(sn.errors.NegativeExponent, match="power at"):
        compile(Variable("a", ("n",), "int64") ** -2).warmup()
    with pytest.raises(ValueError):
        sn.power(np.array([2]), np.array([-1]))
    f = compile(Variable("a", ("n",), "float64") ** -2)
    np.testing.assert_array_equal(f([2.0]), [0.25])


@MODES
@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_no_largest_of_no_elements(mode: str, name: str) -> None:
    x = Variable("x", ("rows", "n"), "float64")
    f = compile(getattr(x, name)(axis=1), mode=mode)
    assert f(np.ones((0, 3))).shape == (0,)
    with pytest.raises(sn.ShapeError, match=f"{name} .*no elements"):
        f(np.ones((2, 0)))
    assert f(np.ones((2, 1))).shape == (2,)


@MODES
def test_a_check_stays_when_its_reader_goes(mode: str) -> None:
    x, i = Variable("x", (5,), "float64"), Variable("i", ("n",), "int64")
    kept = Parameter([1.0])
    f = compile(sn.where(Constant(True), x.sum(), x[i].sum()), updates={kept: kept + 1.0}, mode=mode)
    assert "take" not in str(f.graph) and "gather" not in str(f.graph)
    assert float(f(np.ones(5), [0, 4])) == 5.0
    with pytest.raises(sn.IndexOutOfBounds, match=r"test_data_checks\.py.*index 9"):
        f(np.ones(5), [0, 9])
    assert kept.value[0] == 2.0


@MODES
def test_what_no_result_needs_is_not_checked(mode: str) -> None:
    x, i = Variable("x", (5,), "float64"), Variable("i", ("n",), "int64")
    x[i].sum()
    f = compile(x.sum(), inputs=[x, i], mode=mode)
    assert float(f(np.ones(5), [9])) == 5.0


@MODES
def test_the_check_of_a_loss_stays_when_nothing_reads_the_loss(mode: str) -> None:
    x, y = Variable("x", (5, 3), "float64"), Variable("y", (5,), "int64")
    f = compile(sn.where(Constant(True), sn.sum(x), sn.nn.cross_entropy(x, y)), mode=mode)
    assert f(x=np.ones((5, 3)), y=np.zeros(5, int)) == 15
    with pytest.raises(IndexError, match="9"):
        f(x=np.ones((5, 3)), y=np.array([0, 1, 9, 0, 0]))
