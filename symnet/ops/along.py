"""Elements chosen along an axis, by an index for each of them; and what adds them up at their places."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import Shape, broadcast, normalize_axis, require_equal, shape_text
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import IndexTuple, Op, Operand, apply, deferred, register
from ..operators import Operators
from ..scalar import Scalar
from .arithmetic import add
from .indexing import check_index
from .movement import broadcast_to, reshape


class TakeAlongAxis(Op):
    """numpy's take_along_axis, for checked indices; beside `axis` (counted from the front) the shapes are equal."""

    def __init__(self) -> None:
        super().__init__("take_along_axis", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_shape(self, x: Shape, indices: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        return indices

    def numpy(self, x: np.ndarray, indices: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        return np.take_along_axis(x, indices, axis)

    def grad(self, g: Any, y: Any, x: Any, indices: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_scatter, g, indices, axis=axis, size=x.shape[axis]), None

    def element(self, i: IndexTuple, x: Operand, indices: Operand, *, axis: int) -> Scalar:  # type: ignore[override]
        return x[(*i[:axis], s.as_size(indices[i]), *i[axis + 1 :])]


class ScatterAlongAxis(Op):
    """Zeros, `size` along `axis`, with elements added at indices: the gradient of TakeAlongAxis."""

    scatters = True

    def __init__(self) -> None:
        super().__init__("scatter_along_axis", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        if dtypes[0] == "bool":
            raise DTypeError("not defined for bool; expected numbers (cast with .astype)")
        return dtypes

    def result_shape(self, g: Shape, indices: Shape, *, axis: int, size: Any) -> Shape:  # type: ignore[override]
        return (*g[:axis], size, *g[axis + 1 :])

    def numpy(self, g: np.ndarray, indices: np.ndarray, *, axis: int, size: int) -> Any:  # type: ignore[override]
        result = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
        places: list[Any] = list(np.indices(g.shape, sparse=True))
        places[axis] = indices
        np.add.at(result, tuple(places), g)
        return result

    def grad(self, g: Any, y: Any, x: Any, indices: Any, *, axis: int, size: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_take, g, indices, axis=axis), None

    def contributions(self, g: Shape, indices: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return g

    def contribution(  # type: ignore[override]
        self, i: IndexTuple, g: Operand, indices: Operand, *, axis: int, size: Any
    ) -> tuple[IndexTuple, Scalar]:
        index = indices[i]
        # What is outside adds nothing, nowhere else.
        nearest = s.minimum(s.maximum(index, 0), s.index(size - 1))
        value = s.select(s.eq(index, nearest), g[i], s.const(0, g.dtype))
        return (*i[:axis], s.as_size(nearest), *i[axis + 1 :]), value


_take, _scatter = register(TakeAlongAxis()), register(ScatterAlongAxis())


def _as_value(x: Any) -> Any:
    return x if isinstance(x, Operators) else np.asarray(x)


def along(x: Any, indices: Any, axis: int) -> Any:
    """`take_along_axis` for indices that are known to be inside, with no check."""
    return apply(_take, x, indices, axis=normalize_axis(axis, len(x.shape)))


def scattered(x: Any, indices: Any, axis: int, size: Any) -> Any:
    """Zeros, `size` along `axis`, with `x` added at indices that are known to be inside."""
    return apply(_scatter, x, indices, axis=normalize_axis(axis, len(x.shape)), size=size)


def _beside(shape: Shape, axis: int, size: Any) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


@deferred("x", "indices")
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Elements along an axis, each chosen by an integer of its own: ``y[i][j] = x[i][indices[i][j]]`` for the last.

    numpy's function of this name; PyTorch's `gather` and `take_along_dim`.

    Parameters
    ----------
    x : value
    indices : integers
        With as many axes as `x`. Beside `axis` the two broadcast. Negative ones count from the end.
    axis : int or None
        None takes `x` flattened first.

    Raises
    ------
    ShapeError
        The two have different numbers of axes, or do not broadcast.
    DTypeError
        The indices are no integers.
    IndexOutOfBounds
        At the call: an index is outside.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.take_along_axis([[10, 20, 30], [40, 50, 60]], [[2], [0]], 1)
    array([[30],
           [40]])
    """
    x, indices = _as_value(x), _as_value(indices)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if len(x.shape) != len(indices.shape):
        raise ShapeError(
            f"take_along_axis: the value has shape {shape_text(x.shape)} and the indices {shape_text(indices.shape)}; "
            "expected the same number of axes"
        )
    axis = normalize_axis(axis, len(x.shape))
    size, count = x.shape[axis], indices.shape[axis]
    shape = broadcast(_beside(x.shape, axis, 1), _beside(indices.shape, axis, 1))
    inside = check_index(broadcast_to(indices, _beside(shape, axis, count)), size)
    return apply(_take, broadcast_to(x, _beside(shape, axis, size)), inside, axis=axis)


@deferred("x", "indices", "values")
def scatter_add(x: Any, indices: Any, values: Any, axis: int = -1) -> Any:
    """`x` with values added at indices along an axis: ``y[i][indices[i][j]] += values[i][j]`` for the last.

    PyTorch's function of this name. An index that occurs twice gets both values.

    Parameters
    ----------
    x : value
    indices : integers
        With as many axes as `x`, and its sizes beside `axis`, or 1 there. Negative ones count from the end.
    values : value
        Broadcasts with the indices.
    axis : int

    Raises
    ------
    ShapeError
        The shapes do not fit.
    DTypeError
        The indices are no integers.
    IndexOutOfBounds
        At the call: an index is outside.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.scatter_add([1.0, 1.0, 1.0], [0, 2, 0], [10.0, 20.0, 30.0])
    array([41.,  1., 21.])
    """
    if not isinstance(axis, int):
        raise ArgumentError(f"scatter_add: axis is {axis!r}; expected an int")
    x, indices, values = _as_value(x), _as_value(indices), _as_value(values)
    axis = normalize_axis(axis, len(x.shape))
    given = broadcast(indices.shape, values.shape)
    complaint = (
        f"scatter_add along axis {axis}: the value has shape {shape_text(x.shape)}, the indices "
        f"{shape_text(indices.shape)} and what is added {shape_text(values.shape)}; "
        f"expected the value's sizes beside axis {axis}"
    )
    if len(given) != len(x.shape):
        raise ShapeError(complaint)
    for k, (n, m) in enumerate(zip(x.shape, given, strict=True)):
        if k != axis and m != 1:
            require_equal(n, m, complaint)
    shape = _beside(x.shape, axis, given[axis])
    inside = check_index(broadcast_to(indices, shape), x.shape[axis])
    return add(x, apply(_scatter, broadcast_to(values, shape), inside, axis=axis, size=x.shape[axis]))


def gather(x: Any, axis: int, indices: Any) -> Any:
    """:func:`take_along_axis`, under PyTorch's name and with its order of arguments.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.gather([[1.0, 2.0], [3.0, 4.0]], 1, [[1], [0]])
    array([[2.],
           [3.]])
    """
    return take_along_axis(x, indices, axis)


__all__ = ["gather", "scatter_add", "take_along_axis"]
