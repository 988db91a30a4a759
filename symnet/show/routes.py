"""The way of each edge: between rows, along the channels above and below them, and through the gutters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph import Node
from .boxes import Box

if TYPE_CHECKING:
    from .layout import Sketch

_CHANNEL, _INSET, _DOOR = 6.0, 9.0, 12.0


@dataclass(frozen=True)
class Edge:
    """An edge as drawn.

    Attributes
    ----------
    source, target : Node
    kind : str
        "value", "gradient", "saved" (a forward value that a gradient reads) or "update".
    points : tuple of (float, float)
    bends : str
        How each point joins the next: "v" leaves and arrives vertically, "h" horizontally, "d" leaves
        vertically and arrives horizontally, "b" the other way round.
    """

    source: Node
    target: Node
    kind: str
    points: tuple[tuple[float, float], ...]
    bends: str


class Router:
    """Finds ways that keep out of boxes.

    Parameters
    ----------
    sketch : Sketch
        All places.
    """

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.ends: dict[tuple[str, float], tuple[float, float]] = {}
        for box in sketch.boxes.values():
            left, right = self.ends.get((box.lane, box.y), (box.left, box.right))
            self.ends[box.lane, box.y] = min(left, box.left), max(right, box.right)

    def edge(self, kind: str, source: Node, target: Node) -> Edge:
        """The edge from one node to another."""
        a, b = self.sketch.boxes[source], self.sketch.boxes[target]
        if a.lane != b.lane:
            points, bends = self._across(a, b)
        elif a.lane == "updates":
            points, bends = self._along(a, b)
        else:
            points, bends = self._within(a, b)
        return Edge(source, target, kind, tuple(points), bends)

    def _within(self, a: Box, b: Box) -> tuple[list[tuple[float, float]], str]:
        """Down (or up) a lane, straight past the boxes of the rows between."""
        rows, half = self.sketch.rows.row, a.height / 2
        down = 1 if b.y > a.y else -1
        points, bends = [(a.x, a.y + down * half)], ""
        for k, x in enumerate(self.sketch.bends[a.node, b.node], 1):
            y = self.sketch.levels[rows[a.node] + down * k]
            points += [(x, y - down * half), (x, y + down * half)]
            bends += "vv"
        return [*points, (b.x, b.y - down * half)], bends + "v"

    def _along(self, a: Box, b: Box) -> tuple[list[tuple[float, float]], str]:
        """From left to right through the columns of updates."""
        start = self.sketch.columns[a.node]
        points = [(a.right, a.y), (self.sketch.spans[start][1], a.y)]
        return self._through(points, "h", self.sketch.bends[a.node, b.node], start + 1, b)

    def _through(
        self, points: list[tuple[float, float]], bends: str, ways: list[float], first: int, b: Box
    ) -> tuple[list[tuple[float, float]], str]:
        for k, y in enumerate(ways, first):
            left, right = self.sketch.spans[k]
            points += [(left, y), (right, y)]
            bends += "hh"
        left = self.sketch.spans[self.sketch.columns[b.node]][0]
        return [*points, (left, b.y), (b.left, b.y)], bends + "hh"

    def _across(self, a: Box, b: Box) -> tuple[list[tuple[float, float]], str]:
        """Out of one lane and into the next, by a channel where boxes stand in the way."""
        lanes = self.sketch.lanes
        points, bends = self._leave(a, lanes[a.lane][1])
        if b.lane == "updates":
            door, *ways = self.sketch.doors[a.node, b.node]
            return self._through([*points, (lanes[b.lane][0] - _DOOR, door)], bends + "h", ways, 0, b)
        arriving, last = self._arrive(b, lanes[b.lane][0])
        return points + arriving, bends + "h" + last

    def _leave(self, box: Box, edge: float) -> tuple[list[tuple[float, float]], str]:
        if self.ends[box.lane, box.y][1] <= box.right:
            return [(box.right, box.y), (edge, box.y)], "h"
        x, y = box.right - _INSET, box.bottom + _CHANNEL
        return [(x, box.bottom), (x + _INSET, y), (edge, y)], "dh"

    def _arrive(self, box: Box, edge: float) -> tuple[list[tuple[float, float]], str]:
        if self.ends[box.lane, box.y][0] >= box.left:
            return [(edge, box.y), (box.left, box.y)], "h"
        x, y = box.left + _INSET, box.top - _CHANNEL
        return [(edge, y), (x - _INSET, y), (x, box.top)], "hb"
