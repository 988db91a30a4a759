"""One node as drawn: what is written in its box, and how wide that is."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from ..dtype import FLOATS
from ..graph import Node
from .roles import Role
from .rows import Rows

HEIGHT = 26.0
_NARROW, _WIDE = frozenset("fijlrt.,:;'|![]() "), frozenset("mwMW%@—")
_CHIPS = 3


@dataclass
class Box:
    """One node as drawn.

    Attributes
    ----------
    node : Node
    lane : str
    label : str
    chips : tuple of str
        The operands written inside.
    stored : bool
        The optimiser's result: a parameter's new value.
    width, x, y, height : float
        `x` and `y` are the centre.
    """

    node: Node
    lane: str
    label: str
    chips: tuple[str, ...]
    stored: bool
    width: float
    x: float = 0.0
    y: float = 0.0
    height: float = HEIGHT

    @property
    def left(self) -> float:
        """The x of its left side."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """The y of its upper side."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.height / 2


def make_box(rows: Rows, node: Node, lane: str, results: Mapping[Node, list[str]]) -> Box:
    """The box of a node; `results` tells of which parameters a node is the new value, or which output."""
    stored = lane == "updates" and node in results
    label = operand_label(rows, node, results)
    if node in results and not stored:
        label += f" → {', '.join(results[node])}"
    far = [i for i in dict.fromkeys(node.inputs) if rows.kind(i, node) is None]
    chips = [short(operand_label(rows, i, results), 14) for i in far]
    if len(chips) > _CHIPS:
        chips = [*chips[: _CHIPS - 1], f"+{len(chips) - _CHIPS + 1}"]
    label = short(label, 28)
    width = text_width(label, 12) + 20 + sum(chip_width(c) + 4 for c in chips)
    return Box(node, lane, label, tuple(chips), stored, max(50.0, width))


def operand_label(rows: Rows, node: Node, results: Mapping[Node, list[str]]) -> str:
    """What a box or chip calls a node: its name, its op, or as new value the parameter's name primed."""
    if node.literal is not None and node.dtype in FLOATS and node.literal.size == 1:
        return f"{node.literal.item():.4g}"
    if node.op.family == "leaf":
        return rows.graph.name(node)
    if node in results and rows.role[node] == Role.UPDATE:
        return ", ".join(f"{r}′" for r in results[node])
    activation = node.attrs.get("activation")
    return f"{node.op.name} {activation}" if activation else node.op.name


def short(text: str, most: int) -> str:
    """The text, with its middle left out where it is longer than `most`."""
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}…{text[len(text) - most // 3 :]}"


def text_width(text: str, size: float) -> float:
    """About how wide a sans-serif text is; no font is asked."""
    ems = 0.0
    for c in text:
        wide = c in _WIDE or unicodedata.east_asian_width(c) in "WF"
        ems += 1.0 if wide else 0.4 if c in _NARROW else 0.72 if c.isupper() else 0.62
    return ems * size


def chip_width(text: str) -> float:
    """The width of a chip with this text."""
    return text_width(text, 10) + 8
