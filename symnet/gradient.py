"""`grad`: the gradient of an expression, as expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dtype import FLOATS, shape_text
from .errors import GradientError, ShapeError, SymnetError
from .expr import Expr, as_expr
from .graph import located
from .op import Op
from .origin import Origin, here

REQUEST = Op("gradient", "leaf")


class GradientRequest:
    """One call of :func:`grad`, answered by the differentiation pass when the types are known."""

    def __init__(self, y: Expr, wrt: tuple[Expr, ...], unconnected: str, cotangent: Expr | None) -> None:
        self.y, self.wrt, self.unconnected, self.cotangent = y, wrt, unconnected, cotangent


def grad(expression: Expr, wrt: Any, unconnected: str = "raise", cotangent: Any = None) -> Any:
    """The gradient of a scalar expression with respect to others, found on the graph.

    The results are ordinary expressions: compile them, combine them, differentiate them again.
    Where a derivative is a choice: `max` shares a tie equally, `maximum` halves it, and the
    derivatives of relu and abs at 0 are 0.

    Parameters
    ----------
    expression : Expr
        A scalar, unless `cotangent` is given.
    wrt : Expr or sequence of Expr
        Variables, Parameters or expressions on the way.
    unconnected : {"raise", "zero"}
        What to do where the expression does not depend on an element of `wrt`.
    cotangent : Expr or array_like, optional
        Of the expression's shape: the gradient of sum(expression * cotangent) is taken.

    Returns
    -------
    Expr or list of Expr
        As `wrt`: one for one, a list or tuple for several.

    Raises
    ------
    GradientError
        The expression is no scalar, a `wrt` is an integer, or not connected.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=(), dtype="float64")
    >>> float(sn.compile(sn.grad(x**3, x))(x=2.0))
    12.0
    """
    if unconnected not in ("raise", "zero"):
        raise GradientError(f"unconnected is {unconnected!r}; expected 'raise' or 'zero'")
    single = isinstance(wrt, Expr)
    targets: tuple[Expr, ...] = (wrt,) if single else tuple(wrt)
    y = as_expr(expression)
    seed = None if cotangent is None else as_expr(cotangent)
    try:
        _check(y, targets, seed)
        if unconnected == "raise":
            _check_connected(y, targets)
    except SymnetError as error:
        raise located(error, REQUEST, Origin([here()])) from None
    request = GradientRequest(y, targets, unconnected, seed)
    operands = (y, *targets, *(() if seed is None else (seed,)))
    results = [
        Expr(REQUEST, operands, {"request": request, "position": k}, t.known_shape, t.known_dtype)
        for k, t in enumerate(targets)
    ]
    return results[0] if single else type(wrt)(results) if isinstance(wrt, (list, tuple)) else results


def _check(y: Expr, targets: Sequence[Expr], seed: Expr | None) -> None:
    for target in targets:
        if not isinstance(target, Expr):
            raise GradientError(f"wrt has {target!r}; expected a Variable, a Parameter or an expression")
        check_floating(target, target.known_dtype, "take a gradient with respect to")
    check_floating(y, y.known_dtype, "differentiate")
    if seed is None and y.known_shape not in (None, ()):
        raise GradientError(
            f"the gradient of a non-scalar: {y!r} has shape {shape_text(y.shape)}; "
            "reduce it with .sum() or .mean(), or give cotangent="
        )
    if seed is not None and None not in (seed.known_shape, y.known_shape) and seed.known_shape != y.known_shape:
        raise ShapeError(f"cotangent has shape {seed.known_shape}, the expression {y.known_shape}")


def check_floating(what: Any, dtype: str | None, purpose: str) -> None:
    """Refuse to differentiate integers.

    Raises
    ------
    GradientError
        Suggesting a float.
    """
    if dtype is not None and dtype not in FLOATS and dtype != "float":
        raise GradientError(f"cannot {purpose} {what}: its dtype is {dtype}; pass a float, such as 10.0 for 10")


def _check_connected(y: Expr, targets: Sequence[Expr]) -> None:
    seen = {y}
    stack = [y]
    while stack:
        for operand in stack.pop().operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    for target in targets:
        if target not in seen:
            raise unconnected_error(y, target)


def unconnected_error(y: Expr, target: Expr) -> GradientError:
    """The complaint about a gradient that nothing connects."""
    return GradientError(
        f"{y!r} does not depend on {target}: its gradient is not connected (unconnected='zero' gives zeros)"
    )
