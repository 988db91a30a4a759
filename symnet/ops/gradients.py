"""Ops that are the value they are given, and say what its gradient is: `stop_gradient`, `custom_gradient`.

Derivatives are asked for in `gradient.py` and `derivatives.py`, and found by `passes/differentiate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..dims import differ
from ..dtype import FLOATS, Shape, broadcast, shape_text
from ..errors import ArgumentError, GradientError, ShapeError
from ..expr import as_numbers
from ..graph import INPUT, PARAMETER, Node
from ..op import OPS, Composite, apply, register
from ..operators import Operators


class Value(Composite):
    """The first operand; the others are there for the gradient."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        return shapes[0]

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return arrays[0]

    def expand(self, *xs: Any, **attrs: Any) -> Any:
        return xs[0]

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,) * len(xs)


class GradientRule:
    """A gradient rule of the user's, and the name of the function it is for."""

    def __init__(self, name: str, rule: Callable[..., Any]) -> None:
        self.name, self.rule = name, rule

    def __str__(self) -> str:
        return self.name

    def __call__(self, g: Node, y: Node, xs: tuple[Node, ...]) -> tuple[Node | None, ...]:
        """The contributions to the gradients of `xs`, each in a shape that sums to its x's, in its dtype.

        Raises
        ------
        GradientError
            There is not one for each x, or one does not fit its x.
        """
        given = self.rule(g, y, *xs)
        parts = given if isinstance(given, (tuple, list)) else (given,)
        if len(parts) != len(xs):
            raise GradientError(
                f"the gradient rule of {self.name} gives {len(parts)} gradients; "
                f"expected {len(xs)}, one for each argument"
            )
        return tuple(
            None if p is None or x.dtype not in FLOATS else self._fitted(k, p, x, y)
            for k, (p, x) in enumerate(zip(parts, xs, strict=True))
        )

    def _fitted(self, k: int, part: Any, x: Node, y: Node) -> Node:
        whose = f"the gradient rule of {self.name}"
        node = part if isinstance(part, Node) else x.graph.constant(as_numbers(part, whose), x.dtype)
        shape = _broadcast_or_none(node.shape, x.shape)
        if shape is None or not (_may_equal(shape, x.shape) or _may_equal(shape, y.shape)):
            raise GradientError(
                f"{whose} gives argument {k} a gradient of shape {shape_text(node.shape)}; "
                f"expected {shape_text(x.shape)}"
            )
        if node.dtype != x.dtype:
            node = apply(OPS["cast"], node, dtype=x.dtype)
        return node if node.shape == shape else apply(OPS["broadcast_to"], node, shape=shape)


def _broadcast_or_none(*shapes: Shape) -> Shape | None:
    try:
        return broadcast(*shapes)
    except ShapeError:
        return None


def _may_equal(a: Shape, b: Shape) -> bool:
    """Whether two shapes are equal, or may be at a call."""
    return len(a) == len(b) and not any(differ(n, m) for n, m in zip(a, b, strict=True))


class CustomGradient(Value):
    """The first operand, with a gradient rule by the others. Attribute `rule`."""

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None, *attrs["rule"](g, y, xs[1:]))


_stop_gradient = register(Value("stop_gradient"))
_custom_gradient = register(CustomGradient("custom_gradient"))


def stop_gradient(x: Any) -> Any:
    """The value itself, through which no gradient passes: as a constant, it has the derivative 0.

    Parameters
    ----------
    x : value

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=(), dtype="float64")
    >>> float(sn.compile(sn.grad(x * sn.stop_gradient(x), x))(3.0))
    3.0
    """
    return apply(_stop_gradient, x)


def custom_gradient(rule: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of values with a gradient rule of its own.

    What the function computes is not differentiated: the rule stands for the whole of it. Used on
    arrays, the function is computed at once.

    Parameters
    ----------
    rule : callable
        ``rule(g, y, *xs)``, as an op's ``grad``: from the gradient `g` by the result `y`, the gradient by
        each argument (a tuple; one value for one argument). None where there is none. It is written with
        ops, so that it can be differentiated too; forward derivatives need it linear in `g`.

    Returns
    -------
    callable
        The decorator. Arguments of the function are values; keywords are handed on.

    Raises
    ------
    ArgumentError
        When the function is used: it reads a Variable or Parameter that is not among its arguments, or
        its result is no value.
    GradientError
        When the gradient is compiled: the rule's gradients do not fit the arguments.

    Examples
    --------
    log(1 + exp(x)) with a slope that does not overflow:

    >>> import symnet as sn
    >>> @sn.custom_gradient(lambda g, y, x: g * (1 - 1 / (1 + sn.exp(x))))
    ... def log1pexp(x):
    ...     return sn.log(1 + sn.exp(x))
    >>> x = sn.Variable("x", shape=(), dtype="float64")
    >>> float(sn.compile(sn.grad(log1pexp(x), x))(100.0))
    1.0
    """
    if not callable(rule):
        raise ArgumentError(f"custom_gradient takes the gradient rule, a function of (g, y, *xs); got {rule!r}")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        name = getattr(function, "__name__", "function")
        named = GradientRule(name, rule)

        @wraps(function)
        def decorated(*xs: Any, **keywords: Any) -> Any:
            y = function(*xs, **keywords)
            if not isinstance(y, (Operators, np.ndarray, np.generic, int, float)):
                raise ArgumentError(f"{name} returned {y!r}; expected one value")
            _check_closed(name, y, xs)
            return apply(_custom_gradient, y, *xs, rule=named)

        return decorated

    return decorate


def _check_closed(name: str, y: Any, xs: tuple[Any, ...]) -> None:
    """Refuse a function that reads a Variable or Parameter behind its arguments' back."""
    seen = {id(x) for x in xs}
    stack = [y]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if getattr(value, "op", None) in (INPUT, PARAMETER) and not isinstance(value, Node):
            raise ArgumentError(
                f"{name} reads {value}, which is not among its arguments, so its gradient would be lost: make it one"
            )
        stack.extend(getattr(value, "operands", ()))


__all__ = ["custom_gradient", "stop_gradient"]
