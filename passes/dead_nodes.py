"""Dead-node elimination."""

from __future__ import annotations

from symnet.graph import Graph, Node


def eliminate_dead_nodes(graph: Graph) -> Graph:
    """Drop every node that no output, update or check on data needs.

    before:  u = exp(x); y = add(x, 1.0); return y
    after:   y = add(x, 1.0); return y
    requires: nothing.
    preserves: everything live; inputs stay even if nothing reads them.
    """
    live = graph.live()
    return graph if len(live) == len(graph.nodes) else graph.rewrite(_keep, live)


def _keep(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> None:
    return None
