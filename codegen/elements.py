"""What an element of a group is: a scalar expression over the buffers that the group reads.

Groups of the same structure differ in nothing but the buffers. Theirs are given formal names, in the
order the structure meets them, so that such groups share one kernel: the layers of a deep network
are compiled once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from symnet import scalar as s
from symnet.dims import Size, product
from symnet.dtype import Shape
from symnet.graph import EXTENT, Node
from symnet.op import IndexTuple, Operand
from symnet.scalar import Scalar

from .loops import Buffer


class Group(Protocol):
    """What fusion hands over; see ``passes/form_kernels.py``."""

    kind: str
    domain: Shape
    nodes: list[Node]
    inside: list[Any]


def strides(shape: Shape) -> list[Size]:
    """Elements between neighbours along each axis of a C-contiguous array."""
    return [product(shape[axis + 1 :]) for axis in range(len(shape))]


def address(index: IndexTuple, shape: Shape) -> Size:
    """The linear address of an index in a C-contiguous array; axes of size 1 do not count."""
    total: Size = 0
    for i, step, size in zip(index, strides(shape), shape, strict=True):
        if size != 1:
            total = total + (s.as_size(i) if isinstance(i, Scalar) else i) * step
    return total


class Formals:
    """The buffers of one group under formal names.

    Attributes
    ----------
    formal : dict of str to Buffer
        By the actual buffer's name.
    actual : dict of str to Buffer
        By the formal buffer's name.
    """

    def __init__(self) -> None:
        self.formal: dict[str, Buffer] = {}
        self.actual: dict[str, Buffer] = {}

    def of(self, buffer: Buffer) -> Buffer:
        """The formal buffer that stands for an actual one."""
        if buffer.name not in self.formal:
            space = buffer.space if buffer.space in ("constant", "kept") else "argument"
            formal = Buffer(f"b{len(self.formal)}", buffer.dtype, buffer.shape, space)
            self.formal[buffer.name] = formal
            self.actual[formal.name] = buffer
        return self.formal[buffer.name]

    def buffers(self) -> dict[str, Buffer]:
        """The formal buffers by name."""
        return {b.name: b for b in self.formal.values()}


def structure(group: Group, stored: Mapping[Node, Buffer], formals: Formals) -> Any:
    """A key: groups with equal keys have the same kernel over their formal buffers."""
    place = {node: k for k, node in enumerate(group.nodes)}
    seen: dict[Node, Any] = {}

    def operand(node: Node) -> Any:
        if node in place:
            return place[node]
        if node not in seen:
            seen[node] = outside(node)
        return seen[node]

    def outside(node: Node) -> Any:
        if node in stored:
            buffer = formals.of(stored[node])
            return buffer, node.type
        return described(node)

    def described(node: Node) -> Any:
        return node.op, tuple(node.attrs.items()), node.type, tuple(map(operand, node.inputs))

    nodes = tuple((described(n), formals.of(stored[n]) if n in stored else None) for n in group.nodes)
    return group.kind, group.domain, nodes


def behind_views(node: Node) -> Node:
    """What a node reshapes, the node itself if it is no reshape: the elements are the same, at the same addresses."""
    while node.op.is_view:
        node = node.inputs[0]
    return node


class Reader:
    """Scalar expressions for nodes: members of a group are computed, everything else is loaded."""

    def __init__(
        self, stored: Mapping[Node, Buffer], members: set[Node], view: Flattened | None, formals: Formals
    ) -> None:
        self.stored, self.members, self.view, self.formals = stored, members, view, formals
        self.memo: dict[Any, Scalar] = {}
        # A single number may be taken out of an array, which is then read as it is.
        self.unflattened = Reader(stored, members, None, formals) if view else None

    def shape(self, shape: Shape) -> Shape:
        return self.view.shape(shape) if self.view else shape

    def operand(self, node: Node) -> Operand:
        return Operand(self.shape(node.shape), node.dtype, lambda index, guard: self.value(node, index, guard))

    def value(self, node: Node, index: IndexTuple, guard: Scalar | None = None) -> Scalar:
        """The element of a node at an index."""
        if self.unflattened and node.shape == ():
            return self.unflattened.value(node, index, guard)
        key = (node, index, guard)
        if key not in self.memo:
            self.memo[key] = self._value(node, index, guard)
        return self.memo[key]

    def _value(self, node: Node, index: IndexTuple, guard: Scalar | None) -> Scalar:
        if node.literal is not None and node.shape == ():
            return s.const(node.literal.item(), node.dtype)
        if node.op is EXTENT:
            return s.index(node.attrs["size"], node.dtype)
        if node in self.stored and node not in self.members:
            return self._load(node, self.stored[node], index, guard)
        if node.op.is_view:
            return self._view(node, index, guard)
        operands = [self._guarded(i, guard) for i in node.inputs]
        return node.op.element(index, *operands, **node.attrs)

    def _load(self, node: Node, buffer: Buffer, index: IndexTuple, guard: Scalar | None) -> Scalar:
        return s.load(self.formals.of(buffer).name, (address(index, self.shape(node.shape)),), node.dtype, guard)

    def _view(self, node: Node, index: IndexTuple, guard: Scalar | None) -> Scalar:
        """A reshape: the same linear address in what it reshapes, which is in memory."""
        base = behind_views(node)
        if base in self.stored and base not in self.members:
            return self._load(node, self.stored[base], index, guard)
        return node.op.element(index, self._guarded(node.inputs[0], guard), **node.attrs)

    def _guarded(self, node: Node, guard: Scalar | None) -> Operand:
        if guard is None:
            return self.operand(node)

        def read(index: IndexTuple, own: Scalar | None) -> Scalar:
            return self.value(node, index, guard if own is None else guard & own)

        return Operand(self.shape(node.shape), node.dtype, read)


class Flattened:
    """Axes that every array of a map walks in step are one axis: more lanes, fewer loops."""

    def __init__(self, runs: list[tuple[int, int]], rank: int) -> None:
        self.runs, self.rank = runs, rank

    @staticmethod
    def of(group: Group, stored: Mapping[Node, Buffer]) -> Flattened | None:
        """The flattening that a group allows; None if it reads or computes more than element by element."""
        rank = len(group.domain)
        if rank < 2 or any(n.op.family != "elementwise" or n.shape != group.domain for n in group.nodes):
            return None
        members = set(group.nodes)
        operands = {i for n in group.nodes for i in n.inputs if i not in members and i.shape != ()}
        if any(behind_views(o) not in stored for o in operands):
            return None
        padded = [(1,) * (rank - o.ndim) + o.shape for o in operands]
        runs = [(0, 1)]
        for axis in range(1, rank):
            together = all((p[axis - 1] == 1) == (p[axis] == 1) for p in [*padded, group.domain])
            if together:
                runs[-1] = (runs[-1][0], axis + 1)
            else:
                runs.append((axis, axis + 1))
        return Flattened(runs, rank)

    def shape(self, shape: Shape) -> Shape:
        """A shape of the group or of one of its operands, flattened."""
        if not shape:
            return shape
        padded = (1,) * (self.rank - len(shape)) + shape
        return tuple(product(padded[a:b]) for a, b in self.runs)


def fit(index: IndexTuple, domain: Shape, shape: Shape) -> IndexTuple:
    """The domain's index for a value of the domain's shape, or of its rows."""
    if len(shape) == len(domain):
        return tuple(0 if n == 1 else i for i, n in zip(index, shape, strict=True))
    if len(shape) < len(domain):
        return index[: len(shape)]
    return (*index, *(0,) * (len(shape) - len(domain)))
