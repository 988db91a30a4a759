"""Work taken out of loops: what no step waits for is done for all steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph import INPUT, Graph, Node
from symnet.ops.contraction import swap_last
from symnet.ops.movement import reshape
from symnet.ops.scan import SCAN, Body, insert_scan, siblings

from .loop_bodies import numbered


def hoist_from_loops(graph: Graph) -> Graph:
    """Take products out of loops, where one large product does the work of many small ones.

    before:  h = scan(h0, x; h <- tanh(add(matmul(x, W), matmul(h, U))))
    after:   p = matmul(x, W) for all steps;  h = scan(h0, p; h <- tanh(add(p, matmul(h, U))))
    before:  s = scan(s0, a, b; s <- add(matmul(transpose(a), b), s))
    after:   s = add(s0, matmul(transpose(A), B)), where A and B are the rows of all steps
    Of a loop of segments, which is to need little memory, only goes what is the same at every step.
    requires: dead parts of loops dropped.
    preserves: types; values up to rounding (sums over the steps are taken in another order).
    Terminates: one round; products only leave loops.
    """
    loops = siblings(graph.live())
    if not loops:
        return graph
    live = {loop: {n.attrs["position"] for n in nodes} for loop, nodes in loops.items()}
    done: dict[tuple[Body, tuple[Node, ...]], dict[int, Node]] = {}

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op is not SCAN:
            return None
        loop = (node.attrs["body"], node.inputs)
        if loop not in done:
            done[loop] = _Hoisting(new, node, inputs, live[loop]).results()
        return done[loop][node.attrs["position"]]

    return graph.rewrite(rule, graph.live())


class _Hoisting:
    """One loop, rebuilt without the work that can be done outside."""

    def __init__(self, new: Graph, node: Node, inputs: Sequence[Node], live: set[int]) -> None:
        self.new, self.node, self.live = new, node, live
        self.body: Body = node.attrs["body"]
        self.graph = self.body.graph
        self.users = self.graph.users()
        # What each leaf is outside, for all steps where it is a slice.
        read = [*self.body.slices, *self.body.captured]
        self.outside: dict[Node, Node] = dict(zip(read, inputs[self.body.n_carries :], strict=True))
        self.firsts = list(inputs[: self.body.n_carries])
        self.varying, self.same = self._classes()

    def _classes(self) -> tuple[set[Node], set[Node]]:
        """The nodes that can be computed outside: for all steps at once; and once, the same for every step."""
        varying, same = set(self.body.slices), set(self.body.captured)
        for node in self.graph.nodes:
            if node.op.family == "leaf":
                if node not in self.graph.inputs:
                    same.add(node)
            elif node.op.checks_data or node.op is SCAN:
                continue
            elif all(i in same for i in node.inputs):
                same.add(node)
            elif all(i in same or i in varying for i in node.inputs) and self._gains_an_axis(node, varying):
                varying.add(node)
        return varying, same

    def _gains_an_axis(self, node: Node, varying: set[Node]) -> bool:
        """Whether the op computes all steps at once when its varying operands get an axis in front."""
        if self.body.is_segment:
            return False
        if node.op.family == "elementwise":
            return all(i.ndim == node.ndim for i in node.inputs if i in varying)
        return node.op.name == "matmul" and _is_layer(node) and node.inputs[0] in varying

    def results(self) -> dict[int, Node]:
        """The node of each live position."""
        sums = {k: found for k in range(self.body.n_carries) if (found := self._sum_over_steps(k)) is not None}
        # What becomes of a carry is a root unless it is a sum; what is stacked is a root, or made of roots.
        carried = [k for k in range(self.body.n_carries) if k not in sums]
        wanted = {k: self._source(self.body.results[k]) for k in sorted(self.live) if k >= self.body.n_carries}
        sources = [s for s in wanted.values() if s not in self.varying]
        for found in sums.values():
            sources += [s for s in found if s not in self.varying]
        sources = list(dict.fromkeys(sources))
        results = self._loop(carried, sources)
        places = {n: results[len(carried) + k] for k, n in enumerate(sources)}
        self.outside.update(places)
        made = {k: results[place] for place, k in enumerate(carried)}
        made.update({k: self.firsts[k] + self._total(*found) for k, found in sums.items() if k in self.live})
        made.update({k: self._all_steps(self.body.results[k]) for k in wanted})
        return made

    # -- sums over the steps --------------------------------------------------------------------

    def _sum_over_steps(self, k: int) -> tuple[Node, ...] | None:
        """Of a carry that only adds up products, or sums of what is stacked anyway: the rows, and the columns."""
        carry, value = self.graph.updates[k]
        if (
            self.body.is_segment
            or value.op.name != "add"
            or carry not in value.inputs
            or self.users[carry] != [value]
            or self.users[value]
        ):
            return None
        # A sum that is read before the last step stays in the loop: stacked, or given to another carry.
        read = [*self.graph.outputs, *(v for j, (_, v) in enumerate(self.graph.updates) if j != k)]
        if carry in read or value in read:
            return None
        term = value.inputs[1] if value.inputs[0] is carry else value.inputs[0]
        if term.op.name != "matmul" or term is carry:
            return None
        left, right = term.inputs
        if left.ndim != 2 or right.ndim != 2 or left.op.name != "transpose":
            return None
        rows = left.inputs[0]
        return None if rows in self.same or right in self.same else (rows, right)

    def _total(self, rows: Node, columns: Node) -> Any:
        """The product of all rows and all columns."""
        left, right = self._all_steps(rows), self._all_steps(columns)
        left, right = (reshape(x, (x.shape[0] * x.shape[1], x.shape[2])) for x in (left, right))
        return swap_last(left) @ right

    def _source(self, node: Node) -> Node:
        """What has to be stacked for a result: the result, or the rows it is a product of."""
        is_product = node.op.name == "matmul" and _is_layer(node) and node.inputs[1] in self.same
        if is_product and not self.body.is_segment and not self.users[node] and node not in self._nexts():
            return node.inputs[0]
        return node

    def _nexts(self) -> list[Node]:
        return [value for _, value in self.graph.updates]

    # -- outside --------------------------------------------------------------------------------

    def _all_steps(self, root: Node) -> Node:
        """A node of the body outside: for all steps, or the one that all share."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.outside:
                stack.pop()
                continue
            waiting = [i for i in node.inputs if i not in self.outside]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            with self.new.writing(self.graph.origin(node)):
                if node.op.family == "leaf":
                    self.outside[node] = self.new.leaf(node.op, node.type, **node.attrs)
                else:
                    inputs = tuple(self.outside[i] for i in node.inputs)
                    self.outside[node] = self.new.insert(node.op, inputs, node.attrs)
        return self.outside[root]

    # -- inside ---------------------------------------------------------------------------------

    def _loop(self, carried: list[int], sources: list[Node]) -> list[Node]:
        """The loop that is left."""
        graph = self.graph
        roots = [graph.updates[k][1] for k in carried] + sources + graph.data_checks
        needed, taken = self._needed(roots)
        inner = Graph()
        image: dict[Node, Node] = {}
        slices = [n for n in graph.nodes if n in taken and n in self.varying]
        same = [n for n in graph.nodes if n in taken and n in self.same]
        for node in graph.nodes:
            if node not in needed and node not in (graph.updates[k][0] for k in carried):
                continue
            with inner.writing(graph.origin(node)):
                if node in taken:
                    image[node] = inner.leaf(INPUT, node.type, name=f"outside{node.index}")
                elif node.op.family == "leaf":
                    image[node] = inner.leaf(node.op, node.type, **numbered(node))
                else:
                    image[node] = inner.insert(node.op, tuple(image[i] for i in node.inputs), node.attrs)
        inner.updates = [(image[graph.updates[k][0]], image[graph.updates[k][1]]) for k in carried]
        inner.inputs = [*(p for p, _ in inner.updates), *(image[n] for n in slices), *(image[n] for n in same)]
        inner.outputs = [image[n] for n in sources]
        inner.data_checks = [image[n] for n in graph.data_checks]
        inner.checks = dict(graph.checks)
        inputs = [self.firsts[k] for k in carried] + [self._all_steps(n) for n in [*slices, *same]]
        moved = [n for n in taken if n.op.family != "leaf"]
        if moved:
            self.new.fired["hoist"] += len(moved)
        step = Body(inner, len(carried), len(slices), self.body.is_segment)
        attrs = self.node.attrs
        if not inner.updates and not inner.outputs:
            return []
        return insert_scan(self.new, step, inputs, attrs["length"], attrs["is_reversed"])

    def _needed(self, roots: Sequence[Node]) -> tuple[set[Node], set[Node]]:
        """What the loop needs, and which of that is computed outside.

        That is: the last nodes behind a product, what is the same at every step and not free, and transposed
        matrices, which are then turned once.
        """
        behind: set[Node] = set()
        for node in self.graph.nodes:
            outside = node in self.varying or node in self.same
            if (outside and (node.op.name == "matmul" or any(i in behind for i in node.inputs))) or (
                node in self.same and node.op.family != "leaf" and (not node.op.is_lazy or self._is_turned(node))
            ):
                behind.add(node)
        needed = set(roots)
        taken: set[Node] = set()
        for node in reversed(self.graph.nodes):
            if node not in needed:
                continue
            if node in behind or (node in self.graph.inputs and node not in self.body.carries):
                taken.add(node)
            else:
                needed.update(node.inputs)
        return needed, taken

    def _is_turned(self, node: Node) -> bool:
        return node.op.name == "transpose" and any(u.op.name == "matmul" for u in self.users[node])


def _is_layer(node: Node) -> bool:
    """rows (..., K) @ matrix (K, N)."""
    return node.inputs[0].ndim >= 2 and node.inputs[1].ndim == 2
