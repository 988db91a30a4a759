"""A graph as SVG, drawn in pure Python: colours by family, shapes that repeat them, light and dark."""

from __future__ import annotations

from html import escape
from itertools import pairwise

from ..graph import Graph, Node
from .boxes import Box, chip_width, text_width
from .layout import Layout, lay_out
from .routes import Edge

# For each family (fill, outline) on light and on dark. Ink on a fill has a contrast of 10:1 or more.
FAMILIES = {
    "leaf": (("#efede4", "#8a8570"), ("#2c2a23", "#98917b")),
    "contraction": (("#d6e6fb", "#2563a8"), ("#16304f", "#5b9be6")),
    "elementwise": (("#fdecd0", "#b3730c"), ("#3f2d10", "#dc9a37")),
    "reduction": (("#e9dcfa", "#7440b5"), ("#33204f", "#aa80e6")),
    "movement": (("#e6e9ee", "#667085"), ("#262b33", "#8f98a8")),
    "composite": (("#d5f0ee", "#127a72"), ("#0f3835", "#3fb5aa")),
    "update": (("#d4f0dd", "#1b8045"), ("#10351f", "#46b873")),
}
EDGES = {
    "value": ("#55606f", "#a3adbb", ""),
    "gradient": ("#b93766", "#ee7ba6", ""),
    "saved": ("#8b93a1", "#7d8796", "1.6 3.2"),
    "update": ("#1b8045", "#46b873", "6 3.5"),
}
INK = {"light": "#1b1f27", "dark": "#eef0f4"}
MUTED = {"light": "#5b6270", "dark": "#a4acb9"}
PAGE = {"light": ("#fbfaf7", "#f1f0ea"), "dark": ("#16181d", "#1e2128")}
_FAMILY_NAMES = {
    "leaf": "input, parameter",
    "contraction": "contraction",
    "elementwise": "element-wise",
    "reduction": "reduction",
    "movement": "movement",
    "composite": "composite",
    "update": "update",
}
_EDGE_NAMES = {"value": "value", "gradient": "gradient", "saved": "saved for backward", "update": "update"}
_LANE_NAMES = {"forward": "FORWARD ↓", "backward": "BACKWARD ↑"}
_LEGEND, _SWATCH = 44.0, 18.0


def to_svg(graph: Graph) -> str:
    """The graph as a picture: lanes for parameters, forward, backward and updates.

    Pointing at a node shows its type and the lines it comes from.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        A whole SVG document, the same for the same graph.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("n",), dtype="float32")
    >>> to_svg(sn.compile(x * 2.0).graph).startswith("<svg")
    True
    """
    layout = lay_out(graph)
    legend, legend_width = _legend(graph, layout)
    width, height = max(layout.width, legend_width, 160.0), layout.height + (_LEGEND if legend else 0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="symnet" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="graph of {len(layout.boxes)} nodes">',
        f"<style>{STYLE}</style>",
        f"<defs>{''.join(_marker(kind) for kind in EDGES)}</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
    ]
    for k, band in enumerate(layout.bands):
        if len(layout.bands) > 1 and k % 2 == 0:
            y, tall = _number(band.top), _number(band.bottom - band.top)
            parts.append(f'<rect class="band" y="{y}" width="{width:.0f}" height="{tall}"/>')
    parts += [_edge(edge) for edge in layout.edges]
    parts += [_node(graph, box) for box in layout.boxes]
    parts += _captions(layout)
    return "\n".join([*parts, *legend, "</svg>\n"])


def family(box: Box) -> str:
    """The name of a box's colour and shape."""
    if box.stored:
        return "update"
    return {"indexing": "movement"}.get(box.node.op.family, box.node.op.family)


def tooltip(graph: Graph, node: Node) -> str:
    """What pointing at a node shows: its line of the text form, and its source lines."""
    call = "" if node.op.family == "leaf" else f" = {graph.call_text(node)}"
    return f"{graph.name(node)}{call} : {node.type}\n{graph.origin(node)}"


# -- parts ------------------------------------------------------------------------------------------


def _node(graph: Graph, box: Box) -> str:
    name = family(box)
    parts = [f'<g class="{name}"><title>{escape(tooltip(graph, box.node))}</title>', _shape(name, box)]
    widths = [chip_width(c) for c in box.chips]
    x = box.x - (text_width(box.label, 12) + sum(w + 4 for w in widths)) / 2
    for chip, width in zip(box.chips, widths, strict=True):
        place = f'x="{_number(x)}" y="{_number(box.y - 8)}" width="{_number(width)}" height="16"'
        parts.append(f'<rect class="chip" {place} rx="4"/>')
        place = f'x="{_number(x + width / 2)}" y="{_number(box.y + 3.5)}"'
        parts.append(f'<text class="chip" {place}>{escape(chip)}</text>')
        x += width + 4
    middle = x + text_width(box.label, 12) / 2
    parts.append(f'<text x="{_number(middle)}" y="{_number(box.y + 4)}">{escape(box.label)}</text></g>')
    return "".join(parts)


