"""Updates that an expression brings with it: what a layer keeps of the values that pass through it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from .errors import ArgumentError
from .expr import Expr, Parameter
from .graph import PARAMETER
from .op import Deferred
from .scan import LOOP

# From what Parameters are to their new values: one value, or a tuple for several.
Change = Callable[..., Any]


def _first(y: Any, *others: Any, changes: Any) -> Any:
    return y


# Nothing is left of it in a graph: `compile` has asked for the updates before.
CARRIER = Deferred(_first)


def updating(y: Expr, changes: Mapping[Parameter | tuple[Parameter, ...], Change]) -> Expr:
    """The value `y`, such that functions that compute it update Parameters.

    Parameters
    ----------
    y : Expr
    changes : dict of Parameter, or tuple of Parameters, to callable
        From what the Parameter is to its new value; of several that depend on each other, from all to all new
        values. A function that holds several values which change one Parameter changes it by one after the other,
        in the order in which they were made. ``updates`` of `compile` goes before all of them.

    Returns
    -------
    Expr

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> from symnet.updating import updating
    >>> calls = sn.Parameter(0, name="calls", trainable=False)
    >>> x = sn.Variable("x", ("n",), "float64")
    >>> f = sn.compile(updating(x * 2.0, {calls: lambda old: old + 1}))
    >>> f(np.ones(2)), f(np.ones(2)), int(calls.value)
    (array([2., 2.]), array([2., 2.]), 2)
    """
    parts = tuple((key if isinstance(key, tuple) else (key,), change) for key, change in changes.items())
    operands = (y, *(e for parameters, change in parts for e in (*parameters, *_changed(change, parameters))))
    return Expr(CARRIER, operands, {"changes": parts}, y.known_shape, y.known_dtype)


def _changed(change: Change, olds: Sequence[Expr]) -> tuple[Expr, ...]:
    news = change(*olds)
    return news if isinstance(news, tuple) else (news,)


def brought_updates(roots: Iterable[Expr], given: Collection[Parameter] = ()) -> dict[Parameter, Expr]:
    """The updates that expressions bring with them, and those of Parameters that bring their own.

    Parameters
    ----------
    roots : iterable of Expr
        Expressions, and all that they are computed from.
    given : collection of Parameter
        Those that are updated otherwise.

    Raises
    ------
    ArgumentError
        An expression in the body of a `scan` brings an update: which step's would it be?
    """
    found = _carriers_and_parameters(roots)
    updates: dict[Parameter, Expr] = {}
    for expr in found:
        if isinstance(expr, Parameter) and expr.default_update is not None:
            updates[expr] = expr.default_update
    for expr in found:
        for parameters, change in expr.attrs.get("changes", ()) if expr.op is CARRIER else ():
            news = _changed(change, [updates.get(p, p) for p in parameters])
            updates.update(zip(parameters, news, strict=True))
    return {p: new for p, new in updates.items() if p not in given}


def _carriers_and_parameters(roots: Iterable[Expr]) -> list[Expr]:
    """In order of creation."""
    found: list[Expr] = []
    for expr in _below(roots):
        if expr.op in (CARRIER, PARAMETER):
            found.append(expr)
        elif expr.op is LOOP:
            loop = expr.attrs["loop"]
            outside = {*loop.captured, *loop.carries, *loop.slices}
            for inner in _below([*loop.nexts, *loop.ys], outside):
                if inner.op is CARRIER and inner not in outside:
                    raise ArgumentError(
                        f"the body of a scan (written at {expr.line}) holds a value that updates Parameters "
                        f"(written at {inner.line}): expected none; switch such layers to eval(), or use them outside"
                    )
    return sorted(found, key=lambda e: e.order)


def _below(roots: Iterable[Expr], stop: Collection[Expr] = ()) -> list[Expr]:
    """The roots and all that they are computed from, each once; not further down than `stop`."""
    found = list(dict.fromkeys(roots))
    seen = set(found)
    for expr in found:  # grows on the way
        for operand in () if expr in stop else expr.operands:
            if operand not in seen:
                seen.add(operand)
                found.append(operand)
    return found
