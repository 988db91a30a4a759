"""Functions of real numbers: integers are made floats first."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import scalar as s
from ..op import float_operands
from ..scalar import Scalar
from .elementwise import Rule, elementwise


def _real(
    name: str, meaning: str, numpy: Rule, element: Rule, grad: Rule, is_costly: bool = True, is_activation: bool = False
) -> Callable[..., Any]:
    return elementwise(
        name,
        meaning,
        operands=float_operands,
        numpy=numpy,
        element=element,
        grad=grad,
        is_costly=is_costly,
        is_activation=is_activation,
    )


def _logaddexp(a: Scalar, b: Scalar) -> Scalar:
    larger, smaller = s.maximum(a, b), s.minimum(a, b)
    # Equal infinities would give inf - inf.
    apart = s.select(s.eq(a, b), s.const(0, a.dtype), smaller - larger)
    return larger + s.log1p(s.exp(apart))


exp = _real("exp", "e to the power x", np.exp, s.exp, lambda g, y, x: (g * y,))
log = _real("log", "The natural logarithm", np.log, s.log, lambda g, y, x: (g / x,))
log1p = _real("log1p", "log(1 + x), exact near 0", np.log1p, s.log1p, lambda g, y, x: (g / (1 + x),))
expm1 = _real("expm1", "exp(x) - 1, exact near 0", np.expm1, s.expm1, lambda g, y, x: (g * exp(x),))
logaddexp = _real(
    "logaddexp",
    "log(exp(a) + exp(b)), without overflow",
    np.logaddexp,
    _logaddexp,
    lambda g, y, a, b: (g * exp(a - y), g * exp(b - y)),
)
sqrt = _real("sqrt", "The square root", np.sqrt, s.sqrt, lambda g, y, x: (g * 0.5 / y,))
rsqrt = _real(
    "rsqrt",
    "1 / sqrt(x)",
    lambda x: 1 / np.sqrt(x),
    lambda x: 1 / s.sqrt(x),
    lambda g, y, x: (g * -0.5 * y / x,),
)
sin: Callable[..., Any] = _real("sin", "The sine of x in radians", np.sin, s.sin, lambda g, y, x: (g * cos(x),))
cos: Callable[..., Any] = _real("cos", "The cosine of x in radians", np.cos, s.cos, lambda g, y, x: (-g * sin(x),))
tanh = _real("tanh", "The hyperbolic tangent", np.tanh, s.tanh, lambda g, y, x: (g * (1 - y * y),), is_activation=True)
erf = _real(
    "erf",
    "The error function",
    np.frompyfunc(math.erf, 1, 1),
    s.erf,
    lambda g, y, x: (g * (2 / math.sqrt(math.pi)) * exp(-x * x),),
)
