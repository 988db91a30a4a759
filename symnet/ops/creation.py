"""Values made of a size and a number: zeros, ones, any other number, and counting.

Nothing here takes memory where a size is named: one number is broadcast, and an index is where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, floordiv, maximum
from ..dtype import Shape, as_numbers, dtype_name, normalize_axis, shape_text
from ..errors import ArgumentError, OpenShape, ShapeError, SymbolicUseError
from ..expr import as_expr
from ..op import OPS, IndexTuple, Op, Operand, apply, deferred, register
from ..operators import Operators
from ..scalar import Scalar
from .arithmetic import add, cast, multiply
from .movement import broadcast_to


class Positions(Op):
    """The place of each element along `axis`. Of the operand only the shape matters."""

    is_lazy = True

    def __init__(self) -> None:
        super().__init__("positions", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return "int64"

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        place = normalize_axis(axis, x.ndim)
        return np.indices(x.shape, sparse=True)[place] + np.zeros(x.shape, np.int64)

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, x: Operand, *, axis: int) -> Scalar:  # type: ignore[override]
        place = i[normalize_axis(axis, len(i))]
        return place if isinstance(place, Scalar) else s.index(place)


_positions = register(Positions())


def checked_shape(whose: str, shape: Any) -> Shape:
    """A shape that a user wrote, one size or several, as a tuple.

    Raises
    ------
    ShapeError
        A size is neither an int from 0 up nor a named one.
    """
    single = isinstance(shape, (Integral, Dim)) or not isinstance(shape, Iterable)
    sizes = (shape,) if single else tuple(shape)
    for size in sizes:
        is_count = isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 0
        if not is_count and not isinstance(size, Dim):
            raise ShapeError(f"{whose}: {size!r} in shape {shape!r}; expected ints from 0 up, or named sizes")
    return tuple(size if isinstance(size, Dim) else int(size) for size in sizes)


def _repeated(number: np.ndarray, shape: Shape) -> Any:
    """One number in a shape: an array, or a value of the graph where a size is named."""
    is_named = any(isinstance(size, Dim) for size in shape)
    return broadcast_to(as_expr(number), shape) if is_named else np.full(shape, number)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A value of `shape` that holds one number.

    Parameters
    ----------
    shape : size or sizes
        Ints and named sizes, as of ``x.shape``. Of ints alone the result is an array, unless `fill_value`
        is symbolic.
    fill_value : number, or symbolic value that broadcasts to `shape`
    dtype : dtype, optional
        That of `fill_value` without.

    Raises
    ------
    ShapeError
        A size is negative or no integer, or `fill_value` does not broadcast to `shape`.
    DTypeError
        `dtype` is not supported.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.full((2, 2), 7)
    array([[7, 7],
           [7, 7]])
    >>> x = sn.Variable("x", ("batch", 3))
    >>> sn.full((x.shape[0], 64), 0.5, "float32").shape
    (batch, 64)
    """
    sizes = checked_shape("full", shape)
    if isinstance(fill_value, Operators):
        return broadcast_to(fill_value if dtype is None else cast(fill_value, dtype), sizes)
    number = np.asarray(fill_value, None if dtype is None else dtype_name(dtype))
    dtype_name(number.dtype)
    if number.shape:
        raise ShapeError(f"full: fill_value has shape {shape_text(number.shape)}; expected one number")
    return _repeated(number, sizes)


def zeros(shape: Any, dtype: Any = "float64") -> Any:
    """Zeros; sizes may be named (see :func:`full`).

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("batch", "n"))
    >>> sn.zeros((x.shape[1], 64), dtype="float32").shape
    (n, 64)
    """
    return _repeated(np.zeros((), dtype_name(dtype)), checked_shape("zeros", shape))


