"""Activations: element-wise functions that networks are made of.

Every one of them is right for all finite arguments, its gradients too, and keeps a NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..errors import ArgumentError
from ..op import float_operands
from ..scalar import Scalar
from .arithmetic import abs, add, divide, multiply, negative
from .elementwise import elementwise, no_bool
from .logic import equal, logical_and, where
from .network import softmax
from .real_functions import exp, expm1

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def sigmoid_numpy(x: np.ndarray) -> np.ndarray:
    """The sigmoid in numpy, without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid(x: Scalar) -> Scalar:
    # e / (1 + e) keeps subnormal results, which 1 / (1 + 1 / e) loses; from 40 on it is 1 in both dtypes.
    e = s.exp(s.minimum(x, s.const(40, x.dtype)))
    return e / (1 + e)


def _softplus(x: Scalar) -> Scalar:
    # max(x, 0) keeps a NaN; log1p(exp(-|x|)) never overflows.
    return s.maximum(x, s.const(0, x.dtype)) + s.log1p(s.exp(-s.absolute(x)))


sigmoid = elementwise(
    "sigmoid",
    "1 / (1 + exp(-x))",
    is_costly=True,
    is_activation=True,
    operands=float_operands,
    numpy=sigmoid_numpy,
    element=_sigmoid,
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
    # Adding 0 makes 0 of -0, as numpy does.
    element=lambda x: s.maximum(x, s.const(0, x.dtype)) + 0,
    grad=lambda g, y, x: (where(y > 0, g, 0.0),),
)


# -- steps and lines -----------------------------------------------------------------------------
def _heaviside_element(x: Scalar, h0: Scalar) -> Scalar:
    at_zero_or_nan = s.select(s.eq(x, 0.0), h0, x)
    return s.select(x > 0.0, s.const(1, x.dtype), s.select(x < 0.0, s.const(0, x.dtype), at_zero_or_nan))


def _clipped_grad(g: Any, y: Any, x: Any, low: Any, high: Any) -> tuple[Any, ...]:
    inside = logical_and(x > low, x < high)
    return where(inside, g, 0.0), where(x <= low, g, 0.0), where(x >= high, g, 0.0)


_heaviside = elementwise(
    "heaviside",
    operands=float_operands,
    numpy=np.heaviside,
    element=_heaviside_element,
    grad=lambda g, y, x, h0: (None, where(equal(x, 0.0), g, 0.0)),
)
limited = elementwise(
    "hardtanh",
    operands=float_operands,
    numpy=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    element=lambda x, low, high: s.minimum(s.maximum(x, low), high),
    grad=_clipped_grad,
)
_prelu = elementwise(
    "prelu",
    operands=float_operands,
    numpy=lambda x, slope: np.where(x > 0, x, slope * x),
    element=lambda x, slope: s.select(x > 0.0, x, slope * x),
    grad=lambda g, y, x, slope: (g * where(x > 0.0, 1.0, slope), g * where(x > 0.0, 0.0, x)),
)
_softsign = elementwise(
    "softsign",
    operands=float_operands,
    numpy=lambda x: x / (1 + np.abs(x)),
    element=lambda x: x / (1 + s.absolute(x)),
    grad=lambda g, y, x: (g / (1 + abs(x)) / (1 + abs(x)),),
)


def heaviside(x: Any, h0: Any = 0.5) -> Any:
    """The step function: 0 below zero, 1 above, `h0` at zero. Its gradient by `x` is zero.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.heaviside([-2.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])

    References
    ----------
    McCulloch and Pitts, A logical calculus of the ideas immanent in nervous activity, 1943.
    """
    return _heaviside(x, h0)


