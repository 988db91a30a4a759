"""A graph as SVG, drawn in pure Python."""

from __future__ import annotations

from html import escape

from symnet.graph import Graph

from .layout import LANES, Box, Edge, Layout, lay_out

# Fill and outline of each family; the shape repeats what the colour says.
COLORS = {
    "contraction": ("#dbe8fb", "#2f6db5"),
    "elementwise": ("#fdeecb", "#b7791f"),
    "reduction": ("#e9defa", "#7c4dbd"),
    "movement": ("#e8eaed", "#6b7280"),
    "indexing": ("#e8eaed", "#4b5563"),
    "composite": ("#fbe0e6", "#b83253"),
    "update": ("#d3f0de", "#1f8a4c"),
    "leaf": ("#efede6", "#8a8578"),
}
STROKES = {
    "value": "stroke:#566173",
    "gradient": "stroke:#c0436a",
    "saved": "stroke:#9aa1ad;stroke-dasharray:2 3",
    "update": "stroke:#1f8a4c;stroke-dasharray:5 3",
}
STYLE = """
text{font:12px ui-sans-serif,system-ui,Segoe UI,Helvetica,Arial,sans-serif;fill:#1b1f27;text-anchor:middle}
.small{font-size:9.5px;fill:#4a5160}
.lane{font-size:11px;font-weight:600;fill:#4a5160;letter-spacing:.06em}
.band{font-size:10px;fill:#4a5160;text-anchor:start}
.chip{font-size:10px;font-style:italic}
.page{fill:#fbfaf7}.even{fill:#f2f1ec}.odd{fill:#fbfaf7}
path.edge{fill:none;stroke-width:1.3}
@media (prefers-color-scheme:dark){.page,.odd{fill:#16181d}.even{fill:#1d2027}.lane,.band{fill:#b6bcc8}}
"""


def to_svg(graph: Graph) -> str:
    """The graph as an SVG document: lanes for parameters, forward, backward and updates.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("n",), dtype="float32")
    >>> to_svg(sn.compile(x * 2.0).graph).startswith("<svg")
    True
    """
    layout = lay_out(graph)
    width, height = max(layout.width, 160.0), layout.height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<style>{STYLE}</style>",
        "<defs>" + "".join(_arrow(kind, style) for kind, style in STROKES.items()) + "</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
    ]
    for k, band in enumerate(layout.bands):
        parts.append(
            f'<rect class="{"odd" if k % 2 else "even"}" y="{band.top:.1f}" width="{width:.0f}" '
            f'height="{band.bottom - band.top:.1f}"/><text class="band" x="6" y="{band.top + 12:.1f}">'
            f"{escape(band.label)}</text>"
        )
    parts += _lane_titles(layout)
    parts += [_edge(edge) for edge in layout.edges]
    parts += [_box(box) for box in layout.boxes]
    return "\n".join([*parts, "</svg>\n"])


def _arrow(kind: str, style: str) -> str:
    color = style.split(";")[0].removeprefix("stroke:")
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0.8L8,4L0,7.2z" fill="{color}"/></marker>'
    )


def _lane_titles(layout: Layout) -> list[str]:
    titles = []
    for lane in LANES:
        boxes = [b for b in layout.boxes if b.lane == lane]
        if boxes:
            middle = (min(b.x - b.width / 2 for b in boxes) + max(b.x + b.width / 2 for b in boxes)) / 2
            titles.append(f'<text class="lane" x="{middle:.1f}" y="26">{lane.upper()}</text>')
    return titles


def _edge(edge: Edge) -> str:
    """A curve that leaves and arrives vertically within a lane, horizontally between lanes."""
    a, b = edge.source, edge.target
    if a.lane == b.lane and abs(a.y - b.y) > 1:
        down = 1 if b.y > a.y else -1
        x1, y1, x2, y2 = a.x, a.y + down * a.height / 2, b.x, b.y - down * b.height / 2
        bend = (y2 - y1) / 2
        curve = f"M{x1:.1f},{y1:.1f}C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}"
    else:
        right = 1 if b.x > a.x else -1
        x1, y1, x2, y2 = a.x + right * a.width / 2, a.y, b.x - right * b.width / 2, b.y
        bend = (x2 - x1) / 2
        curve = f"M{x1:.1f},{y1:.1f}C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    return f'<path class="edge" d="{curve}" style="{STROKES[edge.kind]}" marker-end="url(#{edge.kind})"/>'


def _box(box: Box) -> str:
    fill, line = COLORS.get(box.family, COLORS["movement"])
    x, y, w, h = box.x - box.width / 2, box.y - box.height / 2, box.width, box.height
    style = f'fill="{fill}" stroke="{line}" stroke-width="{2.4 if box.family == "update" else 1.3}"'
    if box.family == "reduction":
        c = 8
        points = [(x + c, y), (x + w - c, y), (x + w, y + c), (x + w, y + h - c), (x + w - c, y + h), (x + c, y + h)]
        points += [(x, y + h - c), (x, y + c)]
        shape = f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" {style}/>'
    else:
        radius = h / 2 if box.family == "leaf" else 6
        shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius}" {style}/>'
    chips = "".join(f' <tspan class="chip" fill="{line}">{escape(c)}</tspan>' for c in box.chips)
    return (
        f"<g><title>{escape(box.tooltip)}</title>{shape}"
        f'<text x="{box.x:.1f}" y="{box.y - 2:.1f}">{escape(box.label)}{chips}</text>'
        f'<text class="small" x="{box.x:.1f}" y="{box.y + 11:.1f}">{escape(box.detail)}</text></g>'
    )
