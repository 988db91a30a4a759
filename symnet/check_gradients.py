"""`check_grads`: gradients against finite differences."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arguments, ops
from .compile import compile
from .dtype import FLOATS
from .errors import ArgumentError, GradientError, GradientMismatch
from .expr import Constant, Expr, Parameter, Variable, as_numbers
from .function import Function
from .gradient import grad
from .rewriting import Rewriter
from .specialize import leaves

EPSILON = float(np.finfo(np.float64).eps)


def check_grads(
    f: Any, point: Any, order: int = 1, *, rtol: float = 1e-5, atol: float = 1e-7, mode: str = "native"
) -> None:
    """Compare gradients with finite differences, element by element.

    All is computed in float64, whatever is declared: float32 Variables, Parameters and Constants are
    replaced. Where the result is no scalar, its sum with fixed random weights is differentiated. The
    differences are central, with steps of eps^(1/3) (Press et al., Numerical Recipes, 3rd edition, 2007,
    section 5.7). At a kink, as that of relu at 0, no gradient agrees with them.

    Parameters
    ----------
    f : Expr, or callable from values to one
    point : mapping of name to array_like, tuple or list of array_like, or one array_like
        A number or array for each Variable: by name, in the order of creation (of a function's arguments),
        or for the only one. Integers are held fixed, unless their Variable is declared a float. Parameters
        are checked too, at their values.
    order : int
        2 checks second derivatives too, and so on.
    rtol, atol : float
        Differences allowed: relative to the largest element of a gradient, and absolute.
    mode : {"native", "interpret"}
        How to compute.

    Raises
    ------
    GradientMismatch
        Naming the Variable or Parameter, the element that is furthest off, and both numbers.
    GradientError
        There is nothing to differentiate by, or the value at the point is not finite.
    ArgumentError
        `f`, `point` or `order` is not what is expected, or they do not fit.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.check_grads(lambda x: sn.softmax(x) * x, np.array([1.0, 2.0, 3.0]), order=2)
    >>> square = sn.custom_gradient(lambda g, y, x: g * x)(lambda x: x * x)
    >>> sn.check_grads(lambda x: square(x).sum(), np.array([0.0, 3.0]))
    Traceback (most recent call last):
        ...
    symnet.errors.GradientMismatch: at ...: the gradient by Variable 'x' is wrong at [1]: the rules give 3, ...
    """
    if type(order) is not int or order < 1:
        raise ArgumentError(f"order is {order!r}; expected an integer, at least 1")
    expression, values = _at_point(f, point)
    expression, points = _in_float64(expression, values)
    moved = [p for p in points if p.is_moved]
    if not moved:
        raise GradientError(f"nothing to differentiate {expression!r} by: pass floats, such as 10.0 for 10")
    rng = np.random.default_rng(0)
    for current in range(1, order + 1):
        total = _weighted(expression, points, rng, mode)
        slopes = grad(total, [p.variable for p in moved], unconnected="zero")
        _compare(total, slopes, points, current, rtol, atol, mode)
        weights = [Constant(rng.uniform(0.5, 1.5, p.value.shape)) for p in moved]
        expression = sum((ops.sum(g * w) for g, w in zip(slopes, weights, strict=True)), Constant(0.0))


@dataclass(frozen=True, eq=False)
class _Point:
    """A Variable of the program in float64, the Variable or Parameter that it stands for, and its value."""

    variable: Variable
    original: Expr
    value: np.ndarray

    @property
    def is_moved(self) -> bool:
        return self.value.dtype.name in FLOATS


def _at_point(f: Any, point: Any) -> tuple[Expr, dict[Expr, np.ndarray]]:
    """The expression, and the number or array of each of its Variables and Parameters."""
    named = dict(point) if isinstance(point, Mapping) else {}
    args = () if isinstance(point, Mapping) else tuple(point) if isinstance(point, (tuple, list)) else (point,)
    if isinstance(f, Expr):
        expression = f
        variables = [v for v in leaves([f]) if isinstance(v, Variable)]
    elif callable(f) and not isinstance(f, Function):
        expression, variables = _called(f, args, named)
    else:
        raise ArgumentError(f"check_grads takes an expression, or a function that makes one; got {f!r}")
    given = arguments.match(variables, args, named)
    values: dict[Expr, np.ndarray] = {}
    for variable, value in zip(variables, given, strict=True):
        values[variable] = as_numbers(value, f"the point of {variable}")
    for leaf in leaves([expression]):
        if isinstance(leaf, Parameter):
            values[leaf] = leaf.value
        elif leaf not in values:
            raise ArgumentError(f"the function reads {leaf}, which is not among its arguments: make it one")
    return expression, values


def _called(f: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Expr, list[Variable]]:
    """What a function makes of Variables, declared as its point is, and these."""
    positional = [_declared(n, value) for n, value in zip(_names(f, len(args)), args, strict=True)]
    keywords = {n: _declared(n, value) for n, value in named.items()}
    expression = f(*positional, **keywords)
    if not isinstance(expression, Expr):
        raise ArgumentError(f"the function returned {expression!r}; expected one expression")
    return expression, [*positional, *keywords.values()]


def _declared(name: str, value: Any) -> Variable:
    array = as_numbers(value, f"the point of {name}")
    return Variable(name, array.shape, "float64" if array.dtype.kind == "f" else array.dtype)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments of a function; x0, x1, ... where it does not name so many."""
    try:
        parameters = list(inspect.signature(f).parameters.values())[:count]
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds]
    return names if len(names) == count else [f"x{k}" for k in range(count)]


