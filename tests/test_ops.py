"""Every registered op, in every dtype it allows: native against numpy, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import symnet as sn
from symnet.op import OPS

from .cases import CASES, FLOATS, Case

RUNS = [pytest.param(case, dtype, id=f"{case}-{dtype}") for case in CASES for dtype in case.dtypes]
SMOOTH = [pytest.param(case, id=str(case)) for case in CASES if case.gradient and "float64" in case.dtypes]
BUILT_BY_OTHERS = {"input", "parameter", "constant", "extent", "gradient", "scan"}


def test_every_op_has_a_case() -> None:
    shipped = {n for n in OPS if n not in BUILT_BY_OTHERS and not n.endswith(("_doc", "_test", "_example"))}
    assert shipped <= {case.op for case in CASES}


@pytest.mark.parametrize("name", sorted({case.op for case in CASES}))
def test_every_dtype_an_op_computes_in_has_a_case(name: str) -> None:
    """An op computes in a dtype if it asks for no cast of operands that have it."""
    covered = {dtype for case in CASES if case.op == name for dtype in case.dtypes}
    for dtype in ("bool", "int32", "int64", "float32", "float64"):
        for operands in (1, 2, 3):
            try:
                wanted = OPS[name].operand_dtypes(*[dtype] * operands, dtype="float32")
            except (sn.DTypeError, TypeError):
                continue
            assert set(wanted) != {dtype} or dtype in covered, dtype


def variables(arrays: list[np.ndarray]) -> list[sn.Variable]:
    return [sn.Variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]


def assert_close(native: np.ndarray, wanted: np.ndarray, case: Case) -> None:
    assert native.dtype == wanted.dtype
    assert native.shape == wanted.shape
    if native.dtype.kind != "f":
        np.testing.assert_array_equal(native, wanted)
        return
    special = ~np.isfinite(wanted)
    np.testing.assert_array_equal(native[special], wanted[special])
    ordinary = ~special
    error = np.abs(native[ordinary].astype(np.longdouble) - wanted[ordinary].astype(np.longdouble))
    scale = np.abs(wanted[ordinary])
    allowed = np.zeros(scale.shape)
    if case.ulp:
        # One unit more: numpy's own answer may be off by as much.
        allowed = (case.ulp + 1) * np.spacing(np.minimum(scale, np.finfo(native.dtype).max / 2))
    if case.relative and scale.size:
        unit = 1.0 if native.dtype == np.float32 else 1e-8
        allowed = allowed + case.relative * unit * scale.max()
    assert (error <= allowed).all(), float((error - allowed).max())
    # Which zero a maximum of 0.0 and -0.0 is, numpy leaves to the processor.
    signed = case.relative == 0 and case.op not in ("maximum", "minimum", "max", "min", "relu")
    signs = (wanted[ordinary] == 0) & (native[ordinary] == 0) & signed
    np.testing.assert_array_equal(np.signbit(native[ordinary][signs]), np.signbit(wanted[ordinary][signs]))


@pytest.mark.parametrize(("case", "dtype"), RUNS)
def test_native_is_numpy(case: Case, dtype: str) -> None:
    arrays = case.operands(dtype)
    with np.errstate(all="ignore"):
        wanted = np.asarray(case.call(*arrays))
    f = sn.compile(case.call(*variables(arrays)))
    native = f(*arrays)
    assert_close(native, wanted, case)


@pytest.mark.parametrize(("case", "dtype"), RUNS)
def test_interpreter_is_numpy(case: Case, dtype: str) -> None:
    arrays = case.operands(dtype)
    with np.errstate(all="ignore"):
        wanted = np.asarray(case.call(*arrays))
    # The unoptimised graph: passes have tests of their own.
    f = sn.compile(case.call(*variables(arrays)), mode="interpret", pipeline=[])
    found = f(*arrays)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def smooth_point(case: Case) -> list[np.ndarray]:
    ordinary = Case(**{**case.__dict__, "special": False})
    return ordinary.operands("float64", seed=3)


def directional(f: object, point: list[np.ndarray], direction: list[np.ndarray], step: float) -> float:
    """A central difference of a scalar function."""
    ahead = [p + step * d if d is not None else p for p, d in zip(point, direction, strict=True)]
    behind = [p - step * d if d is not None else p for p, d in zip(point, direction, strict=True)]
    return float((f(*ahead) - f(*behind)) / (2 * step))  # type: ignore[operator]


@pytest.mark.parametrize("case", SMOOTH)
def test_gradient_is_a_difference_quotient(case: Case) -> None:
    """First and second gradient along random directions, in float64, natively."""
    point = smooth_point(case)
    rng = np.random.default_rng(5)
    xs = variables(point)
    inner = [x for x, p in zip(xs, point, strict=True) if p.dtype.name in FLOATS]
    result = case.call(*xs)
    weight = rng.uniform(0.5, 1.5, result.shape)
    total = (result * sn.Constant(weight)).sum()
    direction = [rng.uniform(-1, 1, p.shape) if p.dtype.name in FLOATS else None for p in point]
    constants = [sn.Constant(d) for d in direction if d is not None]
    slopes = sn.grad(total, inner, unconnected="zero")
    slope = sum(((g * d).sum() for g, d in zip(slopes, constants, strict=True)), sn.Constant(0.0))
    f, df = sn.compile(total, inputs=xs), sn.compile(slope, inputs=xs)
    measured = directional(f, point, direction, 1e-6)
    assert float(df(*point)) == pytest.approx(measured, rel=2e-6, abs=2e-7)
    curves = sn.grad(slope, inner, unconnected="zero")
    curve = sum(((g * d).sum() for g, d in zip(curves, constants, strict=True)), sn.Constant(0.0))
    ddf = sn.compile(curve, inputs=xs)
    assert float(ddf(*point)) == pytest.approx(directional(df, point, direction, 1e-6), rel=2e-5, abs=2e-6)


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("declared", ["known", "named", "open"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("sizes", [(0, 0), (0, 3), (3, 0)])
def test_extremes_along_an_axis_without_elements(sizes: tuple[int, int], axis: int, declared: str, mode: str) -> None:
    x = sn.Variable("x", {"known": sizes, "named": ("n", "m"), "open": None}[declared], "float64")
    for function in (sn.max, sn.min):
        if sizes[axis]:
            assert sn.compile(function(x, axis=axis), mode=mode)(np.zeros(sizes)).shape == (0,)
        else:
            with pytest.raises(sn.ShapeError, match=r"elements|no identity"):
                sn.compile(function(x, axis=axis), mode=mode)(np.zeros(sizes))


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_a_softmax_without_elements(shape: tuple[int, int], mode: str) -> None:
    x = sn.Variable("x", shape)
    found = sn.compile([sn.softmax(x), sn.log_softmax(x), sn.grad(sn.softmax(x).sum(), x)], mode=mode)(np.zeros(shape))
    assert [f.shape for f in found] == [shape] * 3
