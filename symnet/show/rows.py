"""Which band and row each node is drawn in, and which operands become chips.

Forward nodes run down: a band is a layer, begun by an operation that reads a weight matrix, and the loss
is a band of its own. Gradient nodes run up beside the forward nodes they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..graph import CONSTANT, EXTENT, INPUT, PARAMETER, Graph, Node
from .roles import Role, roles

BAND_ROWS = 24
_FAR = {"value": 30, "gradient": 60, "saved": 7, "update": 24}
_PLAIN = ("leaf", "elementwise", "reduction", "movement")


@dataclass
class Rows:
    """Bands and rows of a graph's nodes.

    Attributes
    ----------
    role : dict of Node to Role
    forward, backward, updates, parameters : list of Node
        What each lane draws, in order of computation. Inputs are in the forward lane.
    band, row : dict of Node to int
        Of the forward and backward lanes; rows count through all bands.
    titles : list of str
        Of each band.
    home : dict of Node to Node
        For a drawn parameter the node beside which it stands.
    owner : dict of Node to Node
        For an optimiser's node, and a gradient only it reads, the parameter it is for.
    """

    graph: Graph
    role: dict[Node, Role]
    forward: list[Node] = field(default_factory=list)
    backward: list[Node] = field(default_factory=list)
    updates: list[Node] = field(default_factory=list)
    parameters: list[Node] = field(default_factory=list)
    band: dict[Node, int] = field(default_factory=dict)
    row: dict[Node, int] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    home: dict[Node, Node] = field(default_factory=dict)
    owner: dict[Node, Node] = field(default_factory=dict)
    users: dict[Node, list[Node]] = field(default_factory=dict)

    def kind(self, source: Node, target: Node) -> str | None:
        """How an operand is shown: "value", "gradient", "saved" or "update" is an edge, None a chip."""
        roles_ = self.role[source], self.role[target]
        if source.op is PARAMETER:
            return "value" if self.home.get(source) is target else None
        if source not in self.row:
            # A number that many read (a step count, a clipping factor) would tie all updates together.
            tie = source.type.shape == () and len(self.users[source]) > 1
            return "update" if roles_ == (Role.UPDATE, Role.UPDATE) and not tie else None
        if roles_[1] == Role.UPDATE:
            beside = roles_[0] == Role.BACKWARD or not self.backward
            return "update" if beside else None
        kind = "value" if roles_[1] <= Role.FORWARD else "gradient" if roles_[0] == Role.BACKWARD else "saved"
        return kind if abs(self.row[source] - self.row[target]) <= _FAR[kind] else None


def assign_rows(graph: Graph) -> Rows:
    """Choose lane, band and row of every node that is drawn.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Rows
    """
    rows = Rows(graph, roles(graph))
    rows.users = {n: [] for n in rows.role}
    for node in rows.role:
        for operand in dict.fromkeys(node.inputs):
            rows.users[operand].append(node)
    _sort_into_lanes(rows)
    heads = _forward_bands(rows)
    titles = _titles(rows, heads)
    heights = _forward_rows(rows)
    _split_tall_bands(rows, heights, titles)
    _backward_bands(rows)
    _backward_rows(rows, heights)
    _number_rows(rows, heights)
    rows.titles = titles if len(titles) > 1 else [""]
    return rows


def _sort_into_lanes(rows: Rows) -> None:
    roots = set(rows.graph.roots())
    for node, role in rows.role.items():
        readers = rows.users[node]
        if node.op is PARAMETER:
            ahead = [r for r in readers if rows.role[r] == Role.FORWARD]
            if ahead:
                rows.home[node] = ahead[0]
            if ahead or not readers:
                rows.parameters.append(node)
        elif role == Role.LEAF:
            if node.op not in (CONSTANT, EXTENT) or node in roots:
                rows.forward.append(node)
        else:
            (rows.forward, rows.backward, rows.updates)[role - 1].append(node)
    for drawn in (True, False):  # the moments of an optimiser come after the parameters they are for
        for parameter, value in rows.graph.updates:
            if (parameter in rows.home) == drawn:
                rows.owner.setdefault(value, parameter)
        for node in reversed(rows.updates):
            for operand in node.inputs:
                if operand.op.family != "leaf" and node in rows.owner:
                    rows.owner.setdefault(operand, rows.owner[node])


def _forward_bands(rows: Rows) -> dict[Node, list[Node]]:
    """Give forward nodes bands; the nodes that begin one, with the parameters they read first."""
    claimed: set[Node] = set()
    through: dict[Node, list[Node]] = {}
    heads: dict[Node, list[Node]] = {}
    for node in rows.forward:
        read = [p for i in node.inputs for p in ([i] if i.op is PARAMETER else through.get(i, ()))]
        if node.op.family in ("movement", "leaf"):
            through[node] = read
        new = [p for p in read if p not in claimed and p.ndim > 1]
        rows.band[node] = max((rows.band[i] for i in node.inputs if i in rows.band), default=0)
        if new and node.op.family not in _PLAIN:
            rows.band[node] += 1
            heads[node] = read
            claimed.update(read)
    _loss_band(rows, heads)
    movable = _movable(rows, heads)
    for node in reversed(rows.forward):
        below = [rows.band[r] for r in rows.users[node] if r in rows.band]
        if node in movable and below:
            rows.band[node] = min(below)
    _close_up(rows)
    return heads


def _loss_band(rows: Rows, heads: dict[Node, list[Node]]) -> None:
    """Cut the loss off the last layer: from its first reduction, or from where it reads labels."""
    outputs = rows.graph.outputs
    if not heads or not outputs or outputs[0].type.shape != () or rows.role[outputs[0]] != Role.FORWARD:
        return
    last = max(rows.band.values())
    for node in rows.forward:
        if rows.band[node] < last or node in heads or node.op.family == "leaf":
            continue
        begins = node.op.family not in ("elementwise", "movement") or any(i.op is INPUT for i in node.inputs)
        if begins or any(rows.band.get(i, 0) > last for i in node.inputs):
            rows.band[node] = last + 1


def _movable(rows: Rows, heads: Iterable[Node]) -> set[Node]:
    """Nodes with everything they read theirs alone: they can stand as low as their reader."""
    fixed, found = set(heads), set[Node]()
    for node in rows.forward:
        alone = all(
            i.op.family == "leaf" or (i in found and sum(r in rows.band for r in rows.users[i]) == 1)
            for i in node.inputs
        )
        if node not in fixed and alone:
            found.add(node)
    return found


def _close_up(rows: Rows) -> None:
    """Number the bands in use from 0."""
    place = {b: k for k, b in enumerate(sorted(set(rows.band.values())))}
    for node in rows.band:
        rows.band[node] = place[rows.band[node]]


def _titles(rows: Rows, heads: dict[Node, list[Node]]) -> list[str]:
    """A band is called by its parameters, after the source line where that is its own."""
    count = max(rows.band.values(), default=0) + 1
    names: list[dict[str, None]] = [{} for _ in range(count)]
    lines: list[dict[str, None]] = [{} for _ in range(count)]
    for node in rows.forward:
        if node.op.family != "leaf":
            lines[rows.band[node]][str(rows.graph.origin(node).lines[0])] = None
        if node in heads:
            names[rows.band[node]].update(dict.fromkeys(rows.graph.name(p) for p in heads[node]))
    titles = []
    for k in range(count):
        named = list(names[k])
        stems = {n.rpartition(".")[0] for n in named}
        what = ", ".join(named[:2])
        if len(stems) == 1 and "" not in stems:
            what = f"{stems.pop()}: {', '.join(n.rpartition('.')[2] for n in named[:3])}"
        if not what and heads and k == count - 1:
            what = "loss" if rows.graph.outputs[0].type.shape == () else ""
        line = next(iter(lines[k])) if len(lines[k]) == 1 else ""
        titles.append(" · ".join(t for t in (line, what) if t))
    return titles


def _forward_rows(rows: Rows) -> list[int]:
    """Rows within bands: after what is read, and close to the reader where nothing holds a node."""
    for node in rows.forward:
        above = [rows.row[i] for i in node.inputs if rows.band.get(i) == rows.band[node]]
        rows.row[node] = max(above, default=-1) + 1
    movable = _movable(rows, ())
    for node in reversed(rows.forward):
        below = [rows.row[r] for r in rows.users[node] if rows.band.get(r) == rows.band[node]]
        if node in movable and below:
            rows.row[node] = min(below) - 1
    heights = [0] * (max(rows.band.values(), default=0) + 1)
    for node in rows.forward:
        heights[rows.band[node]] = max(heights[rows.band[node]], rows.row[node] + 1)
    return heights


def _split_tall_bands(rows: Rows, heights: list[int], titles: list[str]) -> None:
    """Cut bands of many rows by depth, in place."""
    if all(h <= BAND_ROWS for h in heights):
        return
    start: list[int] = []
    parts: list[list[int]] = []
    names: list[str] = []
    for title, height in zip(titles, heights, strict=True):
        count = -(-height // BAND_ROWS) or 1
        step = -(-height // count)
        cuts = list(range(0, height, step or 1)) or [0]
        start.append(len(names))
        parts.append([min(step, height - c) for c in cuts])
        names += [_part_title(title, c, min(c + step, height) - 1, len(cuts)) for c in cuts]
    for node in rows.forward:
        step = parts[rows.band[node]][0] or 1
        part, row = divmod(rows.row[node], step)
        rows.band[node], rows.row[node] = start[rows.band[node]] + part, row
    heights[:] = [h for part in parts for h in part]
    titles[:] = names


def _part_title(title: str, first: int, last: int, count: int) -> str:
    depth = f"depth {first}–{last}"
    return title if count == 1 else f"{title} · {depth}" if title else depth


def _backward_bands(rows: Rows) -> None:
    """No gradient lies below what it is computed from; where it can, it lies beside its forward node."""
    last = max(rows.band.values(), default=0)
    line_bands: dict[object, set[int]] = {}
    for node in rows.forward:
        if node.op.family != "leaf":
            line_bands.setdefault(rows.graph.origin(node).lines[0], set()).add(rows.band[node])
    lazy = _lazy(rows)
    for node in rows.backward:
        behind = [i for i in node.inputs if rows.role[i] == Role.BACKWARD and i not in lazy]
        limit = min((rows.band[i] for i in behind), default=last)
        own = line_bands.get(rows.graph.origin(node).lines[0], set())
        home = rows.home.get(rows.owner.get(node, node))
        if home is not None:
            wanted = rows.band[home]
        elif len(own) == 1:
            wanted = min(own)
        else:
            beside = [rows.band[t] for t in _twins(rows, node, lazy)]
            wanted = max((b for b in beside if b <= limit), default=limit)
        rows.band[node] = min(limit, wanted)
    for node in reversed(rows.backward):
        above = [rows.band[r] for r in rows.users[node] if rows.role[r] == Role.BACKWARD]
        if node in lazy and above:
            rows.band[node] = max(above)


def _lazy(rows: Rows) -> dict[Node, list[Node]]:
    """Gradient nodes that only prepare forward values (a transposed weight, a mask), with those values.

    They stand by the node that reads them.
    """
    found: dict[Node, list[Node]] = {}
    for node in rows.backward:
        behind = [i for i in node.inputs if rows.role[i] == Role.BACKWARD]
        if not behind or (node.op.family == "movement" and all(i in found for i in behind)):
            values = [i for i in node.inputs if i not in behind]
            found[node] = list(dict.fromkeys([*values, *(v for i in behind for v in found[i])]))
    return found


def _twins(rows: Rows, node: Node, lazy: dict[Node, list[Node]]) -> list[Node]:
    """The forward nodes a gradient node may belong to: those it reads, or their readers of its own family."""
    read = [v for i in node.inputs for v in lazy.get(i, [i])]
    found: list[Node] = []
    for value in dict.fromkeys(v for v in read if rows.role[v] < Role.BACKWARD):
        if value.op is PARAMETER:
            found += [rows.home[value]] if value in rows.home else []
            continue
        kin = [r for r in rows.users[value] if rows.role[r] == Role.FORWARD and r.op.family == node.op.family]
        found += kin
        if value in rows.row and (node.op.family != "contraction" or not kin):
            found.append(value)
    return found


def _backward_rows(rows: Rows, heights: list[int]) -> None:
    lazy = _lazy(rows)
    ahead: dict[Node, int] = {}
    for node in reversed(rows.backward):
        above = [ahead[r] for r in rows.users[node] if r in ahead and rows.band[r] == rows.band[node]]
        ahead[node] = max(above, default=-1) + 1
    for node in rows.backward:
        heights[rows.band[node]] = max(heights[rows.band[node]], ahead[node] + 1)
    deep: dict[Node, int] = {}
    for node in rows.backward:
        band, floor = rows.band[node], heights[rows.band[node]] - 1
        inside = [i for i in node.inputs if i in ahead and rows.band[i] == band]
        deep[node] = max((deep[i] for i in inside if i in lazy), default=-1) + 1
        if node in lazy:
            continue
        wanted = [rows.row[t] for t in _twins(rows, node, lazy) if rows.band[t] == band]
        limits = [rows.row[i] - 1 for i in inside if i not in lazy]
        low = min([floor - deep[node], *limits, *([max(wanted)] if wanted else [])])
        rows.row[node] = max(ahead[node], low)
    for node in reversed(rows.backward):
        if node in lazy:
            readers = [r for r in rows.users[node] if r in ahead and rows.band[r] == rows.band[node]]
            above = [rows.row[r] for r in readers]
            rows.row[node] = max(above) + 1 if above else heights[rows.band[node]] - 1


def _number_rows(rows: Rows, heights: list[int]) -> None:
    """Number rows through all bands, leaving out the empty ones."""
    keys = sorted({(rows.band[n], rows.row[n]) for n in rows.row})
    place = {key: k for k, key in enumerate(keys)}
    for node in rows.row:
        rows.row[node] = place[rows.band[node], rows.row[node]]
