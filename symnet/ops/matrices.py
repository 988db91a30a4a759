"""Factors of matrices, and equations solved by them.

numpy answers with LAPACK. Natively each is a loop over the columns of the matrix that updates the whole of it at
every step, which is one fused kernel: a step that shrank with the rest would be a kernel of its own. Leading axes
are those of a stack of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import Shape, broadcast, require_equal, shape_text
from ..errors import LinAlgError, ShapeError
from ..graph import Node
from ..op import OPS, Composite, IndexTuple, Op, Operand, apply, float_operands, register
from ..scalar import Scalar
from ..untouched import remember
from .along import along, scattered
from .arithmetic import abs, cast, multiply
from .contraction import matmul, swap_last
from .logic import equal, greater, greater_equal, less, logical_and, not_equal, where
from .movement import broadcast_to, concatenate, expand_dims, transpose
from .random import counters
from .real_functions import log, sqrt
from .reductions import any, argmax, sum
from .scan import loop
from .slicing import normal_key, sliced

SINGULAR = "the matrix is singular: a pivot is 0"
NOT_POSITIVE = "the matrix is not positive definite"


def require_square(name: str, a: Shape) -> None:
    """Refuse what is no square matrix, nor a stack of them.

    Raises
    ------
    ShapeError
    """
    complaint = f"{name} of a value of shape {shape_text(a)}; expected a square matrix (..., n, n)"
    if len(a) < 2:
        raise ShapeError(complaint)
    require_equal(a[-2], a[-1], complaint)


def _answered(complaint: str, function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """LAPACK's answer."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        raise LinAlgError(complaint) from None


# -- parts of matrices, in the graph of a node ---------------------------------------------------
def counted(x: Node, size: Any) -> Any:
    """0, 1, 2, ... in the graph of `x`."""
    return counters((size,), x.graph.constant(0, "int64"))


def _rows_and_columns(a: Node) -> tuple[Any, Any]:
    """Of every element its row, as a column, and its column, as a row."""
    i = counted(a, a.shape[-1])
    return expand_dims(i, 1), expand_dims(i, 0)


def _diagonal(a: Node) -> Any:
    return sum(where(equal(*_rows_and_columns(a)), a, 0.0), -1)


def _identity_like(a: Node) -> Any:
    """The identity matrix of the size and dtype of `a`."""
    return cast(equal(*_rows_and_columns(a)), a.dtype)


def _lower_half(a: Node) -> Any:
    """The lower triangle with half of the diagonal: Murray's Phi."""
    row, column = _rows_and_columns(a)
    return where(greater(row, column), a, where(equal(row, column), a * 0.5, 0.0))


def _picked(x: Any, place: Any, axis: int) -> Any:
    """A slice along an axis at a place that is a number of the graph."""
    return apply(OPS["gather"], x, place, axis=len(x.shape) + axis)


def _outer(column: Any, row: Any) -> Any:
    return multiply(expand_dims(column, -1), expand_dims(row, -2))


def _stacked(x: Any, axis: int) -> Any:
    """What a loop stacked along its first axis, with that axis at another place."""
    order = list(range(1, len(x.shape)))
    order.insert(len(x.shape) + axis, 0)
    return transpose(x, tuple(order))


# -- checks --------------------------------------------------------------------------------------
class CheckPivots(Op):
    """A matrix whose diagonal has no 0; with `positive`, whose diagonal is above 0. Data-dependent check."""

    checks_data = True

    def __init__(self) -> None:
        super().__init__("check_pivots", "indexing")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return a

    def numpy(self, a: np.ndarray, *, positive: bool) -> Any:  # type: ignore[override]
        diagonal = np.diagonal(a, axis1=-2, axis2=-1)
        if not np.all(diagonal > 0 if positive else diagonal != 0):
            raise LinAlgError(NOT_POSITIVE if positive else SINGULAR)
        return a

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (g,)

    def holds(self, i: IndexTuple, a: Operand, *, positive: bool) -> Scalar:  # type: ignore[override]
        row, column = (k if isinstance(k, Scalar) else s.index(k) for k in i[-2:])
        return s.ne(row, column) | (a[i] > 0.0 if positive else s.ne(a[i], 0.0))

    def element(self, i: IndexTuple, a: Operand, *, positive: bool) -> Scalar:  # type: ignore[override]
        return a[i]


