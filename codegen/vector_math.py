"""Functions of real numbers as polynomials over the core scalar words.

Each function takes and gives a :class:`~symnet.scalar.Scalar` of dtype float32 or float64, without
branches, so that it runs in every lane of a vector; every part is safe to compute for any input.
Accuracy is stated per function as the largest error seen, in units in the last place (ulp), over
every binade; the test repeats the measurement. Reduction and evaluation follow Muller, Elementary
Functions (3rd ed., 2016), ch. 11, and fdlibm (Sun, 1993), with coefficients from the sources named
at each function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from symnet import scalar as s
from symnet.scalar import Scalar

# float32: mantissa bits, exponent bias, integer of the same width; float64 likewise.
MANTISSA = {"float32": 23, "float64": 52}
BIAS = {"float32": 127, "float64": 1023}
BITS = {"float32": "int32", "float64": "int64"}
# ln 2 in two parts; the first has so few bits that its product with an exponent is exact (fdlibm).
LN2_HIGH = {"float32": 6.9313812256e-01, "float64": 6.93147180369123816490e-01}
LN2_LOW = {"float32": 9.0580006145e-06, "float64": 1.90821492927058770002e-10}

# exp(r) = 1 + r + r^2 p(r): minimax of Cephes' expf (Moshier); Taylor terms to r^13 in float64.
EXP32 = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
EXP64 = tuple(1 / math.factorial(n) for n in range(13, 1, -1))
# log((1+s)/(1-s)) = 2s + s^3 p(s^2): fdlibm's e_log and e_logf.
LOG32 = (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693)
LOG64 = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)


def expand(op: str, args: tuple[Scalar, ...], has_fma: bool) -> Scalar:
    """A transcendental word in core words.

    Parameters
    ----------
    op : str
        One of ``symnet.scalar.TRANSCENDENTAL``.
    args : tuple of Scalar
        Of dtype float32 or float64.
    has_fma : bool
        Whether the target rounds a fused multiply-add once; `pow` and `fmod` compute differently without.
    """
    if op == "pow":
        return _pow(args[0], args[1], has_fma)
    if op == "fmod":
        return _fmod(args[0], args[1], has_fma)
    return EXPANSIONS[op](args[0])


def _horner(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """The polynomial with these coefficients, highest power first."""
    total = s.const(coefficients[0], x.dtype)
    for c in coefficients[1:]:
        total = s.fma(total, x, c)
    return total


def _integer_bits(n: Scalar, plus: int = 0) -> Scalar:
    """An integer whose low bits are those of n + plus, for an integral float n of moderate size.

    Adding 1.5 * 2^mantissa puts the units at the mantissa's last bit: cheaper than a conversion.
    """
    return s.bitcast(n + (1.5 * 2.0 ** MANTISSA[n.dtype] + plus), BITS[n.dtype])


def _power_of_two(n: Scalar, dtype: str) -> Scalar:
    """2^n for an integral float n inside the range of normal numbers."""
    return s.bitcast(s.shl(_integer_bits(n, BIAS[dtype]), MANTISSA[dtype]), dtype)


def _signed_like(y: Scalar, x: Scalar) -> Scalar:
    """`y` (not negative) with the sign of `x`; `x` itself where that is a zero."""
    return s.select(s.eq(x, 0.0), x, s.select(x < 0.0, -y, y))


def _reduced(x: Scalar) -> tuple[Scalar, Scalar]:
    """x = n ln 2 + r with |r| <= ln(2) / 2."""
    n = s.rint(x * (1 / math.log(2)))
    r = s.fma(n, -LN2_HIGH[x.dtype], x)
    return n, s.fma(n, -LN2_LOW[x.dtype], r)


def _clamped(x: Scalar, low: float, high: float) -> Scalar:
    """`x` between bounds; a NaN stays."""
    return s.minimum(s.maximum(x, low), high)


def _exp(x: Scalar) -> Scalar:
    """e^x. At most 1 ulp in float32, 1.5 in float64; subnormal results too."""
    x = _clamped(x, -104.0, 89.0) if x.dtype == "float32" else _clamped(x, -746.0, 710.0)
    n, r = _reduced(x)
    p = s.fma(r * r, _horner(r, EXP32 if x.dtype == "float32" else EXP64), r) + 1.0
    # 2^n in two factors: n itself reaches below and above the normal exponents.
    half = s.floor(n * 0.5)
    return p * _power_of_two(half, x.dtype) * _power_of_two(n - half, x.dtype)


def _expm1(x: Scalar) -> Scalar:
    """e^x - 1, right for small x. At most 1.5 ulp."""
    y = _clamped(x, -30.0, 89.0) if x.dtype == "float32" else _clamped(x, -50.0, 710.0)
    n, r = _reduced(y)
    p = s.fma(r * r, _horner(r, EXP32 if x.dtype == "float32" else EXP64), r)
    # Half the result: 2^n itself may overflow where the result does not.
    t = _power_of_two(n - 1.0, x.dtype)
    return s.select(s.eq(x, 0.0), x, 2.0 * s.fma(p, t, t - 0.5))


def _split(x: Scalar) -> tuple[Scalar, Scalar]:
    """x = m 2^e with m between sqrt(1/2) and sqrt(2), for positive x; subnormals too. Gives m - 1 and e."""
    dtype = x.dtype
    bits, shift = BITS[dtype], MANTISSA[dtype]
    tiny = x < 2.0 ** (1 - BIAS[dtype])
    scaled = s.bitcast(s.select(tiny, x * 2.0 ** (shift + 2), x), bits)
    root = 0x3F3504F3 if dtype == "float32" else 0x3FE6A09E667F3BCD
    e = s.ashr(scaled - root, shift)
    m = s.bitcast(scaled - s.shl(e, shift), dtype)
    return m - 1.0, s.cast(e - s.select(tiny, s.const(shift + 2, bits), s.const(0, bits)), dtype)


def _log(x: Scalar) -> Scalar:
    """The natural logarithm (fdlibm's form). At most 1 ulp."""
    f, e = _split(x)
    ratio = f / (f + 2.0)
    z = ratio * ratio
    rest = z * _horner(z, LOG32 if x.dtype == "float32" else LOG64)
    square = 0.5 * f * f
    low = s.fma(e, LN2_LOW[x.dtype], ratio * (square + rest))
    return _log_special(x, s.fma(e, LN2_HIGH[x.dtype], f - (square - low)))


def _log_special(x: Scalar, y: Scalar) -> Scalar:
    """What a logarithm is at 0, below, at inf and at NaN."""
    infinity, nan = s.const(math.inf, x.dtype), s.const(math.nan, x.dtype)
    y = s.select(s.eq(x, 0.0), -infinity, s.select(x < infinity, y, x))
    return s.select(x < 0.0, nan, y)


def _log1p(x: Scalar) -> Scalar:
    """log(1 + x), right for small x: what rounding 1 + x lost is put back. At most 1.5 ulp."""
    u = x + 1.0
    lost = s.select(s.absolute(x) < 1.0, x - (u - 1.0), s.const(1, x.dtype) - (u - x))
    y = _log(u)
    corrected = s.select(s.eq(u, 0.0) | s.eq(u, math.inf), y, y + lost / u)
    return s.select(s.eq(x, 0.0), x, corrected)


def _tanh(x: Scalar) -> Scalar:
    """t / (t + 2) with t = e^2|x| - 1. At most 2.5 ulp."""
    limit = 10.0 if x.dtype == "float32" else 22.0
    t = _expm1(2.0 * s.minimum(s.absolute(x), limit))
    return _signed_like(t / (t + 2.0), x)


# erf in float32: an odd polynomial near 0, 1 - exp(polynomial) beyond (N. Juffa's minimax fits).
ERF32_NEAR = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
ERF32_FAR = (
    -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1, 0.0,
)  # fmt: skip
# erf and erfc in float64: W. J. Cody, Rational Chebyshev approximations for the error function (1969).
ERF_A = (
    1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3,
)  # fmt: skip
ERF_B = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
ERF_C = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
    8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
)  # fmt: skip
ERF_D = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip
ERF_P = (
    1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
    1.60837851487422766e-2, 6.58749161529837803e-4,
)  # fmt: skip
ERF_Q = (
    1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
    2.33520497626869185e-3,
)  # fmt: skip


