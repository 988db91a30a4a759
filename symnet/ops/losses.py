"""Losses: one number that says how far a prediction is from its target.

Most are the mean of an element-wise op on a prediction and a target of one shape. That op's gradient
is a formula of its own, right where the formula of the loss has a corner or a limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import Shape, as_axis, as_number, require_equal, shape_text
from ..errors import ShapeError
from ..op import Composite, apply, float_operands, register
from ..scalar import Scalar
from .activations import hardtanh, sigmoid
from .arithmetic import abs, add, multiply, negative, subtract
from .elementwise import Rule, elementwise
from .logic import equal, maximum, where
from .real_functions import log, log1p, rsqrt
from .reductions import mean, sum

# The logarithm of a probability 0, and the smallest divisor of a gradient, as PyTorch has them.
_LOWEST_LOG, _SMALLEST = -100.0, 1e-12


class MeanLoss(Composite):
    """The mean of an element-wise op on a prediction and a target of one shape, and on numbers beside them.

    With `rows` the last axis is summed first, so that the mean is over rows.
    """

    def __init__(self, name: str, each: Rule, rows: bool) -> None:
        super().__init__(name)
        self.each, self.rows = each, rows

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, prediction: Shape, target: Shape, *numbers: Shape) -> Shape:  # type: ignore[override]
        # The op would broadcast them, and (batch,) beside (batch, 1) would be a square.
        complaint = (
            f"the prediction has shape {shape_text(prediction)} and the target {shape_text(target)}; "
            "expected the same shape"
        )
        if len(prediction) != len(target):
            raise ShapeError(complaint)
        for n, m in zip(prediction, target, strict=True):
            require_equal(n, m, complaint)
        if self.rows and not prediction:
            raise ShapeError("the prediction has shape (); expected rows of classes")
        return ()

    def numpy(self, *arrays: np.ndarray) -> Any:  # type: ignore[override]
        self.result_shape(*(a.shape for a in arrays))
        losses = self.each(*arrays)
        losses = np.sum(losses, axis=-1) if self.rows else losses
        return np.divide(np.sum(losses), losses.dtype.type(losses.size))

    def expand(self, *xs: Any) -> Any:
        losses = self.each(*xs)
        return mean(sum(losses, -1) if self.rows else losses)


def _pair(name: str, numpy: Rule, element: Rule, grad: Rule, rows: bool = False) -> Rule:
    """The loss `name`, the mean of the op `name`_each."""
    each = elementwise(f"{name}_each", operands=float_operands, numpy=numpy, element=element, grad=grad)
    op = register(MeanLoss(name, each, rows))

    def function(*args: Any) -> Any:
        return apply(op, *args)

    return function


# -- of numbers ----------------------------------------------------------------------------------
def _huber_numpy(prediction: np.ndarray, target: np.ndarray, delta: np.ndarray) -> Any:
    distance = np.abs(prediction - target)
    return np.where(distance <= delta, 0.5 * distance * distance, delta * (distance - 0.5 * delta))


def _huber_element(prediction: Scalar, target: Scalar, delta: Scalar) -> Scalar:
    distance = s.absolute(prediction - target)
    near = s.minimum(distance, delta)
    return near * (distance - 0.5 * near)


def _huber_grad(g: Any, y: Any, prediction: Any, target: Any, delta: Any) -> tuple[Any, ...]:
    distance = prediction - target
    slope = g * hardtanh(distance, -delta, delta)
    return slope, -slope, g * where(abs(distance) > delta, abs(distance) - delta, 0.0)


def _hinge_grad(g: Any, y: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    return where(y > 0, -g * target, 0.0), where(y > 0, -g * prediction, 0.0)


_huber = _pair("huber", _huber_numpy, _huber_element, _huber_grad)
_hinge = _pair(
    "hinge",
    lambda prediction, target: np.maximum(1 - prediction * target, 0),
    lambda prediction, target: s.maximum(1 - prediction * target, 0.0),
    _hinge_grad,
)


def mse(prediction: Any, target: Any) -> Any:
    """The mean squared error."""
    difference = subtract(prediction, target)
    return mean(multiply(difference, difference))


def mae(prediction: Any, target: Any) -> Any:
    """The mean absolute error."""
    return mean(abs(subtract(prediction, target)))


def huber(prediction: Any, target: Any, delta: float = 1.0) -> Any:
    """The mean of d² / 2 for distances d up to `delta`, and of ``delta * (d - delta / 2)`` beyond.

    Raises
    ------
    ShapeError
        The two differ in shape.
    ArgumentError
        `delta` is not above 0.

    Examples
    --------
    >>> import symnet as sn
    >>> float(sn.huber([0.0, 3.0], [1.0, 0.0]))
    1.5

    References
    ----------
    Huber, Robust Estimation of a Location Parameter, 1964.
    """
    delta = as_number("huber: delta", delta, "a number above 0", lambda d: d > 0)
    return _huber(prediction, target, delta)


def hinge(prediction: Any, target: Any) -> Any:
    """The mean of max(0, 1 - prediction * target), for targets -1 and 1.

    Raises
    ------
    ShapeError
        The two differ in shape.

    Examples
    --------
    >>> import symnet as sn
    >>> float(sn.hinge([0.5, -2.0], [1.0, -1.0]))
    0.25

    References
    ----------
    Cortes and Vapnik, Support-Vector Networks, 1995.
    """
    return _hinge(prediction, target)


def cosine_similarity(a: Any, b: Any, axis: int = -1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along `axis`; a length below `eps` counts as `eps`.

    Vectors whose squared length overflows are not scaled down first.

    Raises
    ------
    ShapeError
        The two do not broadcast, or have no such axis.
    ArgumentError
        `eps` is not above 0.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.cosine_similarity([[1.0, 0.0], [3.0, 4.0]], [[0.0, 2.0], [3.0, 4.0]])
    array([0., 1.])
    """
    eps = as_number("cosine_similarity: eps", eps, "a number above 0", lambda e: e > 0)

    def inverse_length(x: Any) -> Any:
        return rsqrt(maximum(sum(multiply(x, x), axis), eps * eps))

    return sum(multiply(a, b), axis) * inverse_length(a) * inverse_length(b)