def ones(shape: Any, dtype: Any = "float64") -> Any:
    """Ones; sizes may be named (see :func:`full`).

    Examples
    --------
    >>> import symnet as sn
    >>> sn.ones(3)
    array([1., 1., 1.])
    """
    return _repeated(np.ones((), dtype_name(dtype)), checked_shape("ones", shape))


def repeated_like(x: Any, number: Any, shape: Shape, dtype: str) -> Any:
    """One number in a shape, as a value of the kind that `x` is."""
    filled = np.asarray(number, dtype)
    if isinstance(x, Operators):
        return x.__symnet_apply__(OPS["broadcast_to"], (filled,), {"shape": shape})
    return np.full(shape, filled)


def known_dtype(x: Any) -> str:
    """The dtype's name.

    Raises
    ------
    OpenShape
        Only the call decides it.
    """
    try:
        return dtype_name(x.dtype)
    except SymbolicUseError as error:
        raise OpenShape(str(error)) from None


@deferred("x")
def _like(x: Any, number: int, dtype: str | None) -> Any:
    return repeated_like(x, number, x.shape, dtype or known_dtype(x))


def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of `x`, and in its dtype without another.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.zeros_like([1.5, 2.5])
    array([0., 0.])
    """
    return _like(as_value(x), 0, None if dtype is None else dtype_name(dtype))


def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of `x`, and in its dtype without another.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.ones_like([1.5, 2.5], "int64")
    array([1, 1])
    """
    return _like(as_value(x), 1, None if dtype is None else dtype_name(dtype))


def as_value(x: Any) -> Any:
    """A symbolic value as it is; anything else as an array."""
    return x if isinstance(x, Operators) else as_numbers(x, "a value", is_cast=True)


def positions(x: Any, axis: int) -> Any:
    """The place of each element of `x` along an axis, as int64, in the shape of `x`.

    Reads nothing of `x` but its shape, which must be known.
    """
    return apply(_positions, repeated_like(x, False, x.shape, "bool"), axis=axis)


def arange(start: Any, stop: Any = None, step: int = 1, dtype: Any = None) -> Any:
    """The numbers from `start` (0 without `stop`) up to but not including `stop`.

    Parameters
    ----------
    start, stop : numbers, or named sizes
    step : number
        An int beside a named size.
    dtype : dtype, optional
        numpy's choice without: int64 for integers.

    Raises
    ------
    ArgumentError
        A bound or the step is not such a number, or the step is 0.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.arange(2, 11, 3)
    array([2, 5, 8])
    >>> x = sn.Variable("x", ("batch", "n"))
    >>> sn.arange(x.shape[1]).shape
    (n,)
    """
    low, high = (0, start) if stop is None else (start, stop)
    name = None if dtype is None else dtype_name(dtype)
    parts = f"arange({low}, {high}, {step})"
    if not isinstance(low, Dim) and not isinstance(high, Dim):
        if step == 0 or any(isinstance(n, Operators) or not np.isscalar(n) for n in (low, high, step)):
            raise ArgumentError(f"{parts}: expected numbers or named sizes, and a step that is not 0")
        numbers: np.ndarray = np.arange(low, high, step)
        return numbers if name is None else numbers.astype(name)
    if not all(isinstance(n, (Integral, Dim)) for n in (low, high)) or not isinstance(step, Integral) or step == 0:
        raise ArgumentError(f"{parts}: expected ints beside a named size, and a step that is not 0")
    places = apply(_positions, broadcast_to(as_expr(np.False_), (_steps(low, high, int(step)),)), axis=0)
    places = places if step == 1 else multiply(places, int(step))
    numbers = places if isinstance(low, int) and low == 0 else add(places, low)
    return numbers if name is None else cast(numbers, name)


def _steps(low: Size, high: Size, step: int) -> Size:
    """How many numbers a range has."""
    distance = high - low if step > 0 else low - high
    return maximum(floordiv(distance + (abs(step) - 1), abs(step)), 0)


__all__ = ["arange", "full", "ones", "ones_like", "zeros", "zeros_like"]