def _erf(x: Scalar) -> Scalar:
    """The error function. At most 1 ulp in float32, 2 in float64."""
    return _erf32(x) if x.dtype == "float32" else _erf64(x)


def _erf32(x: Scalar) -> Scalar:
    t = s.minimum(s.absolute(x), 4.0)
    near = s.fma(_horner(x * x, ERF32_NEAR), x, x)
    far = _signed_like(1.0 - _exp(_horner(t, ERF32_FAR) - t), x)
    return s.select(s.absolute(x) <= 0.927734375, near, s.select(s.ne(x, x), x, far))


def _erf64(x: Scalar) -> Scalar:
    t = s.minimum(s.absolute(x), 6.0)
    z = t * t
    near = x * _horner(z, ERF_A) / _horner(z, ERF_B)
    middle = _horner(t, ERF_C) / _horner(t, ERF_D)
    w = 1.0 / z
    tail = w * _horner(w, ERF_P) / _horner(w, ERF_Q)
    tail = (1 / math.sqrt(math.pi) - tail) / t
    complement = _exp(-z) * s.select(t <= 4.0, middle, tail)
    return s.select(s.absolute(x) <= 0.46875, near, _signed_like(1.0 - complement, x))


# -- sine and cosine -----------------------------------------------------------------------------
# pi/2 in three parts of 33, 33 and 53 bits (fdlibm's rem_pio2), and 2/pi to 1,216 bits.
PIO2 = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
SIN = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
    -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01,
)  # fmt: skip
COS = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
    2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
)  # fmt: skip
# The largest multiple of pi/2 that the three parts reduce exactly enough.
FAR = 2.0**20
TWO_OVER_PI = int(
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E006492EEA09D1921C"
    "FE1DEB1CB129A73EE88235F52EBB4484E99C7026B45F7E413991D639835339F49C845F8BBDF9283B1FF897FFDE05980F"
    "EF2F118B5A0A6D1F6D367ECF27CB09B74F463F669E5FEA2D7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D08"
    "56033046FC7B6BAB"
    , 16
)  # fmt: skip
WORDS = 38


