"""Sums and products of all elements so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from .dtype import as_axis, normalize_axis
from .errors import ArgumentError
from .op import deferred
from .operators import Operators
from .scan import scan


def cumsum(a: Any, axis: int | None = None) -> Any:
    """The sums of the elements up to each place along an axis, as numpy's.

    Parameters
    ----------
    a : value
    axis : int, optional
        Default: of all elements, in C order.

    Returns
    -------
    value
        int64 of bools and int32, as of `sum`; else of the dtype of `a`.

    Raises
    ------
    ArgumentError, ShapeError
        `axis` is no integer, or there is no such axis.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", ("n", 2), "float64")
    >>> sn.compile(np.cumsum(x, axis=0))(np.ones((3, 2)))
    array([[1., 1.],
           [2., 2.],
           [3., 3.]])

    References
    ----------
    Iverson's scan (A Programming Language, 1962), in order from the first element on.
    """
    return _cumulative(np.cumsum, ops.add, a, axis, 0)


def cumprod(a: Any, axis: int | None = None) -> Any:
    """The products of the elements up to each place along an axis, as numpy's.

    Its gradient divides by nothing, so zeros among the elements do no harm.

    Parameters
    ----------
    a : value
    axis : int, optional
        Default: of all elements, in C order.

    Returns
    -------
    value
        int64 of bools and int32, as of `sum`; else of the dtype of `a`.

    Raises
    ------
    ArgumentError, ShapeError
        `axis` is no integer, or there is no such axis.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> n = sn.Variable("n", ("n",), "int64")
    >>> sn.compile(sn.cumprod(n))(np.arange(1, 6))
    array([  1,   2,   6,  24, 120])

    References
    ----------
    Iverson's scan (A Programming Language, 1962), in order from the first element on.
    """
    return _cumulative(np.cumprod, ops.multiply, a, axis, 1)


def _cumulative(in_numpy: Callable[..., Any], op: Callable[..., Any], a: Any, axis: Any, neutral: int) -> Any:
    place = as_axis(axis, in_numpy.__name__)
    if isinstance(place, tuple):
        raise ArgumentError(f"{in_numpy.__name__}: axis is {axis!r}; expected an int or None")
    if not isinstance(a, Operators):
        return in_numpy(a, axis=place)
    if place is None:
        a, place = ops.reshape(a, (-1,)), 0
    columns = _first(a, place)
    # A sum of no elements: zeros of the shape and dtype of the results, whatever those are.
    start = ops.stop_gradient(ops.sum(columns[:0], axis=0)) + neutral

    def step(so_far: Any, each: Any) -> tuple[Any, Any]:
        following = op(so_far, each)
        return following, following

    return _back(scan(step, start, columns)[1], place)


@deferred("x")
def _first(x: Any, axis: int) -> Any:
    """The value with an axis moved to the front."""
    return ops.swapaxes(x, 0, normalize_axis(axis, len(x.shape))) if axis else x


@deferred("x")
def _back(x: Any, axis: int) -> Any:
    """The value with its first axis moved back."""
    return _first(x, axis)
