"""Elements in reverse, or moved around an axis."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Size, floordiv, maximum
from ..dtype import Shape, as_axis, normalize_axes, normalize_axis
from ..errors import ArgumentError, ShapeError
from ..op import IndexTuple, Operand, apply, deferred, register
from ..scalar import Scalar
from .creation import as_value
from .movement import Movement, reshape
from .slicing import WHOLE, sliced

BACKWARDS = ("slice", None, None, -1)


class Roll(Movement):
    """Attributes `shift` and `axis`: elements moved along an axis, those beyond its end to its start."""

    def result_shape(self, x: Shape, *, shift: int, axis: int) -> Shape:  # type: ignore[override]
        return x

    def numpy(self, x: np.ndarray, *, shift: int, axis: int) -> Any:  # type: ignore[override]
        return np.roll(x, shift, axis)

    def grad(self, g: Any, y: Any, x: Any, *, shift: int, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (apply(_roll, g, shift=-shift, axis=axis),)

    def element(self, i: IndexTuple, x: Operand, *, shift: int, axis: int) -> Scalar:  # type: ignore[override]
        size, whole = x.shape[axis], maximum(x.shape[axis], 1)
        rest = abs(shift) - floordiv(abs(shift), whole) * whole
        # The operand's element `first` comes first in the result; at place `turn` the operand begins.
        first, turn = (size - rest, rest) if shift > 0 else (rest, size - rest)
        place = i[axis] if isinstance(i[axis], Scalar) else s.index(i[axis])
        is_before = place < s.index(turn)
        before = x.where(is_before, (*i[:axis], _moved(i[axis], first), *i[axis + 1 :]))
        after = x.where(place >= s.index(turn), (*i[:axis], _moved(i[axis], -turn), *i[axis + 1 :]))
        return s.select(is_before, before, after)


def _moved(place: Any, by: Size) -> Any:
    return (s.as_size(place) if isinstance(place, Scalar) else place) + by


_roll = register(Roll("roll"))


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The elements in reverse order along an axis, several axes, or all of them, as numpy's.

    Parameters
    ----------
    x : value
    axis : int or tuple of int, optional
        Default: all.

    Raises
    ------
    ShapeError
        There is no such axis.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.flip([[1, 2, 3], [4, 5, 6]], axis=1)
    array([[3, 2, 1],
           [6, 5, 4]])
    """
    return _flipped(as_value(x), as_axis(axis, "flip"))


@deferred("x")
def _flipped(x: Any, axis: Any) -> Any:
    axes = normalize_axes(axis, len(x.shape))
    return sliced(x, tuple(BACKWARDS if k in axes else WHOLE for k in range(len(x.shape))))


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """The elements moved along an axis, those beyond its end to its start, as numpy's.

    Parameters
    ----------
    x : value
    shift : int or tuple of int
        How many places; one number for each axis, or one for all.
    axis : int or tuple of int, optional
        Default: of the value as one axis, in C order.

    Raises
    ------
    ShapeError
        There is no such axis, or there is another number of shifts than of axes.
    ArgumentError
        A shift is no integer.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.roll([1, 2, 3, 4, 5], 2)
    array([4, 5, 1, 2, 3])
    """
    try:
        shifts = (index(shift),) if hasattr(shift, "__index__") else tuple(map(index, shift))
    except TypeError:
        raise ArgumentError(f"roll: shift is {shift!r}; expected an int or a tuple of ints") from None
    axes = as_axis(axis, "roll")
    return _rolled(as_value(x), shifts, (axes,) if isinstance(axes, int) else axes)


@deferred("x")
def _rolled(x: Any, shifts: tuple[int, ...], axes: tuple[int, ...] | None) -> Any:
    if axes is None:
        return reshape(_rolled(reshape(x, (-1,)), shifts, (0,)), x.shape)
    if 1 not in (len(shifts), len(axes)) and len(shifts) != len(axes):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes; expected one for each")
    count = max(len(shifts), len(axes)) if shifts and axes else 0
    for shift, axis in zip(_repeated(shifts, count), _repeated(axes, count), strict=True):
        x = apply(_roll, x, shift=shift, axis=normalize_axis(axis, len(x.shape)))
    return x


def _repeated(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    return values * count if len(values) == 1 else values[:count]


__all__ = ["flip", "roll"]
