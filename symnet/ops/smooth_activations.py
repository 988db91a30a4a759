"""Activations that multiply by a smooth step: SiLU, GELU, Mish."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import scalar as s
from ..errors import ArgumentError
from ..op import float_operands
from ..scalar import Scalar
from .activations import limited, sigmoid, sigmoid_numpy, softplus
from .elementwise import elementwise
from .real_functions import erf, exp, tanh

# sqrt(2 / pi) and the cubic's coefficient in the approximation of Hendrycks and Gimpel.
_SLOPE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _times_sigmoid(x: Scalar, z: Scalar) -> Scalar:
    """``x * sigmoid(z)`` by exp(-|z|), which never overflows and loses nothing far below 0."""
    small = s.exp(-s.absolute(z))
    return x * s.select(z >= 0.0, s.const(1, z.dtype), small) / (1 + small)


def _silu_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    step = sigmoid(x)
    return (g * (step + y * (1 - step)),)


_silu = elementwise(
    "silu",
    operands=float_operands,
    numpy=lambda x: x * sigmoid_numpy(x),
    element=lambda x: _times_sigmoid(x, x),
    grad=_silu_grad,
)


def _gelu_numpy(x: np.ndarray) -> Any:
    tail = np.frompyfunc(math.erfc, 1, 1)(x * -math.sqrt(0.5))
    return 0.5 * x * np.asarray(tail, np.float64)


def _gelu_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    step = 0.5 + 0.5 * erf(x * math.sqrt(0.5))
    return (g * (step + x * (exp(x * x * -0.5) * (0.5 * _SLOPE))),)


_gelu = elementwise(
    "gelu",
    operands=float_operands,
    numpy=_gelu_numpy,
    element=lambda x: x * (0.5 + 0.5 * s.erf(x * math.sqrt(0.5))),
    grad=_gelu_grad,
)


def _gelu_step_numpy(x: np.ndarray) -> Any:
    return sigmoid_numpy(2 * _SLOPE * (x + _CUBIC * x * x * x))


def _gelu_step_element(x: Scalar) -> Scalar:
    # (1 + tanh(u)) / 2 is sigmoid(2 u), without the cancellation.
    e = s.exp(s.minimum(x * (2 * _SLOPE + (2 * _SLOPE * _CUBIC) * (x * x)), 40.0))
    return e / (1 + e)


def _gelu_step_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    # Beyond 30 the step is 0 or 1 exactly; limited, no square overflows.
    near = limited(x, -30.0, 30.0)
    return (g * (y * (1 - y) * (1 + 3 * _CUBIC * near * near) * (2 * _SLOPE)),)


gelu_step = elementwise(
    "gelu_step",
    "What `gelu_tanh` multiplies by; an op of its own, so that value and gradient share it",
    is_costly=True,
    operands=float_operands,
    numpy=_gelu_step_numpy,
    element=_gelu_step_element,
    grad=_gelu_step_grad,
)


def _gelu_tanh_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    near, step = limited(x, -30.0, 30.0), gelu_step(x)
    slope = near * (1 + 3 * _CUBIC * near * near) * (2 * _SLOPE)
    return (g * (step + slope * step * (1 - step)),)


_gelu_tanh = elementwise(
    "gelu_tanh",
    operands=float_operands,
    numpy=lambda x: x * _gelu_step_numpy(x),
    element=lambda x: x * _gelu_step_element(x),
    grad=_gelu_tanh_grad,
)


def _mish_element(x: Scalar) -> Scalar:
    # tanh(log(1 + e)) is (e² + 2 e) / (e² + 2 e + 2), for e = exp(x); both parts divided by e² for x > 0.
    small = s.exp(-s.absolute(x))
    right = x >= 0.0
    above = s.select(right, 1 + 2 * small, small * (small + 2))
    rest = s.select(right, 2 * small * small, s.const(2, x.dtype))
    return x * above / (above + rest)


def _mish_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    # Beyond 1000 the second term is 0; limited, no product overflows in the second gradient.
    near = limited(x, -1000.0, 1000.0)
    step = tanh(softplus(near))
    return (g * (step + near * sigmoid(near) * (1 - step * step)),)


_mish = elementwise(
    "mish",
    operands=float_operands,
    numpy=lambda x: x * np.tanh(np.logaddexp(0, x)),
    element=_mish_element,
    grad=_mish_grad,
)


def silu(x: Any) -> Any:
    """x * sigmoid(x), also called swish.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.silu([-1000.0, 0.0, 1000.0])
    array([  -0.,    0., 1000.])

    References
    ----------
    Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units for Neural Network Function Approximation, 2017.
    """
    return _silu(x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution's cumulative probability at x.

    Parameters
    ----------
    approximate : str
        "none": by erf; the error is below a few units in the last place of `x`, so that far below zero the
        result is 0. "tanh": ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³)))``.

    Raises
    ------
    ArgumentError
        `approximate` is neither.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.gelu([-1.0, 0.0, 1.0]).round(4)
    array([-0.1587,  0.    ,  0.8413])
    >>> sn.gelu(1.0, approximate="tanh").round(4)
    np.float64(0.8412)

    References
    ----------
    Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.
    """
    if approximate == "none":
        return _gelu(x)
    if approximate == "tanh":
        return _gelu_tanh(x)
    raise ArgumentError(f"gelu: approximate is {approximate!r}; expected 'none' or 'tanh'")


def mish(x: Any) -> Any:
    """x * tanh(softplus(x)).

    Examples
    --------
    >>> import symnet as sn
    >>> sn.mish([-1000.0, 0.0, 1000.0])
    array([  -0.,    0., 1000.])

    References
    ----------
    Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.
    """
    return _mish(x)


# Keras's name of it.
swish = silu

__all__ = ["gelu", "mish", "silu", "swish"]
