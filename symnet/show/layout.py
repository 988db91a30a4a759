"""Where everything of a graph is drawn: lanes by bands.

Training graphs have edges from every forward node to its gradient, through the whole depth, which
layouts by layers turn into a tangle. Here the forward part runs down one lane and the gradients up the
next, each beside its forward node, so that the graph is a U and those edges are short. Parameters stand
left of it, the optimiser's arithmetic right. Numbers and values from far away are written inside the
node that reads them ("chips").
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph, Node
from .boxes import HEIGHT, Box, make_box, text_width
from .layered import arrange, spread
from .routes import Edge, Router
from .rows import Rows, assign_rows
from .updates import Cluster, Pair, clusters, update_columns

LANES = ("parameters", "forward", "backward", "updates")
PITCH, GAP, MARGIN, CAPTION = 46.0, 16.0, 24.0, 34.0
_TITLED, _PLAIN, _PAD, _STACK, _APART, _COLUMN = 34.0, 10.0, 8.0, 34.0, 14.0, 30.0
_GUTTERS = {"parameters": 48.0, "forward": 110.0, "backward": 90.0}


@dataclass
class Band:
    """A strip across all lanes: a layer, or a stretch of depth."""

    title: str
    top: float
    bottom: float


@dataclass
class Layout:
    """A graph with places for everything.

    Attributes
    ----------
    boxes : list of Box
        One for each drawn node, lane after lane.
    edges : list of Edge
    bands : list of Band
    lanes : dict of str to (float, float)
        Left and right of each lane that draws something.
    width, height : float
    """

    boxes: list[Box]
    edges: list[Edge]
    bands: list[Band]
    lanes: dict[str, tuple[float, float]]
    width: float
    height: float


@dataclass
class Sketch:
    """A layout in the making; see :class:`Layout`, :class:`Rows` and :class:`Cluster`.

    Attributes
    ----------
    levels : list of float
        The y of each row.
    bends : dict of (Node, Node) to list of float
        Where an edge inside a lane passes the rows or columns between its ends.
    doors : dict of (Node, Node) to list of float
        Where an edge from outside enters the lane of updates, and passes its columns.
    columns : dict of Node to int
    spans : list of (float, float)
        Left and right of each column of updates.
    """

    rows: Rows
    boxes: dict[Node, Box]
    links: list[tuple[str, Node, Node]]
    bends: dict[Pair, list[float]]
    doors: dict[Pair, list[float]]
    columns: dict[Node, int]
    levels: list[float]
    spans: list[tuple[float, float]]
    bands: list[Band]
    lanes: dict[str, tuple[float, float]]


def lay_out(graph: Graph) -> Layout:
    """Give every node of a graph its place.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Layout
        The same for the same graph.
    """
    sketch = _start(assign_rows(graph))
    into_updates = [(a, b) for _, a, b in sketch.links if sketch.boxes[b].lane == "updates"]
    sketch.columns = update_columns(sketch.rows.updates, into_updates)
    found = clusters(sketch.rows, sketch.columns, into_updates)
    widths = {lane: _arrange_lane(sketch, lane) for lane in ("forward", "backward")}
    _stack_bands(sketch, found)
    _place_lanes(sketch, widths)
    _place_parameters(sketch)
    _place_updates(sketch, found)
    router = Router(sketch)
    edges = [router.edge(*link) for link in sketch.links]
    width = max((right for _, right in sketch.lanes.values()), default=0.0) + MARGIN
    boxes, height = list(sketch.boxes.values()), sketch.bands[-1].bottom
    return Layout(boxes, edges, sketch.bands, sketch.lanes, width, height)


def _start(rows: Rows) -> Sketch:
    written: dict[Node, list[str]] = {}
    for parameter, value in rows.graph.updates:
        written.setdefault(value, []).append(rows.graph.name(parameter))
    for place, node in enumerate(rows.graph.outputs):
        written.setdefault(node, []).append("output" if len(rows.graph.outputs) == 1 else f"output {place}")
    lanes = zip(LANES, (rows.parameters, rows.forward, rows.backward, rows.updates), strict=True)
    boxes = {n: make_box(rows, n, lane, written) for lane, nodes in lanes for n in nodes}
    links = [
        (kind, operand, node)
        for node in boxes
        for operand in dict.fromkeys(node.inputs)
        if operand in boxes and (kind := rows.kind(operand, node)) is not None
    ]
    return Sketch(rows, boxes, links, {}, {}, {}, [], [], [], {})


def _arrange_lane(sketch: Sketch, lane: str) -> float:
    """Give the nodes of a lane their x, from 0; the lane's width."""
    nodes = [n for n, box in sketch.boxes.items() if box.lane == lane]
    row, boxes = sketch.rows.row, sketch.boxes
    place = {n: k for k, n in enumerate(nodes)}
    inside = [(a, b) for _, a, b in sketch.links if a in place and b in place]
    ends = [(a, b) if row[a] < row[b] else (b, a) for a, b in inside]
    outward = {a for kind, a, _ in sketch.links if kind == "update"} - {a for a, _ in inside}
    found = arrange(
        [row[n] for n in nodes],
        [boxes[n].width for n in nodes],
        [(place[a], place[b]) for a, b in ends],
        GAP,
        [1e6 if n in outward else 0.0 for n in nodes],
    )
    for node, x in zip(nodes, found.places, strict=True):
        boxes[node].x = x
    for (a, b), (upper, _), bend in zip(inside, ends, found.bends, strict=True):
        sketch.bends[a, b] = bend if upper is a else bend[::-1]
    bent = [x + GAP / 2 for bend in found.bends for x in bend]
    return max([boxes[n].right for n in nodes] + bent, default=0.0)


