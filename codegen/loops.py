"""The loop IR: what a kernel does, before it is machine code.

    kernel ::= name(buffer*, dim*) stmt*
    stmt   ::= for index in start..stop step n [lanes w] [masked] [whole] carry*: stmt*
             | buffer[address] = scalar
             | fetch buffer[address]
             | turn w in buffer[address] step n = buffer[address] step size, rows x columns
    carry  ::= name = scalar, then scalar        first value, value after an iteration

Grammar, data, text, checker, in this order. Scalars are those of :mod:`symnet.scalar`, with loads at
one linear address. In a loop with lanes, the index stands for `w` neighbouring values at once and
everything that depends on it is a vector (the single-program-multiple-data reading of ispc: Pharr
and Mark, 2012); `step` may be a multiple of `w`, for a body unrolled by hand. In a masked loop only
the lanes below `stop` load and store. A turn moves a square of `w` by `w` elements and stores its columns as
rows; of the square there are so many rows and columns to read, and what it has beyond them is anything.
A turn to a buffer of pairs rounds: its rows have pairs for elements, all sizes on their side count numbers.
Threads that share a kernel share the iterations of an outermost loop, but each runs all of a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from symnet import scalar as s
from symnet.dims import Size, names, substitute
from symnet.errors import GraphError
from symnet.scalar import Scalar

if TYPE_CHECKING:
    from .packing import Packing


@dataclass(frozen=True)
class Buffer:
    """A C-contiguous array in memory.

    Attributes
    ----------
    name : str
    dtype : str
    shape : tuple of sizes
    space : str
        "input", "parameter" (one that is updated), "kept" (one that is not), "result", "constant", "packed" or
        "arena"; in a kernel "constant", "kept" or "argument", which may stand for any.
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
    whole: bool = False
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
    lanes : int
        Rows and columns of the square.
    buffer, address, step
        Where its columns go: the first, and how far it is to the next.
    source, start, pace
        Where its rows are: the first, and how far it is to the next.
    rows, columns : size
        How many of them exist; of the rows at least one.
    """

    lanes: int
    buffer: str
    address: Size
    step: int
    source: str
    start: Size
    pace: Size
    rows: Size
    columns: Size


@dataclass
class Fetch:
    """Memory that is read soon is brought near: no effect but on time."""

    buffer: str
    address: Size


Statement: TypeAlias = Loop | Store | Turn | Fetch


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
    packed : dict of str to (str, Packing)
        Of the buffers those that hold matrices laid out before it runs: from which constant or Parameter, and how.
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
    packed: Mapping[str, tuple[str, Packing]] = field(default_factory=dict)
    is_split: bool = False

    def __str__(self) -> str:
        arguments = [f"{b.name}: {b.dtype}{list(b.shape)}" for b in self.buffers] + self.dims
        return "\n".join([f"kernel({', '.join(arguments)})", *_text(self.body, "  ")])


def _text(body: Sequence[Statement], indent: str) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, Store):
            yield f"{indent}{statement.buffer}[{statement.address}] = {statement.value!r}"
            continue
        if isinstance(statement, Fetch):
            yield f"{indent}fetch {statement.buffer}[{statement.address}]"
            continue
        if isinstance(statement, Turn):
            rows = f"{statement.source}[{statement.start}] step {statement.pace}"
            target = f"{statement.buffer}[{statement.address}] step {statement.step}"
            yield f"{indent}turn {statement.lanes} in {target} = {rows}, {statement.rows} x {statement.columns}"
            continue
        loop = statement
        lanes = (f" lanes {loop.lanes}" if loop.lanes > 1 else "") + (" masked" if loop.masked else "")
        lanes += " whole" if loop.whole else ""
        yield f"{indent}for {loop.index} in {loop.start} .. {loop.stop} step {loop.step}{lanes}:"
        for carry in loop.carries:
            yield f"{indent}  carry {carry.name} = {carry.first!r}, then {carry.next!r}"
        yield from _text(loop.body, indent + "  ")


def postorder(roots: Sequence[Scalar], known: Iterable[Scalar] = ()) -> list[Scalar]:
    """Every scalar below the roots once, operands first, without what is known already or below that.

    No recursion: expressions are deep.
    """
    done = set(known)
    order: list[Scalar] = []
    stack = list(reversed(roots))
    while stack:
        x = stack[-1]
        if x in done:
            stack.pop()
            continue
        height = len(stack)
        for child in x.children:
            if child not in done:
                stack.append(child)
        if len(stack) == height:
            stack.pop()
            done.add(x)
            order.append(x)
    return order


def replace(roots: Sequence[Scalar], indices: Mapping[Any, Size], values: Mapping[Scalar, Scalar]) -> list[Scalar]:
    """The roots with index names replaced by sizes and whole scalars replaced by scalars."""
    return rebuilt(postorder(roots, values), roots, indices, values)


def rebuilt(
    order: Sequence[Scalar], roots: Sequence[Scalar], indices: Mapping[Any, Size], values: Mapping[Scalar, Scalar]
) -> list[Scalar]:
    """As `replace`, for roots whose :func:`postorder` behind `values` is known."""
    image = dict(values)
    for x in order:
        image[x] = _rebuilt(x, indices, image)
    return [image[r] for r in roots]


def _rebuilt(x: Scalar, indices: Mapping[Any, Size], image: Mapping[Scalar, Scalar]) -> Scalar:
    args = tuple([image[a] for a in x.args])
    if x.op not in ("load", "index"):
        return x if args == x.args else s.make(x.op, args, x.dtype, x.payload)
    inside = x.children[len(args) :]
    table = {**indices, **{c: s.as_size(image[c]) for c in inside}} if inside else indices
    if x.op == "index":
        return s.index(substitute(x.payload, table))
    buffer, sizes = x.payload
    return s.make("load", args, x.dtype, (buffer, tuple([substitute(size, table) for size in sizes])))


def moved(outputs: Sequence[Output], indices: Mapping[str, Size]) -> list[Output]:
    """The outputs with index names replaced by sizes, in addresses and values."""
    values = replace([o.value for o in outputs], indices, {})
    return [Output(o.buffer, substitute(o.address, indices), v) for o, v in zip(outputs, values, strict=True)]


def sizes_in(outputs: Sequence[Output]) -> list[Size]:
    """Every size and place that outputs are made of: addresses, loads, indices, the lengths of folds."""
    found: list[Size] = [o.address for o in outputs]
    for x in postorder([o.value for o in outputs]):
        if x.op == "load":
            found.extend(x.payload[1])
        elif x.op == "index":
            found.append(x.payload)
        elif x.op == "fold":
            found.extend(size for _, size in x.payload.axes)
    return found


def check(kernel: Kernel) -> None:
    """Test that every name is bound, every buffer declared and every carry complete.

    Raises
    ------
    GraphError
        Naming what is wrong.
    """
    _check_body(kernel.body, {b.name for b in kernel.buffers}, set(kernel.dims), set())


def _check_body(body: Sequence[Statement], buffers: set[str], indices: set[str], variables: set[str]) -> None:
    values: list[Scalar] = []
    sizes: list[Size] = []
    for statement in body:
        if isinstance(statement, Loop):
            # What stands before a loop cannot read what it carries.
            _check_scalars(values, sizes, buffers, indices, variables)
            values, sizes = [], []
            _check_loop(statement, buffers, indices, variables)
            variables |= {c.name for c in statement.carries}
        elif isinstance(statement, Store):
            if statement.buffer not in buffers:
                raise GraphError(f"store to the unknown buffer {statement.buffer}")
            values.append(statement.value)
            sizes.append(statement.address)
        elif isinstance(statement, Fetch):
            if statement.buffer not in buffers:
                raise GraphError(f"a fetch from the unknown buffer {statement.buffer}")
            sizes.append(statement.address)
        else:
            if not {statement.buffer, statement.source} <= buffers:
                raise GraphError(f"a turn between unknown buffers {statement.source} and {statement.buffer}")
            sizes += [statement.address, statement.start, statement.pace, statement.rows, statement.columns]
    _check_scalars(values, sizes, buffers, indices, variables)


def _check_loop(loop: Loop, buffers: set[str], indices: set[str], variables: set[str]) -> None:
    inner = {c.name for c in loop.carries}
    if loop.index in indices or inner & variables:
        raise GraphError(f"the loop over {loop.index} binds a name twice")
    within = variables | inner
    _check_scalars([c.first for c in loop.carries], [], buffers, indices, variables)
    _check_body(loop.body, buffers, indices | {loop.index}, within)
    nexts = [c.next for c in loop.carries if c.next is not None]
    if len(nexts) < len(loop.carries):
        raise GraphError(f"a carry of the loop over {loop.index} is never set")
    _check_scalars(nexts, [], buffers, indices | {loop.index}, within)


def _check_scalars(
    values: Sequence[Scalar], sizes: Sequence[Size], buffers: set[str], indices: set[str], variables: set[str]
) -> None:
    every = list(sizes)
    for x in postorder([*values, *(inner for size in sizes for inner in s.scalars_in(size))]):
        if x.op == "variable" and x.payload not in variables:
            raise GraphError(f"the variable {x.payload} is read outside its loop")
        if x.op == "fold":
            raise GraphError("a fold is left in the loop IR")
        if x.op == "load":
            if x.payload[0] not in buffers:
                raise GraphError(f"load from the unknown buffer {x.payload[0]}")
            every += x.payload[1]
        elif x.op == "index":
            every.append(x.payload)
    for size in every:
        if not indices.issuperset(names(size)):
            raise GraphError(f"unbound names {sorted({*names(size)} - indices)} in the index {size}")
