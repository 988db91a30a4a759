"""Contractions: matrix products, plain and with bias and activation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, product
from ..dtype import Shape, broadcast, require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..op import OPS, Composite, IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar
from .arithmetic import multiply
from .elementwise import aligned, no_bool
from .movement import expand_dims, reshape, squeeze, sum_to, transpose


class MatMul(Op):
    """numpy's matmul: 1-D operands are a row or a column, leading axes broadcast."""

    def __init__(self) -> None:
        super().__init__("matmul", "contraction")

    def result_shape(self, a: Shape, b: Shape) -> Shape:  # type: ignore[override]
        complaint = f"cannot multiply shapes {shape_text(a)} and {shape_text(b)}"
        if not a or not b:
            raise ShapeError(f"{complaint}: a scalar has no axis to sum over; use *")
        require_equal(a[-1], b[-2] if len(b) > 1 else b[0], f"{complaint}: the inner sizes differ")
        rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
        return (*broadcast(a[:-2], b[:-2]), *rows, *columns)

    def numpy(self, a: np.ndarray, b: np.ndarray) -> Any:  # type: ignore[override]
        return np.matmul(a, b)

    def grad(self, g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:  # type: ignore[override]
        if len(a.shape) > 2 and len(b.shape) == 2:
            # One matrix for all rows, and so one product for all leading axes, with nothing to sum after it.
            rows_a, rows_g = (reshape(v, (product(v.shape[:-1]), v.shape[-1])) for v in (a, g))
            return matmul(g, swap_last(b)), matmul(swap_last(rows_a), rows_g)
        rows, columns = len(a.shape) > 1, len(b.shape) > 1
        wide_a = a if rows else expand_dims(a, 0)
        wide_b = b if columns else expand_dims(b, 1)
        if not columns:
            g = expand_dims(g, len(g.shape))
        if not rows:
            g = expand_dims(g, len(g.shape) - 1)
        da = sum_to(matmul(g, swap_last(wide_b)), wide_a.shape)
        if len(wide_b.shape) == 2 and len(wide_a.shape) > 2:
            # One product over all rows, in place of one for each leading index and their sum.
            db = matmul(swap_last(as_rows(wide_a)), as_rows(g))
        else:
            db = sum_to(matmul(swap_last(wide_a), g), wide_b.shape)
        return (da if rows else squeeze(da, 0)), (db if columns else squeeze(db, 1))

    def element(self, i: IndexTuple, a: Operand, b: Operand) -> Scalar:  # type: ignore[override]
        k = Dim.named(s.counter(0))
        rest = list(i)
        column = (rest.pop(),) if len(b.shape) > 1 else ()
        row = (rest.pop(),) if len(a.shape) > 1 else ()
        left = a[(*aligned(tuple(rest), a.shape[:-2]), *row, k)]
        right = b[(*aligned(tuple(rest), b.shape[:-2]), k, *column)]
        term = left & right if left.dtype == "bool" else left * right
        return s.fold("or" if left.dtype == "bool" else "add", [(s.counter(0), a.shape[-1])], term)


class Linear(Op):
    """activation(x @ w + b): what the fusion of a fully connected layer makes.

    Attribute `activation`: the name of an element-wise op, or None.
    """

    def __init__(self) -> None:
        super().__init__("linear", "contraction")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return no_bool(*dtypes)

    def result_shape(self, x: Shape, w: Shape, b: Shape, *, activation: str | None) -> Shape:  # type: ignore[override]
        return broadcast(_matmul.result_shape(x, w), b)

    def numpy(self, x: np.ndarray, w: np.ndarray, b: np.ndarray, *, activation: str | None) -> Any:  # type: ignore[override]
        result = np.matmul(x, w) + b
        return OPS[activation].numpy(result) if activation else result

    def grad(self, g: Any, y: Any, x: Any, w: Any, b: Any, *, activation: str | None) -> tuple[Any, ...]:  # type: ignore[override]
        if activation:
            before = linear(x, w, b)
            (g,) = OPS[activation].grad(g, y, before)
        dx, dw = _matmul.grad(g, y, x, w)
        return dx, dw, g

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        x, w, b = operands
        activation = attrs["activation"]
        total = _matmul.element(i, x, w) + b[aligned(i, b.shape)]
        if activation is None:
            return total
        return OPS[activation].element((), Operand((), total.dtype, lambda index, guard: total))


class Dot(Composite):
    """numpy's dot where it is the product of a scalar, or the matrix product."""

    def result_shape(self, a: Shape, b: Shape) -> Shape:  # type: ignore[override]
        if not a or not b:
            return a or b
        if len(b) > 2:
            raise ShapeError(
                f"dot of shapes {shape_text(a)} and {shape_text(b)}: numpy's dot pairs every leading axis of one with "
                "every one of the other; use @, which broadcasts them"
            )
        return _matmul.result_shape(a, b)

    def numpy(self, a: np.ndarray, b: np.ndarray) -> Any:  # type: ignore[override]
        return np.dot(a, b)

    def expand(self, a: Any, b: Any) -> Any:  # type: ignore[override]
        return matmul(a, b) if a.shape and b.shape else multiply(a, b)

    def grad(self, g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return _matmul.grad(g, y, a, b) if a.shape and b.shape else (multiply(g, b), multiply(g, a))


_matmul = register(MatMul())
_dot = register(Dot("dot"))
_linear = register(Linear())


def swap_last(x: Any) -> Any:
    """The value with its last two axes swapped."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def as_rows(x: Any) -> Any:
    """The value as a matrix: all axes but the last as one."""
    rows: Any = 1
    for size in x.shape[:-1]:
        rows = rows * size
    return reshape(x, (rows, x.shape[-1]))


def matmul(a: Any, b: Any) -> Any:
    """The matrix product, for 1-D to batched N-D operands as numpy's.

    Raises
    ------
    ShapeError
        The inner sizes differ, or an operand is a scalar.
    """
    return apply(_matmul, a, b)


def dot(a: Any, b: Any) -> Any:
    """numpy's dot: times a scalar, or the matrix product with an operand of one or two axes.

    Raises
    ------
    ShapeError
        The inner sizes differ, or `b` has more than two axes.
    """
    return apply(_dot, a, b)


def linear(x: Any, w: Any, b: Any, activation: str | None = None) -> Any:
    """A fully connected layer: ``activation(x @ w + b)``.

    Parameters
    ----------
    x : value of shape (..., in)
    w : value of shape (in, out)
    b : value of shape (out,)
    activation : str, optional
        The name of an element-wise op of one operand, such as "relu".
    """
    if activation is not None and (not isinstance(activation, str) or activation not in OPS):
        raise ArgumentError(
            f"linear: activation is {activation!r}; expected the name of an op, such as 'relu', or None"
        )
    return apply(_linear, x, w, b, activation=activation)


__all__ = ["dot", "linear", "matmul"]