def _stack_bands(sketch: Sketch, found: list[Cluster]) -> None:
    """Make each band as high as its fullest lane; rows get their y."""
    rows = sketch.rows
    count = len(rows.titles)
    first, last = [0] * count, [-1] * count
    for node, row in rows.row.items():
        band = rows.band[node]
        if last[band] < 0:
            first[band] = row
        first[band], last[band] = min(first[band], row), max(last[band], row)
    stacked, clustered = [0.0] * count, [0.0] * count
    for parameter in rows.parameters:
        stacked[_band_of(rows, parameter)] += _STACK
    for cluster in found:
        clustered[cluster.band] += cluster.height + _APART
    lanes = {box.lane for box in sketch.boxes.values()}
    top = CAPTION if len(lanes) > 1 else 0.0
    for band, title in enumerate(rows.titles):
        start = top + (_TITLED if title else _PLAIN)
        levels = last[band] - first[band] + 1
        height = max(levels * PITCH, stacked[band], clustered[band])
        sketch.levels += [start + PITCH * (k + 0.5) for k in range(levels)]
        bottom = start + height + _PAD
        sketch.bands.append(Band(title, top, bottom))
        top = bottom
    for node, row in rows.row.items():
        sketch.boxes[node].y = sketch.levels[row]


def _band_of(rows: Rows, parameter: Node) -> int:
    return rows.band[rows.home[parameter]] if parameter in rows.home else 0


def _place_lanes(sketch: Sketch, widths: dict[str, float]) -> None:
    """Put the lanes side by side."""
    boxes = list(sketch.boxes.values())
    stacked = [b.width for b in boxes if b.lane == "parameters"]
    columns = [0.0] * (max(sketch.columns.values(), default=-1) + 1)
    for node, column in sketch.columns.items():
        columns[column] = max(columns[column], sketch.boxes[node].width)
    widths["parameters"] = max(stacked, default=0.0)
    widths["updates"] = sum(columns) + _COLUMN * (len(columns) - 1)
    left = MARGIN
    drawn = [lane for lane in LANES if any(b.lane == lane for b in boxes)]
    if len(drawn) > 1 and "parameters" not in drawn:
        left += max(0.0, *(text_width(b.title, 12) for b in sketch.bands)) + GAP
    for lane in drawn:
        sketch.lanes[lane] = left, left + widths[lane]
        left += widths[lane] + _GUTTERS.get(lane, 0.0)
        if lane == "parameters":
            left = max([left, *(MARGIN + text_width(b.title, 12) + GAP for b in sketch.bands)])
    for box in boxes:
        if box.lane in ("forward", "backward"):
            box.x += sketch.lanes[box.lane][0]
    for a, b in sketch.bends:
        start = sketch.lanes[sketch.boxes[a].lane][0]
        sketch.bends[a, b] = [x + start for x in sketch.bends[a, b]]
    x = sketch.lanes.get("updates", (0.0, 0.0))[0]
    for width in columns:
        sketch.spans.append((x, x + width))
        x += width + _COLUMN


def _place_parameters(sketch: Sketch) -> None:
    """Each parameter stands by its first reader, or as close as the others let it."""
    by_band: dict[int, list[Node]] = {}
    for parameter in sketch.rows.parameters:
        by_band.setdefault(_band_of(sketch.rows, parameter), []).append(parameter)
    for band, parameters in by_band.items():
        low, high = _room(sketch.bands[band])
        homes = sketch.rows.home
        wanted = {p: sketch.boxes[homes[p]].y if p in homes else low for p in parameters}
        parameters.sort(key=wanted.__getitem__)
        steps = [_STACK] * (len(parameters) - 1)
        half = HEIGHT / 2 + 2
        places = spread([wanted[p] for p in parameters], steps, None, low + half, high - half)
        for parameter, y in zip(parameters, places, strict=True):
            box = sketch.boxes[parameter]
            box.x, box.y = sketch.lanes["parameters"][1] - box.width / 2, y


def _room(band: Band) -> tuple[float, float]:
    return band.top + (_TITLED if band.title else _PLAIN), band.bottom - _PAD


def _place_updates(sketch: Sketch, found: list[Cluster]) -> None:
    """Clusters stand beside the gradients they read."""
    by_band: dict[int, list[Cluster]] = {}
    for cluster in found:
        by_band.setdefault(cluster.band, []).append(cluster)
    for band, members in by_band.items():
        low, high = _room(sketch.bands[band])
        wanted = {}
        for cluster in members:
            ys = [sketch.boxes[n].y for n in cluster.anchors]
            wanted[id(cluster)] = (sum(ys) / len(ys) if ys else low) - cluster.height / 2
        # Of gradients in one row the rightmost is free to leave, the others pass below it.
        members.sort(key=lambda c: (wanted[id(c)], -max((sketch.boxes[n].x for n in c.anchors), default=0.0)))
        steps = [c.height + _APART for c in members[:-1]]
        high -= members[-1].height
        tops = spread([wanted[id(c)] for c in members], steps, None, low, high)
        for cluster, top in zip(members, tops, strict=True):
            _place_cluster(sketch, cluster, top)


def _place_cluster(sketch: Sketch, cluster: Cluster, top: float) -> None:
    for node, y in cluster.places.items():
        left, right = sketch.spans[sketch.columns[node]]
        box = sketch.boxes[node]
        box.x, box.y = (left + right) / 2, top + y
    sketch.doors |= {pair: [top + y for y in ys] for pair, ys in cluster.doors.items()}
    sketch.bends |= {pair: [top + y for y in ys] for pair, ys in cluster.bends.items()}
