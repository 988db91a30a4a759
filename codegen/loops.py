"""The loop IR: what a kernel does, before it is machine code.

    kernel ::= name(buffer*, dim*) stmt*
    stmt   ::= for index in start..stop step n [lanes w] [masked] carry*: stmt*
             | buffer[address] = scalar
             | turn buffer[address] step n = buffer[address, ...] below size
    carry  ::= name = scalar, then scalar        first value, value after an iteration

Grammar, data, text, checker, in this order. Scalars are those of :mod:`symnet.scalar`, with loads at
one linear address. In a loop with lanes, the index stands for `w` neighbouring values at once and
everything that depends on it is a vector (the single-program-multiple-data reading of ispc: Pharr
and Mark, 2012); `step` may be a multiple of `w`, for a body unrolled by hand. In a masked loop only
the lanes below `stop` load and store. A turn moves a square of elements, one row of it at each of the
addresses read, and stores its columns as rows, `step` apart; elements of a row from `size` on are not
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from symnet import scalar as s
from symnet.dims import Dim, Extremum, Quotient, Size, names, substitute
from symnet.errors import GraphError
from symnet.scalar import Scalar


@dataclass(frozen=True)
class Buffer:
    """A C-contiguous array in memory.

    Attributes
    ----------
    name : str
    dtype : str
    shape : tuple of sizes
    space : str
        "input", "parameter", "result", "constant" or "arena"; "argument" in a kernel, which may stand for any.
    """

    name: str
    dtype: str
    shape: tuple[Size, ...]
    space: str


@dataclass(frozen=True)
class Output:
    """A value to store: where, as an address in a buffer, and what, over the domain's indices."""

    buffer: Buffer
    address: Size
    value: Scalar


@dataclass
class Carry:
    """A value that a loop hands from one iteration to the next; read inside and after as a variable.

    It has the lanes of the loop, or its own where they are more: a plain loop may add up vectors.
    """

    name: str
    first: Scalar
    next: Scalar | None = None
    lanes: int = 1


@dataclass
class Loop:
    """A counted loop; see the grammar."""

    index: str
    start: Size
    stop: Size
    step: int
    lanes: int = 1
    masked: bool = False
    carries: list[Carry] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)


@dataclass
class Store:
    """One element (or vector of elements) written."""

    buffer: str
    address: Size
    value: Scalar


@dataclass
class Turn:
    """A square of elements transposed on its way to another buffer; see the grammar.

    Attributes
    ----------
    buffer, address, step
        Where the columns of the square go.
    source : str
    rows : list of sizes
        The address of each row of the square; as many as a row has elements.
    below : size
        Elements of a row that exist.
    """

    buffer: str
    address: Size
    step: int
    source: str
    rows: list[Size]
    below: Size


Statement: TypeAlias = Loop | Store | Turn


@dataclass
class Kernel:
    """One function of loops over buffers.

    Attributes
    ----------
    buffers : list of Buffer
        Those it reads or writes, in the order of its arguments.
    dims : list of str
        Named dims it needs, in the order of its arguments.
    nonempty : list of sizes
        If one of these is 0 the kernel does nothing.
    work : size
        About how many scalar operations it makes.
    scratch : set of str
        Buffers that each thread needs for itself.
    is_split : bool
        Whether threads may share it: each takes a part of the iterations of every outermost loop, in which
        nothing is carried.
    """

    buffers: list[Buffer]
    dims: list[str]
    nonempty: list[Size]
    body: list[Statement]
    work: Size = 0
    scratch: frozenset[str] = frozenset()
    is_split: bool = False

    def __str__(self) -> str:
        arguments = [f"{b.name}: {b.dtype}{list(b.shape)}" for b in self.buffers] + self.dims
        return "\n".join([f"kernel({', '.join(arguments)})", *_text(self.body, "  ")])


def _text(body: Sequence[Statement], indent: str) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, Store):
            yield f"{indent}{statement.buffer}[{statement.address}] = {statement.value!r}"
            continue
        if isinstance(statement, Turn):
            rows = f"{statement.rows[0]}, ... {len(statement.rows)} rows"
            target = f"{statement.buffer}[{statement.address}] step {statement.step}"
            yield f"{indent}turn {target} = {statement.source}[{rows}] below {statement.below}"
            continue
        loop = statement
        lanes = (f" lanes {loop.lanes}" if loop.lanes > 1 else "") + (" masked" if loop.masked else "")
        yield f"{indent}for {loop.index} in {loop.start} .. {loop.stop} step {loop.step}{lanes}:"
        for carry in loop.carries:
            yield f"{indent}  carry {carry.name} = {carry.first!r}, then {carry.next!r}"
        yield from _text(loop.body, indent + "  ")


