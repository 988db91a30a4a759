"""The lane of the optimiser's arithmetic: clusters of nodes, drawn from left to right."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Node
from .boxes import HEIGHT
from .layered import arrange
from .rows import Rows

Pair = tuple[Node, Node]
_DOOR, _GAP = 6.0, 9.0


@dataclass
class Cluster:
    """Update nodes that stand together.

    Attributes
    ----------
    band : int
    anchors : list of Node
        What it should stand beside.
    height : float
    places : dict of Node to float
        The y of each node, from the cluster's top.
    doors : dict of (Node, Node) to list of float
        For each edge from outside, the y at which it enters and at which it passes each column.
    bends : dict of (Node, Node) to list of float
        For each edge inside, the y at which it passes the columns between.
    """

    band: int
    anchors: list[Node]
    height: float
    places: dict[Node, float]
    doors: dict[Pair, list[float]]
    bends: dict[Pair, list[float]]


def update_columns(nodes: list[Node], links: list[Pair]) -> dict[Node, int]:
    """A column for each node, so that what is stored last stands right."""
    height = dict.fromkeys(nodes, 0)
    readers: dict[Node, list[Node]] = {n: [] for n in nodes}
    for a, b in links:
        if a in height:
            readers[a].append(b)
    for node in reversed(nodes):
        height[node] = max((height[r] + 1 for r in readers[node]), default=0)
    last = max(height.values(), default=0)
    return {n: last - h for n, h in height.items()}


def clusters(rows: Rows, columns: dict[Node, int], links: list[Pair]) -> list[Cluster]:
    """The update nodes by what edges connect.

    Parameters
    ----------
    rows : Rows
    columns : dict of Node to int
    links : list of (Node, Node)
        The edges that end in the lane.

    Returns
    -------
    list of Cluster
        In order of their first nodes.
    """
    leader = {n: n for n in rows.updates}

    def find(node: Node) -> Node:
        while leader[node] is not node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for a, b in links:
        if a in leader:
            leader[find(b)] = find(a)
    members: dict[Node, list[Node]] = {}
    for node in rows.updates:
        members.setdefault(find(node), []).append(node)
    arriving: dict[Node, list[Pair]] = {}
    for a, b in links:
        arriving.setdefault(find(b), []).append((a, b))
    return [_cluster(rows, nodes, arriving.get(k, []), columns) for k, nodes in members.items()]


def _cluster(rows: Rows, nodes: list[Node], arriving: list[Pair], columns: dict[Node, int]) -> Cluster:
    place = {n: k for k, n in enumerate(nodes)}
    outside = [(a, b) for a, b in arriving if a not in place]
    inside = [(a, b) for a, b in arriving if a in place]
    entering = [(len(nodes) + k, place[b]) for k, (_, b) in enumerate(outside)]
    found = arrange(
        [columns[n] + 1 for n in nodes] + [0] * len(outside),
        [HEIGHT] * len(nodes) + [_DOOR] * len(outside),
        [(place[a], place[b]) for a, b in inside] + entering,
        _GAP,
    )
    ways = dict(zip([*inside, *outside], found.bends, strict=True))
    doors = {pair: [found.places[len(nodes) + k], *ways[pair]] for k, pair in enumerate(outside)}
    stored = [p for p, v in rows.graph.updates if v in place]
    anchors = [a for a, _ in outside] or [rows.home[p] for p in stored if p in rows.home]
    band = rows.band[anchors[0]] if anchors else max(rows.band.values(), default=0)
    passed = [y + _DOOR / 2 for way in found.bends for y in way]
    height = max([found.places[k] + HEIGHT / 2 for k in range(len(nodes))] + passed)
    places = {n: found.places[k] for n, k in place.items()}
    return Cluster(band, anchors, height, places, doors, {pair: ways[pair] for pair in inside})
