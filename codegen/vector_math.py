"""Transcendental functions as polynomials over the core scalar words.

Each function takes and gives a :class:`~symnet.scalar.Scalar` of dtype float32 or float64, without
branches, so that it runs in every lane of a vector; every part is safe to compute for any input.
Accuracy is stated per function, in units in the last place (ulp), and holds in every binade, with
`fma` rounded once or twice; the test measures it. Reduction and evaluation follow Muller, Elementary
Functions (3rd ed., 2016), ch. 11, and fdlibm (Sun, 1993). Coefficients stand highest power first.
Those called minimax were fitted for this file: Remez exchange in 250 bits, for the least relative
error of the function, then each rounded; the error quoted is that of the fit before rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from symnet import scalar as s
from symnet.scalar import Scalar

# Mantissa bits, exponent bias, integer of the same width.
MANTISSA = {"float32": 23, "float64": 52}
BIAS = {"float32": 127, "float64": 1023}
INTEGER = {"float32": "int32", "float64": "int64"}
# ln 2 in two parts; the first has so few bits that its product with an exponent is exact (fdlibm).
LN2_HIGH = {"float32": 6.9313812256e-01, "float64": 6.93147180369123816490e-01}
LN2_LOW = {"float32": 9.0580006145e-06, "float64": 1.90821492927058770002e-10}


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


def _word(x: Scalar) -> Scalar:
    """The bits of a float."""
    return s.bitcast(x, INTEGER[x.dtype])


def _with_sign(y: Scalar, x: Scalar) -> Scalar:
    """`y` (not negative) with the sign of `x`."""
    sign = _word(x) & -(2 ** (s.BITS[x.dtype] - 1))
    return s.bitcast(_word(y) | sign, x.dtype)


def _clamped(x: Scalar, low: float, high: float) -> Scalar:
    """`x` between bounds; a NaN stays."""
    return s.minimum(s.maximum(x, low), high)


def _nearest(x: Scalar, factor: float, bias: int) -> tuple[Scalar, Scalar]:
    """An integer n near x * factor, and an integer word whose low bits are n + bias.

    Adding 1.5 * 2^mantissa leaves the integer in the low bits of the float (Muller, 2.3): this costs
    neither a rounding nor a conversion.
    """
    magic = 1.5 * 2.0 ** MANTISSA[x.dtype] + bias
    shifted = s.fma(x, factor, magic)
    return shifted - magic, _word(shifted)


def _lazily(condition: Scalar, rare: Scalar, usual: Scalar) -> Scalar:
    """A select whose first choice need be computed only if some lane takes it."""
    return s.make("select", (condition, rare, usual), rare.dtype, "lazy")


def _power_of_two(word: Scalar, dtype: str) -> Scalar:
    """2^n from a word whose low bits are n + BIAS."""
    return s.bitcast(s.shl(word, MANTISSA[dtype]), dtype)


# -- exponentials --------------------------------------------------------------------------------
# (e^r - 1 - r) / r^2, minimax. EXP32 for e^r on |r| <= ln(2) / 2: 2^-28.3. EXPM1_32 and EXP64 for e^r - 1 on
# [-0.289, 0.407] and [-0.347, 0.407]: 2^-26.2 and 2^-60.3.
EXP32 = (1.38144323e-3, 8.36879667e-3, 4.16683964e-2, 1.66665196e-1, 4.99999940e-1)
EXPM1_32 = (1.46045396e-3, 8.35886505e-3, 4.1659534e-2, 1.66665837e-1, 5.00000119e-1)
EXP64 = (
    2.1461418493751564e-09, 2.511192391542861e-08, 2.7555451618575403e-07, 2.75572346096368e-06,
    2.480158950976008e-05, 1.9841269897062159e-04, 1.3888888887760816e-03, 8.33333333331676e-03,
    4.166666666666893e-02, 1.6666666666666682e-01, 0.5,
)  # fmt: skip


def _exp_minus_one(x: Scalar, n: Scalar, coefficients: Sequence[float]) -> Scalar:
    """e^r - 1, where x = n ln 2 + r (Cody & Waite's reduction, 1980)."""
    r = s.fma(n, -LN2_LOW[x.dtype], s.fma(n, -LN2_HIGH[x.dtype], x))
    return s.fma(r * r, _horner(r, coefficients), r)


def _exp(x: Scalar) -> Scalar:
    """e^x: 2^n e^r. At most 1.1 ulp in float32, 1 in float64; subnormal results too."""
    narrow = x.dtype == "float32"
    x = _clamped(x, -104.0, 89.0) if narrow else _clamped(x, -746.0, 710.0)
    n, _ = _nearest(x, 1 / math.log(2), 0)
    return s.scale(_exp_minus_one(x, n, EXP32 if narrow else EXP64) + 1.0, n)


def _exp_inside(x: Scalar) -> Scalar:
    """e^x where 2^n and the result are normal numbers, to the accuracy of `_exp`."""
    n, word = _nearest(x, 1 / math.log(2), BIAS[x.dtype])
    value = _exp_minus_one(x, n, EXP32 if x.dtype == "float32" else EXP64) + 1.0
    return value * _power_of_two(word, x.dtype)


def _expm1(x: Scalar) -> Scalar:
    """e^x - 1: 2^n (e^r - 1) + (2^n - 1). At most 1.4 ulp."""
    narrow = x.dtype == "float32"
    y = _clamped(x, -30.0, 89.0) if narrow else _clamped(x, -50.0, 710.0)
    # With e^r in [3/4, 3/2] the sum never cancels more than a bit. Half the result is computed: 2^n itself
    # may overflow where the result does not.
    n, word = _nearest(y - math.log(1.5 / math.sqrt(2)), 1 / math.log(2), BIAS[x.dtype] - 1)
    p = _exp_minus_one(y, n, EXPM1_32 if narrow else EXP64)
    half = _power_of_two(word, x.dtype)
    tiny = s.absolute(x) < 2.0 ** -(MANTISSA[x.dtype] + 2)
    return s.select(tiny, x, 2.0 * s.fma(p, half, half - 0.5))


# tanh(x) / x - 1 = z p(z), z = x^2, |x| <= 5/8: minimax, 2^-27.8; in float64 p is Cephes' P / Q (Moshier).
TANH32 = (-5.70498733e-3, 2.0639088e-2, -5.37397154e-2, 1.33314416e-1, -3.33332807e-1)
TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


def _tanh(x: Scalar) -> Scalar:
    """x + x^3 p(x^2) near 0, 1 - 2 / (e^2|x| + 1) beyond. At most 1.4 ulp."""
    a = s.absolute(x)
    z = a * a
    near = a < 0.625
    one = s.const(1, x.dtype)
    # From the limit on, the result rounds to 1.
    limit = 9.02 if x.dtype == "float32" else 20.0
    denominator = _exp_inside(2.0 * s.minimum(a, limit)) + 1.0
    if x.dtype == "float32":
        change = s.select(near, z * _horner(z, TANH32), s.const(-2, x.dtype) / denominator)
    else:
        numerator = s.select(near, z * _horner(z, TANH_P), -2.0)
        change = numerator / s.select(near, _horner(z, TANH_Q), denominator)
    whole = s.select(near, a, one)
    return _with_sign(s.fma(whole, change, whole), x)


# -- logarithms ----------------------------------------------------------------------------------
# (log(1 + f) - f) / f^2 on |f| <= 1/3: minimax, 2^-27.7.
LOG32 = (
    -1.289711e-1, 1.40128493e-1, -1.21784545e-1, 1.39996484e-1, -1.66815087e-1, 2.00108305e-1, -2.49997377e-1,
    3.33332062e-1, -0.5,
)  # fmt: skip
# (log((1+s)/(1-s)) - 2s) / s^3 in s^2: fdlibm's e_log.
LOG64 = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip
# The bits of the least mantissa: 2/3 in float32, the root of 1/2 in float64.
LEAST = {"float32": 0x3F2AAAAB, "float64": 0x3FE6A09E667F3BCD}


def _log(x: Scalar) -> Scalar:
    """The natural logarithm: e ln 2 + log(1 + f). At most 1.1 ulp in float32, 0.9 in float64."""
    return _log_special(x, _log_of(*_split(x)))


def _split(x: Scalar) -> tuple[Scalar, Scalar]:
    """x = (1 + f) 2^e with 1 + f between LEAST and its double, for positive x, subnormal ones too."""
    dtype = x.dtype
    shift = MANTISSA[dtype]
    tiny = x < 2.0 ** (1 - BIAS[dtype])
    word = _word(s.select(tiny, x * 2.0 ** (shift + 2), x))
    e = s.ashr(word - LEAST[dtype], shift)
    f = s.bitcast(word - s.shl(e, shift), dtype) - 1.0
    e_float = s.cast(e, dtype)
    return f, s.select(tiny, e_float - (shift + 2), e_float)


def _log_of(f: Scalar, e: Scalar, lost: Scalar | None = None) -> Scalar:
    """e ln 2 + log(1 + f), where `lost` is what was rounded off f."""
    if f.dtype == "float32":
        p, square = _horner(f, LOG32), f * f
        return s.fma(e, math.log(2), s.fma(p, square, f) if lost is None else s.fma(p, square, lost) + f)
    ratio = f / (f + 2.0)
    z = ratio * ratio
    square = 0.5 * f * f
    low = ratio * (square + z * _horner(z, LOG64))
    low = s.fma(e, LN2_LOW[f.dtype], low if lost is None else low + lost)
    return s.fma(e, LN2_HIGH[f.dtype], f - (square - low))


def _log_special(x: Scalar, y: Scalar) -> Scalar:
    """What a logarithm is at 0, below, at inf and at NaN; `y` elsewhere."""
    infinity, nan = s.const(math.inf, x.dtype), s.const(math.nan, x.dtype)
    y = s.select(x < infinity, y, x)
    return s.select(x > 0.0, y, s.select(s.eq(x, 0.0), -infinity, nan))


def _log1p(x: Scalar) -> Scalar:
    """log(1 + x), where f = x 2^-e + (2^-e - 1) keeps what rounding 1 + x would lose. At most 1.3 ulp."""
    u = x + 1.0
    shift = MANTISSA[x.dtype]
    e = s.ashr(_word(u) - LEAST[x.dtype], shift)
    exponent = s.shl(e, shift)
    # 4 * 2^-e is a normal number for every e.
    four = s.bitcast(s.const((BIAS[x.dtype] + 2) << shift, exponent.dtype) - exponent, x.dtype)
    scaled, offset = s.bitcast(_word(x) - exponent, x.dtype), s.fma(four, 0.25, -1.0)
    f = scaled + offset
    y = _log_special(u, _log_of(f, s.cast(e, x.dtype), scaled - (f - offset)))
    return s.select(s.eq(x, 0.0), x, y)


# -- the error function --------------------------------------------------------------------------
# erf(x) / x - 1 in x^2 for |x| <= 0.84, and log(1 - erf(t)) / t + 1 for t in [0.84, 3.93]: minimax for the
# error of erf, 2^-27.5 and 2^-28.2.
ERF32_NEAR = (-6.35956181e-4, 5.05830161e-3, -2.68065985e-2, 1.12828091e-1, -3.76125783e-1, 1.28379166e-1)
ERF32_FAR = (2.15861714e-4, -3.23028653e-3, 2.29386371e-2, -1.05336934e-1, -6.35662019e-1, -1.2853086e-1)
# erf(x) / x - 1 in x^2 for |x| <= 0.84: fdlibm's s_erf.
ERF_NEAR_P = (
    -2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
    -3.25042107247001499370e-01, 1.28379167095512558561e-01,
)  # fmt: skip
ERF_NEAR_Q = (
    -3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
    6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0,
)  # fmt: skip
# erfc(t) e^(t^2): W. J. Cody, Rational Chebyshev approximations for the error function (1969).
ERF_FAR_P = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
    2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
    1.23033935479799725e3,
)  # fmt: skip
ERF_FAR_Q = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip


def _erf(x: Scalar) -> Scalar:
    """x + x p(x^2) near 0, 1 - erfc(|x|) beyond. At most 1.4 ulp; 1.7 in float64 without a fused `fma`."""
    return _erf32(x) if x.dtype == "float32" else _erf64(x)


def _erf32(x: Scalar) -> Scalar:
    a = s.absolute(x)
    t = s.minimum(a, 4.0)
    near = s.fma(x, _horner(x * x, ERF32_NEAR), x)
    far = 1.0 - _exp_inside(s.fma(t, _horner(t, ERF32_FAR), -t))
    return s.select(a <= 0.84, near, _with_sign(far, x))


def _erf64(x: Scalar) -> Scalar:
    a = s.absolute(x)
    t = s.minimum(a, 6.0)
    z = t * t
    near = a <= 0.84
    numerator = s.select(near, _horner(z, ERF_NEAR_P), _horner(t, ERF_FAR_P))
    ratio = numerator / s.select(near, _horner(z, ERF_NEAR_Q), _horner(t, ERF_FAR_Q))
    far = s.fma(-_exp_inside(-z), ratio, 1.0)
    return s.select(near, s.fma(x, ratio, x), _with_sign(far, x))


# -- sine and cosine -----------------------------------------------------------------------------
# pi/2 in three parts of 33, 33 and 53 bits (fdlibm's rem_pio2), and 2/pi to 1,216 bits. In float64 fdlibm's
# k_sin and k_cos, in float32 the shorter k_sinf and k_cosf (FreeBSD).
PIO2 = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
SIN = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
    -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01,
)  # fmt: skip
COS = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
    2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
)  # fmt: skip
SIN32 = (2.7183114939898219e-06, -1.9839334836096632e-04, 8.3333293858894632e-03, -1.6666666641626524e-01)
COS32 = (2.4390448796277409e-05, -1.3886763774609929e-03, 4.1666623323739063e-02, -4.9999999725103100e-01)
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
    """sin(x + quarter * pi/2), for every finite x. At most 0.6 ulp in float32, 0.9 in float64."""
    wide = s.cast(x, "float64")
    turn = _turned32 if x.dtype == "float32" else _turned64
    near, far = (turn(*reduced, quarter) for reduced in (_cody_waite(wide), _payne_hanek(wide)))
    value = _lazily(s.absolute(wide) > FAR, far, near)
    if quarter == 0:
        value = s.select(s.eq(wide, 0.0), wide, value)
    # inf - inf is NaN, as is NaN - NaN.
    value = s.select(s.absolute(wide) < math.inf, value, wide - wide)
    return s.cast(value, x.dtype)