# -- Cholesky ------------------------------------------------------------------------------------
class Cholesky(Composite):
    """The lower triangular L with L Lᵀ = a, of which the lower triangle is read."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape) -> Shape:  # type: ignore[override]
        require_square("cholesky", a)
        return a

    def numpy(self, a: np.ndarray) -> Any:  # type: ignore[override]
        self.result_shape(a.shape)
        return _answered(NOT_POSITIVE, np.linalg.cholesky, a)

    def expand(self, a: Any) -> Any:  # type: ignore[override]
        def step(rest: Any, j: Any) -> Any:
            row = _picked(rest, j, -2)
            root = expand_dims(sqrt(_picked(row, j, -1)), -1)
            row = where(greater_equal(counted(rest, rest.shape[-1]), j), row / root, 0.0)
            return [rest - _outer(row, row)], [row]

        # Row by row of the upper triangle, whose elements lie side by side.
        _, rows = loop(step, [swap_last(a)], [counted(a, a.shape[-1])])
        return apply(_check_pivots, _stacked(rows, -1), positive=True)

    def grad(self, g: Any, y: Any, a: Any) -> tuple[Any, ...]:  # type: ignore[override]
        # Murray 2016, equation 10, for a function of the lower triangle alone: what his symmetric gradient
        # says of two elements that mirror each other is said of the lower one.
        inner = triangular(swap_last(y), _lower_half(matmul(swap_last(y), g)), lower=False)
        both = triangular(swap_last(y), swap_last(inner), lower=False)
        return (_lower_half(both + swap_last(both)),)


# -- triangular equations ------------------------------------------------------------------------
class TriangularSolve(Composite):
    """The x with a x = b. Attributes `lower`: which triangle is read; `unit`: whether its diagonal counts as 1."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape, b: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return solved_shape("triangular_solve", a, b)

    def numpy(self, a: np.ndarray, b: np.ndarray, *, lower: bool, unit: bool) -> Any:  # type: ignore[override]
        self.result_shape(a.shape, b.shape)
        half = np.tril(a, -unit) if lower else np.triu(a, unit)
        half = half + np.eye(a.shape[-1], dtype=a.dtype) if unit else half
        return _answered(SINGULAR, np.linalg.solve, half, b)

    def expand(self, a: Any, b: Any, *, lower: bool, unit: bool) -> Any:  # type: ignore[override]
        def step(rest: Any, column: Any, j: Any) -> Any:
            x = _picked(rest, j, -2)
            x = x if unit else x / expand_dims(_picked(column, j, -1), -1)
            i = counted(rest, column.shape[-1])
            later = where(greater(i, j) if lower else less(i, j), column, 0.0)
            return [rest - _outer(later, x)], [x]

        rank, n = len(a.shape), a.shape[-1]
        columns = transpose(a, (rank - 1, *range(rank - 1)))
        rest = broadcast_to(b, self.result_shape(a.shape, b.shape))
        _, rows = loop(step, [rest], [columns, counted(a, n)], is_reversed=not lower)
        return _stacked(rows, -2)

    def grad(self, g: Any, y: Any, a: Any, b: Any, *, lower: bool, unit: bool) -> tuple[Any, ...]:  # type: ignore[override]
        db = triangular(swap_last(a), g, not lower, unit)
        row, column = _rows_and_columns(a)
        compared = greater if unit else greater_equal
        inside = compared(row, column) if lower else compared(column, row)
        return where(inside, -matmul(db, swap_last(y)), 0.0), db


def solved_shape(name: str, a: Shape, b: Shape) -> Shape:
    """The shape of the x with a x = b."""
    require_square(name, a)
    complaint = (
        f"{name}: the matrix has shape {shape_text(a)} and the right side {shape_text(b)}; expected as many rows"
    )
    if len(b) < 2:
        raise ShapeError(complaint)
    require_equal(a[-1], b[-2], complaint)
    return (*broadcast(a[:-2], b[:-2]), a[-1], b[-1])


