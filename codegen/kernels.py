"""From groups of nodes to kernels over buffers: who is stored where, and in which order.

Walks the groups that fusion formed. A value read outside its group gets a buffer: a result's own
memory, the parameter it updates where nothing reads the old value later, else a place in the arena.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from symnet import scalar as s
from symnet.dims import Dim, Size, product
from symnet.dtype import Shape
from symnet.graph import CONSTANT, EXTENT, PARAMETER, Graph, Node
from symnet.op import IndexTuple, Operand
from symnet.scalar import Scalar

from .loops import Buffer, Kernel
from .lower import Output, lower
from .targets import Target


class Group(Protocol):
    """What fusion hands over; see ``passes/form_kernels.py``."""

    kind: str
    domain: Shape
    nodes: list[Node]


@dataclass
class Step:
    """One kernel to run.

    Attributes
    ----------
    kernel : Kernel
    origin : str
        The lines it comes from, for people.
    check : Node or None
        A check on data; the step stores a bool that must be true to go on.
    flag : str
        The buffer of that bool.
    """

    kernel: Kernel
    origin: str
    check: Node | None = None
    flag: str = ""


@dataclass
class Plan:
    """Everything that memory planning and emission need.

    Attributes
    ----------
    steps : list of Step
        In the order they run.
    buffers : dict of str to Buffer
    inputs, parameters, constants, results : list
        Buffer names (constants with their arrays) in the order of the entry's table.
    """

    steps: list[Step] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    parameters: list[Node] = field(default_factory=list)
    constants: list[Node] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


def plan_kernels(graph: Graph, groups: Sequence[Group], target: Target) -> Plan:
    """Kernels, buffers and order for a graph whose groups are formed."""
    return _Planner(graph, groups, target).plan_all()


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


class _Planner:
    def __init__(self, graph: Graph, groups: Sequence[Group], target: Target) -> None:
        self.graph, self.groups, self.target = graph, groups, target
        self.plan = Plan()
        self.live = graph.live()
        self.group_of = {n: k for k, g in enumerate(groups) for n in g.nodes}
        self.readers = self._readers()
        self.stored: dict[Node, Buffer] = {}
        self.late_copies: list[tuple[Buffer, Node]] = []
        self.in_place: dict[Node, Node] = {}

    def plan_all(self) -> Plan:
        self._leaves()
        order = self._order()
        self._results_and_roots()
        for index in order:
            self._lower_group(self.groups[index])
        for buffer, node in self.late_copies:
            self._copy(buffer, node)
        return self.plan

    # -- who reads what ------------------------------------------------------------------------

    def _sources(self, node: Node) -> list[Node]:
        """The grouped nodes and leaves whose memory an operand is read from."""
        found: list[Node] = []
        stack = [node]
        while stack:
            n = stack.pop()
            if n in self.group_of or n.op.family == "leaf":
                found.append(n)
            else:
                stack.extend(n.inputs)
        return found

    def _readers(self) -> dict[Node, set[int]]:
        """For each grouped node or leaf, the groups that read it."""
        readers: dict[Node, set[int]] = {}
        for index, group in enumerate(self.groups):
            for node in group.nodes:
                for operand in node.inputs:
                    for source in self._sources(operand):
                        readers.setdefault(source, set()).add(index)
        return readers

    def _order(self) -> list[int]:
        """An order of the groups: checks first, updates in place after everything that reads the old value.

        An update whose group cannot come after all readers keeps its value aside and is copied last.
        """
        before: list[set[int]] = [set() for _ in self.groups]
        for node, readers in self.readers.items():
            if node in self.group_of:
                for reader in readers - {self.group_of[node]}:
                    before[reader].add(self.group_of[node])
        checks = {k for k, g in enumerate(self.groups) if any(n.op.name == "check_index" for n in g.nodes)}
        urgent = _ancestors(checks, before)
        candidates = {v: p for p, v in self.graph.updates if self._may_store_in_place(p, v, urgent)}
        while True:
            extra = [set(b) for b in before]
            for value, parameter in candidates.items():
                own = self.group_of[value]
                extra[own] |= (self.readers.get(parameter, set()) | checks) - {own}
            order, stuck = _topological(extra, urgent)
            if not stuck:
                self.in_place = candidates
                return order
            blocked = [v for v in candidates if self.group_of[v] in stuck]
            del candidates[blocked[0]]

    def _may_store_in_place(self, parameter: Node, value: Node, urgent: set[int]) -> bool:
        if value not in self.group_of or self.group_of[value] in urgent:
            return False
        own = self.group_of[value]
        alone = self.readers.get(value, set()) <= {own} and value not in self.graph.outputs
        twice = sum(v is value for _, v in self.graph.updates) > 1
        return alone and not twice and self._reads_same_element(parameter, self.groups[own])

    def _reads_same_element(self, parameter: Node, group: Group) -> bool:
        """Whether a group reads a parameter, if at all, only where it stores the new value."""
        for node in group.nodes:
            if any(parameter in self._sources(i) for i in node.inputs):
                direct = parameter in node.inputs and node.op.family == "elementwise" and node.shape == parameter.shape
                lazily = any(i is not parameter and parameter in self._sources(i) for i in node.inputs)
                if not direct or lazily or group.kind == "rows":
                    return False
        return True

    # -- buffers -------------------------------------------------------------------------------

    def _leaves(self) -> None:
        for node in self.graph.inputs:
            self.plan.inputs.append(self._buffer(node, "input").name)
        for node in self.live:
            if node.op is PARAMETER:
                self.plan.parameters.append(node)
                self._buffer(node, "parameter")
            elif node.op is CONSTANT and node.shape != ():
                self.plan.constants.append(node)
                self._buffer(node, "constant")

    def _buffer(self, node: Node, space: str) -> Buffer:
        return self._add(Buffer(f"n{node.index}", node.dtype, node.shape, space), node)

    def _add(self, buffer: Buffer, node: Node | None = None) -> Buffer:
        self.plan.buffers[buffer.name] = buffer
        if node is not None:
            self.stored[node] = buffer
        return buffer

    def _results_and_roots(self) -> None:
        for k, node in enumerate(self.graph.outputs):
            result = Buffer(f"r{k}", node.dtype, node.shape, "result")
            self.plan.results.append(result.name)
            if node in self.group_of and node not in self.stored:
                self._add(result, node)
            else:
                self._add(result)
                self.late_copies.append((result, node))
        # Results are copied before parameters change.
        for parameter, value in self.graph.updates:
            if value in self.in_place:
                self.stored[value] = self.stored[parameter]
            elif value is not parameter:
                self.late_copies.append((self.stored[parameter], value))
        kept_aside = {p for p, v in self.graph.updates if v not in self.in_place}
        for _, value in self.graph.updates:
            for source in self._sources(value):
                if source in kept_aside and value not in self.in_place and value not in self.group_of:
                    self._keep_aside(value)
        for node, readers in self.readers.items():
            if node in self.group_of and node not in self.stored and readers - {self.group_of[node]}:
                self._buffer(node, "arena")
        for node in [*self.graph.outputs, *(v for _, v in self.graph.updates)]:
            for source in self._sources(node):
                if source in self.group_of and source not in self.stored:
                    self._buffer(source, "arena")
        for group in self.groups:
            for node in group.nodes:
                if node.op.name == "check_index" and node not in self.stored:
                    self._buffer(node, "arena")

    def _keep_aside(self, value: Node) -> None:
        """A parameter whose new value is (a view of) another parameter's old one: copy it first."""
        if value not in self.stored or self.stored[value].space == "parameter":
            aside = Buffer(f"aside{value.index}", value.dtype, value.shape, "arena")
            self._add(aside)
            self.late_copies.insert(0, (aside, value))
            place = [k for k, (_, v) in enumerate(self.late_copies) if v is value and k > 0]
            for k in place:
                self.late_copies[k] = (self.late_copies[k][0], _Stored(aside))  # type: ignore[assignment]

    # -- lowering ------------------------------------------------------------------------------

    def _lower_group(self, group: Group) -> None:
        stored = [n for n in group.nodes if n in self.stored]
        if not stored:
            return
        if group.nodes[0].op.name == "check_index":
            self._check(group.nodes[0])
            return
        view = _Flattened.of(group, self.graph) if group.kind == "map" else None
        reader = _Reader(self, set(group.nodes), view)
        full = group.kind != "rows" or any(n.shape == group.domain for n in stored)
        domain_shape = reader.shape(group.domain) if full else group.domain[:-1]
        domain = [(f"i{axis}", size) for axis, size in enumerate(domain_shape)]
        index = tuple(Dim.named(name) if size != 1 else 0 for name, size in domain)
        outputs = []
        for node in stored:
            place = _fit(index, domain_shape, reader.shape(node.shape))
            buffer = self.stored[node]
            outputs.append(Output(buffer, address(place, reader.shape(node.shape)), reader.value(node, place)))
        row_axis = domain[-1][0] if group.kind == "rows" and full else None
        kernel = lower(domain, outputs, self.plan.buffers, self.target, row_axis)
        origin = str(self.graph.origin(group.nodes[-1]))
        self.plan.steps.append(Step(kernel, origin))

    def _check(self, node: Node) -> None:
        """Two kernels: are all indices inside; and the indices counted from the front."""
        reader = _Reader(self, {node}, None)
        axes = [(f"k{axis}", size) for axis, size in enumerate(node.shape)]
        index = tuple(Dim.named(name) for name, _ in axes)
        operand = reader.operand(node.inputs[0])
        given = s.cast(operand[index], "int64")
        size = s.index(node.attrs["size"])
        inside = (given >= -size) & (given < size)
        flag = self._add(Buffer(f"flag{node.index}", "bool", (), "arena"))
        all_inside = s.fold("and", axes, inside) if axes else inside
        kernel = lower([], [Output(flag, 0, all_inside)], self.plan.buffers, self.target)
        self.plan.steps.append(Step(kernel, str(self.graph.origin(node)), node, flag.name))
        domain = [(f"i{axis}", size) for axis, size in enumerate(node.shape)]
        place = tuple(Dim.named(name) for name, _ in domain)
        output = Output(self.stored[node], address(place, node.shape), reader.value(node, place))
        kernel = lower(domain, [output], self.plan.buffers, self.target)
        self.plan.steps.append(Step(kernel, str(self.graph.origin(node))))

    def _copy(self, buffer: Buffer, node: Any) -> None:
        """Fill a buffer with a value that lives elsewhere."""
        shape: Shape = (product(buffer.shape),)
        name = Dim.named("i0")
        if isinstance(node, _Stored):
            value = s.load(node.buffer.name, (name if shape[0] != 1 else 0,), buffer.dtype)
            output = Output(buffer, name if shape[0] != 1 else 0, value)
            domain: list[tuple[str, Size]] = [("i0", shape[0])]
        else:
            domain = [(f"i{axis}", size) for axis, size in enumerate(buffer.shape)]
            index = tuple(Dim.named(n) if size != 1 else 0 for n, size in domain)
            value = _Reader(self, set(), None).operand(node)[index]
            output = Output(buffer, address(index, buffer.shape), value)
        self.plan.steps.append(Step(lower(domain, [output], self.plan.buffers, self.target), "copy"))


