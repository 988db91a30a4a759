"""sin and cos, with the reduction of large arguments."""

from __future__ import annotations

import math

from symnet import scalar as s
from symnet.scalar import Scalar

from .floats import bits_of, clamped, horner, lazily, nearest
from .powers import two_product

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


def sine(x: Scalar, quarter: int) -> Scalar:
    """sin(x + quarter * pi/2), for every finite x. At most 0.6 ulp in float32, 0.9 in float64."""
    wide = s.cast(x, "float64")
    turn = _turned32 if x.dtype == "float32" else _turned64
    near, far = (turn(*reduced, quarter) for reduced in (_cody_waite(wide), _payne_hanek(wide)))
    value = lazily(s.absolute(wide) > FAR, far, near)
    if quarter == 0:
        value = s.select(s.eq(wide, 0.0), wide, value)
    # inf - inf is NaN, as is NaN - NaN.
    value = s.select(s.absolute(wide) < math.inf, value, wide - wide)
    return s.cast(value, x.dtype)


def _turned32(n: Scalar, r: Scalar, low: Scalar, quarter: int) -> Scalar:
    """sin((n + quarter) pi/2 + r), good for float32."""
    z = r * r
    return _quadrant(n + quarter, s.fma(z * r, horner(z, SIN32), r), s.fma(z, horner(z, COS32), 1.0))


def _turned64(n: Scalar, r: Scalar, low: Scalar, quarter: int) -> Scalar:
    """sin((n + quarter) pi/2 + r + low)."""
    z = r * r
    sine = r + (low + s.fma(z * r, horner(z, SIN), -0.5 * z * low))
    half = 0.5 * z
    one = 1.0 - half
    cosine = one + (((1.0 - one) - half) + s.fma(z * z, horner(z, COS), -r * low))
    return _quadrant(n + quarter, sine, cosine)


def _quadrant(n: Scalar, sine: Scalar, cosine: Scalar) -> Scalar:
    """sin(n pi/2 + r) from the sine and cosine of r."""
    value = s.select(s.eq(n & 1, 0), sine, cosine)
    return s.bitcast(bits_of(value) ^ s.shl(n & 2, 62), "float64")


def _cody_waite(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """x = n pi/2 + r + low for |x| up to FAR (Cody & Waite, 1980). The first two products are exact."""
    x = clamped(x, -FAR, FAR)
    n, word = nearest(x, 2 / math.pi, 0)
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
    r, error = two_product(turn, s.const(math.pi / 2, "float64"), has_fma=False)
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
