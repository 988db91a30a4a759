"""Softmax, losses: composites that are one node in the graph until code is generated."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtype import Shape, floating, normalize_axis, require_equal, shape_text
from ..errors import DTypeError, ShapeError
from ..op import Composite, apply, register
from .arithmetic import abs, add, divide, multiply, subtract
from .indexing import check_index, checked, one_hot
from .logic import where
from .real_functions import exp, log
from .reductions import count_of, max, mean, sum


class Softmax(Composite):
    """exp(x) / sum(exp(x)) along `axis`, with the maximum taken out."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
        return e / np.sum(e, axis=axis, keepdims=True)

    def expand(self, x: Any, *, axis: int) -> Any:  # type: ignore[override]
        # One division a row: the result is within 1.5 ulp of e / sum.
        e = exp(x - max(x, axis, True))
        return e * divide(1.0, sum(e, axis, True))

    def grad(self, g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (y * (g - sum(g * y, axis, True)),)


class LogSoftmax(Composite):
    """x - logsumexp(x) along `axis`."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))

    def expand(self, x: Any, *, axis: int) -> Any:  # type: ignore[override]
        shifted = x - max(x, axis, True)
        return shifted - log(sum(exp(shifted), axis, True))

    def grad(self, g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (g - softmax(x, axis) * sum(g, axis, True),)


class CrossEntropy(Composite):
    """The mean over all rows of logsumexp(row) - row[label]."""

    def operand_dtypes(self, logits: str, labels: str) -> tuple[str, ...]:  # type: ignore[override]
        if labels not in ("int32", "int64", "int"):
            raise DTypeError(f"labels have dtype {labels}; expected integers (class numbers), not one-hot rows")
        return floating(logits), "int64"

    def result_shape(self, logits: Shape, labels: Shape) -> Shape:  # type: ignore[override]
        complaint = (
            f"logits have shape {shape_text(logits)} and labels {shape_text(labels)}; "
            "expected one label for each row of logits"
        )
        if len(logits) != len(labels) + 1:
            raise ShapeError(complaint)
        for n, m in zip(logits, labels, strict=False):
            require_equal(n, m, complaint)
        return ()

    def numpy(self, logits: np.ndarray, labels: np.ndarray) -> Any:  # type: ignore[override]
        labels = checked(labels, logits.shape[-1], wraps=False)
        # Both parts are taken relative to the maximum: beside a large one their difference would be lost.
        shifted = logits - np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
        total = np.log(np.sum(np.exp(shifted), axis=-1))
        picked = np.take_along_axis(shifted, labels[..., None], -1)[..., 0]
        return np.mean(total - picked)

    def expand(self, logits: Any, labels: Any) -> Any:  # type: ignore[override]
        # Written with the parts that softmax expands to, so that its gradient shares them.
        hot = one_hot(check_index(labels, logits.shape[-1], wraps=False), logits.shape[-1], "bool")
        shifted = logits - max(logits, -1, True)
        total = log(sum(exp(shifted), -1, True))
        picked = sum(where(hot, shifted, 0.0), -1, True)
        return divide(sum(total - picked), count_of(labels, None))

    def grad(self, g: Any, y: Any, logits: Any, labels: Any) -> tuple[Any, ...]:  # type: ignore[override]
        classes = logits.shape[-1]
        hot = one_hot(check_index(labels, classes, wraps=False), classes, logits.dtype)
        return (multiply(softmax(logits, -1) - hot, divide(g, count_of(labels, None))), None)


_softmax, _log_softmax = register(Softmax("softmax")), register(LogSoftmax("log_softmax"))
_cross_entropy = register(CrossEntropy("cross_entropy"))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`; no input overflows."""
    return apply(_softmax, x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax; no input overflows."""
    return apply(_log_softmax, x, axis=axis)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean cross entropy of rows of logits and integer labels.

    Parameters
    ----------
    logits : value of shape (..., classes)
    labels : integers of shape (...)

    Raises
    ------
    DTypeError
        The labels are no integers.
    IndexOutOfBounds
        At the call: a label is not a class.
    """
    return apply(_cross_entropy, logits, labels)


def mse(prediction: Any, target: Any) -> Any:
    """The mean squared error."""
    difference = subtract(prediction, target)
    return mean(multiply(difference, difference))


def mae(prediction: Any, target: Any) -> Any:
    """The mean absolute error."""
    return mean(abs(subtract(prediction, target)))


def logloss(probability: Any, label: Any) -> Any:
    """Binary cross entropy of probabilities: -mean(y log p + (1 - y) log(1 - p)). Nothing is clipped."""
    right = multiply(label, log(probability))
    wrong = multiply(subtract(1, label), log(subtract(1, probability)))
    return mean(-add(right, wrong))


__all__ = ["cross_entropy", "log_softmax", "logloss", "mae", "mse", "softmax"]
