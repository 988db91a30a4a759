"""The transcendental words as polynomials: the stated errors hold with and without a fused multiply-add, in
every binade, and the special values are numpy's. An evaluator in numpy stands in for the code generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from symnet import scalar as s
from symnet.codegen.targets import AVX2, AVX512, PORTABLE, Target
from symnet.codegen.vector_math import expand
from symnet.scalar import FLOATS, TRANSCENDENTAL, Scalar

Array = np.ndarray[Any, Any]
LONG = np.longdouble
TARGETS = pytest.mark.parametrize("target", [AVX512, AVX2, PORTABLE], ids=lambda target: target.name)
DTYPES = pytest.mark.parametrize("dtype", FLOATS)
# The longest float is the oracle: it must be longer than float64 (on some machines it is not).
precise = pytest.mark.skipif(np.finfo(LONG).nmant < 63, reason="no float here is longer than float64")

_UFUNC: dict[str, Callable[..., Array]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "abs": np.abs, "floor": np.floor, "min": np.minimum, "max": np.maximum, "shl": np.left_shift,
    "ashr": np.right_shift, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "not": np.invert, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "select": np.where,
}  # fmt: skip


def evaluate(root: Scalar, inputs: dict[str, Array], fused: bool) -> Array:
    """What generated code computes for `root`, for all elements of the inputs."""
    values: dict[Scalar, Array] = {}
    with np.errstate(all="ignore"):
        for x in postorder(root):
            values[x] = _word(x, [values[a] for a in x.args], inputs, fused)
            assert values[x].dtype == x.dtype, x.op
    return values[root]


def postorder(root: Scalar) -> list[Scalar]:
    """Every scalar that `root` is made of, arguments first, each once."""
    found: dict[Scalar, None] = {}
    stack = [root]
    while stack:
        waiting = [a for a in stack[-1].args if a not in found]
        if waiting:
            stack += waiting
        else:
            found[stack.pop()] = None
    return list(found)


def _word(x: Scalar, args: list[Array], inputs: dict[str, Array], fused: bool) -> Array:
    if x.op == "const":
        return np.asarray(x.payload).astype(x.dtype)
    if x.op == "load":
        return inputs[x.payload[0]]
    if x.op == "bitcast":
        return args[0].view(x.dtype)
    if x.op == "cast":
        return _cast(args[0], x.dtype)
    if x.op == "fma":
        return _fma(*args) if fused else args[0] * args[1] + args[2]
    if x.op == "scale":
        whole = np.clip(np.floor(np.nan_to_num(args[1])), -2200, 2200).astype("int32")
        half = whole if fused else whole >> 1
        return np.where(np.isnan(args[1]), args[1], np.ldexp(np.ldexp(args[0], half), whole - half))
    if x.op == "limit":
        return np.where(np.abs(args[0]) < args[1], args[0], np.copysign(args[1], args[0]))
    if x.op == "lookup":
        return np.array(x.payload, x.dtype)[args[0] & 15]
    if x.op in ("shl", "lshr", "ashr"):
        # Beyond the width a shift has no meaning, in any lane.
        assert np.all((args[1] >= 0) & (args[1] < 8 * args[0].itemsize))
    if x.op == "lshr":
        unsigned = f"u{x.dtype}"
        args = [args[0].view(unsigned), args[1].astype(unsigned)]
        return np.right_shift(*args).view(x.dtype)
    result: Array = _UFUNC[x.op](*args)
    return result


def _cast(a: Array, dtype: str) -> Array:
    if a.dtype.kind != "f" or dtype in FLOATS:
        return a.astype(dtype)
    bounds = np.iinfo(dtype)
    inside = np.where(np.isnan(a) | (np.abs(a) >= -float(bounds.min)), 0, a).astype(dtype)
    edge = np.where(a > 0, bounds.max, bounds.min).astype(dtype)
    return np.where(np.abs(a) >= -float(bounds.min), edge, inside)


def _fma(a: Array, b: Array, c: Array) -> Array:
    """a * b + c with one rounding (or a second one far below the first)."""
    if a.dtype == np.float32:
        return (a.astype(float) * b + c).astype(np.float32)
    product = a.astype(LONG) * b
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    error = ((ah * bh - product) + ah * bl + al * bh) + al * bl
    total = product + c
    back = total - product
    lost = (product - (total - back)) + (c - back)
    rest = lost + error
    return np.where(np.isfinite(total) & (rest != 0), total + rest, total).astype(float)


def _halves(a: Array) -> tuple[Array, Array]:
    high = (a.view("int64") & ~0x7FFFFFF).view(float).astype(LONG)
    return high, a - high


# -- the oracle ----------------------------------------------------------------------------------


def _erf(x: Array) -> Array:
    """exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!, all of whose terms have one sign (Abramowitz & Stegun 7.1.6)."""
    t = np.clip(x, -7, 7)
    term = total = t
    for n in range(1, 180):
        term = term * (2 * t * t / (2 * n + 1))
        total = total + term
    total = total * np.exp(-t * t) * TWO_OVER_ROOT_PI
    return np.where(np.abs(x) >= 7, np.sign(x), np.where(t == 0, x, total))


PI = LONG("3.14159265358979323846264338327950288")
TWO_OVER_ROOT_PI = 2 / np.sqrt(PI)
ORACLE: dict[str, Callable[..., Array]] = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "erf": _erf, "pow": np.power, "fmod": np.fmod,
}  # fmt: skip
# The largest error allowed in float32 and float64, in units in the last place: as the docstrings say.
BOUND = {
    "exp": (1.1, 1.0), "log": (1.1, 0.9), "log1p": (1.3, 1.3), "expm1": (1.4, 1.4), "sin": (0.6, 0.9),
    "cos": (0.6, 0.9), "tanh": (1.4, 1.4), "erf": (1.4, 1.7), "pow": (0.6, 1.6), "fmod": (0.0, 0.0),
}  # fmt: skip


def ulps(found: Array, exact: Array) -> Array:
    """Errors in units in the last place; inf for a wrong NaN. An infinity counts as the next power of two."""
    info = np.finfo(found.dtype)
    top = LONG(2) ** info.maxexp
    with np.errstate(all="ignore"):
        unit = np.spacing(np.minimum(np.abs(exact), info.max).astype(found.dtype)).astype(LONG)
        error = np.abs(np.clip(found.astype(LONG), -top, top) - np.clip(exact, -top, top)) / unit
    return np.where(np.isnan(found) & np.isnan(exact), 0, np.where(np.isnan(error), np.inf, error))


# -- the arguments -------------------------------------------------------------------------------


def everywhere(dtype: str, count: int = 40_000) -> Array:
    """Random bits (so every binade of both signs), more of them in the middle, and the edges."""
    rng = np.random.default_rng(7)
    integer = np.dtype(dtype.replace("float", "int"))
    bounds = np.iinfo(integer)
    bits = rng.integers(bounds.min, bounds.max, count, integer, endpoint=True).view(dtype)
    scales = np.exp2(rng.uniform(-12, 12, count)) * rng.choice([-1, 1], count)
    return np.concatenate([bits, scales.astype(dtype), rng.uniform(-4, 4, count).astype(dtype), edges(dtype)])


def edges(dtype: str) -> Array:
    """Where something changes, and the numbers on both sides of it."""
    info = np.finfo(dtype)
    limits = [88.72284, 103.97208, 709.782712893384, 745.1332191019411, 0.84, 0.625, 2.0**20, 9.02, 20, 17.33]
    values = [*limits, 0, 1, 2, 0.5, 2 / 3, 4 / 3, 2**0.5, 0.5**0.5, info.eps, info.tiny, info.max]
    found = np.array([*values, *np.log(values[:10])]).astype(dtype)
    with np.errstate(all="ignore"):
        above, below = (np.nextafter(found, found.dtype.type(limit)) for limit in (np.inf, -np.inf))
    found = np.concatenate([found, above, below])
    return np.concatenate([found, -found])


def quarter_turns(dtype: str, count: int = 20_000) -> Array:
    """Numbers next to multiples of pi/2, where a sine or cosine is nearly 0, up to the largest."""
    rng = np.random.default_rng(8)
    n = np.floor(np.exp2(rng.uniform(0, 60, count)))
    near = (n.astype(LONG) * (PI / 2)).astype(dtype)
    # The float64 nearest of all to a multiple of pi/2 (Muller, 11.3).
    worst = np.array([math.ldexp(6381956970095103.0, 797)] if dtype == "float64" else [], dtype)
    return np.concatenate([near, -near, worst])


def powers(dtype: str, count: int = 40_000) -> tuple[Array, Array]:
    """Bases and exponents: any two; then some for results in every binade, a third of them whole powers."""
    rng = np.random.default_rng(9)
    x, y = everywhere(dtype, 10_000), rng.permutation(everywhere(dtype, 10_000))
    base = np.exp2(rng.choice([0.01, 1, 100], count) * rng.uniform(-1, 1, count)).astype(dtype)
    reach = 1.05 * np.log2(float(np.finfo(dtype).max))
    exponent = rng.uniform(-reach, reach, count) / np.log2(np.where(base == 1, 2, base))
    exponent[::3] = rng.integers(-40, 40, exponent[::3].size)
    base[::6] *= -1
    return np.concatenate([x, base]), np.concatenate([y, exponent.astype(dtype)])


def arguments(op: str, dtype: str) -> tuple[Array, ...]:
    if op == "pow":
        return powers(dtype)
    if op == "fmod":
        rng, x = np.random.default_rng(10), everywhere(dtype)
        with np.errstate(all="ignore"):
            near = (x * np.exp2(-rng.uniform(0, 80, x.size))).astype(dtype)
        return np.concatenate([x, x]), np.concatenate([rng.permutation(x), near])
    if op in ("sin", "cos"):
        return (np.concatenate([everywhere(dtype), quarter_turns(dtype)]),)
    return (everywhere(dtype),)


BINARY = ("pow", "fmod")


@cache
def expansion(op: str, dtype: str, target: Target) -> Scalar:
    arguments = tuple(s.load(name, (), dtype) for name in ("x", "y")[: 1 + (op in BINARY)])
    return expand(op, arguments, target.has_fma, target.has_avx512)


def run(op: str, target: Target, *arrays: Array) -> Array:
    return evaluate(expansion(op, str(arrays[0].dtype), target), dict(zip("xy", arrays, strict=False)), target.has_fma)


# -- the tests -----------------------------------------------------------------------------------


@precise
@TARGETS
@DTYPES
@pytest.mark.parametrize("op", ORACLE)
def test_error_is_within_its_bound(op: str, dtype: str, target: Target) -> None:
    arrays = arguments(op, dtype)
    with np.errstate(all="ignore"):
        exact = ORACLE[op](*(a.astype(LONG) for a in arrays))
    error = ulps(run(op, target, *arrays), exact)
    worst = int(np.argmax(error))
    assert error[worst] <= BOUND[op][FLOATS.index(dtype)], [a[worst] for a in arrays]


@TARGETS
@DTYPES
@pytest.mark.parametrize("op", sorted(TRANSCENDENTAL - {"erf", *BINARY}))
def test_special_values_are_numpys(op: str, dtype: str, target: Target) -> None:
    x = np.array([0.0, -0.0, 1, -1, -2, np.inf, -np.inf, np.nan, 1e5, -1e5], dtype)
    with np.errstate(all="ignore"):
        same_specials(run(op, target, x), getattr(np, op)(x))


@TARGETS
@DTYPES
def test_special_values_of_erf(dtype: str, target: Target) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 10, -10], dtype)
    np.testing.assert_array_equal(run("erf", target, x), np.array([0, 0, 1, -1, np.nan, 1, -1], dtype))
    assert list(np.signbit(run("erf", target, x)[:2])) == [False, True]


@TARGETS
@DTYPES
@pytest.mark.parametrize("op", BINARY)
def test_special_values_of_two_arguments_are_numpys(op: str, dtype: str, target: Target) -> None:
    info = np.finfo(dtype)
    limits = [1 / info.eps - 1, 2 / info.eps, 1 - info.epsneg, info.max, info.tiny, info.smallest_subnormal]
    values = np.array([0.0, 0.5, 1, 1.5, 2, 3, 4, 2.5, *limits, np.inf, np.nan]).astype(dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(*2 * [np.concatenate([values, -values])]))
    with np.errstate(all="ignore"):
        same_specials(run(op, target, x, y), {"pow": np.power, "fmod": np.fmod}[op](x, y))


def same_specials(found: Array, expected: Array) -> None:
    """NaN, infinities and zeros of both signs are the same, and no finite number is one of them."""
    plain = np.isfinite(expected) & (expected != 0)
    np.testing.assert_array_equal(found[~plain], expected[~plain])
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))
    assert np.all(np.isfinite(found[plain]) & (found[plain] != 0))


@DTYPES
@pytest.mark.parametrize("op", ["sin", "tanh", "erf", "expm1", "log1p"])
def test_the_smallest_arguments_are_their_own_result(op: str, dtype: str) -> None:
    info = np.finfo(dtype)
    x = np.array([1, 2, 3, -1, -5, 2**20], dtype) * info.smallest_subnormal
    found = run(op, AVX512, x)
    if op == "erf":
        assert np.all(ulps(found, x.astype(LONG) * TWO_OVER_ROOT_PI) <= 0.6)
    else:
        np.testing.assert_array_equal(found, x)


@DTYPES
@pytest.mark.parametrize("op", sorted(TRANSCENDENTAL))
def test_an_expansion_has_core_words_only_and_keeps_the_dtype(op: str, dtype: str) -> None:
    root = expansion(op, dtype, AVX512)
    assert root.dtype == dtype
    assert not {x.op for x in postorder(root)} & TRANSCENDENTAL


@pytest.mark.parametrize("op", ["exp", "log", "tanh", "erf"])
def test_the_common_functions_stay_short(op: str) -> None:
    words = [x for x in postorder(expansion(op, "float32", AVX512)) if x.op not in ("const", "load")]
    assert len(words) <= {"exp": 12, "log": 31, "tanh": 32, "erf": 36}[op]
