"""What a compilation did: pass by pass, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