def _in_float64(expression: Expr, values: Mapping[Expr, np.ndarray]) -> tuple[Expr, list[_Point]]:
    """The expression written again in float64, with a Variable for each Variable and Parameter."""
    points: list[_Point] = []
    image: dict[Expr, Expr] = {}
    for k, (leaf, value) in enumerate(values.items()):
        is_moved = leaf.known_dtype in FLOATS or (leaf.known_dtype is None and value.dtype.name in FLOATS)
        dtype = "float64" if is_moved else leaf.known_dtype or value.dtype.name
        name = leaf.name if isinstance(leaf, Variable) else f"parameter_{k}"
        variable = Variable(name, leaf.known_shape, dtype)
        points.append(_Point(variable, leaf, np.asarray(value, dtype) if is_moved else value))
        image[leaf] = variable
    return _InFloat64(image).rewrite([expression])[0], points


class _InFloat64(Rewriter):
    """Writes expressions again in float64."""

    def constant(self, expr: Constant) -> Expr:
        is_narrow = isinstance(expr.value, np.ndarray) and expr.value.dtype == np.float32
        return Constant(expr.value.astype(np.float64)) if is_narrow else expr

    def attr(self, value: Any) -> Any:
        return "float64" if value == "float32" else value


def _computed(outputs: Any, points: Sequence[_Point], mode: str) -> Callable[..., Any]:
    return compile(outputs, inputs=[p.variable for p in points], mode=mode)


def _weighted(expression: Expr, points: Sequence[_Point], rng: np.random.Generator, mode: str) -> Expr:
    """The sum of a result's elements, each with a weight of its own."""
    value = _computed(expression, points, mode)(*(p.value for p in points))
    if not np.isfinite(value).all():
        raise GradientError(f"the value at the point is {value}; expected finite numbers")
    return ops.sum(expression * Constant(rng.uniform(0.5, 1.5, value.shape))) if value.shape else expression


def _compare(
    total: Expr, slopes: Sequence[Expr], points: Sequence[_Point], order: int, rtol: float, atol: float, mode: str
) -> None:
    """Raise GradientMismatch for the element whose slope is furthest from its difference quotient."""
    f, values = _computed(total, points, mode), [p.value for p in points]
    found = _computed(list(slopes), points, mode)(*values)
    scale = abs(float(f(*values)))
    worst: tuple[float, str] = (1.0, "")
    for point, given in zip([p for p in points if p.is_moved], found, strict=True):
        measured, noise = _quotients(f, values, points.index(point), scale)
        allowed = atol + rtol * np.max(np.abs(measured), initial=0.0) + noise
        ratio = np.nan_to_num(np.abs(given - measured) / allowed, nan=np.inf)
        if ratio.size and float(ratio.max()) > worst[0]:
            place = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            worst = float(ratio.max()), _complaint(point, place, given, measured, allowed, order)
    if worst[1]:
        raise GradientMismatch(worst[1])


def _quotients(
    f: Callable[..., Any], values: Sequence[np.ndarray], k: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Central difference quotients by each element of the k-th value, and what rounding may do to them."""
    measured, noise = np.zeros(values[k].shape), np.zeros(values[k].shape)
    for place in np.ndindex(values[k].shape):
        step = EPSILON ** (1 / 3) * max(1.0, abs(float(values[k][place])))
        ahead, behind = values[k].copy(), values[k].copy()
        ahead[place] += step
        behind[place] -= step
        width = float(ahead[place]) - float(behind[place])
        rise = float(f(*values[:k], ahead, *values[k + 1 :])) - float(f(*values[:k], behind, *values[k + 1 :]))
        measured[place], noise[place] = rise / width, 10 * EPSILON * scale / width
    return measured, noise


def _complaint(
    point: _Point, place: Sequence[Any], given: np.ndarray, measured: np.ndarray, allowed: np.ndarray, order: int
) -> str:
    place = tuple(int(i) for i in place)
    what = "gradient" if order == 1 else f"derivative of order {order}"
    at = f" at {list(place)}" if place else ""
    return (
        f"the {what} by {point.original} is wrong{at}: the rules give {float(given[place]):.9g}, finite differences "
        f"{float(measured[place]):.9g}; expected them to differ by at most {float(allowed[place]):.2g}"
    )