def hardtanh(x: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Any:
    """`x` limited to `min_val`..`max_val`; at the limits the gradient by `x` is zero, as PyTorch's.

    Raises
    ------
    ArgumentError
        The limits are numbers, and the lower is above the upper.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.hardtanh([-2.0, 0.5, 3.0])
    array([-1. ,  0.5,  1. ])

    References
    ----------
    Collobert, Large Scale Machine Learning, 2004.
    """
    if isinstance(min_val, (int, float)) and isinstance(max_val, (int, float)) and min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val is {min_val} and max_val {max_val}; expected min_val <= max_val")
    return limited(x, min_val, max_val)


def hard_sigmoid(x: Any) -> Any:
    """The sigmoid as three lines, as PyTorch has it: x / 6 + 1 / 2 limited to 0..1.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.hard_sigmoid([-4.0, 0.0, 1.5, 4.0])
    array([0.  , 0.5 , 0.75, 1.  ])

    References
    ----------
    Howard et al., Searching for MobileNetV3, 2019.
    """
    return divide(limited(add(x, 3.0), 0.0, 6.0), 6.0)


def prelu(x: Any, slope: Any) -> Any:
    """`x` above zero, ``slope * x`` elsewhere; `slope`, which may be learned, broadcasts as numpy does.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.prelu([[-2.0, -2.0], [3.0, 3.0]], [0.25, 0.5])
    array([[-0.5, -1. ],
           [ 3. ,  3. ]])

    References
    ----------
    He et al., Delving Deep into Rectifiers, 2015.
    """
    return _prelu(x, slope)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """`x` above zero, ``negative_slope * x`` elsewhere.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.leaky_relu([-2.0, 3.0])
    array([-0.02,  3.  ])

    References
    ----------
    Maas, Hannun and Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.
    """
    return _prelu(x, negative_slope)


def softsign(x: Any) -> Any:
    """x / (1 + |x|).

    Examples
    --------
    >>> import symnet as sn
    >>> sn.softsign([-1.0, 0.0, 3.0])
    array([-0.5 ,  0.  ,  0.75])

    References
    ----------
    Bergstra et al., Quadratic Polynomials Learn Better Image Features, 2009.
    """
    return _softsign(x)


# -- exponential ---------------------------------------------------------------------------------
def _elu_grad(g: Any, y: Any, x: Any, alpha: Any) -> tuple[Any, Any]:
    # exp of a large x would be inf, and 0 * inf NaN in the gradient of the side not chosen.
    below = where(x > 0.0, 0.0, x)
    return g * where(x > 0.0, 1.0, alpha * exp(below)), g * expm1(below)


_elu = elementwise(
    "elu",
    operands=float_operands,
    numpy=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x))),
    element=lambda x, alpha: s.select(x > 0.0, x, alpha * s.expm1(x)),
    grad=_elu_grad,
)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """`x` above zero, ``alpha * (exp(x) - 1)`` elsewhere.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.elu([-1000.0, 0.0, 3.0])
    array([-1.,  0.,  3.])

    References
    ----------
    Clevert, Unterthiner and Hochreiter, Fast and Accurate Deep Network Learning by Exponential Linear Units, 2016.
    """
    return _elu(x, alpha)


def selu(x: Any) -> Any:
    """elu scaled so that layers keep mean 0 and variance 1.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.selu([-1000.0, 0.0, 1.0]).round(4)
    array([-1.7581,  0.    ,  1.0507])

    References
    ----------
    Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
    return multiply(_elu(x, _SELU_ALPHA), _SELU_SCALE)


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without overflow.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.log_sigmoid([-1000.0, 0.0, 1000.0]).round(4)
    array([-1.000e+03, -6.931e-01, -0.000e+00])
    """
    return negative(softplus(negative(x)))


def softmin(x: Any, axis: int = -1) -> Any:
    """softmax of ``-x``: the smallest element gets most.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.softmin([0.0, 1000.0])
    array([1., 0.])
    """
    return softmax(negative(x), axis)


# PyTorch's names of them.
hardsigmoid, logsigmoid = hard_sigmoid, log_sigmoid

__all__ = [
    "elu",
    "hard_sigmoid",
    "hardsigmoid",
    "hardtanh",
    "heaviside",
    "leaky_relu",
    "log_sigmoid",
    "logsigmoid",
    "prelu",
    "relu",
    "selu",
    "sigmoid",
    "softmin",
    "softplus",
    "softsign",
]
