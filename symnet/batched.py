"""A program repeated for batches of rows: as one loop over expressions, and the cutting of data into batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from .dims import Dim, names
from .errors import ArgumentError, ShapeError
from .expr import Expr, Parameter, Variable
from .rewriting import Rewriter, in_order
from .scan import scan


class Repeated(NamedTuple):
    """A program that does the work of many calls of another.

    Attributes
    ----------
    outputs : list of Expr
        Those of every call, stacked.
    inputs : list of Variable
        With one axis more, the first: the calls.
    updates : list of pairs of Parameter and Expr
    """

    outputs: list[Expr]
    inputs: list[Variable]
    updates: list[tuple[Parameter, Expr]]


def repeated(
    outputs: Sequence[Expr], inputs: Sequence[Variable], updates: Sequence[tuple[Parameter, Expr]]
) -> Repeated:
    """A program for many calls, one after the other: each reads the Parameters as the one before has left them."""
    known = {n for v in inputs for size in v.known_shape or () for n in names(size)}
    axis = next(n for n in (f"calls{k or ''}" for k in count()) if n not in known)
    stacked = [Variable(v.name, _longer(axis, v), v.known_dtype) for v in inputs]
    parameters = [p for p, _ in updates]
    roots = [*(e for _, e in updates), *outputs]
    fixed: dict[Expr, Expr] = {e: e for e in in_order(roots) if isinstance(e, Parameter)}

    def body(carry: list[Expr], slices: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        found = Rewriter({**fixed, **dict(zip([*parameters, *inputs], [*carry, *slices], strict=True))}).rewrite(roots)
        return found[: len(updates)], found[len(updates) :]

    carry, ys = scan(body, parameters, stacked)
    return Repeated(ys, stacked, list(zip(parameters, carry, strict=True)))


def _longer(axis: str, variable: Variable) -> Any:
    return None if variable.known_shape is None else (Dim.named(axis), *variable.known_shape)


def batches_of(
    arrays: Sequence[np.ndarray], inputs: Sequence[Variable], n: Any
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The whole batches of `n` rows, along an axis of their own, and the rows left over. Nothing is copied.

    Raises
    ------
    ArgumentError
        `n` is no positive int, or there are no arrays.
    ShapeError
        An array has no rows, or they have different numbers of rows.
    """
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ArgumentError(f"run: n is {n!r}; expected the number of rows of a batch, a positive int")
    if not arrays:
        raise ArgumentError("run: the function has no inputs, so there is nothing to cut into batches")
    for variable, array in zip(inputs, arrays, strict=True):
        if not array.ndim:
            raise ShapeError(f"run: {variable} (declared at {variable.line}) is given one number; expected rows")
        if len(array) != len(arrays[0]):
            raise ShapeError(
                f"run: {inputs[0]} has {len(arrays[0])} rows and {variable} has {len(array)}; expected as many"
            )
    whole = len(arrays[0]) // n
    return [a[: whole * n].reshape(whole, n, *a.shape[1:]) for a in arrays], [a[whole * n :] for a in arrays]
