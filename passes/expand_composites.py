"""Composites become the primitive ops they are made of."""

from __future__ import annotations

from collections import Counter

from symnet.graph import Graph, Node
from symnet.op import Composite


def expand_composites(graph: Graph) -> Graph:
    """Replace every composite node by its expansion.

    before:  y = softmax(x, axis=1)
    after:   m = max(x, axis=1, keepdims); e = exp(subtract(x, m)); y = multiply(e, divide(1, sum(e, axis=1, keepdims)))
    requires: the rules of stabilize ran before: they match composites, and the sums of exponentials made
              here are none that overflow.
    preserves: everything else.
    Terminates: an op expands into ops registered before it.
    """
    fired: Counter[str] = Counter()
    while any(isinstance(n.op, Composite) for n in graph.nodes):
        graph = graph.rewrite(_expand)
        fired.update(graph.fired)
    # Checks that came with an expansion stay like any others.
    graph.data_checks = list(dict.fromkeys([*graph.data_checks, *(n for n in graph.live() if n.op.checks_data)]))
    graph.fired = fired
    return graph


def _expand(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    if not isinstance(node.op, Composite):
        return None
    graph.fired[f"expand-{node.op.name}"] += 1
    expanded: Node = node.op.expand(*inputs, **node.attrs)
    return expanded
