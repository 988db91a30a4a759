"""`scan`: a loop with carried state, as one op."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from . import ops
from .dims import Dim, Size, differ
from .dtype import WEAK, Shape, require_shape, shape_text
from .errors import ArgumentError, DTypeError, ShapeError
from .expr import Constant, Expr, as_expr, as_numbers
from .op import Op
from .operators import Operators
from .origin import Line
from .structure import flatten, same_structure, unflatten

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
    counters : list of (Formal, Expr)
        Carries that the loop has of itself, and what follows on them: numbers of steps, which draws read.
    length : size or None
        None where the arrays' shapes decide.
    is_reversed : bool
    checkpoint : int or None
        How many steps a derivative runs again from the carries that it keeps; None where it keeps those of every one.
    """

    def __init__(
        self,
        firsts: Sequence[Expr],
        arrays: Sequence[Expr],
        length: Size | None,
        is_reversed: bool,
        checkpoint: int | None = None,
    ) -> None:
        self.firsts, self.arrays = list(firsts), list(arrays)
        self.length, self.is_reversed, self.checkpoint = length, is_reversed, checkpoint
        self.carries = [Formal(f"carry {k}", e.known_shape, e.known_dtype) for k, e in enumerate(firsts)]
        self.slices = [Formal(f"slice {k}", _without_first(e), e.known_dtype) for k, e in enumerate(arrays)]
        self.nexts: list[Expr] = []
        self.ys: list[Expr] = []
        self.captured: list[Expr] = []
        self.counter: Formal | None = None
        self.counters: list[tuple[Formal, Expr]] = []

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """While the body is called."""
        token = _traced.set(self)
        try:
            yield
        finally:
            _traced.reset(token)

    def step_number(self) -> Expr:
        """How many steps were made before this one; in a loop inside a loop, in all of its runs."""
        if self.counter is None:
            self.counter = Formal("step number", (), "int64")
            self.counters.append((self.counter, self.counter + 1))
        return self.counter

    def close(self, nexts: Sequence[Expr], ys: Sequence[Expr]) -> None:
        """Take what the body returned."""
        self.nexts, self.ys = list(nexts), list(ys)
        for formal, following in zip(self.carries, nexts, strict=True):
            before, after = (formal.known_shape, formal.known_dtype), (following.known_shape, following.known_dtype)
            check_carry(formal, before, after, following.line)
        around = _traced.get()
        # A loop around this one carries the numbers on from run to run.
        carried = [Formal("step number", (), "int64") for _ in self.counters] if around else []
        self.firsts += carried or [Constant(np.int64(0)) for _ in self.counters]
        self.carries += [formal for formal, _ in self.counters]
        self.nexts += [following for _, following in self.counters]
        self.captured = _captured([*self.nexts, *ys], {*self.carries, *self.slices})
        if around:
            around.counters += zip(carried, self.results()[len(nexts) :], strict=False)

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


_traced: ContextVar[Loop | None] = ContextVar("traced", default=None)


