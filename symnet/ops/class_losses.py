"""Losses of class labels: cross entropy and negative log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtype import Shape, as_number, as_numbers, floating, require_equal, shape_text
from ..errors import DTypeError, ShapeError, SymbolicUseError
from ..op import Composite, apply, register
from .arithmetic import add, divide, multiply, negative
from .indexing import check_index, checked, one_hot
from .logic import where
from .losses import soft_nll
from .network import log_softmax, softmax
from .real_functions import exp, log
from .reductions import count_of, max, mean, sum


class Labelled(Composite):
    """A mean over rows, each of which has one integer label. `rows` is what messages call them."""

    rows, or_else = "logits", ""

    def operand_dtypes(self, rows: str, labels: str) -> tuple[str, ...]:  # type: ignore[override]
        if labels not in ("int32", "int64", "int"):
            raise DTypeError(f"labels have dtype {labels}; expected integers (class numbers){self.or_else}")
        return floating(rows), "int64"

    def result_shape(self, rows: Shape, labels: Shape) -> Shape:  # type: ignore[override]
        complaint = (
            f"{self.rows} have shape {shape_text(rows)} and labels {shape_text(labels)}; "
            f"expected one label for each row of {self.rows}"
        )
        if len(rows) != len(labels) + 1:
            raise ShapeError(complaint)
        for n, m in zip(rows, labels, strict=False):
            require_equal(n, m, complaint)
        return ()

    def numpy(self, rows: np.ndarray, labels: np.ndarray) -> Any:  # type: ignore[override]
        self.result_shape(rows.shape, labels.shape)
        return self.formula(rows, checked(labels, rows.shape[-1], wraps=False))

    def formula(self, rows: np.ndarray, labels: np.ndarray) -> Any:
        """The answer in numpy, for labels that were checked."""
        raise NotImplementedError(f"{self.name} has no formula")


def _hot(rows: Any, labels: Any, dtype: Any) -> Any:
    """One-hot rows of labels, which are checked."""
    classes = rows.shape[-1]
    return one_hot(check_index(labels, classes, wraps=False), classes, dtype)


class CrossEntropy(Labelled):
    """The mean over all rows of logsumexp(row) - row[label]."""

    or_else = "; probabilities come in rows, and need a declared dtype"

    def formula(self, rows: np.ndarray, labels: np.ndarray) -> Any:
        # Both parts are taken relative to the maximum: beside a large one their difference would be lost.
        shifted = rows - np.max(rows, axis=-1, keepdims=True, initial=-np.inf)
        total = np.log(np.sum(np.exp(shifted), axis=-1))
        picked = np.take_along_axis(shifted, labels[..., None], -1)[..., 0]
        return np.mean(total - picked)

    def expand(self, logits: Any, labels: Any) -> Any:  # type: ignore[override]
        # Written with the parts that softmax expands to, so that its gradient shares them.
        shifted = logits - max(logits, -1, True)
        total = log(sum(exp(shifted), -1, True))
        picked = sum(where(_hot(logits, labels, "bool"), shifted, 0.0), -1, True)
        return divide(sum(total - picked), count_of(labels, None))

    def grad(self, g: Any, y: Any, logits: Any, labels: Any) -> tuple[Any, ...]:  # type: ignore[override]
        distance = softmax(logits, -1) - _hot(logits, labels, logits.dtype)
        return (multiply(distance, divide(g, count_of(labels, None))), None)


class NLL(Labelled):
    """The mean over all rows of -row[label]."""

    rows = "log-probabilities"

    def formula(self, rows: np.ndarray, labels: np.ndarray) -> Any:
        return -np.mean(np.take_along_axis(rows, labels[..., None], -1))

    def expand(self, rows: Any, labels: Any) -> Any:  # type: ignore[override]
        picked = sum(where(_hot(rows, labels, "bool"), rows, 0.0), -1)
        return -divide(sum(picked), count_of(labels, None))


_cross_entropy, _nll = register(CrossEntropy("cross_entropy")), register(NLL("nll_loss"))


def _known(x: Any, what: str) -> Any:
    """The dtype or ndim of a value; None where it was not declared."""
    try:
        return getattr(x if hasattr(type(x), what) else as_numbers(x, "cross_entropy"), what)
    except SymbolicUseError:
        return None


def _are_rows(labels: Any, logits: Any) -> bool:
    """Whether labels are known to be probabilities: floats, and not one axis short of the logits."""
    dtype, axes, wanted = _known(labels, "dtype"), _known(labels, "ndim"), _known(logits, "ndim")
    return dtype is not None and np.dtype(dtype).kind == "f" and (None in (axes, wanted) or axes != wanted - 1)


def cross_entropy(logits: Any, labels: Any, label_smoothing: float = 0.0) -> Any:
    """The mean cross entropy of rows of logits, and integer labels or rows of probabilities.

    Parameters
    ----------
    logits : value of shape (..., classes)
    labels : integers of shape (...), or floats of shape (..., classes)
        A Variable of unknown dtype is taken to hold integers.
    label_smoothing : float
        The part of each label, 0 to 1, that is shared equally by all classes.

    Raises
    ------
    DTypeError
        The labels are neither integers nor floats.
    ShapeError
        There is not one label, or one row of probabilities, for each row of logits.
    ArgumentError
        `label_smoothing` is outside 0..1.
    IndexOutOfBounds
        At the call: a label is not a class.

    Examples
    --------
    >>> import symnet as sn
    >>> rows = [[2.0, 0.0], [0.0, 0.0]]
    >>> sn.cross_entropy(rows, [0, 1]).round(4)
    np.float64(0.41)
    >>> sn.cross_entropy(rows, [[1.0, 0.0], [0.5, 0.5]]).round(4)
    np.float64(0.41)
    >>> sn.cross_entropy(rows, [0, 1], label_smoothing=0.1).round(4)
    np.float64(0.46)

    References
    ----------
    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016 (label smoothing).
    """
    smoothing = as_number(
        "cross_entropy: label_smoothing", label_smoothing, "a number from 0 to 1", lambda part: 0 <= part <= 1
    )
    if _are_rows(labels, logits):
        loss = soft_nll(log_softmax(logits, -1), labels)
    else:
        loss = apply(_cross_entropy, logits, labels)
    if smoothing == 0:
        return loss
    # Linear in the labels: the equal shares cost the mean of -log_softmax over rows and classes.
    shared = negative(mean(log_softmax(logits, -1)))
    return add(multiply(loss, 1 - smoothing), multiply(shared, smoothing))


def nll_loss(log_probability: Any, labels: Any) -> Any:
    """The mean over rows of minus the log-probability of the label.

    Parameters
    ----------
    log_probability : value of shape (..., classes)
    labels : integers of shape (...)

    Raises
    ------
    DTypeError
        The labels are no integers.
    ShapeError
        There is not one label for each row.
    IndexOutOfBounds
        At the call: a label is not a class.

    Examples
    --------
    >>> import symnet as sn
    >>> float(sn.nll_loss([[-0.5, -1.0], [-2.0, -0.25]], [0, 1]))
    0.375
    """
    return apply(_nll, log_probability, labels)


__all__ = ["cross_entropy", "nll_loss"]
