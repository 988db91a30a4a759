"""fmod: the exact remainder of a division."""

from __future__ import annotations

import math

from symnet import scalar as s
from symnet.scalar import Scalar

from .floats import bits_of, lazily
from .powers import two_product


def fmod(a: Scalar, b: Scalar, has_fma: bool) -> Scalar:
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
    result = lazily(x >= y * 2.0**50, rest, usual)
    result = s.select(x < y, x, result)
    valid = (x < math.inf) & (y > 0.0)
    result = s.select(valid, result, s.const(math.nan, "float64"))
    return s.select(bits_of(a) < 0, -s.cast(result, dtype), s.cast(result, dtype))


def _remainder_step(x: Scalar, y: Scalar, has_fma: bool) -> Scalar:
    """x mod y for positive x and y whose quotient has at most 52 bits."""
    product, error = two_product(s.floor(x / y), y, has_fma)
    rest = (x - product) - error
    rest = s.select(rest < 0.0, rest + y, rest)
    return s.select(rest >= y, rest - y, rest)
