"""The derivative of a loop, for `differentiate.py`: a loop backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from symnet.dtype import FLOATS, Type
from symnet.graph import INPUT, Graph, Node
from symnet.ops.movement import broadcast_to
from symnet.ops.scan import Body, insert_scan, scan_result
from symnet.origin import Origin

from .loop_bodies import numbered

Pullback = Callable[..., list[Node | None]]
# What a step backwards takes from the step forwards; all else it computes again. (All, where the step is a segment.)
KEPT = ("contraction", "reduction", "composite", "scan")
# Their gradients need neither operand.
SUMS = ("add", "subtract")


def loop_pullback(
    graph: Graph,
    results: Sequence[Node],
    gradients: Mapping[Node, Node],
    path: Set[Node],
    pullback: Pullback,
    origin: Origin | None,
) -> Iterator[tuple[Node, Node]]:
    """Insert the gradient of a loop; gives its contributions to those of the loop's inputs that are in `path`.

    The loop backwards carries the gradient by each carry, and by whatever is the same at every step; it
    reads what the loop forwards stacked for it: the carries before each step, results of products and
    sums inside, with what is added to them, and beside products those of costly element-wise ops. All else
    is computed again (checkpoints at every step: Griewank & Walther, Evaluating Derivatives, 2008, ch. 12).

    before:  h = scan(h0, x; h <- tanh(add(x, h)))
    after:   dh0 = scan(dh, x, hs; d <- multiply(d, subtract(1.0, multiply(y, y)))) backwards, y = tanh(add(x, h))
    """
    by_position = {n.attrs["position"]: gradients[n] for n in results if n in gradients}
    if not by_position:
        return
    first = results[0]
    with graph.writing(graph.origin(first), *([origin] if origin else [])):
        yield from _Backwards(graph, first, by_position, path, pullback).contributions()


class _Backwards:
    """One loop backwards."""

    def __init__(
        self, graph: Graph, node: Node, given: Mapping[int, Node], path: Set[Node], pullback: Pullback
    ) -> None:
        self.graph, self.node, self.given = graph, node, given
        self.body: Body = node.attrs["body"]
        self.inner = Graph()
        # The step forwards, as the step backwards sees it.
        self.image: dict[Node, Node] = {}
        self.inputs = self.body.graph.inputs
        self.kept = _kept(self.body)
        self._copy()
        results = self.body.results
        self.wrt = self._moving({n for n, outside in zip(self.inputs, node.inputs, strict=True) if outside in path})
        moving = [k for k, n in enumerate(self.body.carries) if n in self.wrt]
        seeded = [*moving, *(k for k in given if k >= self.body.n_carries)]
        self.seeds = {k: self._leaf("seed", results[k].type, results[k]) for k in seeded}
        ys = [self.image[results[k]] for k in seeded]
        found = pullback(self.inner, ys, list(self.seeds.values()), [self.image[n] for n in self.wrt])
        self.found = dict(zip(self.wrt, found, strict=True))

    def _copy(self) -> None:
        inner = self.inner
        for node in self.body.graph.nodes:
            with inner.writing(self.body.graph.origin(node)):
                inputs = tuple(self.image[i] for i in node.inputs)
                if node.op.family == "leaf":
                    self.image[node] = inner.leaf(node.op, node.type, **numbered(node))
                else:
                    self.image[node] = inner.insert(node.op, inputs, node.attrs)

    def _moving(self, moving: set[Node]) -> list[Node]:
        """The inputs of the body to differentiate by: those given, and the carries that depend on them."""
        while True:
            reached = set(moving)
            for node in self.body.graph.nodes:
                if node.dtype in FLOATS and any(i in reached for i in node.inputs):
                    reached.add(node)
            more = {leaf for leaf, value in self.body.graph.updates if value in reached}
            if more <= moving:
                return [n for n in self.inputs if n in moving and n.dtype in FLOATS]
            moving |= more

    def _leaf(self, name: str, type: Type, of: Node) -> Node:
        with self.inner.writing(self.body.graph.origin(of)):
            return self.inner.leaf(INPUT, type, name=f"{name}{len(self.inner.nodes)}")

    def contributions(self) -> Iterator[tuple[Node, Node]]:
        body, inner = self.body, self.inner
        carries = [n for n in body.carries if n in self.wrt]
        slices = [n for n in body.slices if self.found.get(n) is not None]
        same = [n for n in body.captured if self.found.get(n) is not None]
        sums = [self._leaf("sum", n.type, n) for n in same]
        starts = [self._start(k) for k, n in enumerate(body.carries) if n in carries]
        starts += [broadcast_to(self.graph.constant(0.0, n.dtype), n.shape) for n in same]
        for k, n in enumerate(body.carries):
            if n in carries:
                inner.updates.append((self.seeds[k], self._or_zeros(n)))
        for leaf, n in zip(sums, same, strict=True):
            inner.updates.append((leaf, self._or_zeros(n) + leaf))
        inner.outputs = [self._or_zeros(n) for n in slices]
        step, outside = self._closed()
        back = insert_scan(
            self.graph, step, [*starts, *outside], self.node.attrs["length"], not self.node.attrs["is_reversed"]
        )
        place = dict(zip(self.inputs, self.node.inputs, strict=True))
        for n, result in zip([*carries, *same, *slices], back, strict=True):
            yield place[n], result

    def _start(self, position: int) -> Node:
        """The gradient by a carry after the last step."""
        carry = self.body.carries[position]
        return self.given.get(position) or broadcast_to(self.graph.constant(0.0, carry.dtype), carry.shape)

    def _or_zeros(self, node: Node) -> Node:
        found = self.found.get(node)
        if found is not None:
            return found
        with self.inner.writing(self.body.graph.origin(node)):
            made: Node = broadcast_to(self.inner.constant(0.0, node.dtype), node.shape)
        return made

    def _closed(self) -> tuple[Body, list[Node]]:
        """The body, with what it reads of the step forwards as inputs; and what these are outside."""
        forward = {image: n for n, image in self.image.items()}
        arrays = dict(zip(self.inputs, self.node.inputs, strict=True))
        order = self._live(forward)
        stacks: dict[Node, Node] = {self.seeds[k]: self.given[k] for k in self.seeds if k >= self.body.n_carries}
        stacks.update({self.image[n]: arrays[n] for n in self.body.slices})
        for node in order:
            if node in forward and (forward[node] in self.body.carries or forward[node] in self.kept):
                stacks[node] = self._stacked(forward[node])
        same = {self.image[n]: arrays[n] for n in self.body.captured}
        # Only what is read: the loop backwards must not seem to depend on anything else.
        needed = set(order)
        stacks, same = ({n: outside for n, outside in x.items() if n in needed} for x in (stacks, same))
        carries = [p for p, _ in self.inner.updates]
        self.inner.inputs = [*carries, *stacks, *same]
        cut = _cut(self.inner, sorted({*order, *carries}, key=lambda n: n.index), set(stacks))
        return Body(cut, len(carries), len(stacks), self.body.is_segment), [*stacks.values(), *same.values()]

    def _live(self, forward: Mapping[Node, Node]) -> list[Node]:
        """What the step backwards needs, without what lies behind kept values."""
        needed = set(self.inner.roots())
        for node in reversed(self.inner.nodes):
            if node in needed and forward.get(node) not in self.kept:
                needed.update(node.inputs)
        return [n for n in self.inner.nodes if n in needed]

    def _stacked(self, node: Node) -> Node:
        """The values of a node of the step forwards, of all steps."""
        attrs: dict[str, Any] = dict(self.node.attrs)
        position = self.body.stacked(node)
        return scan_result(self.graph, self.body, self.node.inputs, attrs["length"], attrs["is_reversed"], position)


def _kept(body: Body) -> set[Node]:
    """What is kept of a step forwards: results of products and sums, or what comes of them by additions alone.

    Beside products, whose results take as much memory, those of costly element-wise ops too.
    """
    graph = body.graph
    users, roots = graph.users(), set(graph.roots())
    has_products = any(node.op.family == "contraction" for node in graph.nodes)
    kept: set[Node] = set()
    for node in graph.nodes if not body.is_segment else ():
        if has_products and node.op.is_costly and node.dtype in FLOATS:
            kept.add(node)
        elif node.op.family in KEPT:
            while node not in roots and [(u.op.name in SUMS, u.type) for u in users[node]] == [(True, node.type)]:
                (node,) = users[node]
            kept.add(node)
    return kept


def _cut(graph: Graph, nodes: Sequence[Node], kept: set[Node]) -> Graph:
    """A copy of some nodes of a graph, in which those that are kept outside are leaves."""
    cut = Graph()
    image: dict[Node, Node] = {}
    for node in nodes:
        with cut.writing(graph.origin(node)):
            if node in kept and node.inputs:
                image[node] = cut.leaf(INPUT, node.type, name=f"kept{node.index}")
            elif node.op.family == "leaf":
                image[node] = cut.leaf(node.op, node.type, **numbered(node))
            else:
                image[node] = cut.insert(node.op, tuple(image[i] for i in node.inputs), node.attrs)
    cut.inputs = [image[n] for n in graph.inputs]
    cut.outputs = [image[n] for n in graph.outputs]
    cut.updates = [(image[p], image[v]) for p, v in graph.updates]
    cut.checks = dict(graph.checks)
    return cut
