"""From groups of nodes to kernels over buffers: who is stored where, and in which order.

Walks the groups that fusion formed. A value read outside its group gets a buffer: a result's own
memory, the parameter it updates where nothing reads the old value later, else a place in the arena.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from symnet import scalar as s
from symnet.dims import Dim, Size, product
from symnet.dtype import Shape
from symnet.graph import CONSTANT, PARAMETER, Graph, Node
from symnet.op import IndexTuple
from symnet.origin import Origin

from .elements import Flattened, Formals, Group, Reader, address, behind_views, fit, structure
from .in_place import reads, reads_in_step, sources
from .loops import Buffer, Kernel, Output
from .lower import lower, lower_scatter
from .packing import Packing
from .plan import Constant, LoopStep, Plan, Scope, Step, Window, buffers_of
from .targets import Target

# Parameters whose copies would come to more bytes are read as they are.
COPIED_BYTES = 64 << 20


def plan_kernels(graph: Graph, groups: Sequence[Group], target: Target) -> Plan:
    """Kernels, buffers and order for a graph whose groups are formed."""
    return _Planner(graph, groups, target).plan_all()


class _Planner:
    def __init__(
        self,
        graph: Graph,
        groups: Sequence[Group],
        target: Target,
        scope: Scope | None = None,
        kernels: dict[Any, Kernel] | None = None,
    ) -> None:
        self.graph, self.groups, self.target = graph, groups, target
        self.scope, self.prefix = scope, scope.prefix if scope else ""
        self.plan = Plan()
        self.live = graph.live()
        self.group_of = {n: k for k, g in enumerate(groups) for n in g.nodes}
        self.readers = self._readers()
        # What is copied when all groups have run: results and new values that no group computes.
        roots = [*graph.outputs, *(v for p, v in graph.updates if v is not p)]
        self.copied = {n for root in roots if root not in self.group_of for n in sources(root, self.group_of)}
        self.stored: dict[Node, Buffer] = {}
        self.late_copies: list[tuple[Buffer, Node | Buffer]] = []
        # Matrices laid out anew, by their buffers: from which buffer, and how.
        self.packed: dict[str, tuple[str, Packing]] = {}
        self.in_place: dict[Node, Node] = {}
        # Those of loops and of the graph around them are shared.
        self.kernels: dict[Any, Kernel] = {} if kernels is None else kernels

    def plan_all(self) -> Plan:
        self._leaves()
        order = self._order()
        self._results_and_roots()
        for index in order:
            self._lower_group(self.groups[index])
        for buffer, value in self.late_copies:
            self._copy(buffer, value)
        if not self.scope:
            self._keep_constants()
        return self.plan

    # -- who reads what ------------------------------------------------------------------------

    def _readers(self) -> dict[Node, set[int]]:
        """For each grouped node or leaf, the groups that read it."""
        readers: dict[Node, set[int]] = {}
        for index, group in enumerate(self.groups):
            for node in group.nodes:
                for source, _ in reads(node, self.group_of):
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
        checks = {k for k, g in enumerate(self.groups) if _checks_data(g)}
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
        if value not in self.group_of or self.group_of[value] in urgent or parameter in self.copied:
            return False
        own = self.group_of[value]
        if self.groups[own].kind == "loop":
            return False
        alone = self.readers.get(value, set()) <= {own} and value not in self.graph.outputs
        twice = sum(v is value for _, v in self.graph.updates) > 1
        return alone and not twice and reads_in_step(self.groups[own], parameter, self.group_of)

    # -- buffers -------------------------------------------------------------------------------

    def _leaves(self) -> None:
        if self.scope:
            self.stored.update(self.scope.inputs)
        else:
            self.plan.inputs += [self._buffer(node, "input").name for node in self.graph.inputs]
        updated, copied = {p for p, _ in self.graph.updates}, 0
        for node in self.live:
            if node.op is PARAMETER:
                copied += 0 if node in updated else product(node.shape) * s.BITS[node.dtype] // 8  # type: ignore[operator]
                space = "parameter" if node in updated or copied > COPIED_BYTES else "kept"
                self.plan.parameters[self._buffer(node, space).name] = node
            elif node.op is CONSTANT and node.shape != ():
                self.plan.constants[self._buffer(node, "constant").name] = Constant(node)

    def _buffer(self, node: Node, space: str) -> Buffer:
        return self._add(Buffer(f"{self.prefix}n{node.index}", node.dtype, node.shape, space), node)

    def _add(self, buffer: Buffer, node: Node | None = None) -> Buffer:
        self.plan.buffers[buffer.name] = buffer
        if node is not None:
            self.stored[node] = buffer
        return buffer

    def _results_and_roots(self) -> None:
        for k, node in enumerate(self.graph.outputs):
            result = self._result(k, node)
            if node in self.group_of and node not in self.stored:
                self._add(result, node)
            else:
                self._add(result)
                self.late_copies.append((result, node))
        # Results are copied before parameters change.
        self._updates()
        for node, readers in self.readers.items():
            if node in self.group_of and node not in self.stored and readers - {self.group_of[node]}:
                self._buffer(node, "arena")
        for node in [*self.graph.outputs, *(v for _, v in self.graph.updates)]:
            for source in sources(node, self.group_of):
                if source in self.group_of and source not in self.stored:
                    self._buffer(source, "arena")
        for group in self.groups:
            for node in group.nodes:
                if node.op.checks_data and node not in self.stored:
                    self._buffer(node, "arena")

    def _result(self, place: int, node: Node) -> Buffer:
        """Where a result goes."""
        if self.scope:
            return self.scope.outputs[place]
        self.plan.results.append(f"r{place}")
        return Buffer(f"r{place}", node.dtype, node.shape, "result")

    def _updates(self) -> None:
        """Where new values go: in place, or copied late; first aside where they lie in what is copied over."""
        self.stored.update((value, self.stored[parameter]) for value, parameter in self.in_place.items())
        late = {p: v for p, v in self.graph.updates if v is not p and v not in self.in_place}
        moved = [v for v in dict.fromkeys(late.values()) if v not in self.group_of]
        aside = {
            v: self._add(Buffer(f"{self.prefix}aside{v.index}", v.dtype, v.shape, "arena"))
            for v in moved
            if not late.keys().isdisjoint(sources(v, self.group_of))
        }
        self.late_copies += [(buffer, value) for value, buffer in aside.items()]
        self.late_copies += [(self.stored[p], aside.get(v, v)) for p, v in late.items()]

    # -- lowering ------------------------------------------------------------------------------

    def _lower_group(self, group: Group) -> None:
        if group.kind == "loop":
            self._loop(group)
            return
        stored = [n for n in group.nodes if n in self.stored]
        if not stored:
            return
        if group.nodes[0].op.checks_data:
            self._check(group.nodes[0])
            return
        if group.kind == "scatter":
            self._scatter(group.nodes[0])
            return
        formals = Formals()
        key = structure(group, self.stored, formals)
        if key not in self.kernels:
            self.kernels[key] = self._kernel(group, stored, formals)
        self._step(self.kernels[key], formals, self.graph.origin(group.nodes[-1]))

    def _loop(self, group: Group) -> None:
        """The body's kernels, repeated; a carry's memory is that of its last value."""
        node, name = group.nodes[0], f"{self.prefix}loop{len(self.plan.steps)}_"
        body, length = node.attrs["body"], node.attrs["length"]
        results = {n.attrs["position"]: n for n in group.nodes}
        inputs: dict[Node, Buffer] = {}
        windows: dict[str, Window] = {}

        def window(stem: str, base: Buffer, part: Node) -> Buffer:
            size = product(part.shape) * max(s.BITS[part.dtype] // 8, 1)
            windows[f"{name}{stem}"] = Window(base.name, size)
            return Buffer(f"{name}{stem}", part.dtype, part.shape, "window")

        for k, (leaf, first) in enumerate(zip(body.carries, node.inputs, strict=False)):
            inputs[leaf] = self._memory_of(results.get(k), f"{name}c{k}", leaf.dtype, leaf.shape)
            self._copy(inputs[leaf], first)
        arrays = node.inputs[body.n_carries :]
        for k, (leaf, array) in enumerate(zip(body.slices, arrays, strict=False)):
            inputs[leaf] = window(f"x{k}", self._in_memory(array, f"{name}a{k}"), leaf)
        for k, (leaf, value) in enumerate(zip(body.captured, arrays[body.n_slices :], strict=True)):
            base = self._in_memory(value, f"{name}s{k}")
            inputs[leaf] = Buffer(base.name, leaf.dtype, leaf.shape, base.space)
        outputs = []
        for k, y in enumerate(body.graph.outputs):
            result = results.get(body.n_carries + k)
            stack = self._memory_of(result, f"{name}y{k}", y.dtype, (length, *y.shape))
            outputs.append(window(f"o{k}", stack, y))
        planner = _Planner(body.graph, group.inside, self.target, Scope(name, inputs, outputs), self.kernels)
        inner = planner.plan_all()
        self.plan.buffers.update(inner.buffers)
        self.plan.constants.update(inner.constants)
        self.packed.update(planner.packed)
        own = {b.name for b in inner.buffers.values() if b.space == "arena"}
        step = LoopStep(name, length, node.attrs["is_reversed"], inner.steps, windows, own)
        self.plan.steps.append(step)

    def _memory_of(self, result: Node | None, name: str, dtype: str, shape: Shape) -> Buffer:
        """The buffer of a loop's result; a temporary where nobody reads it."""
        if result is not None and result in self.stored:
            return self.stored[result]
        return self._add(Buffer(name, dtype, shape, "arena"), result)

    def _in_memory(self, node: Node, name: str) -> Buffer:
        """The buffer of a value; one that is computed by its readers is computed into a buffer of its own."""
        viewed = behind_views(node)
        if viewed in self.stored:
            return self.stored[viewed]
        buffer = self._add(Buffer(name, node.dtype, node.shape, "arena"))
        self._copy(buffer, node)
        return buffer

    def _kernel(self, group: Group, stored: list[Node], formals: Formals) -> Kernel:
        view = Flattened.of(group, self.stored) if group.kind == "map" else None
        reader = Reader(self.stored, set(group.nodes), view, formals)
        full = group.kind != "rows" or any(n.shape == group.domain for n in stored)
        domain_shape = reader.shape(group.domain) if full else group.domain[:-1]
        domain, index = _loops_over(domain_shape)
        outputs = []
        for node in stored:
            shape = reader.shape(node.shape)
            place = fit(index, domain_shape, shape)
            outputs.append(Output(formals.of(self.stored[node]), address(place, shape), reader.value(node, place)))
        row_axis = domain[-1][0] if group.kind == "rows" and full else None
        return lower(domain, outputs, formals.buffers(), self.target, row_axis)

    def _step(
        self, kernel: Kernel, formals: Formals, origin: Origin | str, check: Node | None = None, flag: str = ""
    ) -> None:
        actual: list[Buffer] = []
        for buffer in kernel.buffers:
            if buffer.name in kernel.packed:
                actual.append(self._packed(buffer, formals.actual[kernel.packed[buffer.name][0]], kernel))
                continue
            if buffer.name not in formals.actual:
                # Scratch memory that the lowering asked for, for this step alone.
                name = f"{self.prefix}{buffer.name}.{len(self.plan.steps)}"
                shape = (self.target.threads, *buffer.shape) if kernel.is_split else buffer.shape
                formals.actual[buffer.name] = self._add(Buffer(name, buffer.dtype, shape, "arena"))
            actual.append(formals.actual[buffer.name])
        self.plan.steps.append(Step(kernel, actual, origin, check, flag))

    def _packed(self, buffer: Buffer, source: Buffer, kernel: Kernel) -> Buffer:
        """The memory of a matrix laid out as a kernel reads it; kernels that read it alike share that."""
        _, packing = kernel.packed[buffer.name]
        for name, found in self.packed.items():
            if found == (source.name, packing):
                return self.plan.buffers[name]
        name = f"{self.prefix}{source.name}.packed{len(self.packed)}"
        self.packed[name] = source.name, packing
        return self._add(Buffer(name, buffer.dtype, buffer.shape, "packed"))

    def _keep_constants(self) -> None:
        """Those constants that steps read, in the layouts they read, and the copies of parameters."""
        constants = self.plan.constants
        for name, (source, packing) in self.packed.items():
            if source in constants:
                constants[name] = Constant(constants[source].node, packing)
            else:
                self.plan.copies[name] = source, packing
        read = {name for step in self.plan.steps for name in buffers_of(step)}
        self.plan.constants = {name: constant for name, constant in constants.items() if name in read}

    def _check(self, node: Node) -> None:
        """Two kernels: the value that readers get; and do all its elements pass.

        What is checked is what readers get: another thread may write to the caller's array in between. A value
        that outlives the call comes after its check.
        """
        if self.stored[node].space == "arena":
            self._store_checked(node)
            self._flag(node, node.op.passed, [node])
        else:
            self._flag(node, node.op.holds, node.inputs)
            self._store_checked(node)

    def _flag(self, node: Node, rule: Callable[..., s.Scalar], operands: Sequence[Node]) -> None:
        formals, origin = Formals(), self.graph.origin(node)
        reader = Reader(self.stored, set(), None, formals)
        axes = [(s.counter(axis), size) for axis, size in enumerate(node.shape)]
        index = tuple(Dim.named(name) for name, _ in axes)
        passes = rule(index, *map(reader.operand, operands), **node.attrs)
        flag = self._add(Buffer(f"{self.prefix}flag{node.index}", "bool", (), "arena"))
        all_pass = s.fold("and", axes, passes) if axes else passes
        kernel = lower([], [Output(formals.of(flag), 0, all_pass)], formals.buffers(), self.target)
        self._step(kernel, formals, origin, node, flag.name)

    def _store_checked(self, node: Node) -> None:
        formals = Formals()
        reader = Reader(self.stored, {node}, None, formals)
        domain, place = _loops_over(node.shape)
        output = Output(formals.of(self.stored[node]), address(place, node.shape), reader.value(node, place))
        self._step(lower(domain, [output], formals.buffers(), self.target), formals, self.graph.origin(node))

    def _scatter(self, node: Node) -> None:
        """Two kernels: zeros; and the contributions added, one after the other."""
        buffer, origin = self.stored[node], self.graph.origin(node)
        formals = Formals()
        domain, place = _loops_over((product(node.shape),))
        zeros = Output(formals.of(buffer), address(place, (product(node.shape),)), s.const(0, node.dtype))
        self._step(lower(domain, [zeros], formals.buffers(), self.target), formals, origin)
        formals = Formals()
        reader = Reader(self.stored, {node}, None, formals)
        shape = node.op.contributions(*(i.shape for i in node.inputs), **node.attrs)
        domain, index = _loops_over(shape)
        where, value = node.op.contribution(index, *map(reader.operand, node.inputs), **node.attrs)
        added = Output(formals.of(buffer), address(where, node.shape), value)
        self._step(lower_scatter(domain, added, formals.buffers(), self.target), formals, origin)

    def _copy(self, buffer: Buffer, value: Node | Buffer) -> None:
        """Fill a buffer with a value that lives elsewhere."""
        formals = Formals()
        shape = (product(buffer.shape),) if isinstance(value, Buffer) else buffer.shape
        domain, index = _loops_over(shape)
        if isinstance(value, Buffer):
            element = s.load(formals.of(value).name, (address(index, shape),), buffer.dtype)
        else:
            element = Reader(self.stored, set(), None, formals).operand(value)[index]
        output = Output(formals.of(buffer), address(index, shape), element)
        self._step(lower(domain, [output], formals.buffers(), self.target), formals, "copy")


def _checks_data(group: Group) -> bool:
    return any(n.op.checks_data for n in group.nodes) or any(map(_checks_data, group.inside))


def _loops_over(shape: Shape) -> tuple[list[tuple[str, Size]], IndexTuple]:
    """An index name for each axis, and the element they point at; an axis of size 1 has no index."""
    domain = [(f"i#{axis}", size) for axis, size in enumerate(shape)]
    return domain, tuple(Dim.named(name) if size != 1 else 0 for name, size in domain)


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
