"""Choices and loops that the data decides."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from . import ops
from .dtype import shape_text
from .errors import ArgumentError, DTypeError, ShapeError
from .expr import Constant, Expr, as_expr
from .scan import at_once, check_carry, scan
from .structure import flatten, same_structure, unflatten

CONDITION = "while_loop: the condition"


def cond(predicate: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *operands: Any) -> Any:
    """``then(*operands)`` where `predicate` holds, else ``otherwise(*operands)``.

    Both are computed, and one is chosen: an expression has no side effects, so no result tells the difference. It
    costs the time of both, checks on data (indices) are made in both, and a gradient passes through both, times
    zero in the one not taken; so that one's derivative has to be finite. On plain numbers, arrays and tensors of
    :mod:`symnet.eager` only the one taken is called.

    Parameters
    ----------
    predicate : value
        One bool. To choose element by element there is ``sn.where``.
    then, otherwise : callable
        They give values, or tuples, lists or dicts of such, of one structure, with shapes that broadcast.
    *operands : values
        May also be nested.

    Returns
    -------
    value, or the structure of values

    Raises
    ------
    DTypeError, ShapeError
        The predicate is not one bool.
    ArgumentError
        The two give different structures.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", (), "float64")
    >>> f = sn.compile(sn.cond(x > 0, lambda x: x * x, lambda x: -x, x))
    >>> float(f(3.0)), float(f(-3.0))
    (9.0, 3.0)

    References
    ----------
    McCarthy's conditional expression (Recursive Functions of Symbolic Expressions, 1960), with both arms computed.
    """
    for branch in (then, otherwise):
        if not callable(branch):
            raise ArgumentError(f"cond: a branch is {branch!r}; expected a function of the operands")
    if not isinstance(predicate, Expr):
        return then(*operands) if _as_bool("cond: the predicate", predicate) else otherwise(*operands)
    holds = _one_bool("cond: the predicate", predicate)
    taken, other = then(*operands), otherwise(*operands)
    return _chosen(holds, taken, same_structure(taken, other, "cond: the second branch gives values"))


def while_loop(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any, max_steps: int
) -> tuple[Any, Any]:
    """``carry = body(carry)`` as long as ``condition(carry)`` holds, at most `max_steps` times.

    Symbolically it is a :func:`scan` of `max_steps` steps whose carry stops changing when the condition fails, so
    it takes the time of all of them, and its gradient is that of the steps that were made. At the others the body
    is computed once more on the first carry, and thrown away; so it has to be finite and its indices in bounds
    there. On plain numbers, arrays and tensors of :mod:`symnet.eager` the loop stops.

    Parameters
    ----------
    condition : callable
        From the carry to one bool.
    body : callable
        From the carry to the next, of the same structure, shapes and dtypes.
    carry : value, or tuple, list or dict of such, nested
        What the first step gets.
    max_steps : int
        Where it stops in any case.

    Returns
    -------
    carry, steps
        The last carry, in its structure; how many steps were made (int64). They are `max_steps` also where the
        condition still holds: ask it again of the carry to know.

    Raises
    ------
    ArgumentError
        `max_steps` is no such number, the condition or the body no function, the carry not of numbers; or the
        body changes its structure.
    ShapeError, DTypeError
        The condition is not one bool, or the body changes the type of a carry.

    Examples
    --------
    The square root by Newton's method, and its derivative, through the loop:

    >>> import symnet as sn
    >>> a = sn.Variable("a", (), "float64")
    >>> root, steps = sn.while_loop(lambda r: abs(r * r - a) > 1e-12 * a, lambda r: (r + a / r) / 2, a, max_steps=50)
    >>> [round(float(v), 6) for v in sn.compile([root, steps, sn.grad(root, a)])(9.0)]
    [3.0, 6.0, 0.166667]

    References
    ----------
    A loop with a bound is reversible mode's (Griewank & Walther, Evaluating Derivatives, 2008, ch. 12).
    """
    for name, part in {"condition": condition, "body": body}.items():
        if not callable(part):
            raise ArgumentError(f"while_loop: the {name} is {part!r}; expected a function of the carry")
    if not isinstance(max_steps, Integral) or isinstance(max_steps, bool) or max_steps < 0:
        raise ArgumentError(f"while_loop: max_steps is {max_steps!r}; expected an integer, at least 0")
    if not any(isinstance(leaf, Expr) for leaf in flatten(carry)):
        steps = range(int(max_steps))
        done = at_once("while_loop", lambda carry, _: (body(carry), None), carry, steps, lambda c: _holds(condition(c)))
        if done is not None:
            last, made = done
            return last, np.asarray(len(made))
    first = unflatten(carry, [as_expr(leaf, "while_loop: the carry") for leaf in flatten(carry)])

    def step(state: tuple[Any, Any], _: Any) -> tuple[Any, None]:
        now, steps = state
        goes_on = _one_bool(CONDITION, as_expr(condition(now), CONDITION))
        made = body(_chosen(goes_on, now, flatten(first)))
        following = [as_expr(e) for e in same_structure(now, made, "while_loop: the body returned a carry")]
        for formal, after in zip(flatten(now), following, strict=True):
            # Before a choice between the two would broadcast and cast them.
            types = ((e.known_shape, e.known_dtype) for e in (formal, after))
            check_carry(formal, *types, after.line)
        chosen = [ops.where(goes_on, a, b) for a, b in zip(following, flatten(now), strict=True)]
        return (unflatten(now, chosen), steps + ops.cast(goes_on, "int64")), None

    return scan(step, (first, Constant(np.int64(0))), length=int(max_steps))[0]  # type: ignore[no-any-return]


def _chosen(holds: Any, taken: Any, other: list[Any]) -> Any:
    """Leaf by leaf one of two, in the structure of the first."""
    return unflatten(taken, [ops.where(holds, a, b) for a, b in zip(flatten(taken), other, strict=True)])


def _one_bool(whose: str, value: Expr) -> Any:
    if value.known_dtype not in (None, "bool"):
        raise DTypeError(f"{whose} has dtype {value.known_dtype}; expected bool, as a comparison gives it")
    if value.known_shape not in (None, ()):
        raise ShapeError(f"{whose} has shape {shape_text(value.shape)}; expected one bool: use sn.all or sn.any")
    return value if value.known_shape == () else ops.reshape(value, ())


def _holds(value: Any) -> Any:
    return value if isinstance(value, Expr) else _as_bool(CONDITION, value)


def _as_bool(whose: str, value: Any) -> bool:
    array = np.asarray(value)
    if array.dtype != bool:
        raise DTypeError(f"{whose} has dtype {array.dtype}; expected bool, as a comparison gives it")
    if array.shape:
        raise ShapeError(f"{whose} has shape {shape_text(array.shape)}; expected one bool: use sn.all or sn.any")
    return bool(array)
