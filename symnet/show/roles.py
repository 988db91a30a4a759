"""Which part a node plays in a training step: told from what needs it and from the lines it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ..graph import Graph, Node
from ..origin import Line


class Role(IntEnum):
    """The part a node plays. A node never has a smaller role than a node it reads."""

    LEAF = 0
    FORWARD = 1
    BACKWARD = 2
    UPDATE = 3


def roles(graph: Graph) -> dict[Node, Role]:
    """The role of every live node.

    Graphs do not mark gradients, so this reads the signs: what the first output needs is forward; what
    only updates need is backward, up to the arithmetic of the optimiser, which has lines of its own
    (or, where one line holds everything, is element-wise in the parameter's shape). Further outputs
    are gradients where they carry two lines, the first of them a forward one. Where the first output
    may itself be a gradient, a node is one if it reads a value written after it.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict of Node to Role
    """
    live = graph.live()
    lines = {n: graph.origin(n).lines for n in live}
    needed = ancestors(graph, graph.outputs)
    base = ancestors(graph, graph.outputs[:1])
    written = {lines[n][0] for n in base if n.op.family != "leaf"}
    certain = bool(base) and len(lines[graph.outputs[0]]) == 1
    updating = _updating(graph, live, needed, written, lines)
    found: dict[Node, Role] = {}
    for node in live:
        read = max((found[i] for i in node.inputs), default=Role.LEAF)
        if node.op.family == "leaf":
            found[node] = Role.LEAF
        elif node in updating:
            found[node] = Role.UPDATE
        elif read >= Role.BACKWARD:
            found[node] = Role.BACKWARD
        elif node in base or not base:
            gradient = not certain and _reads_later(node, lines)
            found[node] = Role.BACKWARD if gradient else Role.FORWARD
        elif node in needed:
            gradient = len(lines[node]) > 1 and lines[node][0] in written
            found[node] = Role.BACKWARD if gradient else Role.FORWARD
        else:
            found[node] = Role.BACKWARD
    return found


def ancestors(graph: Graph, nodes: Iterable[Node]) -> set[Node]:
    """The given nodes and everything they are computed from."""
    found = set(nodes)
    for node in reversed(graph.nodes):
        if node in found:
            found.update(node.inputs)
    return found


def _reads_later(node: Node, lines: dict[Node, tuple[Line, ...]]) -> bool:
    own = lines[node]
    return len(own) > 1 and any(
        i.op.family != "leaf" and lines[i][0].file == own[0].file and lines[i][0].number > own[0].number
        for i in node.inputs
    )


def _updating(
    graph: Graph, live: list[Node], needed: set[Node], written: set[Line], lines: dict[Node, tuple[Line, ...]]
) -> set[Node]:
    """The optimiser's arithmetic: read by nothing but itself."""
    shapes = {p.type.shape for p, _ in graph.updates} | {()}
    candidates = [n for n in live if n.op.family != "leaf" and n not in needed]
    telling = bool(written) and any(lines[n][0] not in written for n in candidates)
    found: set[Node] = set()
    blocked: set[Node] = set()
    for node in reversed(candidates):
        if telling:
            fits = lines[node][0] not in written
        else:
            fits = node.op.family == "elementwise" and node.type.shape in shapes
        if fits and node not in blocked:
            found.add(node)
        else:
            blocked.update(node.inputs)
    return found
