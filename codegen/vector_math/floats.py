"""Floats as bits, polynomials, and choices: what the functions share."""

from __future__ import annotations

from collections.abc import Sequence

from symnet import scalar as s
from symnet.scalar import Scalar

# Mantissa bits, exponent bias, integer of the same width.
MANTISSA = {"float32": 23, "float64": 52}
BIAS = {"float32": 127, "float64": 1023}
INTEGER = {"float32": "int32", "float64": "int64"}
# ln 2 in two parts; the first has so few bits that its product with an exponent is exact (fdlibm).
LN2_HIGH = {"float32": 6.9313812256e-01, "float64": 6.93147180369123816490e-01}
LN2_LOW = {"float32": 9.0580006145e-06, "float64": 1.90821492927058770002e-10}


def horner(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """The polynomial with these coefficients, highest power first."""
    total = s.const(coefficients[0], x.dtype)
    for c in coefficients[1:]:
        total = s.fma(total, x, c)
    return total


def bits_of(x: Scalar) -> Scalar:
    """The bits of a float."""
    return s.bitcast(x, INTEGER[x.dtype])


def with_sign(y: Scalar, x: Scalar) -> Scalar:
    """`y` (not negative) with the sign of `x`."""
    sign = bits_of(x) & -(2 ** (s.BITS[x.dtype] - 1))
    return s.bitcast(bits_of(y) | sign, x.dtype)


def clamped(x: Scalar, low: float, high: float) -> Scalar:
    """`x` between bounds; a NaN stays."""
    raised = s.maximum(x, low)
    # The minimum with a smaller number is there already.
    lowered = x.op == "min" and any(a.op == "const" and a.payload <= high for a in x.args)
    return raised if lowered else s.minimum(raised, high)


def nearest(x: Scalar, factor: float, bias: int, parts: int = 1) -> tuple[Scalar, Scalar]:
    """An integer n near x * factor, and an integer word whose low bits are n + bias.

    Adding 1.5 * 2^mantissa leaves the integer in the low bits of the float (Muller, 2.3): this costs
    neither a rounding nor a conversion. With `parts`, a power of two, n counts by 1 / parts, the word by 1.
    """
    magic = 1.5 * 2.0 ** MANTISSA[x.dtype] / parts + bias
    shifted = s.fma(x, factor, magic)
    return shifted - magic, bits_of(shifted)


def lazily(condition: Scalar, rare: Scalar, usual: Scalar) -> Scalar:
    """A select whose first choice need be computed only if some lane takes it."""
    return s.make("select", (condition, rare, usual), rare.dtype, "lazy")


def power_of_two(word: Scalar, dtype: str) -> Scalar:
    """2^n from a word whose low bits are n + BIAS."""
    return s.bitcast(s.shl(word, MANTISSA[dtype]), dtype)
