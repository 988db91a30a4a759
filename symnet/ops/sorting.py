"""Order along an axis: sort, argsort, topk, median, searchsorted.

Natively an order is found in one of two ways. Short axes, and those of open size, count for every element
how many stand before it. Longer ones of known size go through a sorting network, whose stages are a loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, maximum
from ..dtype import FLOATS, Shape, normalize_axis, require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..graph import Node
from ..op import OPS, Composite, IndexTuple, Op, Operand, apply, deferred, register
from ..operators import Operators
from ..scalar import Scalar
from .along import along, scattered
from .arithmetic import add, multiply
from .elementwise import elementwise
from .logic import bitwise_and, bitwise_xor, equal, less, logical_and, logical_not, logical_or, not_equal, where
from .movement import broadcast_to, concatenate, expand_dims, reshape, swapaxes
from .random import counters
from .reductions import require_elements, sum
from .scan import loop
from .slicing import normal_key, sliced

# Up to here counting is faster than the network (measured in float64).
COUNTED = 384


def _sorts_before(a: Scalar, b: Scalar) -> Scalar:
    """Whether a < b, where NaN is the largest."""
    if a.dtype == "bool":
        a, b = s.cast(a, "int32"), s.cast(b, "int32")
    if a.dtype not in FLOATS:
        return a < b
    return (a < b) | (s.ne(b, b) & s.eq(a, a))


class Ranks(Op):
    """How many elements along `axis` stand before each in a stable order. Attributes `axis`, `descending`."""

    needs_still_data = True

    def __init__(self) -> None:
        super().__init__("ranks", "contraction")

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return "int64"

    def result_shape(self, x: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return x

    def numpy(self, x: np.ndarray, *, axis: int, descending: bool) -> Any:  # type: ignore[override]
        order = _numpy_order(x, axis, descending)
        ranks = np.empty(x.shape, np.int64)
        np.put_along_axis(ranks, order, np.broadcast_to(_counter(x, axis), x.shape), axis)
        return ranks

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, x: Operand, *, axis: int, descending: bool) -> Scalar:  # type: ignore[override]
        other = Dim.named(s.counter(0))
        own, its = x[i], x[(*i[:axis], other, *i[axis + 1 :])]
        first, last = (own, its) if descending else (its, own)
        place = i[axis] if isinstance(i[axis], Scalar) else s.index(i[axis])
        # Of equal ones those before it count: whatever does not stand after it.
        counts = s.select(s.index(other) < place, ~_sorts_before(last, first), _sorts_before(first, last))
        return s.fold("add", [(s.counter(0), x.shape[axis])], s.cast(counts, "int64"))


def _counter(x: np.ndarray, axis: int) -> np.ndarray:
    """0, 1, 2, ... along an axis, and size 1 along the others."""
    return np.arange(x.shape[axis]).reshape([-1 if k == axis else 1 for k in range(x.ndim)])


def _numpy_order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Backwards twice: what is equal keeps its order.
    return np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


class ArgSort(Composite):
    """The stable order along `axis` (counted from the front). Attributes `descending` and `count` (None is all)."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return "int64"

    def result_shape(  # type: ignore[override]
        self, x: Shape, *, axis: int, descending: bool, count: int | None
    ) -> Shape:
        if count is None:
            return x
        size = x[axis]
        complaint = f"{count} elements are asked for along axis {axis} of a value of shape {shape_text(x)}"
        require_equal(maximum(size, count), size, f"{complaint}; expected at most {size}")
        return (*x[:axis], count, *x[axis + 1 :])

    def numpy(self, x: np.ndarray, *, axis: int, descending: bool, count: int | None) -> Any:  # type: ignore[override]
        self.result_shape(x.shape, axis=axis, descending=descending, count=count)
        return _numpy_order(x, axis, descending)[(slice(None),) * axis + (slice(count),)]

    def expand(self, x: Any, *, axis: int, descending: bool, count: int | None) -> Any:  # type: ignore[override]
        size, last = x.shape[axis], len(x.shape) - 1
        if not isinstance(size, int) or size <= COUNTED:
            order = _by_counting(x, axis, descending)
        elif axis == last:
            order = _by_network(x, size, descending)
        else:
            order = swapaxes(_by_network(swapaxes(x, axis, last), size, descending), axis, last)
        # Taken one by one: a slice of an open axis would have the size min(count, n).
        return order if count is None else apply(OPS["gather"], order, _counted(x, count), axis=axis)

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)


