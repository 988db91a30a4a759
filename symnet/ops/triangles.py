"""Triangles and diagonals of matrices."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..dims import Dim, Size
from ..dtype import Shape, normalize_axis, require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..op import IndexTuple, Operand, apply, deferred, register
from ..scalar import Scalar
from .arithmetic import add
from .creation import as_value, positions
from .logic import equal, greater_equal, less_equal, where
from .movement import Movement, broadcast_to, expand_dims, transpose


class Diagonal(Movement):
    """Attributes `axis1` and `axis2`, of one size: elements at the same place on both, as a new last axis."""

    is_lazy = True

    def _axes(self, rank: int, axis1: int, axis2: int) -> tuple[int, int]:
        first, second = sorted((normalize_axis(axis1, rank), normalize_axis(axis2, rank)))
        if first == second:
            raise ShapeError(f"the diagonal of axis {axis1} and itself; expected two axes")
        return first, second

    def result_shape(self, x: Shape, *, axis1: int, axis2: int) -> Shape:  # type: ignore[override]
        first, second = self._axes(len(x), axis1, axis2)
        complaint = f"the diagonal of axes {axis1} and {axis2} of shape {shape_text(x)}; expected axes of one size"
        size = require_equal(x[first], x[second], complaint)
        return (*(n for k, n in enumerate(x) if k not in (first, second)), size)

    def numpy(self, x: np.ndarray, *, axis1: int, axis2: int) -> Any:  # type: ignore[override]
        self.result_shape(x.shape, axis1=axis1, axis2=axis2)
        return np.diagonal(x, 0, axis1, axis2)

    def grad(self, g: Any, y: Any, x: Any, *, axis1: int, axis2: int) -> tuple[Any, ...]:  # type: ignore[override]
        first, second = self._axes(len(x.shape), axis1, axis2)
        # The last axis of g to the place of the first, a new one at that of the second.
        last = len(g.shape) - 1
        order = (*range(first), last, *range(first, last))
        spread = broadcast_to(expand_dims(transpose(g, order), second), x.shape)
        return (where(equal(positions(x, first), positions(x, second)), spread, 0.0),)

    def element(self, i: IndexTuple, x: Operand, *, axis1: int, axis2: int) -> Scalar:  # type: ignore[override]
        first, second = self._axes(len(x.shape), axis1, axis2)
        rest = iter(i[:-1])
        return x[tuple(i[-1] if k in (first, second) else next(rest) for k in range(len(x.shape)))]


_diagonal = register(Diagonal("diagonal"))


def main_diagonal(x: Any, axis1: int, axis2: int) -> Any:
    """The elements at the same place on two axes of one size, as a new last axis.

    Raises
    ------
    ShapeError
        The axes differ in size, or are no two axes.
    """
    return apply(_diagonal, x, axis1=axis1, axis2=axis2)


def below(x: Any, k: Size = 0) -> Any:
    """For each element of the matrices in `x` whether it is on or below the k-th diagonal."""
    return greater_equal(_moved_row(x, k), positions(x, -1))


def _moved_row(x: Any, k: Size) -> Any:
    row = positions(x, -2)
    return row if isinstance(k, int) and k == 0 else add(row, k)


@deferred("x")
def _triangle(x: Any, name: str, k: Size) -> Any:
    if len(x.shape) < 2:
        raise ShapeError(f"{name} of a value of shape {shape_text(x.shape)}; expected at least two axes")
    kept = below(x, k) if name == "tril" else less_equal(_moved_row(x, k), positions(x, -1))
    # False is the zero of every dtype, and promotes to any.
    return where(kept, x, False)


def _checked(name: str, x: Any, k: Any) -> Any:
    if not isinstance(k, (Integral, Dim)) or isinstance(k, bool):
        raise ArgumentError(f"{name}: k is {k!r}; expected an int or a named size")
    return _triangle(as_value(x), name, k if isinstance(k, Dim) else int(k))


def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of matrices: zeros above the k-th diagonal.

    Parameters
    ----------
    x : value of shape (..., rows, columns)
    k : int
        0 is the main diagonal, positive ones are above it.

    Raises
    ------
    ShapeError
        `x` has fewer than two axes.
    ArgumentError
        `k` is no int.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.tril([[1, 2, 3], [4, 5, 6]])
    array([[1, 0, 0],
           [4, 5, 0]])
    """
    return _checked("tril", x, k)


def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of matrices: zeros below the k-th diagonal (see :func:`tril`).

    Examples
    --------
    >>> import symnet as sn
    >>> sn.triu([[1, 2, 3], [4, 5, 6]], 1)
    array([[0, 2, 3],
           [0, 0, 6]])
    """
    return _checked("triu", x, k)


__all__ = ["tril", "triu"]
