"""exp, expm1 and tanh."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symnet import scalar as s
from symnet.scalar import Scalar

from .floats import BIAS, LN2_HIGH, LN2_LOW, MANTISSA, clamped, horner, nearest, power_of_two, with_sign

# (e^r - 1 - r) / r^2, minimax. EXP32 for e^r on |r| <= ln(2) / 2: 2^-28.3; EXP32_SHORT on |r| <= ln(2) / 32: 2^-29.2.
# EXPM1_32 and EXP64 for e^r - 1 on [-0.289, 0.407] and [-0.347, 0.407]: 2^-26.2 and 2^-60.3.
EXP32 = (1.38144323e-3, 8.36879667e-3, 4.16683964e-2, 1.66665196e-1, 4.99999940e-1)
EXP32_SHORT = (1.66670576e-1, 5.00016212e-1)
EXPM1_32 = (1.46045396e-3, 8.35886505e-3, 4.1659534e-2, 1.66665837e-1, 5.00000119e-1)
EXP64 = (
    2.1461418493751564e-09, 2.511192391542861e-08, 2.7555451618575403e-07, 2.75572346096368e-06,
    2.480158950976008e-05, 1.9841269897062159e-04, 1.3888888887760816e-03, 8.33333333331676e-03,
    4.166666666666893e-02, 1.6666666666666682e-01, 0.5,
)  # fmt: skip
# 2^(k/16)
POWERS = tuple(2.0 ** (k / 16) for k in range(16))


def _exp_minus_one(x: Scalar, n: Scalar, coefficients: Sequence[float]) -> Scalar:
    """e^r - 1, where x = n ln 2 + r (Cody & Waite's reduction, 1980)."""
    r = s.fma(n, -LN2_LOW[x.dtype], s.fma(n, -LN2_HIGH[x.dtype], x))
    return s.fma(r * r, horner(r, coefficients), r)


def _exp_by_table(x: Scalar, is_inside: bool) -> Scalar:
    """2^n 2^(k/16) e^r with the middle factor from a table (Tang, 1989), |r| <= ln(2) / 32."""
    n, word = nearest(x, 1 / math.log(2), 0, len(POWERS))
    r = s.fma(n, -LN2_LOW[x.dtype], s.fma(n, -LN2_HIGH[x.dtype], x))
    if not is_inside:
        # Where this changes r, n alone decides: the result is 0, inf or NaN.
        r = s.limit(r, 0.022)
    power = s.lookup(word, POWERS)
    return s.scale(s.fma(power, s.fma(r * r, horner(r, EXP32_SHORT), r), power), n)


def exp(x: Scalar, has_avx512: bool) -> Scalar:
    """e^x: 2^n e^r. At most 1.1 ulp in float32, 1 in float64; subnormal results too."""
    narrow = x.dtype == "float32"
    if narrow and has_avx512:
        return _exp_by_table(x, is_inside=False)
    x = clamped(x, -104.0, 89.0) if narrow else clamped(x, -746.0, 710.0)
    n, _ = nearest(x, 1 / math.log(2), 0)
    return s.scale(_exp_minus_one(x, n, EXP32 if narrow else EXP64) + 1.0, n)


def exp_inside(x: Scalar, has_avx512: bool) -> Scalar:
    """e^x where 2^n and the result are normal numbers, to the accuracy of `exp`."""
    if x.dtype == "float32" and has_avx512:
        return _exp_by_table(x, is_inside=True)
    n, word = nearest(x, 1 / math.log(2), BIAS[x.dtype])
    value = _exp_minus_one(x, n, EXP32 if x.dtype == "float32" else EXP64) + 1.0
    return value * power_of_two(word, x.dtype)


def expm1(x: Scalar) -> Scalar:
    """e^x - 1: 2^n (e^r - 1) + (2^n - 1). At most 1.4 ulp."""
    narrow = x.dtype == "float32"
    y = clamped(x, -30.0, 89.0) if narrow else clamped(x, -50.0, 710.0)
    # With e^r in [3/4, 3/2] the sum never cancels more than a bit. Half the result is computed: 2^n itself
    # may overflow where the result does not.
    n, word = nearest(y - math.log(1.5 / math.sqrt(2)), 1 / math.log(2), BIAS[x.dtype] - 1)
    p = _exp_minus_one(y, n, EXPM1_32 if narrow else EXP64)
    half = power_of_two(word, x.dtype)
    tiny = s.absolute(x) < 2.0 ** -(MANTISSA[x.dtype] + 2)
    return s.select(tiny, x, 2.0 * s.fma(p, half, half - 0.5))


# tanh(x) / x - 1 = z p(z), z = x^2, |x| <= 5/8: minimax, 2^-27.8; in float64 p is Cephes' P / Q (Moshier).
TANH32 = (-5.70498733e-3, 2.0639088e-2, -5.37397154e-2, 1.33314416e-1, -3.33332807e-1)
TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


def tanh(x: Scalar, has_avx512: bool) -> Scalar:
    """x + x^3 p(x^2) near 0, 1 - 2 / (e^2|x| + 1) beyond. At most 1.4 ulp."""
    a = s.absolute(x)
    z = a * a
    near = a < 0.625
    one = s.const(1, x.dtype)
    # From the limit on, the result rounds to 1.
    limit = 9.02 if x.dtype == "float32" else 20.0
    denominator = exp_inside(2.0 * s.minimum(a, limit), has_avx512) + 1.0
    if x.dtype == "float32":
        change = s.select(near, z * horner(z, TANH32), s.const(-2, x.dtype) / denominator)
    else:
        numerator = s.select(near, z * horner(z, TANH_P), -2.0)
        change = numerator / s.select(near, horner(z, TANH_Q), denominator)
    whole = s.select(near, a, one)
    return with_sign(s.fma(whole, change, whole), x)
