"""Indexing: elements chosen by integers that are data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, product
from ..dtype import Shape, as_numbers, as_one_axis, as_sizes, broadcast, dtype_name, normalize_axis, promote
from ..errors import ArgumentError, DTypeError, IndexOutOfBounds, ShapeError, SymnetError
from ..graph import located
from ..op import IndexTuple, Op, Operand, apply, deferred, register
from ..operators import Operators
from ..origin import Origin, here
from ..scalar import Scalar
from .movement import reshape, transpose
from .slicing import WHOLE, Key, mask_refused, normal_key, normal_part, sliced


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

    def passed(  # type: ignore[override]
        self, i: IndexTuple, value: Operand, *, size: Size, wraps: bool = True
    ) -> Scalar:
        return self.holds(i, value, size=size, wraps=False)

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

    scatters = True

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

    def contributions(self, g: Shape, indices: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return g

    def contribution(  # type: ignore[override]
        self, i: IndexTuple, g: Operand, indices: Operand, *, axis: int, shape: Shape
    ) -> tuple[IndexTuple, Scalar]:
        place, rank = normalize_axis(axis, len(shape)), len(indices.shape)
        index = indices[i[place : place + rank]]
        # What is outside adds nothing, nowhere else.
        nearest = s.minimum(s.maximum(index, 0), s.index(shape[place] - 1))
        value = s.select(s.eq(index, nearest), g[i], s.const(0, g.dtype))
        return (*i[:place], s.as_size(nearest), *i[place + rank :]), value


class OneHot(Op):
    """1 where the last axis counts the label. Attributes `size` and `dtype`."""

    is_lazy = True

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
        label, column = labels[i[:-1]], i[-1]
        if isinstance(column, Scalar) or dtype == "bool" or not isinstance(size, int) or size >= 2**31:
            # A sum that reads its one term knows this form.
            return s.cast(s.eq(label, column if isinstance(column, Scalar) else s.index(column)), dtype)
        # Twice as many numbers of 32 bits fit a vector; what is outside stays outside.
        label = s.cast(s.minimum(s.maximum(label, -1), size), "int32")
        return s.cast(s.eq(label, s.index(column, "int32")), dtype)


_check_index, _gather = register(CheckIndex()), register(Gather())
_scatter_add, _one_hot = register(ScatterAdd()), register(OneHot())
_ARRAYS = (Operators, list, np.ndarray)


def getitem(x: Any, key: Any) -> Any:
    """``x[key]`` as numpy's: integers, slices, None, ... and arrays of integers, which broadcast together.

    Raises
    ------
    ShapeError, ArgumentError
        Too many indices, arrays that do not broadcast together, or what is no index (a boolean mask is none: the
        result's size would be data).
    IndexOutOfBounds
        At the call: an index of an array is outside.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(p, _ARRAYS) for p in parts):
        return sliced(x, normal_key(key))
    arrays = tuple(_integers(p) for p in parts if isinstance(p, _ARRAYS))
    # Of arrays that are numbers numpy makes one place, and would complain without a line.
    broadcast(*(a.shape for a in arrays if not isinstance(a, Operators)))
    skeleton = tuple(("array",) if isinstance(p, _ARRAYS) else normal_part(p) for p in parts)
    return _by_arrays(x, *arrays, key=skeleton)


@deferred("x", "arrays")
def _by_arrays(x: Any, *arrays: Any, key: Key) -> Any:
    """Indexing by arrays: the slices first, then one gather along the indexed axes, seen as one axis."""
    full = _without_rest(key, len(x.shape))
    places = [k for k, part in enumerate(full) if part[0] in ("array", "int")]
    # Beside an array an integer is an array too; the slices and new axes are taken first.
    basic = tuple(WHOLE if k in places else part for k, part in enumerate(full))
    given = iter(arrays)
    indices = [next(given) if full[k][0] == "array" else full[k][1] for k in places]
    if any(part != WHOLE for part in basic):
        x = sliced(x, basic)
    rank, first = len(x.shape), places[0]
    if places[-1] - first != len(places) - 1:
        # Apart from each other: what they choose comes first, as numpy has it.
        rest = [k for k in range(rank) if k not in places]
        x, first = transpose(x, (*places, *rest)), 0
    sizes = x.shape[first : first + len(places)]
    place: Any = None
    for index_array, size in zip(indices, sizes, strict=True):
        inside = _inside(x, index_array, size)
        place = inside if place is None else place * size + inside
    shape = (*x.shape[:first], product(sizes), *x.shape[first + len(places) :])
    return apply(_gather, x if len(places) == 1 else reshape(x, shape), place, axis=first)


def _without_rest(key: Key, rank: int) -> Key:
    """The key with a part for every axis, in place of `...`."""
    used = sum(p[0] not in ("new", "rest") for p in key)
    if used > rank:
        raise ShapeError(f"{used} indices for a value of {rank} axes")
    missing = (WHOLE,) * (rank - used)
    if ("rest",) not in key:
        return (*key, *missing)
    if key.count(("rest",)) > 1:
        raise ArgumentError("an index can have one ... only")
    place = key.index(("rest",))
    return (*key[:place], *missing, *key[place + 1 :])


def _inside(x: Any, indices: Any, size: Size) -> Any:
    """Indices checked against an axis of `x`."""
    if isinstance(size, Dim) and not isinstance(indices, Operators):
        # Numbers cannot be checked now against a size that the call decides: `x` takes them into its graph.
        return x.__symnet_apply__(_check_index, (_integers(indices),), {"size": size})
    return check_index(indices, size)


def check_index(indices: Any, size: Size, wraps: bool = True) -> Any:
    """Integers counted from the front of an axis of `size`; a call with one outside raises IndexOutOfBounds."""
    attrs = {"size": size} if wraps else {"size": size, "wraps": False}
    try:
        return apply(_check_index, _integers(indices), **attrs)
    except SymnetError as error:
        raise located(error, _check_index, Origin([here()])) from None


def _integers(indices: Any) -> Any:
    """Indices that are no symbolic value as an array; masks are refused."""
    if isinstance(indices, Operators):
        return indices
    array = as_numbers(indices, "indices", is_cast=True)
    if array.size == 0:
        # An empty list has no dtype of its own: numpy makes floats of it.
        return array.astype(np.int64)
    if array.dtype == bool:
        raise mask_refused()
    return array


@deferred("x", "indices")
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Elements (or slices along `axis`) chosen by integers; negative ones count from the end.

    Raises
    ------
    IndexOutOfBounds
        At the call: an index is outside.
    """
    if axis is None:
        return take(reshape(x, (-1,)), indices, 0)
    axis = as_one_axis(axis, "take")
    return apply(_gather, x, _inside(x, indices, x.shape[normalize_axis(axis, len(x.shape))]), axis=axis)


def one_hot(labels: Any, size: Size, dtype: Any = "float32") -> Any:
    """Rows of zeros with a one at the label; all zeros for a label outside."""
    return apply(_one_hot, labels, size=as_sizes((size,), "one_hot")[0], dtype=dtype_name(dtype, "one_hot"))


__all__ = ["check_index", "getitem", "one_hot", "take"]