def _sine(x: Scalar, quarter: int) -> Scalar:
    """sin(x + quarter * pi/2), for every finite x. At most 1 ulp in float32, 1.5 in float64."""
    wide = s.cast(x, "float64")
    far = s.absolute(wide) > FAR
    value = _lazily(far, _turned(_payne_hanek(wide), quarter), _turned(_cody_waite(wide), quarter))
    if quarter == 0:
        value = s.select(s.eq(wide, 0.0), wide, value)
    # inf - inf is NaN, as is NaN - NaN.
    value = s.select(s.absolute(wide) < math.inf, value, wide - wide)
    return s.cast(value, x.dtype)


def _turned(reduced: tuple[Scalar, Scalar, Scalar], quarter: int) -> Scalar:
    """sin(n pi/2 + r + low) moved on by some quarters."""
    n, r, low = reduced
    n = n + quarter
    z = r * r
    sine = r + (low + s.fma(z * r, _horner(z, SIN), -0.5 * z * low))
    half = 0.5 * z
    one = 1.0 - half
    cosine = one + (((1.0 - one) - half) + s.fma(z * z, _horner(z, COS), -r * low))
    value = s.select(s.eq(n & 1, 0), sine, cosine)
    return s.select(s.eq(n & 2, 0), value, -value)


