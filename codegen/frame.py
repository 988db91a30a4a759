"""The frame: what the sizes of a call decide, computed natively whenever they change.

    frame ::= dim* arena_bytes extent* offset*     all i64

The dims are given; ``i32 plan(ptr frame)`` tests what inference assumed of them, then fills in the
bytes of the arena, the sizes of the results' axes, and the offset of every place in the arena.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from symnet.dims import Dim, Extremum, Quotient, Size, product
from symnet.graph import Graph
from symnet.scalar import BITS

from .emit import Emitter
from .loops import Kernel
from .memory import Arena
from .targets import Target

# The one status: these sizes are for a program of their own, which is then built or explains the error.
OTHER_SIZES = 1
# Sums of sizes beyond this are refused: their 64-bit arithmetic could not be trusted.
LARGEST = 2**62
# Offsets computed by one function of the plan: LLVM's time grows faster than a function's length.
PART = 64


class Frame:
    """The layout of the frame, and the text of the plan.

    Parameters
    ----------
    graph : Graph
    arena : Arena
    target : Target
    max_bytes : int, optional
        A plan that needs a larger arena gives :data:`OTHER_SIZES`.
    """

    def __init__(self, graph: Graph, arena: Arena, target: Target, max_bytes: int | None) -> None:
        self.graph, self.arena, self.target, self.max_bytes = graph, arena, target, max_bytes
        self.dims = graph.dims()
        self.extents: list[Size] = [size for node in graph.outputs for size in node.shape]
        first = len(self.dims) + 1 + len(self.extents)
        formulas = dict.fromkeys(o for o in arena.offsets.values() if isinstance(o, Dim))
        self.place_of = {offset: place for place, offset in enumerate(formulas, first)}
        self.size = first + len(self.place_of)

    def text(self) -> str:
        """The LLVM functions of the plan."""
        offsets = list(self.place_of.items())
        parts = [self._part(f"offsets{k}", offsets[k : k + PART]) for k in range(0, len(offsets), PART)]
        return "\n\n".join([*parts, self._plan(range(0, len(offsets), PART))])

    def _plan(self, starts: Sequence[int]) -> str:
        emitter = self._emitter()
        lines = emitter.scopes[0].lines
        for number, (a, b) in enumerate(self.graph.checks):
            left, right = emitter.size(a).ref, emitter.size(b).ref
            self._require(f"same{number}", f"icmp eq i64 {left}, {right}", lines)
        for number, dim in enumerate(self.dims):
            # A size that was not declared and is not 1: a call where it is 1 may mean another program.
            if "." in dim:
                self._require(f"many{number}", f"icmp ne i64 %d{number}, 1", lines)
        estimate = _Estimate(self.dims, lines).total(self._amounts())
        self._require("small", f"fcmp olt double {estimate}, {float(LARGEST)}", lines)
        needed = "0"
        for end in self.arena.ends:
            needed = emitter.emit(f"call i64 @llvm.umax.i64(i64 {needed}, i64 {emitter.size(end).ref})", 0)
        if self.max_bytes is not None:
            self._require("allowed", f"icmp ule i64 {needed}, {self.max_bytes}", lines)
        for place, ref in enumerate([needed, *(emitter.size(n).ref for n in self.extents)], len(self.dims)):
            self._store(place, ref, lines)
        lines += [f"  call void @offsets{start}(ptr %frame)" for start in starts]
        differ = ["differ:", f"  ret i32 {OTHER_SIZES}"] if any("%differ" in line for line in lines) else []
        return "\n".join(["define i32 @plan(ptr %frame) #0 {", "entry:", *lines, "  ret i32 0", *differ, "}"])

    def _part(self, name: str, offsets: Sequence[tuple[Size, int]]) -> str:
        emitter = self._emitter()
        lines = emitter.scopes[0].lines
        for offset, place in offsets:
            self._store(place, emitter.size(offset).ref, lines)
        return "\n".join([f"define internal void @{name}(ptr %frame) #0 {{", "entry:", *lines, "  ret void", "}"])

    def _emitter(self) -> Emitter:
        emitter = Emitter(Kernel([], self.dims, [], []), self.target)
        for place in range(len(self.dims)):
            emitter.scopes[0].lines += [
                f"  %d{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %d{place} = load i64, ptr %d{place}.at",
            ]
        return emitter

    def _amounts(self) -> Counter[Size]:
        """The bytes of everything allocated for a call, with how often each amount occurs."""
        found: Counter[Size] = Counter(self.arena.ends)
        found.update(product(n.shape) * max(BITS[n.dtype] // 8, 1) for n in self.graph.outputs)
        return found

    @staticmethod
    def _require(name: str, test: str, lines: list[str]) -> None:
        lines += [f"  %{name} = {test}", f"  br i1 %{name}, label %after.{name}, label %differ", f"after.{name}:"]

    @staticmethod
    def _store(place: int, ref: str, lines: list[str]) -> None:
        lines += [f"  %f{place} = getelementptr i64, ptr %frame, i64 {place}", f"  store i64 {ref}, ptr %f{place}"]


class _Estimate:
    """An upper bound of sizes in floating point, which cannot wrap around."""

    def __init__(self, dims: Sequence[str], lines: list[str]) -> None:
        self.lines, self.count = lines, 0
        self.dims = {dim: self._put(f"sitofp i64 %d{k} to double") for k, dim in enumerate(dims)}

    def _put(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %estimate{self.count} = {text}")
        return f"%estimate{self.count}"

    def total(self, amounts: Counter[Size]) -> str:
        total = "0.0"
        for amount, times in amounts.items():
            term = self._put(f"fmul double {self._of(amount)}, {float(times)}")
            total = self._put(f"fadd double {total}, {term}")
        return total

    def _of(self, size: Size) -> str:
        if not isinstance(size, Dim):
            return str(float(abs(size)))
        total = "0.0"
        for monomial, coefficient in size.terms:
            term = str(float(abs(coefficient)))
            for atom in monomial:
                term = self._put(f"fmul double {term}, {self._atom(atom)}")
            total = self._put(f"fadd double {total}, {term}")
        return total

    def _atom(self, atom: object) -> str:
        if isinstance(atom, Quotient):
            return self._of(atom.numerator)
        if isinstance(atom, Extremum):
            return self._put(f"fadd double {self._of(atom.a)}, {self._of(atom.b)}")
        return self.dims[str(atom)]