@dataclass(frozen=True)
class _Stored:
    """A value that is in a buffer already."""

    buffer: Buffer


class _Reader:
    """Scalar expressions for nodes: members of a group are computed, everything else is loaded."""

    def __init__(self, planner: _Planner, members: set[Node], view: _Flattened | None) -> None:
        self.planner, self.members, self.view = planner, members, view
        self.memo: dict[Any, Scalar] = {}

    def shape(self, shape: Shape) -> Shape:
        return self.view.shape(shape) if self.view else shape

    def operand(self, node: Node) -> Operand:
        return Operand(self.shape(node.shape), node.dtype, lambda index, guard: self.value(node, index, guard))

    def value(self, node: Node, index: IndexTuple, guard: Scalar | None = None) -> Scalar:
        """The element of a node at an index."""
        key = (node, index, guard)
        if key not in self.memo:
            self.memo[key] = self._value(node, index, guard)
        return self.memo[key]

    def _value(self, node: Node, index: IndexTuple, guard: Scalar | None) -> Scalar:
        if node.literal is not None and node.shape == ():
            return s.const(node.literal.item(), node.dtype)
        if node.op is EXTENT:
            return s.index(node.attrs["size"], node.dtype)
        stored = self.planner.stored.get(node)
        if stored is not None and node not in self.members:
            return s.load(stored.name, (address(index, self.shape(node.shape)),), node.dtype, guard)
        if node.op.name == "reshape":
            return self._view(node, index, guard)
        operands = [self._guarded(i, guard) for i in node.inputs]
        return node.op.element(index, *operands, **node.attrs)

    def _view(self, node: Node, index: IndexTuple, guard: Scalar | None) -> Scalar:
        """A reshape: the same linear address in what it reshapes, which is in memory."""
        base = node
        while base.op.name == "reshape":
            base = base.inputs[0]
        stored = self.planner.stored.get(base)
        if stored is not None and base not in self.members:
            return s.load(stored.name, (address(index, self.shape(node.shape)),), node.dtype, guard)
        return node.op.element(index, self._guarded(node.inputs[0], guard), **node.attrs)

    def _guarded(self, node: Node, guard: Scalar | None) -> Operand:
        if guard is None:
            return self.operand(node)

        def read(index: IndexTuple, own: Scalar | None) -> Scalar:
            return self.value(node, index, guard if own is None else guard & own)

        return Operand(self.shape(node.shape), node.dtype, read)


