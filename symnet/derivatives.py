"""Derivatives beside `grad`: of several outputs, along directions, whole matrices.

All are expressions like any other: compile them, combine them, differentiate them again. `value_and_grad`, `vjp`,
`jvp`, `jacobian`, `hessian` and `hvp` are said with the requests of `gradient.py`, where `grad` is.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from . import ops
from .dtype import shape_text
from .errors import ArgumentError, ShapeError
from .expr import Expr, as_expr
from .gradient import GradientRequest, check_seed, expressions, grad
from .structure import Structure


def value_and_grad(expression: Expr, wrt: Any, unconnected: str = "raise") -> tuple[Expr, Any]:
    """A scalar expression and its gradient, to be compiled together: what both need is computed once.

    Parameters
    ----------
    expression, wrt, unconnected
        As :func:`symnet.grad`'s, which also says what is raised.

    Returns
    -------
    (Expr, Expr or tuple, list or dict of Expr)

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=(), dtype="float64")
    >>> value, slope = sn.compile(sn.value_and_grad(x**3, x))(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """
    value = as_expr(expression, "expression")
    return value, grad(value, wrt, unconnected)


def vjp(outputs: Any, wrt: Any, cotangents: Any, unconnected: str = "raise") -> Any:
    """The vector-Jacobian product: the gradient of sum(output * cotangent) over all outputs, in one sweep.

    Reverse mode (Griewank & Walther, Evaluating Derivatives, 2008, section 3.2). The cotangents are not
    differentiated, as if they were constants; the result may be, by them too.

    Parameters
    ----------
    outputs : Expr, or tuple, list or dict of Expr
    wrt : Expr, or tuple, list or dict of Expr
    cotangents : Expr or array_like, or a tuple, list or dict of them
        Structured like `outputs`: one for each, of its shape.
    unconnected : {"raise", "zero"}
        What to do where no output depends on an element of `wrt`.

    Returns
    -------
    Expr, or tuple, list or dict of Expr
        Structured like `wrt`.

    Raises
    ------
    GradientError
        An output or a `wrt` is no expression, an integer, or not connected.
    ArgumentError, ShapeError
        The cotangents do not fit the outputs.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=(3,), dtype="float64")
    >>> sn.compile(sn.vjp([x * x, x.sum()], x, [np.array([1.0, 0.0, 0.0]), 10.0]))(np.array([1.0, 2.0, 3.0]))
    array([12., 10., 10.])
    """
    ys, targets = _outputs(outputs), expressions(wrt, "wrt")
    seeds = _seeds(ys, cotangents, "cotangent")
    request = GradientRequest(tuple(ys.leaves), tuple(targets.leaves), seeds, unconnected)
    return targets.pack(request.results())


def jvp(outputs: Any, wrt: Any, tangents: Any, unconnected: str = "raise") -> Any:
    """The Jacobian-vector product: how the outputs move when each `wrt` moves along its tangent.

    Forward mode, made of two sweeps of reverse mode (Townsend, A new trick for calculating Jacobian
    vector products, 2017): the vjp is linear in its cotangent, and its derivative by it is the jvp. What
    the first sweep leaves unused is not computed.

    Parameters
    ----------
    outputs : Expr, or tuple, list or dict of Expr
    wrt : Expr, or tuple, list or dict of Expr
    tangents : Expr or array_like, or a tuple, list or dict of them
        Structured like `wrt`: one for each, of its shape.
    unconnected : {"raise", "zero"}
        What to do where an output depends on no `wrt`, or no output on one of them.

    Returns
    -------
    Expr, or tuple, list or dict of Expr
        Structured like `outputs`.

    Raises
    ------
    GradientError
        As :func:`vjp`; also, at compilation, where a custom gradient is not linear in the gradient it is given.
    ArgumentError, ShapeError
        The tangents do not fit `wrt`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=(3,), dtype="float64")
    >>> sn.compile(sn.jvp(x * x, x, np.array([1.0, 0.0, 10.0])))(np.array([1.0, 2.0, 3.0]))
    array([ 2.,  0., 60.])
    """
    ys, targets = _outputs(outputs), expressions(wrt, "wrt")
    if not targets.leaves:
        raise ArgumentError("wrt is empty; expected at least one Variable, Parameter or expression")
    seeds = _seeds(targets, tangents, "tangent")
    request = GradientRequest(tuple(ys.leaves), tuple(targets.leaves), seeds, unconnected, is_forward=True)
    return ys.pack(request.results())


def jacobian(expression: Expr, wrt: Any, unconnected: str = "raise", max_rows: int = 1024) -> Any:
    """The matrix of all derivatives of an expression, of shape (*expression.shape, *wrt.shape).

    One vjp a row, or one jvp a column where these are fewer, side by side in one program: they share what
    is common, but the program grows with their number, so it has a limit.

    Parameters
    ----------
    expression : Expr
        Of a known shape.
    wrt : Expr, or tuple, list or dict of Expr
        Likewise.
    unconnected : {"raise", "zero"}
        As :func:`symnet.grad`'s.
    max_rows : int
        How many rows, or columns, one Jacobian may have.

    Returns
    -------
    Expr, or tuple, list or dict of Expr
        Structured like `wrt`.

    Raises
    ------
    ShapeError
        A shape has a named dim, is not declared, or makes more than `max_rows` rows and columns.
    GradientError
        As :func:`symnet.grad`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=(2,), dtype="float64")
    >>> sn.compile(sn.jacobian(sn.stack([x[0] * x[1], x.sum(), x[1]]), x))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 1.],
           [0., 1.]])
    """
    y, targets = as_expr(expression, "expression"), expressions(wrt, "wrt")
    return targets.pack([_jacobian(y, t, unconnected, max_rows) for t in targets.leaves])


def _jacobian(y: Expr, target: Expr, unconnected: str, max_rows: int) -> Expr:
    above, below = _known_shape(y), _known_shape(target)
    rows, columns = prod(above), prod(below)
    count = min(rows, columns)
    if count > max_rows:
        raise ShapeError(
            f"the Jacobian of {y!r} by {target} has {rows} rows and {columns} columns; expected at most {max_rows} of "
            "either (max_rows= moves the limit; hvp, vjp and jvp need no matrix)"
        )
    if count == 0:
        return ops.broadcast_to(vjp(y, target, np.zeros(above), unconnected), (*above, *below))
    seeds = np.eye(count).reshape(count, *(above if rows <= columns else below))
    if rows <= columns:
        parts = [vjp(y, target, seed, unconnected) for seed in seeds]
        return ops.reshape(ops.stack(parts), (*above, *below))
    parts = [jvp(y, target, seed, unconnected) for seed in seeds]
    return ops.reshape(ops.stack(parts, -1), (*above, *below))


def _known_shape(expr: Expr) -> tuple[int, ...]:
    if expr.known_shape is None:
        raise ShapeError(f"the shape of {expr} is not known; a Jacobian needs it: declare shape= on its Variables")
    sizes = tuple(n for n in expr.known_shape if isinstance(n, int))
    if len(sizes) < len(expr.known_shape):
        named = next(n for n in expr.known_shape if not isinstance(n, int))
        raise ShapeError(
            f"{expr} has shape {shape_text(expr.known_shape)}, where {named} is open until the call; "
            "a Jacobian needs numbers: declare an int for it"
        )
    return sizes


def hessian(expression: Expr, wrt: Any, max_rows: int = 1024) -> Any:
    """The second derivatives of a scalar expression: the Jacobian of its gradient.

    Parameters
    ----------
    expression : Expr
        A scalar.
    wrt : Expr, or tuple, list or dict of Expr
        Of known shapes.
    max_rows : int
        As :func:`jacobian`'s.

    Returns
    -------
    Expr, or such a structure of such structures
        Of shape (*wrt.shape, *wrt.shape); for several `wrt` the block of the k-th and the l-th stands at
        [k][l]. Zeros where the gradient by one does not depend on the other.

    Raises
    ------
    ShapeError, GradientError
        As :func:`jacobian` and :func:`symnet.grad`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=(2,), dtype="float64")
    >>> sn.compile(sn.hessian(x[0] ** 2 * x[1], x))(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    targets = expressions(wrt, "wrt")
    for target in targets.leaves:
        _known_shape(target)
    slopes = grad(expression, targets.leaves)
    return targets.pack([targets.pack([_jacobian(g, t, "zero", max_rows) for t in targets.leaves]) for g in slopes])


def hvp(expression: Expr, wrt: Any, vector: Any) -> Any:
    """The Hessian of a scalar expression times a vector, without the Hessian.

    The gradient of gradient * vector (Pearlmutter, Fast exact multiplication by the Hessian, Neural
    Computation 6, 1994, here with two sweeps of reverse mode): it costs a few gradients. Shapes may be open.

    Parameters
    ----------
    expression : Expr
        A scalar.
    wrt : Expr, or tuple, list or dict of Expr
    vector : Expr or array_like, or a tuple, list or dict of them
        Structured like `wrt`: one for each, of its shape.

    Returns
    -------
    Expr, or tuple, list or dict of Expr
        Structured like `wrt`.

    Raises
    ------
    GradientError
        As :func:`symnet.grad`.
    ArgumentError, ShapeError
        The vectors do not fit `wrt`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=(2,), dtype="float64")
    >>> sn.compile(sn.hvp(x[0] ** 2 * x[1], x, np.array([1.0, 2.0])))(np.array([3.0, 5.0]))
    array([22.,  6.])
    """
    targets = expressions(wrt, "wrt")
    seeds = _seeds(targets, vector, "vector")
    for target, seed in zip(targets.leaves, seeds, strict=True):
        check_seed(target, target.known_shape, seed, seed.known_shape, "vector")
    slopes = tuple(grad(expression, targets.leaves))
    return targets.pack(GradientRequest(slopes, tuple(targets.leaves), seeds, "zero").results())


def _outputs(outputs: Any) -> Structure:
    ys = expressions(outputs, "outputs")
    if not ys.leaves:
        raise ArgumentError("outputs is empty; expected at least one expression")
    return ys


def _seeds(seeded: Structure, seeds: Any, what: str) -> tuple[Expr, ...]:
    """Cotangents or tangents as expressions, one for each of `seeded`."""
    given = [seeds]
    if seeded.kind != "one":
        is_iterable = isinstance(seeds, Iterable) and not isinstance(seeds, (Expr, tuple, list, dict))
        whose = ", ".join(map(str, seeded.leaves))
        given = seeded.flatten(list(seeds) if is_iterable else seeds, f"{what}s", whose)
    return tuple(as_expr(s, f"the {what} of {e}") for s, e in zip(given, seeded.leaves, strict=True))
