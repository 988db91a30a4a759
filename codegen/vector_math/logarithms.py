"""log and log1p."""

from __future__ import annotations

import math

from symnet import scalar as s
from symnet.scalar import Scalar

from .floats import BIAS, LN2_HIGH, LN2_LOW, MANTISSA, bits_of, horner

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


def log(x: Scalar) -> Scalar:
    """The natural logarithm: e ln 2 + log(1 + f). At most 1.1 ulp in float32, 0.9 in float64."""
    return _log_special(x, _log_of(*split(x)))


def split(x: Scalar) -> tuple[Scalar, Scalar]:
    """x = (1 + f) 2^e with 1 + f between LEAST and its double, for positive x, subnormal ones too."""
    dtype = x.dtype
    shift = MANTISSA[dtype]
    tiny = x < 2.0 ** (1 - BIAS[dtype])
    word = bits_of(s.select(tiny, x * 2.0 ** (shift + 2), x))
    e = s.ashr(word - LEAST[dtype], shift)
    f = s.bitcast(word - s.shl(e, shift), dtype) - 1.0
    e_float = s.cast(e, dtype)
    return f, s.select(tiny, e_float - (shift + 2), e_float)


def _log_of(f: Scalar, e: Scalar, lost: Scalar | None = None) -> Scalar:
    """e ln 2 + log(1 + f), where `lost` is what was rounded off f."""
    if f.dtype == "float32":
        p, square = horner(f, LOG32), f * f
        return s.fma(e, math.log(2), s.fma(p, square, f) if lost is None else s.fma(p, square, lost) + f)
    ratio = f / (f + 2.0)
    z = ratio * ratio
    square = 0.5 * f * f
    low = ratio * (square + z * horner(z, LOG64))
    low = s.fma(e, LN2_LOW[f.dtype], low if lost is None else low + lost)
    return s.fma(e, LN2_HIGH[f.dtype], f - (square - low))


def _log_special(x: Scalar, y: Scalar) -> Scalar:
    """What a logarithm is at 0, below, at inf and at NaN; `y` elsewhere."""
    infinity, nan = s.const(math.inf, x.dtype), s.const(math.nan, x.dtype)
    y = s.select(x < infinity, y, x)
    return s.select(x > 0.0, y, s.select(s.eq(x, 0.0), -infinity, nan))


def log1p(x: Scalar) -> Scalar:
    """log(1 + x), where f = x 2^-e + (2^-e - 1) keeps what rounding 1 + x would lose. At most 1.3 ulp."""
    u = x + 1.0
    shift = MANTISSA[x.dtype]
    e = s.ashr(bits_of(u) - LEAST[x.dtype], shift)
    exponent = s.shl(e, shift)
    # 4 * 2^-e is a normal number for every e.
    four = s.bitcast(s.const((BIAS[x.dtype] + 2) << shift, exponent.dtype) - exponent, x.dtype)
    scaled, offset = s.bitcast(bits_of(x) - exponent, x.dtype), s.fma(four, 0.25, -1.0)
    f = scaled + offset
    y = _log_special(u, _log_of(f, s.cast(e, x.dtype), scaled - (f - offset)))
    return s.select(s.eq(x, 0.0), x, y)
