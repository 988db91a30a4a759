"""`grad`: the gradient of an expression, as expressions; and what asks for any derivative.

What is asked for here and in `derivatives.py` is answered by `passes/differentiate.py`, with the rules of the ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .dims import names
from .dtype import FLOATS, Shape, require_shape, shape_text
from .errors import GradientError, SymnetError
from .expr import Expr, as_expr
from .graph import located
from .op import Op
from .origin import Origin, here
from .structure import Structure

REQUEST = Op("gradient", "leaf")


class GradientRequest:
    """Derivatives asked for by one call, answered by the differentiation pass when the types are known.

    Attributes
    ----------
    ys, wrt : tuple of Expr
    seeds : tuple of Expr or None
        Of each y its cotangent (None is 1, for a scalar); in forward mode, of each `wrt` its tangent.
    unconnected : {"raise", "zero"}
    is_forward : bool
        Whether the answers are one for each y, along the tangents, or one for each `wrt`.
    """

    def __init__(
        self,
        ys: tuple[Expr, ...],
        wrt: tuple[Expr, ...],
        seeds: tuple[Expr | None, ...],
        unconnected: str,
        is_forward: bool = False,
    ) -> None:
        if unconnected not in ("raise", "zero"):
            raise GradientError(f"unconnected is {unconnected!r}; expected 'raise' or 'zero'")
        self.ys, self.wrt, self.seeds = ys, wrt, seeds
        self.unconnected, self.is_forward = unconnected, is_forward
        try:
            _check(self)
        except SymnetError as error:
            raise located(error, REQUEST, Origin([here()])) from None

    @property
    def seeded(self) -> tuple[Expr, ...]:
        """The expressions that the seeds belong to."""
        return self.wrt if self.is_forward else self.ys

    @property
    def seed_name(self) -> str:
        """What messages call a seed."""
        return "tangent" if self.is_forward else "cotangent"

    @property
    def answered(self) -> tuple[Expr, ...]:
        """The expressions whose shapes and dtypes the answers have."""
        return self.ys if self.is_forward else self.wrt

    def mapped(self, image: Mapping[Expr, Expr]) -> GradientRequest:
        """The same request of other expressions."""
        ys, wrt = tuple(image[y] for y in self.ys), tuple(image[t] for t in self.wrt)
        seeds = tuple(None if s is None else image[s] for s in self.seeds)
        return GradientRequest(ys, wrt, seeds, self.unconnected, self.is_forward)

    def results(self) -> list[Expr]:
        """The answers, as expressions."""
        operands = (*self.ys, *self.wrt, *(s for s in self.seeds if s is not None))
        return [
            Expr(REQUEST, operands, {"request": self, "position": k}, e.known_shape, e.known_dtype)
            for k, e in enumerate(self.answered)
        ]


def grad(expression: Expr, wrt: Any, unconnected: str = "raise", cotangent: Any = None) -> Any:
    """The gradient of a scalar expression with respect to others, found on the graph.

    The results are ordinary expressions: compile them, combine them, differentiate them again.
    Where a derivative is a choice: `max` shares a tie equally, `maximum` halves it, and the
    derivatives of relu and abs at 0 are 0.

    Parameters
    ----------
    expression : Expr
        A scalar, unless `cotangent` is given.
    wrt : Expr, or tuple, list or dict of Expr
        Variables, Parameters or expressions on the way.
    unconnected : {"raise", "zero"}
        What to do where the expression is not computed from an element of `wrt`. Where it is, by steps or masks
        alone, the gradient is zeros.
    cotangent : Expr or array_like, optional
        Of the expression's shape: the gradient of sum(expression * cotangent) is taken.

    Returns
    -------
    Expr, or tuple, list or dict of Expr
        Structured like `wrt`.

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
    y, targets = as_expr(expression, "expression"), expressions(wrt, "wrt")
    seed = None if cotangent is None else as_expr(cotangent, f"the cotangent of {y}")
    request = GradientRequest((y,), tuple(targets.leaves), (seed,), unconnected)
    return targets.pack(request.results())


def expressions(given: Any, what: str) -> Structure:
    """One expression, or a tuple, list or dict of them; any other iterable counts as a list.

    Raises
    ------
    GradientError
        Naming what is no expression.
    """
    expected = "expected a Variable, a Parameter or an expression"
    if not isinstance(given, Iterable):
        raise GradientError(f"{what} is {given!r}; {expected}, or a list or dict of them")
    structure = Structure(given if isinstance(given, (Expr, tuple, list, dict)) else list(given))
    for name, each in zip(structure.names(what), structure.leaves, strict=True):
        if not isinstance(each, Expr):
            raise GradientError(f"{name} is {each!r}; {expected}")
    return structure


def _check(request: GradientRequest) -> None:
    for target in request.wrt:
        check_floating(target, target.known_dtype, "take a gradient with respect to")
    for y in request.ys:
        check_floating(y, y.known_dtype, "differentiate")
    for expr, seed in zip(request.seeded, request.seeds, strict=True):
        check_seed(expr, expr.known_shape, seed, None if seed is None else seed.known_shape, request.seed_name)
    if request.unconnected == "raise":
        _check_connected(request)


def check_seed(expr: Expr, shape: Shape | None, seed: Any, seed_shape: Shape | None, what: str) -> None:
    """Refuse a cotangent or tangent of another shape than its expression's; without one, all but a scalar.

    Raises
    ------
    GradientError, ShapeError
        Where both shapes are known.
    """
    if seed is None:
        if shape not in (None, ()):
            raise GradientError(
                f"the gradient of a non-scalar: {expr!r} has shape {_shown(shape or ())}; "
                "reduce it with .sum() or .mean(), or give cotangent="
            )
    elif seed_shape is not None and shape is not None:
        expected = f"expected its shape, {shape_text(shape)}"
        require_shape(seed_shape, shape, f"the {what} of {expr} has shape {shape_text(seed_shape)}; {expected}")


def _shown(shape: Shape) -> str:
    """A shape without the names that a call made up for sizes that nobody named."""
    return shape_text(["?" if any("." in name for name in names(size)) else size for size in shape])


def check_floating(what: Any, dtype: str | None, purpose: str) -> None:
    """Refuse to differentiate integers.

    Raises
    ------
    GradientError
        Suggesting a float.
    """
    if dtype is not None and dtype not in FLOATS and dtype != "float":
        raise GradientError(f"cannot {purpose} {what}: its dtype is {dtype}; pass a float, such as 10.0 for 10")


def _check_connected(request: GradientRequest) -> None:
    below = [_below(y) for y in request.ys]
    for target in request.wrt:
        if not any(target in found for found in below):
            raise unconnected_error(request, target)
    if request.is_forward:
        for y, found in zip(request.ys, below, strict=True):
            if found.isdisjoint(request.wrt):
                raise unconnected_error(request, y)


def _below(y: Expr) -> set[Expr]:
    """An expression and all that it is computed from."""
    seen = {y}
    stack = [y]
    while stack:
        for operand in stack.pop().operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return seen


def unconnected_error(request: GradientRequest, answered: Expr) -> GradientError:
    """The complaint about a derivative that nothing connects, on its way to `answered`."""
    above, below = ((answered,), request.wrt) if answered in set(request.ys) else (request.ys, (answered,))
    return GradientError(
        f"{' and '.join(map(repr, above))} does not depend on {' and '.join(map(str, below))}: "
        "its gradient is not connected (unconnected='zero' gives zeros)"
    )
