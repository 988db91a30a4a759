"""`scan`: a loop with carried state, as one op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import ops
from .dims import Dim, Size, differ
from .dtype import WEAK, Shape, require_shape, shape_text
from .errors import ArgumentError, DTypeError, ShapeError, SymnetError
from .expr import Constant, Expr, as_expr
from .graph import located
from .op import Op
from .operators import Operators
from .origin import Line, Origin, here

LOOP = Op("scan_result", "leaf")
FORMAL = Op("formal", "leaf")
# A shape and a dtype, each None where it is not known yet.
Known = tuple[Shape | None, str | None]


class Formal(Expr):
    """A carry, or a slice of an array, as the body of a scan reads it."""

    __slots__ = ("name",)

    def __init__(self, name: str, shape: Shape | None, dtype: str | None) -> None:
        self.name = name
        super().__init__(FORMAL, (), {"name": name}, shape, dtype)

    def __str__(self) -> str:
        return f"the scan's {self.name}"


class Loop:
    """One call of :func:`scan`, built when the types are known.

    Attributes
    ----------
    firsts, arrays : list of Expr
        What the carries start from; what is taken apart along its first axis.
    carries, slices : list of Formal
    nexts, ys : list of Expr
        What the body makes of them.
    captured : list of Expr
        What the body reads that is the same at every step.
    length : size or None
        None where the arrays' shapes decide.
    is_reversed : bool
    """

    def __init__(self, firsts: Sequence[Expr], arrays: Sequence[Expr], length: Size | None, is_reversed: bool) -> None:
        self.firsts, self.arrays = list(firsts), list(arrays)
        self.length, self.is_reversed = length, is_reversed
        self.carries = [Formal(f"carry {k}", e.known_shape, e.known_dtype) for k, e in enumerate(firsts)]
        self.slices = [Formal(f"slice {k}", _without_first(e), e.known_dtype) for k, e in enumerate(arrays)]
        self.nexts: list[Expr] = []
        self.ys: list[Expr] = []
        self.captured: list[Expr] = []

    def close(self, nexts: Sequence[Expr], ys: Sequence[Expr]) -> None:
        """Take what the body returned."""
        self.nexts, self.ys = list(nexts), list(ys)
        for formal, following in zip(self.carries, nexts, strict=True):
            before, after = (formal.known_shape, formal.known_dtype), (following.known_shape, following.known_dtype)
            check_carry(formal, before, after, following.line)
        self.captured = _captured([*nexts, *ys], {*self.carries, *self.slices})

    def results(self) -> list[Expr]:
        """The last carries and the stacks, as expressions."""
        operands = (*self.firsts, *self.arrays, *self.captured)
        types: list[Known] = [
            (c.known_shape, n.known_dtype if c.known_dtype in WEAK else c.known_dtype)
            for c, n in zip(self.carries, self.nexts, strict=True)
        ]
        for y in self.ys:
            shape = None if self.length is None or y.known_shape is None else (self.length, *y.known_shape)
            types.append((shape, y.known_dtype))
        return [Expr(LOOP, operands, {"loop": self, "position": k}, *type) for k, type in enumerate(types)]


def check_carry(formal: Formal, before: Known, after: Known, line: Line) -> None:
    """Refuse a body that changes the type of a carry.

    Raises
    ------
    ShapeError, DTypeError
    """
    (shape, dtype), (made_shape, made) = before, after
    if shape is not None and made_shape is not None:
        complaint = (
            f"{formal} has shape {shape_text(shape)}, and the body makes {shape_text(made_shape)} of it "
            f"(written at {line}); expected the same shape"
        )
        require_shape(shape, made_shape, complaint)
    if None not in (dtype, made) and dtype != made and not {dtype, made} & set(WEAK):
        raise DTypeError(
            f"{formal} has dtype {dtype}, and the body makes {made} of it (written at {line}); "
            "expected the same dtype: cast one with .astype"
        )


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | Dim | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A loop: ``carry, y = body(carry, x)`` for every x along the first axis of `xs`.

    The body is called once, on symbolic values; what it builds is compiled as a native loop, whose number
    of steps may be open until the call. On arrays and on tensors of :mod:`symnet.eager` it runs at once.

    Parameters
    ----------
    body : callable
        From a carry and the slices of one step to the next carry, of the same shapes and dtypes, and to
        what is stacked. It may read values from outside, the same at every step.
    carry : value, or tuple, list or dict of such, nested
        What the first step gets.
    xs : the same, optional
        Taken apart along their first axes, which are equally long.
    length : int or size, optional
        The number of steps, where there are no `xs`.
    reverse : bool
        Whether the last step comes first; what is stacked still stands at its own place.

    Returns
    -------
    carry, ys
        The last carry, in its structure; what the body stacked, in its structure.

    Raises
    ------
    ShapeError, DTypeError
        A carry changes its type, or the `xs` are not equally long.
    ArgumentError
        The body does not return two values, or changes the carry's structure; or there is no length.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=("steps",), dtype="float64")
    >>> total, sums = sn.scan(lambda total, each: (total + each, total + each), 0.0, x)
    >>> sn.compile(sums)(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])

    References
    ----------
    The loop with explicit state of functional languages; its derivative stores the carries and walks them
    backwards (Griewank & Walther, Evaluating Derivatives, 2008, ch. 12).
    """
    firsts, arrays = flatten(carry), flatten(xs)
    if not any(isinstance(leaf, (Expr, Dim)) for leaf in [*firsts, *arrays, length]):
        done = _at_once(body, carry, xs, length, reverse)
        if done is not None:
            return done
    loop = Loop([as_expr(e) for e in firsts], [as_expr(e) for e in arrays], None, reverse)
    try:
        loop.length = _length(loop.arrays, length)
        returned = body(unflatten(carry, loop.carries), unflatten(xs, loop.slices))
        following, ys = _two(returned)
        nexts = same_structure(carry, following, "the body returned a carry")
        loop.close([as_expr(e) for e in nexts], [as_expr(e) for e in flatten(ys)])
    except SymnetError as error:
        raise located(error, LOOP, Origin([here()])) from None
    results = loop.results()
    return unflatten(carry, results[: len(firsts)]), unflatten(ys, results[len(firsts) :])


