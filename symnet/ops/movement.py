"""Movement ops: the same elements at other indices. None of them computes; most never touch memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, floordiv, maximum, product
from ..dtype import (
    Shape,
    as_axis,
    as_numbers,
    as_one_axis,
    as_sizes,
    normalize_axes,
    normalize_axis,
    require_equal,
    shape_text,
)
from ..errors import ArgumentError, ShapeError, SymbolicUseError
from ..graph import Literal
from ..op import IndexTuple, Op, Operand, apply, deferred, register
from ..operators import Operators
from ..scalar import Scalar
from .elementwise import aligned

Widths = tuple[tuple[int, int], ...]


class Movement(Op):
    """An op whose element `i` is some element of an operand."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "movement")


class Reshape(Movement):
    """Attribute `shape`: sizes, one of which may be -1."""

    is_view = True

    def result_shape(self, x: Shape, *, shape: Shape) -> Shape:  # type: ignore[override]
        total, known = product(x), product(n for n in shape if n != -1)
        complaint = f"cannot reshape {shape_text(x)} to {shape_text(shape)}"
        if sum(n == -1 for n in shape) > 1:
            raise ShapeError(f"{complaint}: only one size may be -1")
        if any(isinstance(n, int) and n < -1 for n in shape):
            raise ShapeError(f"{complaint}: a size is negative")
        if -1 not in shape:
            require_equal(total, known, complaint)
            return shape
        if known == 0:
            raise ShapeError(f"{complaint}: -1 beside a size 0 could be anything")
        rest = floordiv(total, known)
        require_equal(total, rest * known, complaint)
        return tuple(rest if n == -1 else n for n in shape)

    def numpy(self, x: np.ndarray, *, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        return np.reshape(x, shape)

    def grad(self, g: Any, y: Any, x: Any, *, shape: Shape) -> tuple[Any, ...]:  # type: ignore[override]
        return (reshape(g, x.shape),)

    def element(self, i: IndexTuple, x: Operand, *, shape: Shape) -> Scalar:  # type: ignore[override]
        sizes = self.result_shape(x.shape, shape=shape)
        place: Size = 0
        for k, size in zip(i, sizes, strict=True):
            place = place * size + (s.as_size(k) if isinstance(k, Scalar) else k)
        index: list[Size] = []
        for size in reversed(x.shape):
            # Of an axis without elements no place is asked for.
            whole = place if size in (0, 1) else floordiv(place, size)
            index.append(0 if size in (0, 1) else place - whole * size)
            place = whole
        return x[tuple(reversed(index))]


class Transpose(Movement):
    """Attribute `axes`: the order of the axes; None reverses them."""

    is_lazy = True

    def _axes(self, rank: int, axes: tuple[int, ...] | None) -> tuple[int, ...]:
        if axes is None:
            return tuple(reversed(range(rank)))
        order = tuple(normalize_axis(a, rank) for a in axes)
        if sorted(order) != list(range(rank)):
            raise ShapeError(f"axes {axes} are no permutation of {rank} axes")
        return order

    def result_shape(self, x: Shape, *, axes: tuple[int, ...] | None) -> Shape:  # type: ignore[override]
        return tuple(x[a] for a in self._axes(len(x), axes))

    def numpy(self, x: np.ndarray, *, axes: tuple[int, ...] | None) -> Any:  # type: ignore[override]
        return np.transpose(x, axes)

    def grad(self, g: Any, y: Any, x: Any, *, axes: tuple[int, ...] | None) -> tuple[Any, ...]:  # type: ignore[override]
        order = self._axes(len(x.shape), axes)
        return (transpose(g, tuple(order.index(k) for k in range(len(order)))),)

    def element(self, i: IndexTuple, x: Operand, *, axes: tuple[int, ...] | None) -> Scalar:  # type: ignore[override]
        order = self._axes(len(i), axes)
        return x[tuple(i[order.index(k)] for k in range(len(order)))]


class BroadcastTo(Movement):
    """Attribute `shape`: what numpy's broadcasting makes of the operand."""

    is_lazy = True

    def result_shape(self, x: Shape, *, shape: Shape) -> Shape:  # type: ignore[override]
        complaint = f"cannot broadcast {shape_text(x)} to {shape_text(shape)}"
        if len(x) > len(shape):
            raise ShapeError(complaint)
        for n, m in zip(x, shape[len(shape) - len(x) :], strict=True):
            if n != 1:
                require_equal(n, m, complaint)
        return shape

    def numpy(self, x: np.ndarray, *, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        return np.broadcast_to(x, shape)

    def grad(self, g: Any, y: Any, x: Any, *, shape: Shape) -> tuple[Any, ...]:  # type: ignore[override]
        return (g,)

    def element(self, i: IndexTuple, x: Operand, *, shape: Shape) -> Scalar:  # type: ignore[override]
        return x[aligned(i, x.shape)]


class ExpandDims(Movement):
    """Attribute `axis`: where axes of size 1 stand in the result."""

    is_lazy = True

    def _axes(self, rank: int, axis: int | tuple[int, ...]) -> tuple[int, ...]:
        return normalize_axes(axis, rank + (1 if isinstance(axis, int) else len(axis)))

    def result_shape(self, x: Shape, *, axis: int | tuple[int, ...]) -> Shape:  # type: ignore[override]
        axes = self._axes(len(x), axis)
        sizes = iter(x)
        return tuple(1 if k in axes else next(sizes) for k in range(len(x) + len(axes)))

    def numpy(self, x: np.ndarray, *, axis: int | tuple[int, ...]) -> Any:  # type: ignore[override]
        return np.expand_dims(x, axis)

    def grad(self, g: Any, y: Any, x: Any, *, axis: int | tuple[int, ...]) -> tuple[Any, ...]:  # type: ignore[override]
        return (squeeze(g, self._axes(len(x.shape), axis)),)

    def element(self, i: IndexTuple, x: Operand, *, axis: int | tuple[int, ...]) -> Scalar:  # type: ignore[override]
        axes = self._axes(len(x.shape), axis)
        return x[tuple(k for place, k in enumerate(i) if place not in axes)]


class Squeeze(Movement):
    """Attribute `axis`: axes of size 1 to drop; None drops all whose size is certainly 1."""

    is_lazy = True

    def _axes(self, x: Shape, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
        if axis is None:
            for n in x:
                # Taken not to be 1 where it is a name; a call where it is one has a program of its own.
                if isinstance(n, Dim):
                    require_equal(maximum(n, 2), n, "a size that squeeze would drop")
            return tuple(k for k, n in enumerate(x) if n == 1)
        return normalize_axes(axis, len(x))

    def result_shape(self, x: Shape, *, axis: int | tuple[int, ...] | None) -> Shape:  # type: ignore[override]
        axes = self._axes(x, axis)
        for k in axes:
            require_equal(x[k], 1, f"cannot squeeze axis {k} of {shape_text(x)}: its size is not 1")
        return tuple(n for k, n in enumerate(x) if k not in axes)

    def numpy(self, x: np.ndarray, *, axis: int | tuple[int, ...] | None) -> Any:  # type: ignore[override]
        return np.squeeze(x, axis)

    def grad(self, g: Any, y: Any, x: Any, *, axis: int | tuple[int, ...] | None) -> tuple[Any, ...]:  # type: ignore[override]
        return (expand_dims(g, self._axes(x.shape, axis)),)

    def element(self, i: IndexTuple, x: Operand, *, axis: int | tuple[int, ...] | None) -> Scalar:  # type: ignore[override]
        axes = self._axes(x.shape, axis)
        rest = iter(i)
        return x[tuple(0 if k in axes else next(rest) for k in range(len(x.shape)))]


class Concatenate(Movement):
    """Attribute `axis`: the axis along which the operands follow each other."""

    def result_shape(self, *shapes: Shape, axis: int) -> Shape:  # type: ignore[override]
        first = shapes[0]
        place = normalize_axis(axis, len(first))
        complaint = f"cannot concatenate {' and '.join(map(shape_text, shapes))} along axis {axis}"
        if any(len(x) != len(first) for x in shapes):
            raise ShapeError(complaint)
        sizes = list(first)
        for x in shapes[1:]:
            for k, (n, m) in enumerate(zip(first, x, strict=True)):
                sizes[k] = sizes[k] + m if k == place else require_equal(n, m, complaint)
        return tuple(sizes)

    def numpy(self, *xs: np.ndarray, axis: int) -> Any:  # type: ignore[override]
        return np.concatenate(xs, axis)

    def grad(self, g: Any, y: Any, *xs: Any, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        from .slicing import normal_key, sliced

        place = normalize_axis(axis, len(y.shape))
        parts: list[Any] = []
        start: Size = 0
        for x in xs:
            stop = start + x.shape[place]
            parts.append(sliced(g, normal_key((*(slice(None),) * place, slice(start, stop)))))
            start = stop
        return tuple(parts)

    def element(self, i: IndexTuple, *xs: Operand, axis: int) -> Scalar:  # type: ignore[override]
        place = normalize_axis(axis, len(i))
        here = i[place] if isinstance(i[place], Scalar) else s.index(i[place])
        starts: list[Size] = [0]
        for x in xs:
            starts.append(starts[-1] + x.shape[place])
        result: Scalar | None = None
        for x, start, stop in reversed(list(zip(xs, starts, starts[1:], strict=False))):
            inside = (here < s.index(stop)) & (here >= s.index(start))
            moved = i[place] - start if not isinstance(i[place], Scalar) else s.as_size(here - s.index(start))
            value = x.where(inside, (*i[:place], moved, *i[place + 1 :]))
            result = value if result is None else s.select(inside, value, result)
        assert result is not None
        return result


class Pad(Movement):
    """Attributes `widths` (a pair for each axis, or one for all) and `value`."""

    def _pairs(self, rank: int, widths: Widths) -> Widths:
        if len(widths) not in (1, rank):
            raise ShapeError(f"pad_width has {len(widths)} pairs, the value {rank} axes")
        return widths * rank if len(widths) == 1 else widths

    def result_shape(self, x: Shape, *, widths: Widths, value: Literal) -> Shape:  # type: ignore[override]
        pairs = self._pairs(len(x), widths)
        return tuple(n + before + after for n, (before, after) in zip(x, pairs, strict=True))

    def numpy(self, x: np.ndarray, *, widths: Widths, value: Literal) -> Any:  # type: ignore[override]
        return np.pad(x, widths, constant_values=value.array.item()) if x.ndim else x

    def grad(self, g: Any, y: Any, x: Any, *, widths: Widths, value: Literal) -> tuple[Any, ...]:  # type: ignore[override]
        from .slicing import normal_key, sliced

        pairs = self._pairs(len(x.shape), widths)
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pairs, strict=True))
        return (sliced(g, normal_key(inside)),)

    def element(self, i: IndexTuple, x: Operand, *, widths: Widths, value: Literal) -> Scalar:  # type: ignore[override]
        inside: Scalar | None = None
        index: list[Size] = []
        for k, n, (before, after) in zip(i, x.shape, self._pairs(len(i), widths), strict=True):
            place = (s.as_size(k) if isinstance(k, Scalar) else k) - before
            index.append(place)
            if before or after:
                test = (s.index(place) >= 0) & (s.index(place) < s.index(n))
                inside = test if inside is None else inside & test
        if inside is None:
            return x[tuple(index)]
        return s.select(inside, x.where(inside, tuple(index)), s.const(value.array.item(), x.dtype))


_reshape, _transpose = register(Reshape("reshape")), register(Transpose("transpose"))
_broadcast_to, _expand_dims = register(BroadcastTo("broadcast_to")), register(ExpandDims("expand_dims"))
_squeeze, _concatenate, _pad = register(Squeeze("squeeze")), register(Concatenate("concatenate")), register(Pad("pad"))


def reshape(x: Any, shape: Any) -> Any:
    """The same elements in another shape (C order); one size may be -1.

    Raises
    ------
    ShapeError
        The numbers of elements differ.
    """
    return apply(_reshape, x, shape=as_sizes(shape, "reshape"))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order; reversed without `axes`."""
    order = as_axis(axes, "transpose")
    return apply(_transpose, x, axes=(order,) if isinstance(order, int) else order)


@deferred("x")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """The value with two axes exchanged."""
    order = list(range(len(x.shape)))
    a, b = (normalize_axis(as_one_axis(k, "swapaxes"), len(order)) for k in (axis1, axis2))
    order[a], order[b] = b, a
    return transpose(x, order)


@deferred("x")
def broadcast_to(x: Any, shape: Any) -> Any:
    """The value repeated along new axes and axes of size 1, as numpy's broadcasting does."""
    sizes = as_sizes(shape, "broadcast_to")
    return x if getattr(x, "shape", None) == sizes else apply(_broadcast_to, x, shape=sizes)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """The value with axes of size 1 put in."""
    axes = as_axis(axis, "expand_dims")
    if axes is None:
        raise ArgumentError("expand_dims: axis is None; expected an int or a tuple of ints")
    return apply(_expand_dims, x, axis=axes)


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The value without axes of size 1."""
    if axis is None:
        # Decided now where it can be; a named size that is 1 at a call is settled there.
        with suppress(AttributeError, SymbolicUseError):
            if all(isinstance(n, int) for n in x.shape):
                axis = tuple(k for k, n in enumerate(x.shape) if n == 1)
    return apply(_squeeze, x, axis=as_axis(axis, "squeeze"))


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """The values one after the other along an axis; flattened first for None."""
    values = _values(arrays, "concatenate")
    if axis is None:
        values, axis = tuple(reshape(x, (-1,)) for x in values), 0
    return apply(_concatenate, *values, axis=as_one_axis(axis, "concatenate"))


def _values(arrays: Any, whose: str) -> tuple[Any, ...]:
    if isinstance(arrays, Operators) or not isinstance(arrays, Iterable):
        raise ArgumentError(f"{whose}: got {arrays!r}; expected a list of values")
    values = tuple(arrays)
    if not values:
        raise ShapeError(f"{whose}: the list is empty; expected at least one value")
    return values


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The values side by side along a new axis."""
    place = as_one_axis(axis, "stack")
    return concatenate([expand_dims(x, place) for x in _values(arrays, "stack")], place)


def pad(x: Any, pad_width: Any, constant_values: float = 0) -> Any:
    """The value with a border of one number.

    Parameters
    ----------
    x : value
    pad_width : int, pair, or pair for each axis
        Elements before and after, as numpy's.
    constant_values : number

    Raises
    ------
    ArgumentError
        The widths are no integers, or not in pairs.
    ShapeError
        A width is negative, or there are pairs for another number of axes.
    """
    widths = as_numbers(pad_width, "pad: pad_width", is_cast=True)
    try:
        pairs = np.broadcast_to(widths, (len(widths) if widths.ndim == 2 else 1, 2))
    except ValueError:
        raise ArgumentError(
            f"pad: pad_width is {pad_width!r}; expected an int, a pair, or a pair for each axis"
        ) from None
    if widths.dtype.kind not in "iu":
        raise ArgumentError(f"pad: pad_width is {pad_width!r}; expected integers")
    if (pairs < 0).any():
        raise ShapeError(f"pad: pad_width is {pad_width!r}; expected no negative width")
    # A Literal keeps -0.0 apart from 0.0 where equal nodes are merged.
    value = Literal(as_numbers(constant_values, "pad: constant_values"))
    return apply(_pad, x, widths=tuple((int(a), int(b)) for a, b in pairs), value=value)


def sum_to(x: Any, shape: Shape) -> Any:
    """Sum a value back to a shape it was broadcast from.

    Parameters
    ----------
    x : value
    shape : tuple of sizes
        Broadcasts to that of `x`.
    """
    from .reductions import sum

    if x.shape == shape:
        return x
    leading = len(x.shape) - len(shape)
    stretched = [k for k, (n, m) in enumerate(zip(x.shape[leading:], shape, strict=True)) if m == 1 and n != 1]
    if leading:
        x = sum(x, axis=tuple(range(leading)))
    return sum(x, axis=tuple(stretched), keepdims=True) if stretched else x