class _Flattened:
    """Axes that every array of a map walks in step are one axis: more lanes, fewer loops."""

    def __init__(self, runs: list[tuple[int, int]], rank: int) -> None:
        self.runs, self.rank = runs, rank

    @staticmethod
    def of(group: Group, graph: Graph) -> _Flattened | None:
        """The flattening that a group allows; None if it computes more than element by element."""
        rank = len(group.domain)
        if rank < 2 or any(n.op.family != "elementwise" or n.shape != group.domain for n in group.nodes):
            return None
        members = set(group.nodes)
        operands = {i for n in group.nodes for i in n.inputs if i not in members and i.shape != ()}
        if any(o.op.family in ("movement", "indexing") and o.op.name != "reshape" for o in operands):
            return None
        padded = [(1,) * (rank - o.ndim) + o.shape for o in operands]
        runs = [(0, 1)]
        for axis in range(1, rank):
            together = all((p[axis - 1] == 1) == (p[axis] == 1) for p in [*padded, group.domain])
            if together:
                runs[-1] = (runs[-1][0], axis + 1)
            else:
                runs.append((axis, axis + 1))
        return _Flattened(runs, rank)

    def shape(self, shape: Shape) -> Shape:
        """A shape of the group or of one of its operands, flattened."""
        if not shape:
            return shape
        padded = (1,) * (self.rank - len(shape)) + shape
        return tuple(product(padded[a:b]) for a, b in self.runs)