def _turned32(n: Scalar, r: Scalar, low: Scalar, quarter: int) -> Scalar:
    """sin((n + quarter) pi/2 + r), good for float32."""
    z = r * r
    return _quadrant(n + quarter, s.fma(z * r, _horner(z, SIN32), r), s.fma(z, _horner(z, COS32), 1.0))


def _turned64(n: Scalar, r: Scalar, low: Scalar, quarter: int) -> Scalar:
    """sin((n + quarter) pi/2 + r + low)."""
    z = r * r
    sine = r + (low + s.fma(z * r, _horner(z, SIN), -0.5 * z * low))
    half = 0.5 * z
    one = 1.0 - half
    cosine = one + (((1.0 - one) - half) + s.fma(z * z, _horner(z, COS), -r * low))
    return _quadrant(n + quarter, sine, cosine)


def _quadrant(n: Scalar, sine: Scalar, cosine: Scalar) -> Scalar:
    """sin(n pi/2 + r) from the sine and cosine of r."""
    value = s.select(s.eq(n & 1, 0), sine, cosine)
    return s.bitcast(_word(value) ^ s.shl(n & 2, 62), "float64")


def _cody_waite(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """x = n pi/2 + r + low for |x| up to FAR (Cody & Waite, 1980). The first two products are exact."""
    x = _clamped(x, -FAR, FAR)
    n, word = _nearest(x, 2 / math.pi, 0)
    first = s.fma(n, -PIO2[0], x)
    second = s.fma(n, -PIO2[1], first)
    rest = s.fma(n, -PIO2[2], s.fma(n, -PIO2[1], first - second))
    r = second + rest
    return word, r, (second - r) + rest


def _payne_hanek(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """x = n pi/2 + r + low for huge x: its 53 bits times those of 2/pi that matter (Payne & Hanek, 1983)."""
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
    tail = s.cast(fraction - s.cast(lead, "int64"), "float64") * 2.0**-62
    tail = tail + s.cast(s.lshr(rest, 1), "float64") * 2.0**-125
    lead = lead * 2.0**-62
    turn = lead + tail
    lost = (lead - turn) + tail
    r, error = _two_product(turn, s.const(math.pi / 2, "float64"), has_fma=False)
    low = error + (turn * 6.123233995736766e-17 + lost * (math.pi / 2))
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
    """x^y with C99's special cases. At most 0.6 ulp in float32, 1.6 in float64."""
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


# 2/5, 2/7, ... of the series of log((1+q)/(1-q)) / q, highest first.
LOG_TAIL = tuple(2 / k for k in range(23, 3, -2))


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


# -- remainders ----------------------------------------------------------------------------------


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
    return s.select(_word(a) < 0, -s.cast(result, dtype), s.cast(result, dtype))


def _remainder_step(x: Scalar, y: Scalar, has_fma: bool) -> Scalar:
    """x mod y for positive x and y whose quotient has at most 52 bits."""
    product, error = _two_product(s.floor(x / y), y, has_fma)
    rest = (x - product) - error
    rest = s.select(rest < 0.0, rest + y, rest)
    return s.select(rest >= y, rest - y, rest)


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