def _two(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ArgumentError(f"the body returned {returned!r}; expected two values, the next carry and what is stacked")
    return returned


def same_structure(tree: Any, other: Any, what: str) -> list[Any]:
    """The values in `other`, in the order of those in `tree`.

    Raises
    ------
    ArgumentError
        Its structure is another; the message says `what` has it.
    """
    if _shape_of(tree) != _shape_of(other):
        raise ArgumentError(f"{what} of the structure {_shape_of(other)}; expected {_shape_of(tree)}")
    return _in_order(tree, other)


def _in_order(tree: Any, other: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _in_order(value, other[key])]
    if isinstance(tree, (tuple, list)):
        return [leaf for a, b in zip(tree, other, strict=True) for leaf in _in_order(a, b)]
    return [] if tree is None else [other]


def _length(arrays: Sequence[Expr], given: Any) -> Size | None:
    """The number of steps, as far as it is known."""
    for array in arrays:
        if array.known_shape == ():
            raise ShapeError(f"{array} has no axis to scan along")
    sizes = [a.known_shape[0] for a in arrays if a.known_shape]
    if given is not None:
        if not isinstance(given, (int, np.integer, Dim)) or isinstance(given, bool) or given == -1:
            raise ArgumentError(f"length is {given!r}; expected a number of steps")
        sizes.insert(0, given if isinstance(given, Dim) else int(given))
    elif not arrays:
        raise ArgumentError("scan has no xs; expected length=, the number of steps")
    for size in sizes[1:]:
        if differ(size, sizes[0]):
            raise ShapeError(f"scan along axes of {sizes[0]} and {size} steps; expected them equally long")
    return sizes[0] if sizes else None


def _without_first(array: Expr) -> Shape | None:
    return None if array.known_shape is None else array.known_shape[1:]


def _captured(roots: Sequence[Expr], formals: set[Expr]) -> list[Expr]:
    """The expressions nearest to the roots that depend on no formal; Python's numbers are part of the body."""
    inside = set(formals)
    order: list[Expr] = []
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        expr, ready = stack.pop()
        if ready:
            order.append(expr)
            if any(o in inside for o in expr.operands):
                inside.add(expr)
        elif expr not in seen:
            seen.add(expr)
            stack.append((expr, True))
            stack.extend((o, False) for o in expr.operands)
    edge = dict.fromkeys(o for e in order if e in inside for o in e.operands)
    edge.update(dict.fromkeys(roots))
    return [e for e in edge if e not in inside and not (isinstance(e, Constant) and e.known_dtype in WEAK)]


def _at_once(body: Callable[..., Any], carry: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any] | None:
    """The loop on arrays or tensors, in Python; None where the body makes symbolic values of them."""
    arrays = [x if isinstance(x, Operators) else np.asarray(x) for x in flatten(xs)]
    steps = {len(x) for x in arrays} | ({int(length)} if length is not None else set())
    if len(steps) != 1:
        raise ShapeError(f"scan along axes of {', '.join(map(str, sorted(steps))) or 'unknown'} steps")
    found: list[Any] = []
    for step in reversed(range(*steps)) if reverse else range(*steps):
        carry, y = _two(body(carry, unflatten(xs, [x[step] for x in arrays])))
        if any(isinstance(leaf, Expr) for leaf in flatten((carry, y))):
            return None
        found.append(y)
    if not found:
        raise ArgumentError("a scan of no steps over arrays has nothing to tell its results by: compile it")
    columns = zip(*(flatten(y) for y in (reversed(found) if reverse else found)), strict=True)
    return carry, unflatten(found[0], [ops.stack(column) for column in columns])


def flatten(tree: Any) -> list[Any]:
    """The values in nested tuples, lists and dicts, in order; None is no value."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in flatten(value)]
    if isinstance(tree, (tuple, list)):
        return [leaf for value in tree for leaf in flatten(value)]
    return [tree]


def unflatten(tree: Any, leaves: Sequence[Any]) -> Any:
    """Other values in the same structure."""
    return _rebuilt(tree, iter(leaves))


def _rebuilt(tree: Any, leaves: Any) -> Any:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _rebuilt(value, leaves) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return _sequence_like(tree, [_rebuilt(value, leaves) for value in tree])
    return next(leaves)


def _shape_of(tree: Any) -> Any:
    """A structure without its values, for comparisons and messages."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _shape_of(value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return _sequence_like(tree, [_shape_of(value) for value in tree])
    return "value"


def _sequence_like(tree: Any, values: list[Any]) -> Any:
    """A tuple, a named one, or a list."""
    return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
