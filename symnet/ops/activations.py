"""Activations: element-wise functions that networks are made of."""

from __future__ import annotations

import numpy as np

from .. import scalar as s
from ..op import float_operands
from ..scalar import Scalar
from .elementwise import elementwise, no_bool
from .logic import where


def _sigmoid(x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _softplus(x: Scalar) -> Scalar:
    # max(x, 0) keeps a NaN; log1p(exp(-|x|)) never overflows.
    return s.maximum(x, s.const(0, x.dtype)) + s.log1p(s.exp(-s.absolute(x)))


sigmoid = elementwise(
    "sigmoid",
    "1 / (1 + exp(-x))",
    is_costly=True,
    is_activation=True,
    operands=float_operands,
    numpy=_sigmoid,
    # For x far below 0, exp(-x) is inf and 1 / inf is 0: right without a choice of two formulas.
    element=lambda x: 1 / (1 + s.exp(-x)),
    grad=lambda g, y, x: (g * y * (1 - y),),
)
softplus = elementwise(
    "softplus",
    "log(1 + exp(x)), without overflow",
    is_costly=True,
    is_activation=True,
    operands=float_operands,
    numpy=lambda x: np.logaddexp(0, x).astype(x.dtype),
    element=_softplus,
    grad=lambda g, y, x: (g * sigmoid(x),),
)
relu = elementwise(
    "relu",
    "x where it is positive, else 0",
    is_activation=True,
    operands=no_bool,
    numpy=lambda x: np.maximum(x, 0),
    element=lambda x: s.maximum(x, s.const(0, x.dtype)),
    grad=lambda g, y, x: (where(y > 0, g, 0.0),),
)

__all__ = ["relu", "sigmoid", "softplus"]
