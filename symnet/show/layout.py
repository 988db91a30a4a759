"""Where each node of a graph is drawn: lanes by bands.

Training graphs have long edges from every forward node to its gradient, which layered layouts turn
into a tangle. Here the forward part runs down one lane, its gradient up the next, each gradient node
in the row of the forward nodes it reads, so that the graph is a U and those edges are short. Rows are
gathered in bands by the user's source line. Numbers and far parameters are written inside the node
that reads them ("chips"), not drawn as edges.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from symnet.graph import CONSTANT, EXTENT, INPUT, PARAMETER, Graph, Node

LANES = ("parameters", "forward", "backward", "updates")
ROW, GAP, LANE_GAP, MARGIN, CHAR = 58.0, 18.0, 70.0, 24.0, 7.2
PER_ROW = 3


@dataclass
class Box:
    """One drawn node; `x`, `y` are its centre."""

    name: str
    lane: str
    family: str
    label: str
    detail: str
    chips: tuple[str, ...]
    tooltip: str
    row: int
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 36.0


@dataclass(frozen=True)
class Edge:
    """From box to box; `kind` is "value", "gradient", "saved" or "update"."""

    source: Box
    target: Box
    kind: str


@dataclass(frozen=True)
class Band:
    """Rows that come from one source line."""

    label: str
    top: float
    bottom: float


@dataclass
class Layout:
    """Everything to draw."""

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def lay_out(graph: Graph) -> Layout:
    """Lay a graph out."""
    return _LayingOut(graph).result()


class _LayingOut:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.live = graph.live()
        self.forward = self._ancestors(graph.outputs[:1] or graph.roots())
        self.new_values = {v for _, v in graph.updates}
        self.layout = Layout()
        self.rows: dict[Node, int] = {}
        self.boxes: dict[Node, Box] = {}

    def result(self) -> Layout:
        for node in self.live:
            if self._is_drawn(node):
                self.rows[node] = self._row(node)
        self._pull_leaves()
        for node in self.rows:
            self.boxes[node] = self._box(node)
        self._place()
        self._connect()
        self._bands()
        return self.layout

    def _ancestors(self, roots: list[Node]) -> set[Node]:
        found, stack = set(roots), list(roots)
        while stack:
            for operand in stack.pop().inputs:
                if operand not in found:
                    found.add(operand)
                    stack.append(operand)
        return found

    def _is_drawn(self, node: Node) -> bool:
        if node.op in (CONSTANT, EXTENT):
            return node.shape != ()
        return True

    def lane(self, node: Node) -> str:
        """Which lane a node belongs to."""
        if node.op is PARAMETER:
            return "parameters"
        if node in self.new_values and node not in self.forward:
            return "updates"
        if node in self.forward or node.op in (INPUT, CONSTANT):
            return "forward"
        return "backward"

    def _row(self, node: Node) -> int:
        rows = [(self.lane(i), self.rows[i]) for i in node.inputs if i in self.rows and i.op is not PARAMETER]
        ahead = [r for lane, r in rows if lane == "forward"]
        behind = [r for lane, r in rows if lane in ("backward", "updates")]
        if self.lane(node) in ("forward", "parameters"):
            return max(ahead, default=-1) + 1
        if self.lane(node) == "updates":
            return min(behind or ahead, default=0)
        # Upwards: never below the gradients it is made of, beside the last forward value it reads.
        beside = max(ahead, default=None)
        above = min(behind, default=None)
        if above is None:
            return beside if beside is not None else max(self.rows.values(), default=0)
        return above if beside is None else min(above, beside)

    def _pull_leaves(self) -> None:
        """Inputs and parameters stand in the row of their first reader."""
        for node in self.live:
            if node.op.family == "leaf" and node in self.rows:
                readers = [r for r in self.graph.users()[node] if r in self.rows] if len(self.live) < 64 else []
                first = [self.rows[r] for r in readers if self.lane(r) == "forward"] or [self.rows[r] for r in readers]
                if first:
                    self.rows[node] = min(first) if node.op is PARAMETER else max(min(first) - 1, 0)

    def _box(self, node: Node) -> Box:
        lane = self.lane(node)
        family = "update" if lane == "updates" else node.op.family
        leaf = node.op.family == "leaf"
        label = self.graph.name(node) if leaf else node.op.name
        activation = node.attrs.get("activation")
        if activation:
            label += f" + {activation}"
        chips = tuple(self.graph.name(i) for i in node.inputs if self._is_chip(i, node))
        updated = [self.graph.name(p) + "′" for p, v in self.graph.updates if v is node]
        detail = ", ".join(updated) or str(node.type)
        tooltip = f"{self.graph.name(node)} : {node.type}\n{self.graph.origin(node)}"
        box = Box(self.graph.name(node), lane, family, label, detail, chips, tooltip, self.rows[node])
        text = max(len(label) + sum(len(c) + 2 for c in chips), 0.8 * len(detail))
        box.width = max(64.0, text * CHAR + 22)
        return box

    def _is_chip(self, operand: Node, reader: Node) -> bool:
        if operand not in self.rows:
            return True
        return operand.op is PARAMETER and (
            self.lane(reader) != "forward" or self.rows[operand] != self.rows[reader]
        )

    def _place(self) -> None:
        """Centres: a lane is as wide as its widest line; a row as high as its fullest lane needs."""
        cells: dict[tuple[str, int], list[Box]] = {}
        for box in self.boxes.values():
            cells.setdefault((box.lane, box.row), []).append(box)
        lines = {key: [found[k : k + PER_ROW] for k in range(0, len(found), PER_ROW)] for key, found in cells.items()}
        last = max((row for _, row in cells), default=0)
        top = MARGIN + 26
        tops = {}
        for row in range(last + 1):
            tops[row] = top
            top += ROW * max([len(lines.get((lane, row), ())) for lane in LANES])
        self.layout.height = top + MARGIN
        left = MARGIN
        for lane in LANES:
            own = [line for (where, _), found in lines.items() if where == lane for line in found]
            if not own:
                continue
            width = max(sum(b.width + GAP for b in line) - GAP for line in own)
            for (where, row), found in lines.items():
                if where == lane:
                    for k, line in enumerate(found):
                        self._line(line, left, width, tops[row] + ROW * (k + 0.5))
            left += width + LANE_GAP
        self.layout.width = left - LANE_GAP + MARGIN
        self.tops = {**tops, last + 1: top}
        self.layout.boxes = list(self.boxes.values())

    def _line(self, line: list[Box], left: float, width: float, y: float) -> None:
        total = sum(b.width + GAP for b in line) - GAP
        x = left + (width - total) / 2
        for box in line:
            box.x, box.y = x + box.width / 2, y
            x += box.width + GAP

    def _connect(self) -> None:
        for node, box in self.boxes.items():
            for operand in dict.fromkeys(node.inputs):
                if operand in self.boxes and not self._is_chip(operand, node):
                    self.layout.edges.append(Edge(self.boxes[operand], box, self._kind(operand, node)))

    def _kind(self, operand: Node, node: Node) -> str:
        lanes = self.lane(operand), self.lane(node)
        if lanes[1] == "updates":
            return "update"
        if lanes[1] == "backward":
            return "gradient" if lanes[0] == "backward" else "saved"
        return "value"

    def _bands(self) -> None:
        """One band for neighbouring rows whose forward nodes come from one line."""
        labels: dict[int, str] = {}
        for node, row in self.rows.items():
            if node.op.family != "leaf" and self.lane(node) == "forward":
                labels.setdefault(row, str(self.graph.origin(node).lines[0]))
        start, current = 0, labels.get(0, "")
        last = max(self.rows.values(), default=0)
        for row in range(1, last + 2):
            label = labels.get(row, current) if row <= last else None
            if label != current and not (current == "" and label is not None and row <= last):
                self.layout.bands.append(Band(current, self.tops[start], self.tops[row]))
                start = row
            current = label or current
