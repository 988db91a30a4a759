"""pow, by a logarithm in two parts."""

from __future__ import annotations

import math

from symnet import scalar as s
from symnet.scalar import Scalar

from .exponentials import exp
from .floats import LN2_HIGH, LN2_LOW, horner
from .logarithms import log, split


def pow(x: Scalar, y: Scalar, has_fma: bool) -> Scalar:
    """x^y with C99's special cases. At most 0.6 ulp in float32, 1.6 in float64."""
    if x.dtype == "float32":
        wide, exponent = s.cast(x, "float64"), s.cast(y, "float64")
        return s.cast(_pow_special(wide, exponent, exp(exponent * log(s.absolute(wide)), has_avx512=False)), "float32")
    high, low = _log_in_two(s.absolute(x), has_fma)
    product, error = two_product(y, high, has_fma)
    error = error + y * low
    # e^(p + d) = e^p + d e^p; where p is out of range the correction is no number, and not needed.
    power = exp(product, has_avx512=False)
    inside = (s.absolute(product) < 745.0) & (power < math.inf)
    corrected = s.select(inside, s.fma(power, error, power), power)
    return _pow_special(x, y, corrected)


def _pow_special(x: Scalar, y: Scalar, magnitude: Scalar) -> Scalar:
    """|x|^y to x^y: signs, zeros, infinities, NaN."""
    a = s.absolute(x)
    zero, one, infinity, nan = (s.const(v, x.dtype) for v in (0, 1, math.inf, math.nan))
    grows = s.eq(a > 1.0, y > 0.0)
    at_infinite_y = s.select(s.eq(a, 1.0), one, s.select(grows, infinity, zero))
    at_edge = s.select(y > 0.0, a, s.select(s.eq(a, 0.0), infinity, zero))
    value = s.select(s.eq(a, 0.0) | s.eq(a, math.inf), at_edge, magnitude)
    value = s.select(s.eq(s.absolute(y), math.inf), at_infinite_y, value)
    whole = s.eq(s.floor(y), y)
    odd = whole & s.ne(s.floor(y * 0.5), y * 0.5)
    negative = s.bitcast(x, "int64") < 0
    value = s.select(negative & odd, -value, value)
    fraction_of_negative = (x < 0.0) & ~whole & (a < math.inf)
    value = s.select(fraction_of_negative, nan, value)
    value = s.select(s.ne(x, x) | s.ne(y, y), nan, value)
    return s.select(s.eq(y, 0.0) | s.eq(x, 1.0), one, value)


def two_product(a: Scalar, b: Scalar, has_fma: bool) -> tuple[Scalar, Scalar]:
    """a * b exactly, as a rounded product and its error (Dekker, 1971; one FMA where there is one)."""
    product = a * b
    if has_fma:
        return product, s.fma(a, b, -product)
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return product, ((ah * bh - product) + ah * bl + al * bh) + al * bl


def _halves(a: Scalar) -> tuple[Scalar, Scalar]:
    """A float64 as a sum of two of 26 bits."""
    high = s.bitcast(s.bitcast(a, "int64") & ~0x7FFFFFF, "float64")
    return high, a - high


# 2/5, 2/7, ... of the series of log((1+q)/(1-q)) / q, highest first.
LOG_TAIL = tuple(2 / k for k in range(23, 3, -2))


def _log_in_two(x: Scalar, has_fma: bool) -> tuple[Scalar, Scalar]:
    """log(x) of a positive float64 as a sum, to about 1e-19 of its size."""
    f, e = split(x)
    d = f + 2.0
    d_low = f - (d - 2.0)
    q = f / d
    product, error = two_product(q, d, has_fma)
    q_low = (((f - product) - error) - q * d_low) / d
    z, z_low = two_product(q, q, has_fma)
    z_low = z_low + 2.0 * q * q_low
    # 2/3 in two parts; the rest of the series is small enough for one.
    third, third_low = 0.6666666666666666, 3.700743415417188e-17
    rest = z * horner(z, LOG_TAIL)
    c = third + rest
    c_low = (third - c) + rest + third_low
    w, w_low = two_product(z, c, has_fma)
    w_low = w_low + z * c_low + z_low * c
    u, u_low = two_product(q, w, has_fma)
    u_low = u_low + q * w_low + q_low * w
    high = 2.0 * q
    total = high + u
    low = (high - total) + u + (u_low + 2.0 * q_low)
    whole = e * LN2_HIGH["float64"]
    top = whole + total
    back = (whole - top) + total
    low = low + s.fma(e, LN2_LOW["float64"], back)
    result = top + low
    return result, (top - result) + low