def _shape(name: str, box: Box) -> str:
    left, top, right, bottom = box.left, box.top, box.right, box.bottom
    if name == "reduction":
        cut = box.height / 4
        points = [
            (left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut),
            (right - cut, bottom), (left + cut, bottom), (left, bottom - cut), (left, top + cut),
        ]  # fmt: skip
        corners = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        return f'<polygon class="shape" points="{corners}"/>'
    radius = {"leaf": box.height / 2, "contraction": 2, "composite": 2}.get(name, 6)
    size = f'width="{_number(box.width)}" height="{_number(box.height)}"'
    shape = f'<rect class="shape" x="{_number(left)}" y="{_number(top)}" {size} rx="{_number(radius)}"/>'
    if name == "composite":
        sides = "".join(f"M{_number(x)},{_number(top)}V{_number(bottom)}" for x in (left + 4, right - 4))
        shape += f'<path class="shape" d="{sides}"/>'
    return shape


def _edge(edge: Edge) -> str:
    (x, y), *_ = edge.points
    path = [f"M{_number(x)},{_number(y)}"]
    for ((x0, y0), (x1, y1)), bend in zip(pairwise(edge.points), edge.bends, strict=True):
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        numbers: tuple[float, ...]
        if (bend == "v" and abs(x0 - x1) < 0.1) or (bend == "h" and abs(y0 - y1) < 0.1):
            numbers, letter = (x1, y1), "L"
        elif bend in "db":
            numbers, letter = (*((x0, y1) if bend == "d" else (x1, y0)), x1, y1), "Q"
        else:
            numbers, letter = (*((x0, ym, x1, ym) if bend == "v" else (xm, y0, xm, y1)), x1, y1), "C"
        path.append(letter + ",".join(map(_number, numbers)))
    return f'<path class="edge {edge.kind}" d="{"".join(path)}" marker-end="url(#symnet-{edge.kind})"/>'


def _marker(kind: str) -> str:
    return (
        f'<marker id="symnet-{kind}" class="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0.8L8,4L0,7.2z"/></marker>'
    )


def _captions(layout: Layout) -> list[str]:
    parts = []
    for band in layout.bands:
        if band.title:
            y = _number(band.top + 20)
            parts.append(f'<text class="title" x="12" y="{y}">{escape(band.title)}</text>')
    if len(layout.lanes) > 1:
        for lane, (left, right) in layout.lanes.items():
            x = _number((left + right) / 2)
            parts.append(f'<text class="lane" x="{x}" y="22">{_LANE_NAMES.get(lane, lane.upper())}</text>')
    return parts


def _legend(graph: Graph, layout: Layout) -> tuple[list[str], float]:
    """What the colours and lines of this picture mean, under it; and how wide that is."""
    families = {family(b) for b in layout.boxes}
    kinds = {e.kind for e in layout.edges}
    if len(layout.boxes) < 8:
        return [], 0.0
    x, y, parts = 12.0, layout.height + _LEGEND / 2, []
    for name, text in _FAMILY_NAMES.items():
        if name in families:
            swatch = Box(graph.nodes[0], "", "", (), False, _SWATCH, x + _SWATCH / 2, y, 12.0)
            parts.append(f'<g class="{name}">{_shape(name, swatch)}</g>{_legend_text(x, y, text)}')
            x += _SWATCH + 6 + text_width(text, 11) + 14
    for kind, text in _EDGE_NAMES.items():
        if kind in kinds:
            line = f"M{_number(x)},{_number(y)}H{_number(x + _SWATCH)}"
            parts.append(f'<path class="edge {kind}" d="{line}"/>{_legend_text(x, y, text)}')
            x += _SWATCH + 6 + text_width(text, 11) + 14
    return parts, x


def _legend_text(x: float, y: float, text: str) -> str:
    return f'<text class="legend" x="{_number(x + _SWATCH + 6)}" y="{_number(y + 4)}">{text}</text>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


# -- colours ----------------------------------------------------------------------------------------


def _colours(theme: str) -> str:
    dark = theme == "dark"
    rules = []
    for name, both in FAMILIES.items():
        fill, outline = both[dark]
        rules.append(f".symnet .{name}>.shape{{fill:{fill};stroke:{outline}}}")
    for kind, (light, night, _) in EDGES.items():
        colour = night if dark else light
        rules.append(f".symnet .edge.{kind}{{stroke:{colour}}}.symnet marker.{kind}>*{{fill:{colour}}}")
    page, band = PAGE[theme]
    chip = "#ffffff;fill-opacity:.62" if not dark else "#000000;fill-opacity:.3"
    rules += [
        f".symnet .page{{fill:{page}}}.symnet .band{{fill:{band}}}",
        f".symnet g>rect.chip{{fill:{chip};stroke:none}}",
        f".symnet text{{fill:{INK[theme]}}}",
        f".symnet text.title,.symnet text.lane,.symnet text.legend{{fill:{MUTED[theme]}}}",
    ]
    return "".join(rules)


STYLE = (
    ".symnet text{font:12px 'DejaVu Sans',Verdana,'Segoe UI',system-ui,sans-serif;text-anchor:middle}"
    ".symnet text.chip{font-size:10px;font-style:italic}"
    ".symnet text.title{font-weight:600;text-anchor:start}"
    ".symnet text.lane{font-size:11px;letter-spacing:.06em}"
    ".symnet text.legend{font-size:11px;text-anchor:start}"
    ".symnet .shape{stroke-width:1.3}.symnet .update>.shape{stroke-width:2.4}"
    ".symnet path.edge{fill:none;stroke-width:1.4}"
    + "".join(f".symnet .edge.{kind}{{stroke-dasharray:{dash or 'none'}}}" for kind, (_, _, dash) in EDGES.items())
    + _colours("light")
    + f"@media screen and (prefers-color-scheme:dark){{{_colours('dark')}}}"
)