# -- of probabilities ----------------------------------------------------------------------------
def _bce_numpy(probability: np.ndarray, target: np.ndarray) -> Any:
    right, wrong = (np.maximum(x, _LOWEST_LOG) for x in (np.log(probability), np.log1p(-probability)))
    return -(target * right + (1 - target) * wrong)


def _bce_element(probability: Scalar, target: Scalar) -> Scalar:
    right, wrong = (s.maximum(x, _LOWEST_LOG) for x in (s.log(probability), s.log1p(-probability)))
    return -(target * right + (1 - target) * wrong)


def _bce_grad(g: Any, y: Any, probability: Any, target: Any) -> tuple[Any, Any]:
    slope = (probability - target) / maximum(probability * (1 - probability), _SMALLEST)
    odds = maximum(log1p(-probability), _LOWEST_LOG) - maximum(log(probability), _LOWEST_LOG)
    return g * slope, g * odds


def _bce_logits_element(logit: Scalar, target: Scalar) -> Scalar:
    # Terms that are all positive: none cancels another.
    zero = s.const(0, logit.dtype)
    wrong_side = target * s.maximum(-logit, zero) + (1 - target) * s.maximum(logit, zero)
    return wrong_side + s.log1p(s.exp(-s.absolute(logit)))


_bce = _pair("binary_cross_entropy", _bce_numpy, _bce_element, _bce_grad)
_bce_logits = _pair(
    "binary_cross_entropy_with_logits",
    lambda logit, target: target * np.logaddexp(0, -logit) + (1 - target) * np.logaddexp(0, logit),
    _bce_logits_element,
    lambda g, y, logit, target: (g * (sigmoid(logit) - target), -g * logit),
)
soft_nll = _pair(
    "soft_nll",
    lambda log_p, target: np.where(target == 0, 0, -(target * log_p)),
    lambda log_p, target: s.select(s.eq(target, 0.0), s.const(0, log_p.dtype), -(target * log_p)),
    lambda g, y, log_p, target: (-g * target, -g * log_p),
    rows=True,
)