def _counted(x: Node, size: Size) -> Any:
    """0, 1, 2, ... in the graph of `x`."""
    return counters((size,), x.graph.constant(0, "int64"))


def _by_counting(x: Node, axis: int, descending: bool) -> Any:
    """Every element's place in order tells which place is its own."""
    ranks = apply(_ranks, x, axis=axis, descending=descending)
    behind = len(x.shape) - axis - 1
    places = _counted(x, x.shape[axis])
    places = expand_dims(places, tuple(range(1, behind + 1))) if behind else places
    return scattered(broadcast_to(places, x.shape), ranks, axis, x.shape[axis])


def _by_network(x: Node, size: int, descending: bool) -> Any:
    """Batcher's bitonic network along the last axis, padded to a power of two, one stage a step."""
    bits = (size - 1).bit_length()
    last, rest = len(x.shape) - 1, (1 << bits) - size
    filler = x.graph.constant(_last(x.dtype, descending), x.dtype)
    keys = concatenate([x, broadcast_to(filler, (*x.shape[:-1], rest))], last) if rest else x
    order = broadcast_to(_counted(x, 1 << bits), keys.shape)
    stages = [(1 << low, 1 << (high + 1)) for high in range(bits) for low in reversed(range(high + 1))]
    distances, blocks = (x.graph.constant(np.array(part), "int64") for part in zip(*stages, strict=True))

    def stage(keys: Node, order: Node, distance: Node, block: Node) -> Any:
        here = _counted(keys, 1 << bits)
        there = bitwise_xor(here, distance)
        # What it is compared with, all of one row at once: the gather copies along the axis.
        others, places = (apply(OPS["gather"], v, there, axis=last) for v in (keys, order))
        wants_first = equal(equal(bitwise_and(here, distance), 0), equal(bitwise_and(here, block), 0))
        stays = equal(_stands_before(keys, order, others, places, descending), wants_first)
        return (where(stays, keys, others), where(stays, order, places)), ()

    _, order = loop(stage, [keys, order], [distances, blocks])
    return sliced(order, normal_key((..., slice(0, size)))) if rest else order


def _stands_before(x: Any, i: Any, y: Any, j: Any, descending: bool) -> Any:
    """Whether x, at place i, comes before y, at place j."""
    if descending:
        first, second = _before(y, x), _before(x, y)
    else:
        first, second = _before(x, y), _before(y, x)
    return logical_or(first, logical_and(logical_not(second), less(i, j)))


def _last(dtype: str, descending: bool) -> Any:
    """An element that no other stands behind."""
    if dtype in FLOATS:
        return -np.inf if descending else np.nan
    if dtype == "bool":
        return not descending
    return np.iinfo(dtype).min if descending else np.iinfo(dtype).max


_before = elementwise(
    "sorts_before",
    "Whether a < b, where NaN is the largest",
    result="bool",
    numpy=lambda a, b: (a < b) | (np.isnan(b) & ~np.isnan(a)) if a.dtype.kind == "f" else a < b,
    element=_sorts_before,
)
_ranks, _argsort = register(Ranks()), register(ArgSort("argsort"))


