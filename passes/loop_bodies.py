"""Passes inside loops: the body of a scan is a graph like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from symnet.graph import INPUT, Attrs, Graph, Node
from symnet.ops.scan import SCAN, Body, siblings


def everywhere(step: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """The graph after a pass, which runs on the bodies of its loops too, those inside others first."""
    bodies = {n.attrs["body"] for n in graph.nodes if n.op is SCAN}
    if not bodies:
        return step(graph)
    images = {b: Body(everywhere(step, b.graph), b.n_carries, b.n_slices, b.is_segment) for b in bodies}
    return step(with_bodies(graph, images))


def with_bodies(graph: Graph, images: Mapping[Body, Body]) -> Graph:
    """The graph with other bodies in its loops."""

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op is not SCAN:
            return None
        return new.insert(SCAN, inputs, {**node.attrs, "body": images[node.attrs["body"]]})

    made = graph.rewrite(rule)
    made.fired = graph.fired
    return made


def eliminate_dead_loop_parts(graph: Graph) -> Graph:
    """Drop what a loop carries, stacks or reads and nobody needs.

    before:  h, s = scan(h0, s0, x; h <- tanh(x), s <- add(s, h)); return h
    after:   h = scan(h0, x; h <- tanh(x)); return h
    requires: nothing.
    preserves: everything live.
    Terminates: one round; the loops inside others are the business of their bodies.
    """
    loops = siblings(graph.live())
    if not loops:
        return graph
    parts = {loop: _Parts(loop[0], [n.attrs["position"] for n in nodes]) for loop, nodes in loops.items()}

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op is not SCAN:
            return None
        kept = parts[(node.attrs["body"], node.inputs)]
        attrs = {**node.attrs, "body": kept.body, "position": kept.places[node.attrs["position"]]}
        return new.insert(SCAN, tuple(inputs[k] for k in kept.inputs), attrs)

    made = graph.rewrite(rule, graph.live())
    dropped = sum(p.dropped for p in parts.values())
    if dropped:
        made.fired["drop-loop-part"] = dropped
    return made


def numbered(leaf: Node) -> Attrs:
    """The attributes of a leaf in a copy of its graph.

    The name of an input ends with its number: inputs are told apart by name, so none may meet one that the copy adds.
    """
    if leaf.op is not INPUT:
        return leaf.attrs
    return {**leaf.attrs, "name": f"{leaf.attrs['name'].rstrip('0123456789')}{leaf.index}"}


class _Parts:
    """What stays of one loop.

    Attributes
    ----------
    body : Body
    inputs : list of int
        The inputs that stay.
    places : dict of int to int
        The new place of each position that stays.
    dropped : int
        Positions and inputs that went.
    """

    def __init__(self, body: Body, live: list[int]) -> None:
        graph, results = body.graph, body.results
        stacked = [k for k in sorted(live) if k >= body.n_carries]
        carried = {k for k in live if k < body.n_carries}
        needed: set[Node] = set()
        while True:
            roots = [results[k] for k in [*carried, *stacked]] + graph.data_checks
            needed = _below(graph, roots)
            more = {k for k, leaf in enumerate(body.carries) if leaf in needed} | carried
            if more == carried:
                break
            carried = more
        kept = sorted(carried)
        self.inputs = [
            k for k, leaf in enumerate(graph.inputs) if k in carried or (k >= body.n_carries and leaf in needed)
        ]
        self.places = {position: place for place, position in enumerate([*kept, *stacked])}
        self.dropped = len(results) - len(self.places) + len(graph.inputs) - len(self.inputs)
        self.body = body if not self.dropped else self._smaller(body, kept, stacked)

    def _smaller(self, body: Body, kept: list[int], stacked: list[int]) -> Body:
        graph = body.graph
        inputs = [graph.inputs[k] for k in self.inputs]
        # A copy, whose roots are then just those that stay.
        made = graph.rewrite(lambda new, node, operands: None)
        image = dict(zip(graph.nodes, made.nodes, strict=True))
        made.inputs = [image[n] for n in inputs]
        made.updates = [(image[graph.updates[k][0]], image[graph.updates[k][1]]) for k in kept]
        made.outputs = [image[body.results[k]] for k in stacked]
        made.data_checks = [image[n] for n in graph.data_checks]
        return Body(made, len(kept), sum(n in body.slices for n in inputs), body.is_segment)


def _below(graph: Graph, roots: list[Node]) -> set[Node]:
    needed = set(roots)
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.inputs)
    return needed
