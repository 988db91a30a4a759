"""Basic slicing: integers, slices, None and ... ."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, maximum, minimum
from ..dtype import Shape, require_equal, shape_text
from ..errors import ArgumentError, IndexOutOfBounds, ShapeError
from ..op import IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar
from .movement import expand_dims

# A key in normal form: ("int", i), ("slice", start, stop, step), ("new",), ("rest",), and ("array",) where one stands.
Key = tuple[tuple[Any, ...], ...]
WHOLE = ("slice", None, None, None)


def normal_key(key: Any) -> Key:
    """Python's indexing syntax as hashable data.

    Raises
    ------
    ArgumentError
        It holds something that basic indexing does not know.
    """
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(normal_part(p) for p in parts)


def normal_part(part: Any) -> tuple[Any, ...]:
    """One part of a key in normal form."""
    if part is None:
        return ("new",)
    if part is Ellipsis:
        return ("rest",)
    if isinstance(part, slice):
        return ("slice", *(_size_or_none(p) for p in (part.start, part.stop, part.step)))
    if isinstance(part, (bool, np.bool_)):
        raise mask_refused()
    if isinstance(part, (int, np.integer)):
        return ("int", int(part))
    if isinstance(part, Dim):
        return ("int", part)
    raise ArgumentError(f"cannot index with {part!r}; expected integers, slices, None, ... or integer arrays")


def mask_refused() -> ArgumentError:
    """The complaint about an index of bools."""
    return ArgumentError("boolean masks are not supported (the result's size would be data): use sn.where")


def _size_or_none(value: Any) -> Any:
    if value is None or isinstance(value, Dim):
        return value
    try:
        return index(value)
    except TypeError:
        raise ArgumentError(f"a slice has {value!r}; expected integers, None or sizes") from None


class Piece:
    """What one axis of the operand contributes: start, step, and the size (None for an integer)."""

    __slots__ = ("size", "start", "step")

    def __init__(self, start: Size, step: int, size: Size | None) -> None:
        self.start, self.step, self.size = start, step, size


def pieces(shape: Shape, key: Key) -> list[Piece | None]:
    """The key against a shape: a Piece for each axis of the operand, None for each new axis.

    Raises
    ------
    ShapeError, IndexOutOfBounds
        Too many indices, or an integer outside a known size.
    """
    used = sum(p[0] in ("int", "slice") for p in key)
    if used > len(shape):
        raise ShapeError(f"{used} indices for a value of shape {shape_text(shape)}")
    if sum(p[0] == "rest" for p in key) > 1:
        raise ArgumentError("an index can have one ... only")
    full = key if ("rest",) in key else (*key, ("rest",))
    result: list[Piece | None] = []
    axis = 0
    for part in full:
        if part[0] == "new":
            result.append(None)
        elif part[0] == "rest":
            for size in shape[axis : axis + len(shape) - used]:
                result.append(Piece(0, 1, size))
            axis += len(shape) - used
        else:
            result.append(_piece(shape[axis], part, axis))
            axis += 1
    return result


def _piece(size: Size, part: tuple[Any, ...], axis: int) -> Piece:
    if part[0] == "int":
        return Piece(_place(size, part[1], axis), 1, None)
    _, start, stop, step = part
    step = 1 if step is None else step
    if step == 0:
        raise ShapeError("a slice's step is 0; expected any other integer")
    if isinstance(size, int) and all(p is None or isinstance(p, int) for p in (start, stop)):
        found = range(*slice(start, stop, step).indices(size))
        return Piece(found.start, step, len(found))
    if step < 0:
        # From the last element down to the place before the first.
        first = size - 1 if start is None else _clipped(start, size, -1, size - 1)
        last = -1 if stop is None else _clipped(stop, size, -1, size - 1)
        return Piece(first, step, maximum((first - last - step - 1) // -step, 0))
    first = 0 if start is None else _clipped(start, size, 0, size)
    last = size if stop is None else _clipped(stop, size, 0, size)
    return Piece(first, step, maximum((last - first + step - 1) // step, 0))


def _place(size: Size, place: Size, axis: int) -> Size:
    """An integer index counted from the front. Over a size not known yet it leaves a check for the call."""
    complaint = f"index {place} is out of bounds for axis {axis} with size {size}"
    negative = isinstance(place, int) and place < 0
    needed = -place if negative else place + 1
    if all(isinstance(n, int) for n in (size, place)):
        if size - needed < 0:  # type: ignore[operator]
            raise IndexOutOfBounds(complaint)
    else:
        # max(size, needed) == size says size >= needed in the words of an entry check.
        require_equal(maximum(size, needed), size, complaint)
        if not isinstance(place, int):
            require_equal(maximum(place, 0), place, complaint)
    return size + place if negative else place


def _clipped(place: Size, size: Size, low: Size, high: Size) -> Size:
    if isinstance(place, int) and place < 0:
        return maximum(size + place, low)
    return place if place == low else minimum(place, high)


def _sliced_shape(found: list[Piece | None]) -> Shape:
    sizes = (1 if p is None else p.size for p in found)
    return tuple(size for size in sizes if size is not None)


def numpy_key(key: Key) -> tuple[Any, ...]:
    """The key as numpy wants it."""
    words = {"new": None, "rest": Ellipsis}
    return tuple(words[p[0]] if p[0] in words else p[1] if p[0] == "int" else slice(*p[1:]) for p in key)


class GetItem(Op):
    """Basic slicing. Attribute `key` in normal form."""

    is_lazy = True

    def __init__(self) -> None:
        super().__init__("getitem", "movement")

    def result_shape(self, x: Shape, *, key: Key) -> Shape:  # type: ignore[override]
        return _sliced_shape(pieces(x, key))

    def numpy(self, x: np.ndarray, *, key: Key) -> Any:  # type: ignore[override]
        return x[numpy_key(key)]

    def grad(self, g: Any, y: Any, x: Any, *, key: Key) -> tuple[Any, ...]:  # type: ignore[override]
        return (apply(_embed, g, key=key, shape=x.shape),)

    def element(self, i: IndexTuple, x: Operand, *, key: Key) -> Scalar:  # type: ignore[override]
        places = iter(i)
        index: list[Any] = []
        for piece in pieces(x.shape, key):
            if piece is None:
                next(places)
            else:
                index.append(piece.start if piece.size is None else piece.start + next(places) * piece.step)
        return x[tuple(index)]


class Embed(Op):
    """Zeros of `shape` with the operand at `key`: the gradient of slicing."""

    def __init__(self) -> None:
        super().__init__("embed", "indexing")

    def result_shape(self, g: Shape, *, key: Key, shape: Shape) -> Shape:  # type: ignore[override]
        return shape

    def numpy(self, g: np.ndarray, *, key: Key, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        result = np.zeros(shape, g.dtype)
        result[numpy_key(key)] = g
        return result

    def grad(self, g: Any, y: Any, x: Any, *, key: Key, shape: Shape) -> tuple[Any, ...]:  # type: ignore[override]
        return (apply(_getitem, g, key=key),)

    def element(self, i: IndexTuple, g: Operand, *, key: Key, shape: Shape) -> Scalar:  # type: ignore[override]
        inside: Scalar | None = None
        index: list[Any] = []
        places = iter(i)
        for piece in pieces(shape, key):
            if piece is None:
                index.append(0)
                continue
            tests, place = _inverse(next(places), piece)
            if piece.size is not None:
                index.append(place)
            for test in tests:
                inside = test if inside is None else inside & test
        if inside is None:
            return g[tuple(index)]
        return s.select(inside, g.where(inside, tuple(index)), s.const(0, g.dtype))


def _inverse(i: Any, piece: Piece) -> tuple[list[Scalar], Size]:
    """Whether position `i` of the operand is taken by a slice, and by which element of it."""
    offset = i - piece.start if piece.step > 0 else piece.start - i
    step = abs(piece.step)
    if piece.size is None:
        return [s.eq(s.index(offset), s.const(0, "int64"))], 0
    place = offset if step == 1 else offset // step
    tests = [s.index(offset) >= 0, s.index(place) < s.index(piece.size)]
    if step != 1:
        tests.append(s.eq(s.index(place * step), s.index(offset)))
    return tests, place


_getitem, _embed = register(GetItem()), register(Embed())


def sliced(x: Any, key: Key) -> Any:
    """Indexing without arrays; one that only adds axes is known by the name that rules know it by."""
    if ("new",) in key and ("rest",) not in key and set(key) <= {("new",), WHOLE}:
        return expand_dims(x, tuple(k for k, part in enumerate(key) if part == ("new",)))
    return apply(_getitem, x, key=key)