def _cody_waite(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """x = n pi/2 + r + low for |x| up to FAR (Cody & Waite, 1980)."""
    n = s.rint(_clamped(x, -FAR, FAR) * (2 / math.pi))
    first = x - n * PIO2[0]
    second = n * PIO2[1]
    third = first - second
    last = n * PIO2[2] - ((first - third) - second)
    r = third - last
    return _integer_bits(n), r, (third - r) - last


def _lazily(condition: Scalar, rare: Scalar, usual: Scalar) -> Scalar:
    """A select whose first choice need be computed only if some lane takes it."""
    return s.make("select", (condition, rare, usual), rare.dtype, "lazy")


def _payne_hanek(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """x = n pi/2 + r + low for huge x: its 53 bits times the bits of 2/pi that matter (Payne & Hanek, 1983)."""
    bits = s.bitcast(s.absolute(x), "int64")
    exponent = s.maximum(s.lshr(bits, 52) - 1075, -32)
    mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    # Words of 2/pi that only add multiples of four quarter turns are skipped.
    skip = s.lshr(s.maximum(exponent - 2, 0), 5)
    limbs = _product(list(reversed(_window(skip, 7))), mantissa)
    position = 98 - (exponent - s.shl(skip, 5))
    first, shift = s.lshr(position, 5), position & 31
    moved = [
        s.select(s.eq(first, 2), limbs[2 + k], s.select(s.eq(first, 3), limbs[3 + k], limbs[4 + k])) for k in range(5)
    ]
    words = [(s.lshr(moved[k], shift) | s.shl(moved[k + 1], 32 - shift)) & 0xFFFFFFFF for k in range(4)]
    # Quarter turns: 2 bits before the point and 62 behind it, then 64 more.
    high, rest = s.shl(words[3], 32) | words[2], s.shl(words[1], 32) | words[0]
    n = s.lshr(high + (1 << 61), 62)
    fraction = high - s.shl(n, 62)
    lead = s.cast(fraction, "float64")
    tail = s.cast(fraction - s.cast(lead, "int64"), "float64") * 2.0**-62 + s.cast(s.lshr(rest, 1), "float64") * 2.0**-125
    lead = lead * 2.0**-62
    turn = lead + tail
    lost = (lead - turn) + tail
    r, low = turn * (math.pi / 2), turn * 6.123233995736766e-17 + lost * (math.pi / 2)
    negative = x < 0.0
    return s.select(negative, -n, n), s.select(negative, -r, r), s.select(negative, -low, low)


def _window(start: Scalar, count: int) -> list[Scalar]:
    """`count` words of 2/pi from word `start` (below 32): a barrel shifter of selects."""
    words = [s.const(TWO_OVER_PI >> 32 * (WORDS - 1 - k) & 0xFFFFFFFF, "int64") for k in range(WORDS)]
    for step in (16, 8, 4, 2, 1):
        taken = s.ne(start & step, 0)
        needed = min(count + step - 1, len(words) - step)
        words = [s.select(taken, words[k + step], words[k]) for k in range(needed)]
    return words


def _product(words: list[Scalar], mantissa: Scalar) -> list[Scalar]:
    """The 32-bit limbs, least first, of 32-bit words (least first) times a 53-bit number."""
    low, high = mantissa & 0xFFFFFFFF, s.lshr(mantissa, 32)
    zero = s.const(0, "int64")
    columns = [[zero] for _ in range(len(words) + 2)]
    for k, word in enumerate(words):
        for offset, factor in ((0, low), (1, high)):
            part = factor * word
            columns[k + offset].append(part & 0xFFFFFFFF)
            columns[k + offset + 1].append(s.lshr(part, 32))
    limbs, carry = [], zero
    for column in columns:
        total = carry
        for part in column[1:]:
            total = total + part
        limbs.append(total & 0xFFFFFFFF)
        carry = s.lshr(total, 32)
    return limbs


# -- powers --------------------------------------------------------------------------------------


def _pow(x: Scalar, y: Scalar, has_fma: bool) -> Scalar:
    """x^y with C99's special cases. At most 1 ulp in float32, 4 in float64."""
    if x.dtype == "float32":
        wide, exponent = s.cast(x, "float64"), s.cast(y, "float64")
        return s.cast(_pow_special(wide, exponent, _exp(exponent * _log(s.absolute(wide)))), "float32")
    high, low = _log_in_two(s.absolute(x), has_fma)
    product, error = _two_product(y, high, has_fma)
    error = error + y * low
    # e^(p + d) = e^p + d e^p; where p is out of range the correction is no number, and not needed.
    power = _exp(product)
    inside = (s.absolute(product) < 745.0) & (power < math.inf)
    corrected = s.select(inside, s.fma(power, error, power), power)
    return _pow_special(x, y, corrected)


def _pow_special(x: Scalar, y: Scalar, magnitude: Scalar) -> Scalar:
    """|x|^y to x^y: signs, zeros, infinities, NaN."""
    a = s.absolute(x)
    infinity, nan = s.const(math.inf, x.dtype), s.const(math.nan, x.dtype)
    grows = s.eq(a > 1.0, y > 0.0)
    at_infinite_y = s.select(s.eq(a, 1.0), s.const(1, x.dtype), s.select(grows, infinity, s.const(0, x.dtype)))
    at_edge = s.select(y > 0.0, a, s.select(s.eq(a, 0.0), infinity, s.const(0, x.dtype)))
    value = s.select(s.eq(a, 0.0) | s.eq(a, math.inf), at_edge, magnitude)
    value = s.select(s.eq(s.absolute(y), math.inf), at_infinite_y, value)
    whole = s.eq(s.floor(y), y)
    odd = whole & s.ne(s.floor(y * 0.5), y * 0.5)
    negative = s.bitcast(x, "int64") < 0
    value = s.select(negative & odd, -value, value)
    fraction_of_negative = (x < 0.0) & ~whole & (a < math.inf)
    value = s.select(fraction_of_negative, nan, value)
    value = s.select(s.ne(x, x) | s.ne(y, y), nan, value)
    return s.select(s.eq(y, 0.0) | s.eq(x, 1.0), s.const(1, x.dtype), value)


def _two_product(a: Scalar, b: Scalar, has_fma: bool) -> tuple[Scalar, Scalar]:
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


def _log_in_two(x: Scalar, has_fma: bool) -> tuple[Scalar, Scalar]:
    """log(x) of a positive float64 as a sum, to about 1e-19 of its size."""
    f, e = _split(x)
    d = f + 2.0
    d_low = f - (d - 2.0)
    q = f / d
    product, error = _two_product(q, d, has_fma)
    q_low = (((f - product) - error) - q * d_low) / d
    z, z_low = _two_product(q, q, has_fma)
    z_low = z_low + 2.0 * q * q_low
    # 2/3 in two parts; the rest of the series is small enough for one.
    third, third_low = 0.6666666666666666, 3.700743415417188e-17
    rest = z * _horner(z, LOG_TAIL)
    c = third + rest
    c_low = (third - c) + rest + third_low
    w, w_low = _two_product(z, c, has_fma)
    w_low = w_low + z * c_low + z_low * c
    u, u_low = _two_product(q, w, has_fma)
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


def _fmod(a: Scalar, b: Scalar, has_fma: bool) -> Scalar:
    """C's fmod, exact: a - trunc(a/b) b, with the sign of a."""
    dtype, x, y = a.dtype, s.cast(s.absolute(a), "float64"), s.cast(s.absolute(b), "float64")
    usual = _remainder_step(x, y, has_fma)
    # A quotient of many bits is taken off 50 bits at a time, as in long division.
    reach = 6 if dtype == "float32" else 42
    scaled = [y]
    for _ in range(reach):
        scaled.append(scaled[-1] * 2.0**50)
    rest = x
    for divisor in reversed(scaled):
        rest = s.select(divisor <= rest, _remainder_step(rest, divisor, has_fma), rest)
    result = _lazily(x >= y * 2.0**50, rest, usual)
    result = s.select(x < y, x, result)
    valid = (x < math.inf) & (y > 0.0)
    result = s.select(valid, result, s.const(math.nan, "float64"))
    return s.select(s.bitcast(a, BITS[dtype]) < 0, -s.cast(result, dtype), s.cast(result, dtype))


def _remainder_step(x: Scalar, y: Scalar, has_fma: bool) -> Scalar:
    """x mod y for positive x and y whose quotient has at most 52 bits."""
    product, error = _two_product(s.floor(x / y), y, has_fma)
    rest = (x - product) - error
    rest = s.select(rest < 0.0, rest + y, rest)
    return s.select(rest >= y, rest - y, rest)


# 2/5, 2/7, ... of the series of log((1+q)/(1-q)) / q, highest first.
LOG_TAIL = tuple(2 / k for k in range(23, 3, -2))

EXPANSIONS: dict[str, Callable[[Scalar], Scalar]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "tanh": _tanh,
    "erf": _erf,
    "sin": lambda x: _sine(x, 0),
    "cos": lambda x: _sine(x, 1),
}