def _order(x: Any, axis: int | None, descending: bool, count: int | None = None) -> tuple[Any, Any, int]:
    """The value, flattened for no axis; its order along the axis; the axis from the front."""
    x = x if isinstance(x, Operators) else np.asarray(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    place = normalize_axis(axis, len(x.shape))
    return x, apply(_argsort, x, axis=place, descending=bool(descending), count=count), place


def _check_kind(kind: Any) -> None:
    if kind not in (None, "stable", "quicksort", "mergesort", "heapsort"):
        raise ArgumentError(f"kind is {kind!r}; expected None or 'stable' (every sort is stable here)")


@deferred("x")
def argsort(x: Any, axis: int | None = -1, *, descending: bool = False, kind: Any = None) -> Any:
    """The places of the elements along `axis` in order, the smallest first. Stable: equal ones keep their order.

    The work along an axis of n elements, n known, grows with n log(n)**2 (60,000 float64 take about 6 times as long as
    in numpy); along an axis of open size with n**2, about 30 ms for 10,000: declare the size of long ones.

    Parameters
    ----------
    x : value
        Of any dtype. NaN counts as larger than every number.
    axis : int or None
        None sorts the flattened value.
    descending : bool
        Whether the largest comes first.
    kind : str, optional
        numpy's word for the method; every one is stable here.

    Raises
    ------
    ShapeError
        There is no such axis.
    ArgumentError
        numpy has no such `kind`.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.argsort([3.0, 1.0, 2.0, 1.0])
    array([1, 3, 2, 0])

    References
    ----------
    Batcher, Sorting networks and their applications, 1968 (for axes of a known size above 384).
    """
    _check_kind(kind)
    return _order(x, axis, descending)[1]


@deferred("x")
def sort(x: Any, axis: int | None = -1, *, descending: bool = False, kind: Any = None) -> Any:
    """The elements along `axis` in order, the smallest first. The gradient goes to where each came from.

    Parameters and exceptions as :func:`argsort`'s.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.sort([[3.0, 1.0, 2.0]], descending=True)
    array([[3., 2., 1.]])
    """
    _check_kind(kind)
    x, order, place = _order(x, axis, descending)
    return along(x, order, place)


@deferred("x")
def _largest(x: Any, k: int, axis: int, largest: bool, is_values: bool) -> Any:
    x, order, place = _order(x, axis, largest, k)
    return along(x, order, place) if is_values else order


def topk(x: Any, k: int, axis: int = -1, *, largest: bool = True) -> tuple[Any, Any]:
    """The `k` largest elements along `axis`, the largest first, and their places; as PyTorch's.

    Parameters
    ----------
    x : value
        NaN counts as larger than every number. Of equal elements the first one comes first.
    k : int
    axis : int
    largest : bool
        False gives the smallest.

    Returns
    -------
    values, indices

    Raises
    ------
    ShapeError
        The axis has fewer than `k` elements, or there is no such axis.
    ArgumentError
        `k` is no integer, or negative.

    Examples
    --------
    >>> import symnet as sn
    >>> values, indices = sn.topk([3.0, 1.0, 4.0, 1.5], 2)
    >>> values, indices
    (array([4., 3.]), array([2, 0]))
    """
    if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 0:
        raise ArgumentError(f"topk: k is {k!r}; expected an integer from 0 up")
    values, indices = (_largest(x, int(k), axis, largest, is_values) for is_values in (True, False))
    return values, indices


@deferred("x")
def median(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The middle element along `axis` in order, or the mean of the two in the middle; NaN if one element is.

    Raises
    ------
    ShapeError
        There is no such axis, or it has no elements.
    IndexOutOfBounds
        At the call: an axis of named size has none.

    Examples
    --------
    >>> import symnet as sn
    >>> float(sn.median([4.0, 1.0, 3.0, 2.0]))
    2.5
    """
    rank = len(x.shape if isinstance(x, Operators) else np.shape(x))
    x, order, place = _order(x, axis, False)
    require_elements("median", x.shape, place)
    x, size = along(x, order, place), x.shape[place]
    low, high, top = (sliced(x, normal_key((slice(None),) * place + (k,))) for k in ((size - 1) // 2, size // 2, -1))
    # The last one is NaN where there is one.
    middle = where(not_equal(top, top), top, add(multiply(low, 0.5), multiply(high, 0.5)))
    kept = tuple(range(rank)) if axis is None else place
    return expand_dims(middle, kept) if keepdims else middle


def searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    """Where each of `v` belongs in the sorted vector `a`: before what is equal ("left"), or behind ("right").

    Every element of `a` is compared, so that natively nothing jumps.

    Raises
    ------
    ArgumentError
        `side` is something else.
    ShapeError
        `a` is no vector.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.searchsorted([1.0, 2.0, 2.0, 5.0], [2.0, 9.0], side="right")
    array([3, 4])
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side is {side!r}; expected 'left' or 'right'")
    return _placed(a, v, side)


@deferred("a", "v")
def _placed(a: Any, v: Any, side: str) -> Any:
    shape: Shape = a.shape if isinstance(a, Operators) else np.shape(a)
    if len(shape) != 1:
        raise ShapeError(f"searchsorted: the sorted value has shape {shape_text(shape)}; expected a vector")
    v = expand_dims(v, len(v.shape) if isinstance(v, Operators) else np.ndim(v))
    return sum(_before(a, v) if side == "left" else logical_not(_before(v, a)), -1)


__all__ = ["argsort", "median", "searchsorted", "sort", "topk"]