def _fit(index: IndexTuple, domain: Shape, shape: Shape) -> IndexTuple:
    """The domain's index for a value of the domain's shape, or of its rows."""
    if len(shape) == len(domain):
        return tuple(0 if n == 1 else i for i, n in zip(index, shape, strict=True))
    if len(shape) < len(domain):
        return index[: len(shape)]
    return (*index, *(0,) * (len(shape) - len(domain)))


def _ancestors(of: set[int], before: Sequence[set[int]]) -> set[int]:
    found, stack = set(of), list(of)
    while stack:
        for earlier in before[stack.pop()] - found:
            found.add(earlier)
            stack.append(earlier)
    return found


def _topological(before: Sequence[set[int]], urgent: set[int]) -> tuple[list[int], set[int]]:
    """Kahn's algorithm, urgent ones as early as possible; and what is stuck in a cycle."""
    after: list[list[int]] = [[] for _ in before]
    waiting = [len(b) for b in before]
    for k, earlier in enumerate(before):
        for e in earlier:
            after[e].append(k)
    ready = [(k not in urgent, k) for k, n in enumerate(waiting) if n == 0]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, k = heapq.heappop(ready)
        order.append(k)
        for later in after[k]:
            waiting[later] -= 1
            if waiting[later] == 0:
                heapq.heappush(ready, (later not in urgent, later))
    return order, set(range(len(before))) - set(order)
