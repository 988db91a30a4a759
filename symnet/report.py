"""What a compilation did, pass by pass; and the memory that its program works in."""

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
    """The passes of one compilation, in order; prints as a table.

    Attributes
    ----------
    passes : list of PassRecord
    program : str
        Whether the program was found in the cache or its text generated, and why; empty for one that is interpreted.
    machine_code : str
        Where the machine code came from; empty for a program that is interpreted.
    precision : str
        Which products are computed in less than float32, or why none are; empty where that was not asked for.
    """

    passes: list[PassRecord] = field(default_factory=list)
    program: str = ""
    machine_code: str = ""
    precision: str = ""

    def __str__(self) -> str:
        lines = [f"{'pass':32} {'before':>7} {'after':>7} {'ms':>8}  rules fired"]
        for p in self.passes:
            fired = ", ".join(f"{name} ×{times}" for name, times in p.fired.items())
            lines.append(f"{p.name:32} {p.before:7} {p.after:7} {p.milliseconds:8.2f}  {fired}".rstrip())
        lines += [f"precision {self.precision}"] if self.precision else []
        lines += [f"program: {self.program}"] if self.program else []
        lines += [f"machine code: {self.machine_code}"] if self.machine_code else []
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


@dataclass(frozen=True)
class BufferRecord:
    """A temporary array.

    Attributes
    ----------
    bytes : int
    first, last : int
        The steps, of `steps` in all, between which it is in use.
    origin : str
        The user's lines it comes from.
    """

    bytes: int
    first: int
    last: int
    origin: str


@dataclass(frozen=True)
class MemoryReport:
    """The memory of a program, for the sizes of its last call; prints as a table.

    Attributes
    ----------
    arena : int
        Bytes of working memory, kept between calls.
    lower_bound : int
        Bytes of temporaries in use at the busiest step: no arena can be smaller.
    parameters, constants : int
        Bytes.
    copies : int
        Bytes of copies that are kept of parameters, laid out for products.
    results : int
        Bytes.
    steps : int
        Kernels run by a call.
    buffers : tuple of BufferRecord
        The temporaries, largest first.
    """

    arena: int = 0
    lower_bound: int = 0
    parameters: int = 0
    constants: int = 0
    copies: int = 0
    results: int = 0
    steps: int = 0
    buffers: tuple[BufferRecord, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"arena       {self.arena:>12,} bytes; at the busiest step {self.lower_bound:,} are in use",
            f"parameters  {self.parameters:>12,}",
            f"constants   {self.constants:>12,}",
            f"copies      {self.copies:>12,} of parameters, as products read them",
            f"results     {self.results:>12,}",
        ]
        for b in self.buffers[:10]:
            lines.append(f"  temporary {b.bytes:>12,} bytes, steps {b.first} to {b.last} of {self.steps}: {b.origin}")
        if len(self.buffers) > 10:
            lines.append(f"  and {len(self.buffers) - 10} smaller")
        return "\n".join(lines)
