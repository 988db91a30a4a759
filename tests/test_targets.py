"""The other targets run the op harness too: a sample of its cases for each."""

from __future__ import annotations

import numpy as np
import pytest

import symnet as sn
from symnet.codegen.targets import host

from .cases import CASES, Case
from .test_ops import assert_close, variables

TARGETS = [name for name, bits in (("avx2", 256), ("portable", 128)) if host().vector_bits >= bits]
EVERY = pytest.mark.parametrize("target", ["host", *TARGETS])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", [pytest.param(c, id=str(c)) for c in CASES])
def test_native_is_numpy(case: Case, target: str) -> None:
    dtype = "float32" if "float32" in case.dtypes else case.dtypes[0]
    arrays = case.operands(dtype, seed=1)
    with np.errstate(all="ignore"):
        wanted = np.asarray(case.call(*arrays))
    assert_close(sn.compile(case.call(*variables(arrays)), target=target)(*arrays), wanted, case)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_keeps_subnormal_results(dtype: str, target: str) -> None:
    x = np.linspace(-750.0, 50.0, 20001).astype(dtype)
    e = np.exp(-np.abs(x.astype(np.longdouble)))
    exact = np.where(x < 0, e / (1 + e), 1 / (1 + e))
    found = sn.compile(sn.sigmoid(sn.Variable("x")), target=target)(x)
    assert (np.abs(found - exact) <= 3 * np.spacing(exact.astype(dtype))).all()
    assert (found[np.spacing(exact.astype(dtype)) < exact] > 0).all()


@EVERY
@pytest.mark.parametrize("result", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_no_integer_holds_become_the_least(dtype: str, result: str, target: str) -> None:
    kind, end = np.iinfo(result), -float(np.iinfo(result).min)
    inside = np.array([0.0, -0.0, 1.9, -1.9, np.nextafter(end, 0, dtype=dtype), np.nextafter(-end, 0, dtype=dtype)])
    outside = np.array([np.nan, np.inf, -np.inf, end, -end, 2 * end, -2 * end, 1e30, -1e30])
    wanted = [*map(int, inside), *[kind.min] * len(outside)]
    found = sn.compile(sn.cast(sn.Variable("x"), result), target=target)(np.append(inside, outside).astype(dtype))
    np.testing.assert_array_equal(found, wanted)