def scalars_in(size: Size) -> Iterator[Scalar]:
    """The scalar expressions that occur as atoms of an index."""
    if isinstance(size, Dim):
        for monomial, _ in size.terms:
            for atom in monomial:
                if isinstance(atom, Scalar):
                    yield atom
                elif isinstance(atom, Quotient):
                    yield from scalars_in(atom.numerator)
                    yield from scalars_in(atom.denominator)
                elif isinstance(atom, Extremum):
                    yield from scalars_in(atom.a)
                    yield from scalars_in(atom.b)


def children(x: Scalar) -> tuple[Scalar, ...]:
    """Everything a scalar is computed from: arguments, and scalars inside its indices."""
    if x.op == "load":
        return (*x.args, *(c for size in x.payload[1] for c in scalars_in(size)))
    if x.op == "index":
        return tuple(scalars_in(x.payload))
    return x.args


def postorder(roots: Sequence[Scalar]) -> list[Scalar]:
    """Every scalar below the roots once, operands first. No recursion: expressions are deep."""
    done: set[Scalar] = set()
    order: list[Scalar] = []
    stack = [(r, False) for r in reversed(roots)]
    while stack:
        x, ready = stack.pop()
        if x in done:
            continue
        if ready:
            done.add(x)
            order.append(x)
        else:
            stack.append((x, True))
            stack.extend((c, False) for c in children(x) if c not in done)
    return order


def replace(roots: Sequence[Scalar], indices: Mapping[Any, Size], values: Mapping[Scalar, Scalar]) -> list[Scalar]:
    """The roots with index names replaced by sizes and whole scalars replaced by scalars."""
    image: dict[Scalar, Scalar] = {}
    for x in postorder(roots):
        image[x] = values[x] if x in values else _rebuilt(x, indices, image)
    return [image[r] for r in roots]


def _rebuilt(x: Scalar, indices: Mapping[Any, Size], image: Mapping[Scalar, Scalar]) -> Scalar:
    args = tuple(image[a] for a in x.args)
    payload = x.payload
    if x.op in ("load", "index"):
        inner = [c for size in (payload[1] if x.op == "load" else (payload,)) for c in scalars_in(size)]
        table: dict[Any, Size] = dict(indices)
        table.update((c, s.as_size(image[c])) for c in inner if image[c] is not c)
        if x.op == "index":
            return s.index(substitute(payload, table))
        payload = (payload[0], tuple(substitute(size, table) for size in payload[1]))
    return s.make(x.op, args, x.dtype, payload)


def check(kernel: Kernel) -> None:
    """Test that every name is bound, every buffer declared and every carry complete.

    Raises
    ------
    GraphError
        Naming what is wrong.
    """
    _check_body(kernel.body, {b.name for b in kernel.buffers}, set(kernel.dims), set())


def _check_body(body: Sequence[Statement], buffers: set[str], indices: set[str], variables: set[str]) -> None:
    for statement in body:
        if isinstance(statement, Store):
            if statement.buffer not in buffers:
                raise GraphError(f"store to the unknown buffer {statement.buffer}")
            _check_scalars([statement.value, s.index(statement.address)], buffers, indices, variables)
            continue
        if isinstance(statement, Turn):
            if not {statement.buffer, statement.source} <= buffers:
                raise GraphError(f"a turn between unknown buffers {statement.source} and {statement.buffer}")
            sizes = [statement.address, *statement.rows, statement.below]
            _check_scalars([s.index(size) for size in sizes], buffers, indices, variables)
            continue
        loop = statement
        inner = {c.name for c in loop.carries}
        if loop.index in indices or inner & variables:
            raise GraphError(f"the loop over {loop.index} binds a name twice")
        within = variables | inner
        for carry in loop.carries:
            _check_scalars([carry.first], buffers, indices, variables)
        _check_body(loop.body, buffers, indices | {loop.index}, within)
        for carry in loop.carries:
            if carry.next is None:
                raise GraphError(f"the carry {carry.name} of the loop over {loop.index} is never set")
            _check_scalars([carry.next], buffers, indices | {loop.index}, within)
        variables |= inner


def _check_scalars(roots: Sequence[Scalar], buffers: set[str], indices: set[str], variables: set[str]) -> None:
    for x in postorder(roots):
        if x.op == "variable" and x.payload not in variables:
            raise GraphError(f"the variable {x.payload} is read outside its loop")
        if x.op == "fold":
            raise GraphError("a fold is left in the loop IR")
        sizes = x.payload[1] if x.op == "load" else (x.payload,) if x.op == "index" else ()
        if x.op == "load" and x.payload[0] not in buffers:
            raise GraphError(f"load from the unknown buffer {x.payload[0]}")
        unbound = {n for size in sizes for n in names(size)} - indices
        if unbound:
            raise GraphError(f"unbound names {sorted(unbound)} in {x!r}")
