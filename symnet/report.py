"""What a compilation did: pass by pass, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class PassRecord:
    """One pass over one graph.

    Attributes
    ----------
    name : str
    before, after : int
        Nodes in the graph.
    milliseconds : float
    fired : mapping of str to int
        How often each rewrite rule fired.
    """

    name: str
    before: int
    after: int
    milliseconds: float
    fired: Mapping[str, int]


@dataclass
class Report:
    """The passes of one compilation, in order; prints as a table."""

    passes: list[PassRecord] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{'pass':32} {'before':>7} {'after':>7} {'ms':>8}  rules fired"]
        for p in self.passes:
            fired = ", ".join(f"{name} ×{times}" for name, times in p.fired.items())
            lines.append(f"{p.name:32} {p.before:7} {p.after:7} {p.milliseconds:8.2f}  {fired}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in ("pass", "before", "after", "ms", "rules fired"))
        rows = [
            (p.name, p.before, p.after, f"{p.milliseconds:.2f}", ", ".join(f"{n} ×{k}" for n, k in p.fired.items()))
            for p in self.passes
        ]
        body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
