"""What is measured beside the loss: functions of all targets and all of the network's outputs, as arrays.

Classes are whole numbers from 0. Outputs with an axis more than the targets are scores, one for each class; outputs
with one number a sample are probabilities of class 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError

Metric = Callable[[np.ndarray, np.ndarray], Any]
Metrics = Mapping[str, Metric] | Iterable[str | Metric] | str | Metric


def accuracy(targets: np.ndarray, outputs: np.ndarray) -> float:
    """The share of samples whose class the network finds.

    Parameters
    ----------
    targets : integers
    outputs : array

    Returns
    -------
    float

    Raises
    ------
    DTypeError, ShapeError
        The targets are no classes, or do not fit the outputs.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.train.accuracy(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """
    actual, predicted, _ = _classes(targets, outputs)
    return float(np.mean(actual == predicted))


def confusion_matrix(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """How often each class (row) was taken for each class (column).

    Parameters
    ----------
    targets : integers
    outputs : array

    Returns
    -------
    array of int64

    Raises
    ------
    DTypeError, ShapeError
        The targets are no classes, or do not fit the outputs.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.train.confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]))
    array([[1, 0],
           [1, 1]])
    """
    actual, predicted, count = _classes(targets, outputs)
    return np.bincount(actual * count + predicted, minlength=count**2).reshape(count, count)


def f1(targets: np.ndarray, outputs: np.ndarray) -> float:
    """The mean F1 of all classes that are met or found ("macro").

    Parameters
    ----------
    targets : integers
    outputs : array

    Returns
    -------
    float

    Raises
    ------
    DTypeError, ShapeError
        The targets are no classes, or do not fit the outputs.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> round(sn.train.f1(np.array([0, 0, 1]), np.array([0, 1, 1])), 3)
    0.667
    """
    counts = confusion_matrix(targets, outputs)
    both = counts.sum(0) + counts.sum(1)
    met = both > 0
    return float(np.mean(2 * counts.diagonal()[met] / both[met])) if met.any() else float("nan")


def r2(targets: np.ndarray, outputs: np.ndarray) -> float:
    """The share of the targets' variance that the outputs explain; the mean over all columns.

    A column of equal targets counts 1 where it is met exactly, else 0.

    Parameters
    ----------
    targets, outputs : arrays of one shape

    Returns
    -------
    float

    Raises
    ------
    ShapeError
        The shapes differ.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.train.r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    wanted, found = np.asarray(targets, np.float64), np.asarray(outputs, np.float64)
    if wanted.shape != found.shape:
        raise ShapeError(f"r2: targets of shape {wanted.shape} and outputs of shape {found.shape}; expected one shape")
    if len(wanted) < 2:
        return float("nan")
    missed = ((wanted - found) ** 2).sum(0)
    spread = ((wanted - wanted.mean(0)) ** 2).sum(0)
    constant = np.where(missed == 0, 1.0, 0.0)
    return float(np.mean(np.where(spread == 0, constant, 1 - missed / np.where(spread == 0, 1, spread))))


def named(metrics: Metrics) -> dict[str, Metric]:
    """The metrics by name; a string stands for a function of this file.

    Raises
    ------
    ArgumentError
        One is unknown or no function, or two have one name.
    """
    if isinstance(metrics, Mapping):
        pairs = [(str(name), _function(metric)) for name, metric in metrics.items()]
    else:
        given = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        functions = [_function(metric) for metric in given]
        pairs = [(getattr(metric, "__name__", type(metric).__name__), metric) for metric in functions]
    names = [name for name, _ in pairs]
    doubled = [n for n in names if names.count(n) > 1 or n in ("loss", "samples_per_second")]
    if doubled:
        raise ArgumentError(f"metrics: the name {doubled[0]!r} is taken; give a dict with another name")
    return dict(pairs)


_KNOWN: dict[str, Metric] = {f.__name__: f for f in (accuracy, confusion_matrix, f1, r2)}


def _function(metric: Any) -> Metric:
    found = _KNOWN.get(metric) if isinstance(metric, str) else metric
    if not callable(found):
        raise ArgumentError(f"metrics has {metric!r}; expected a function, or one of {', '.join(_KNOWN)}")
    return found


def _classes(targets: Any, outputs: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """The classes met, the classes found, and how many classes there are."""
    actual, scores = np.asarray(targets), np.asarray(outputs)
    if actual.dtype.kind == "f" and (actual == np.round(actual)).all():
        actual = actual.astype(np.int64)  # labels of a loss that computes with them
    if actual.dtype.kind not in "biu":
        raise DTypeError(f"targets are {actual.dtype}; expected classes, whole numbers from 0")
    count = 2 if scores.ndim == actual.ndim else scores.shape[-1]
    found = scores.argmax(-1) if scores.ndim == actual.ndim + 1 else scores
    if found.shape != actual.shape:
        raise ShapeError(f"targets of shape {actual.shape} do not fit outputs of shape {scores.shape}")
    if found.dtype.kind == "f":
        found = found > 0.5
    actual, found = actual.ravel().astype(np.int64), found.ravel().astype(np.int64)
    if actual.size and actual.min() < 0:
        raise DTypeError(f"targets have the class {actual.min()}; expected whole numbers from 0")
    return actual, found, max([count, *(int(a.max()) + 1 for a in (actual, found) if a.size)])