def step_number() -> Expr | None:
    """The number of the step, where the body of a loop is being called."""
    loop = _traced.get()
    return None if loop is None else loop.step_number()


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
    checkpoint: int | None = None,
) -> tuple[Any, Any]:
    """A loop: ``carry, y = body(carry, x)`` for every x along the first axis of `xs`.

    The body is called once, on symbolic values; what it builds is compiled as a native loop, whose number
    of steps may be open until the call. On arrays and on tensors of :mod:`symnet.eager` it runs at once.

    Parameters
    ----------
    body : callable
        From a carry and the slices of one step to the next carry, of the same shapes and dtypes, and to
        what is stacked. It may read values from outside, the same at every step; random numbers that it draws
        (:class:`symnet.random.Generator`) are drawn anew at every step.
    carry : value, or tuple, list or dict of such, nested
        What the first step gets.
    xs : the same, optional
        Taken apart along their first axes, which are equally long.
    length : int or size, optional
        The number of steps, where there are no `xs`.
    reverse : bool
        Whether the last step comes first; what is stacked still stands at its own place.
    checkpoint : int, optional
        For long loops whose derivative would need too much memory: it keeps the carries before every so many steps
        only, and runs the steps between again. Default: it keeps what every step needs of it. About the square
        root of the number of steps saves most. A derivative then costs one run of the loop more; products with
        `xs`, and sums over the steps, are computed for so many steps at once instead of for all; and what is
        stacked is copied once more where the number of steps is no multiple, as are the `xs`. The results are the
        same up to rounding (sums over the steps are taken in another order), random numbers are the same.

    Returns
    -------
    carry, ys
        The last carry, in its structure; what the body stacked, in its structure.

    Raises
    ------
    ShapeError, DTypeError
        A carry changes its type, or the `xs` are not equally long.
    ArgumentError
        The body is no function, does not return two values, or changes the carry's structure; the length is no
        number of steps, or there is none; `checkpoint` is no positive int; or something is not of numbers.
    SymbolicUseError
        When compiled: a value that the body was given is read outside of the body.

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
    if not callable(body):
        raise ArgumentError(f"scan: the body is {body!r}; expected a function of the carry and of what is scanned")
    if checkpoint is not None and (type(checkpoint) is not int or checkpoint < 1):
        raise ArgumentError(f"scan: checkpoint is {checkpoint!r}; expected None or a number of steps, at least 1")
    firsts, arrays = flatten(carry), flatten(xs)
    if not any(isinstance(leaf, (Expr, Dim)) for leaf in [*firsts, *arrays, length]):
        done = _scan_at_once(body, carry, xs, length, reverse)
        if done is not None:
            return done
    firsts = [as_expr(e, "scan: the carry") for e in firsts]
    loop = Loop(firsts, [as_expr(e, "scan: xs") for e in arrays], None, reverse, checkpoint)
    loop.length = _length(loop.arrays, [a.known_shape for a in loop.arrays], length)
    with loop.tracing():
        following, ys = _two(body(unflatten(carry, loop.carries), unflatten(xs, loop.slices)))
    nexts = same_structure(carry, following, "scan: the body returned a carry")
    loop.close(
        [as_expr(e, "scan: the next carry") for e in nexts],
        [as_expr(e, "scan: what the body stacks") for e in flatten(ys)],
    )
    results = loop.results()
    return unflatten(carry, results[: len(firsts)]), unflatten(ys, results[len(loop.firsts) :])


def _two(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ArgumentError(
            f"scan: the body returned {returned!r}; expected two values, the next carry and what is stacked"
        )
    return returned


def _length(arrays: Sequence[Any], shapes: Sequence[Shape | None], given: Any) -> Size | None:
    """The number of steps, as far as it is known."""
    for array, shape in zip(arrays, shapes, strict=True):
        if shape == ():
            raise ShapeError(f"scan: {array} has no axis to scan along")
    sizes = [shape[0] for shape in shapes if shape]
    if given is not None:
        is_number = isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given >= 0
        if not is_number and not isinstance(given, Dim):
            raise ArgumentError(f"scan: length is {given!r}; expected a number of steps, at least 0")
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


def _scan_at_once(body: Callable[..., Any], carry: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any] | None:
    arrays = [x if isinstance(x, Operators) else as_numbers(x, "scan: xs") for x in flatten(xs)]
    steps = _length(arrays, [x.shape for x in arrays], length)
    assert isinstance(steps, int)
    order = reversed(range(steps)) if reverse else range(steps)
    each = (unflatten(xs, [x[step] for x in arrays]) for step in order)
    done = at_once("scan", lambda carry, x: _two(body(carry, x)), carry, each)
    if done is None:
        return None
    last, found = done
    if not found:
        raise ArgumentError("a scan of no steps over arrays has nothing to tell its results by: compile it")
    leaves = [same_structure(found[0], y, "scan: the body stacked values") for y in found]
    columns = zip(*(reversed(leaves) if reverse else leaves), strict=True)
    return last, unflatten(found[0], [ops.stack(column) for column in columns])


def at_once(
    whose: str,
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Iterable[Any],
    condition: Callable[[Any], Any] = lambda carry: True,
) -> tuple[Any, list[Any]] | None:
    """A loop on arrays or tensors, in Python: the last carry, and what each step gives besides.

    It stops when the condition, a bool or symbolic, fails. None where the loop meets symbolic values.

    Raises
    ------
    ArgumentError, DTypeError
        The carry is of no numbers, or changes its structure.
    """
    _numbers(carry, f"{whose}: the carry")
    found: list[Any] = []
    for x in xs:
        holds = condition(carry)
        if isinstance(holds, Expr):
            return None
        if not holds:
            break
        following, y = body(carry, x)
        if any(isinstance(leaf, Expr) for leaf in flatten((following, y))):
            return None
        carry = unflatten(carry, same_structure(carry, following, f"{whose}: the body returned a carry"))
        _numbers(carry, f"{whose}: the next carry")
        found.append(y)
    return carry, found


def _numbers(tree: Any, whose: str) -> None:
    """Refuse what is neither numbers nor tensors."""
    for leaf in flatten(tree):
        if not isinstance(leaf, Operators):
            as_numbers(leaf, whose)