def _kl_grad(g: Any, y: Any, log_p: Any, target: Any) -> tuple[Any, Any]:
    zero = equal(target, 0.0)
    return -g * target, where(zero, 0.0, g * (log(where(zero, 1.0, target)) + 1 - log_p))


_kl = _pair(
    "kl_div",
    lambda log_p, target: np.where(target == 0, 0, target * (np.log(target) - log_p)),
    lambda log_p, target: s.select(s.eq(target, 0.0), s.const(0, log_p.dtype), target * (s.log(target) - log_p)),
    _kl_grad,
    rows=True,
)


def _x_log_x_grad(g: Any, y: Any, x: Any) -> tuple[Any]:
    zero = equal(x, 0.0)
    return (where(zero, 0.0, g * (log(where(zero, 1.0, x)) + 1)),)


_x_log_x = elementwise(
    "x_log_x",
    operands=float_operands,
    numpy=lambda x: np.where(x == 0, 0, x * np.log(x)),
    element=lambda x: s.select(s.eq(x, 0.0), s.const(0, x.dtype), x * s.log(x)),
    grad=_x_log_x_grad,
)


def logloss(probability: Any, label: Any) -> Any:
    """Binary cross entropy of probabilities: -mean(y log p + (1 - y) log(1 - p)). Nothing is clipped."""
    right = multiply(label, log(probability))
    wrong = multiply(subtract(1, label), log(subtract(1, probability)))
    return mean(-add(right, wrong))


def binary_cross_entropy(probability: Any, target: Any) -> Any:
    """-mean(y log p + (1 - y) log(1 - p)), with no logarithm below -100, as PyTorch has it.

    The gradient's divisor p (1 - p) is no smaller than 1e-12. A probability outside 0..1 gives NaN.

    Raises
    ------
    ShapeError
        The two differ in shape.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.binary_cross_entropy([0.5, 0.0], [1.0, 0.0]).round(4)
    np.float64(0.3466)

    References
    ----------
    Good, Rational Decisions, 1952.
    """
    return _bce(probability, target)


def binary_cross_entropy_with_logits(logit: Any, target: Any) -> Any:
    """binary_cross_entropy of sigmoid(logit), right for every finite logit.

    Raises
    ------
    ShapeError
        The two differ in shape.

    Examples
    --------
    >>> import symnet as sn
    >>> float(sn.binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 1.0]))
    500.0
    """
    return _bce_logits(logit, target)


def kl_div(log_probability: Any, target: Any) -> Any:
    """The Kullback-Leibler divergence: sum(p * (log(p) - log_probability)) over the last axis, its mean over rows.

    PyTorch's with reduction="batchmean". Where the target p is 0 the term and its gradient by p are 0.

    Parameters
    ----------
    log_probability : value of shape (..., classes)
        The logarithm of the distribution that is to come close to the target, such as a log_softmax.
    target : value of the same shape
        Probabilities.

    Raises
    ------
    ShapeError
        The two differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> import symnet as sn
    >>> sn.kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]]).round(4)
    np.float64(0.6931)

    References
    ----------
    Kullback and Leibler, On Information and Sufficiency, 1951.
    """
    return _kl(log_probability, target)


def entropy(probability: Any, axis: Any = -1) -> Any:
    """-sum(p log p) along `axis`, in nats. Where p is 0 the term and its gradient are 0.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.entropy([[0.5, 0.5], [1.0, 0.0]]).round(4)
    array([ 0.6931, -0.    ])

    References
    ----------
    Shannon, A Mathematical Theory of Communication, 1948.
    """
    return negative(sum(_x_log_x(probability), as_axis(axis, "entropy")))


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "entropy",
    "hinge",
    "huber",
    "kl_div",
    "logloss",
    "mae",
    "mse",
]