# -- elimination ---------------------------------------------------------------------------------
class LU(Composite):
    """Gauss's elimination with partial pivoting, of shape (..., n, n + 1).

    Row k belongs to the k-th pivot, and its last element is the row of `a` it was. The others hold, on and above
    the diagonal, U; below and on it L'. Of P a, the rows of `a` in that order, they are the factors L' D⁻¹ U
    with the diagonal D that both have.
    """

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape) -> Shape:  # type: ignore[override]
        require_square("the elimination", a)
        return (*a[:-1], a[-1] + 1)

    def numpy(self, a: np.ndarray) -> Any:  # type: ignore[override]
        n = a.shape[-1]
        result = np.concatenate([a, np.broadcast_to(np.arange(n, dtype=a.dtype)[:, None], (*a.shape[:-1], 1))], -1)
        for rows in result.reshape(-1, n, n + 1):
            for j in range(n):
                best = j + int(np.argmax(np.abs(rows[j:, j])))
                rows[[j, best]] = rows[[best, j]]
                if rows[j, j] != 0:
                    rows[j + 1 :, j + 1 : n] -= np.outer(rows[j + 1 :, j] / rows[j, j], rows[j, j + 1 : n])
        return result

    def expand(self, a: Any) -> Any:  # type: ignore[override]
        def step(rest: Any, free: Any, j: Any) -> Any:
            i = counted(rest, rest.shape[-1])
            column = _picked(rest, j, -1)
            chosen = argmax(where(free, abs(column), -1.0), -1)
            row = _rows(rest, expand_dims(chosen, -1))
            row = sliced(row, normal_key((..., 0, slice(None))))
            pivot = expand_dims(_picked(row, j, -1), -1)
            free = logical_and(free, not_equal(i, expand_dims(chosen, -1)))
            # A column of zeros is left as it is, so that a determinant is 0.
            factor = where(logical_and(free, not_equal(pivot, 0.0)), column / pivot, 0.0)
            return [rest - _outer(factor, where(greater(i, j), row, 0.0)), free], [row, chosen]

        # No row is moved: those that were pivots are left out from then on.
        free = broadcast_to(a.graph.constant(True, "bool"), a.shape[:-1])
        _, _, rows, order = loop(step, [a, free], [counted(a, a.shape[-1])])
        places = expand_dims(cast(_stacked(order, -1), a.dtype), -1)
        return concatenate([_stacked(rows, -2), places], -1)


def _rows(x: Any, places: Any) -> Any:
    """Rows of a matrix in another order, or of each matrix of a stack in an order of its own."""
    if len(x.shape) == 2:
        return apply(OPS["gather"], x, places, axis=0)
    shape = (*places.shape, x.shape[-1])
    return along(x, broadcast_to(expand_dims(places, -1), shape), len(shape) - 2)


def _eliminated(a: Any) -> tuple[Any, Any]:
    """The factors of `a`, and the rows of `a` that theirs were; equal matrices are eliminated once."""
    both, n = apply(_lu, a), a.shape[-1]
    factors, order = (sliced(both, normal_key((..., part))) for part in (slice(0, n), n))
    return factors, cast(order, "int64")


