"""Indexing: slices, and elements chosen by integers that are data."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, maximum, minimum
from ..dtype import Shape, dtype_name, normalize_axis, promote, require_equal, shape_text
from ..errors import ArgumentError, DTypeError, IndexOutOfBounds, ShapeError
from ..op import IndexTuple, Op, Operand, apply, register
from ..operators import Operators
from ..scalar import Scalar
from .movement import reshape

# A basic key in normal form: ("int", i), ("slice", start, stop, step), ("new",), ("rest",).
Key = tuple[tuple[Any, ...], ...]


def normal_key(key: Any) -> Key:
    """Python's indexing syntax as hashable data.

    Raises
    ------
    ArgumentError
        It holds something that basic indexing does not know.
    """
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(_normal_part(p) for p in parts)


def _normal_part(part: Any) -> tuple[Any, ...]:
    if part is None:
        return ("new",)
    if part is Ellipsis:
        return ("rest",)
    if isinstance(part, slice):
        return ("slice", *(_size_or_none(p) for p in (part.start, part.stop, part.step)))
    if isinstance(part, (bool, np.bool_)) or (isinstance(part, np.ndarray) and part.dtype == bool):
        raise _mask_refused()
    if isinstance(part, (int, np.integer)):
        return ("int", int(part))
    if isinstance(part, Dim):
        return ("int", part)
    raise ArgumentError(f"cannot index with {part!r}; expected integers, slices, None or ... (or one integer array)")


def _mask_refused() -> ArgumentError:
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
    if isinstance(size, int) and all(p is None or isinstance(p, int) for p in (start, stop)):
        found = range(*slice(start, stop, step).indices(size))
        return Piece(found.start, step, len(found))
    if step == 0:
        raise ArgumentError("a slice's step cannot be 0")
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


def checked(indices: np.ndarray, size: int, wraps: bool = True) -> np.ndarray:
    """Indices counted from the front, as int64; negative ones count from the end if it wraps.

    Raises
    ------
    IndexOutOfBounds
        Naming the first that is outside.
    """
    bad = (indices < (-size if wraps else 0)) | (indices >= size)
    if np.any(bad):
        first = np.asarray(indices)[bad].flat[0]
        raise IndexOutOfBounds(f"index {first} is out of bounds for an axis of size {size}")
    return np.where(indices < 0, indices + size, indices).astype(np.int64)


class CheckIndex(Op):
    """Integers that must be inside an axis of `size`, counted from its front. Data-dependent check.

    Attribute `wraps`: whether negative ones count from the end, as numpy's indices do (labels do not).
    """

    checks_data = True

    def __init__(self) -> None:
        super().__init__("check_index", "indexing")

    def operand_dtypes(self, indices: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        if indices not in ("int32", "int64", "int"):
            raise DTypeError(f"indices have dtype {indices}; expected integers")
        return ("int64",)

    def result_shape(self, indices: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return indices

    def numpy(self, indices: np.ndarray, *, size: int, wraps: bool = True) -> Any:  # type: ignore[override]
        return checked(indices, size, wraps)

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def holds(  # type: ignore[override]
        self, i: IndexTuple, indices: Operand, *, size: Size, wraps: bool = True
    ) -> Scalar:
        lowest = -s.index(size) if wraps else s.const(0, "int64")
        return (indices[i] >= lowest) & (indices[i] < s.index(size))

    def element(  # type: ignore[override]
        self, i: IndexTuple, indices: Operand, *, size: Size, wraps: bool = True
    ) -> Scalar:
        place = indices[i]
        if not wraps:
            return place
        return s.select(place < 0, place + s.index(size), place)


class Gather(Op):
    """numpy's take along `axis`, for indices that were checked."""

    def __init__(self) -> None:
        super().__init__("gather", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_shape(self, x: Shape, indices: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        place = normalize_axis(axis, len(x))
        return (*x[:place], *indices, *x[place + 1 :])

    def numpy(self, x: np.ndarray, indices: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        return np.take(x, indices, axis)

    def grad(self, g: Any, y: Any, x: Any, indices: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_scatter_add, g, indices, axis=axis, shape=x.shape), None

    def element(self, i: IndexTuple, x: Operand, indices: Operand, *, axis: int) -> Scalar:  # type: ignore[override]
        place, rank = normalize_axis(axis, len(x.shape)), len(indices.shape)
        chosen = s.as_size(indices[i[place : place + rank]])
        return x[(*i[:place], chosen, *i[place + rank :])]


class ScatterAdd(Op):
    """Zeros of `shape` with slices of the operand added at indices along `axis`: the gradient of Gather."""

    def __init__(self) -> None:
        super().__init__("scatter_add", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        if dtypes[0] == "bool":
            raise DTypeError("not defined for bool; expected numbers (cast with .astype)")
        return dtypes

    def result_shape(self, g: Shape, indices: Shape, *, axis: int, shape: Shape) -> Shape:  # type: ignore[override]
        return shape

    def numpy(self, g: np.ndarray, indices: np.ndarray, *, axis: int, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        place, rank = axis % len(shape), indices.ndim
        result = np.zeros(shape, g.dtype)
        moved = np.moveaxis(g, range(place, place + rank), range(rank))
        np.add.at(np.moveaxis(result, place, 0), indices, moved)
        return result

    def grad(self, g: Any, y: Any, x: Any, indices: Any, *, axis: int, shape: Shape) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_gather, g, indices, axis=axis), None

    def element(self, i: IndexTuple, g: Operand, indices: Operand, *, axis: int, shape: Shape) -> Scalar:  # type: ignore[override]
        place, rank = normalize_axis(axis, len(shape)), len(indices.shape)
        axes = [(f"k{k}", n) for k, n in enumerate(indices.shape)]
        where = tuple(Dim.named(name) if n != 1 else 0 for name, n in axes)
        here = s.index(i[place]) if not isinstance(i[place], Scalar) else i[place]
        value = g[(*i[:place], *where, *i[place + 1 :])]
        hit = s.eq(indices[where], here)
        added = s.select(hit, value, s.const(0, g.dtype))
        return s.fold("add", axes, added) if rank else added


class OneHot(Op):
    """1 where the last axis counts the label. Attributes `size` and `dtype`."""

    def __init__(self) -> None:
        super().__init__("one_hot", "indexing")

    def operand_dtypes(self, labels: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        if promote(labels, "int64") != "int64" or labels == "bool":
            raise DTypeError(f"labels have dtype {labels}; expected integers")
        return ("int64",)

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return str(attrs["dtype"])

    def result_shape(self, labels: Shape, *, size: Size, dtype: str) -> Shape:  # type: ignore[override]
        return (*labels, size)

    def numpy(self, labels: np.ndarray, *, size: int, dtype: str) -> Any:  # type: ignore[override]
        return (labels[..., None] == np.arange(size)).astype(dtype)

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, labels: Operand, *, size: Size, dtype: str) -> Scalar:  # type: ignore[override]
        column = i[-1] if isinstance(i[-1], Scalar) else s.index(i[-1])
        return s.cast(s.eq(labels[i[:-1]], column), dtype)


_getitem, _embed = register(GetItem()), register(Embed())
_check_index, _gather = register(CheckIndex()), register(Gather())
_scatter_add, _one_hot = register(ScatterAdd()), register(OneHot())


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``: integers, slices, None and ..., or one array of integers for the first axis."""
    if isinstance(key, (Operators, list, np.ndarray)):
        if not isinstance(key, Operators):
            key = np.asarray(_integers(key))
            if key.dtype == bool:
                raise _mask_refused()
        return take(x, key, 0)
    if isinstance(key, tuple) and any(isinstance(k, (Operators, list, np.ndarray)) for k in key):
        raise ArgumentError("one integer array can index one axis: use sn.take(x, indices, axis=)")
    return apply(_getitem, x, key=normal_key(key))


def check_index(indices: Any, size: Size, wraps: bool = True) -> Any:
    """Integers counted from the front of an axis of `size`; a call with one outside raises IndexOutOfBounds."""
    return apply(_check_index, _integers(indices), size=size, **({} if wraps else {"wraps": False}))


def _integers(indices: Any) -> Any:
    # An empty list has no dtype of its own: numpy would make floats of it.
    return np.zeros(np.shape(indices), np.int64) if isinstance(indices, list) and np.size(indices) == 0 else indices


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Elements (or slices along `axis`) chosen by integers; negative ones count from the end.

    Raises
    ------
    IndexOutOfBounds
        At the call: an index is outside.
    """
    if axis is None:
        return take(reshape(x, (-1,)), indices, 0)
    shape = x.shape if hasattr(x, "shape") else np.shape(x)
    size = shape[normalize_axis(axis, len(shape))]
    if isinstance(size, Dim) and not isinstance(indices, Operators):
        # Numbers cannot be checked now against a size that the call decides: `x` takes them into its graph.
        inside = x.__symnet_apply__(_check_index, (_integers(indices),), {"size": size})
    else:
        inside = check_index(indices, size)
    return apply(_gather, x, inside, axis=axis)


def one_hot(labels: Any, size: Size, dtype: Any = "float32") -> Any:
    """Rows of zeros with a one at the label; all zeros for a label outside."""
    return apply(_one_hot, labels, size=size, dtype=dtype_name(dtype))


__all__ = ["check_index", "getitem", "one_hot", "take"]