class Solve(Composite):
    """The x with a x = b, or aᵀ x = b. Attribute `transposed`."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape, b: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return solved_shape("solve", a, b)

    def numpy(self, a: np.ndarray, b: np.ndarray, *, transposed: bool) -> Any:  # type: ignore[override]
        self.result_shape(a.shape, b.shape)
        return _answered(SINGULAR, np.linalg.solve, np.swapaxes(a, -2, -1) if transposed else a, b)

    def expand(self, a: Any, b: Any, *, transposed: bool) -> Any:  # type: ignore[override]
        factors, order = _eliminated(a)
        factors = apply(_check_pivots, factors, positive=False)
        scale = expand_dims(_diagonal(factors), -1)
        shape = self.result_shape(a.shape, b.shape)
        b, order = broadcast_to(b, shape), broadcast_to(order, shape[:-1])
        if not transposed:
            return triangular(factors, triangular(factors, _rows(b, order), lower=True) * scale, lower=False)
        turned = swap_last(factors)
        x = triangular(turned, triangular(turned, b, lower=True) * scale, lower=False)
        return scattered(x, broadcast_to(expand_dims(order, -1), shape), -2, shape[-2])

    def grad(self, g: Any, y: Any, a: Any, b: Any, *, transposed: bool) -> tuple[Any, ...]:  # type: ignore[override]
        # Giles 2008, section 2.3.1.
        db = solved(a, g, not transposed)
        return (-matmul(y, swap_last(db)) if transposed else -matmul(db, swap_last(y))), db


class Inverse(Composite):
    """The x with a x = 1."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape) -> Shape:  # type: ignore[override]
        require_square("inv", a)
        return a

    def numpy(self, a: np.ndarray) -> Any:  # type: ignore[override]
        self.result_shape(a.shape)
        return _answered(SINGULAR, np.linalg.inv, a)

    def expand(self, a: Any) -> Any:  # type: ignore[override]
        # Expanded in one go, so that its elimination is that of other ops on `a`.
        return _solve.expand(a, _identity_like(a), transposed=False)

    def grad(self, g: Any, y: Any, a: Any) -> tuple[Any, ...]:  # type: ignore[override]
        # Giles 2008, section 2.2.3.
        turned = swap_last(y)
        return (-matmul(matmul(turned, g), turned),)


# -- determinants --------------------------------------------------------------------------------
class _Determinant(Composite):
    part: int

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return float_operands(*dtypes)

    def result_shape(self, a: Shape) -> Shape:  # type: ignore[override]
        require_square("the determinant", a)
        return a[:-2]

    def numpy(self, a: np.ndarray) -> Any:  # type: ignore[override]
        self.result_shape(a.shape)
        return np.linalg.slogdet(a)[self.part]


class DeterminantSign(_Determinant):
    """-1, 0 or 1, as the determinant is."""

    part = 0

    def expand(self, a: Any) -> Any:  # type: ignore[override]
        factors, order = _eliminated(a)
        pivots = _diagonal(factors)
        row, column = _rows_and_columns(a)
        swapped = logical_and(less(row, column), greater(expand_dims(order, -1), expand_dims(order, -2)))
        count = sum(sum(swapped, -1), -1) + sum(less(pivots, 0.0), -1)
        return where(any(equal(pivots, 0.0), -1), 0.0, cast(1 - count % 2 * 2, a.dtype))

    def grad(self, g: Any, y: Any, a: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (None,)


class LogDeterminant(_Determinant):
    """The logarithm of the determinant's absolute value."""

    part = 1

    def expand(self, a: Any) -> Any:  # type: ignore[override]
        return sum(log(abs(_diagonal(_eliminated(a)[0]))), -1)

    def grad(self, g: Any, y: Any, a: Any) -> tuple[Any, ...]:  # type: ignore[override]
        # Giles 2008, section 2.2.4.
        return (expand_dims(g, (-2, -1)) * swap_last(apply(_inverse, a)),)


_check_pivots, _cholesky = register(CheckPivots()), register(Cholesky("cholesky"))
_triangular, _lu = register(TriangularSolve("triangular_solve")), register(LU("lu"))
_solve, _sign = Solve("solve"), register(DeterminantSign("det_sign"))
register(_solve)
_inverse = register(Inverse("inv"))
_log_det = register(LogDeterminant("log_abs_det"))


def triangular(a: Any, b: Any, lower: bool, unit: bool = False) -> Any:
    """The x with a x = b for a triangle of `a`, with no check."""
    return apply(_triangular, a, b, lower=lower, unit=unit)


def solved(a: Any, b: Any, transposed: bool = False) -> Any:
    """The x with a x = b, or aᵀ x = b."""
    return apply(_solve, a, b, transposed=transposed)


remember(__name__)
