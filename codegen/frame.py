"""The frame: what the sizes of a call decide, computed natively whenever they change.

    frame ::= dim* arena_bytes extent* offset* cost     all i64

The dims are given; ``i32 plan(ptr frame)`` tests what inference assumed of them, then fills in the
bytes of the arena, the sizes of the results' axes, the offset of every place in the arena, and about how many
nanoseconds a call takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from symnet.dims import Dim, Extremum, Quotient, Size, product
from symnet.graph import Graph
from symnet.ops.scan import SCAN
from symnet.scalar import BITS

from .emit import Emitter
from .loops import Kernel
from .memory import Arena
from .plan import LoopStep, Step
from .targets import Target

# The one status: these sizes are for a program of their own, which is then built or explains the error.
OTHER_SIZES = 1
# Sums of sizes beyond this are refused: their 64-bit arithmetic could not be trusted.
LARGEST = 2**62
# Offsets computed by one function of the plan: LLVM's time grows faster than a function's length.
PART = 64
# What the cost of a call goes by, in one thread: scalar operations in a nanosecond for each lane of a float32 vector,
# as products of matrices make them, and bytes of memory, as element-wise kernels read and write them.
OPERATIONS, BYTES = 24.0, 60.0
# A scalar operation reads or writes at most so many.
BYTES_OF_OPERATION = 8.0
# The cost of what takes longer than anybody waits.
FOREVER = 1e18


class Frame:
    """The layout of the frame, and the text of the plan.

    Parameters
    ----------
    graph : Graph
    arena : Arena
    target : Target
    max_bytes : int, optional
        A plan that needs a larger arena gives :data:`OTHER_SIZES`.
    steps : sequence of Step or LoopStep
        What the call does.
    """

    def __init__(
        self,
        graph: Graph,
        arena: Arena,
        target: Target,
        max_bytes: int | None,
        steps: Sequence[Step | LoopStep] = (),
    ) -> None:
        self.graph, self.arena, self.target, self.max_bytes = graph, arena, target, max_bytes
        self.dims = graph.dims()
        self.extents: list[Size] = [size for node in graph.outputs for size in node.shape]
        first = len(self.dims) + 1 + len(self.extents)
        formulas = dict.fromkeys(o for o in arena.offsets.values() if isinstance(o, Dim))
        self.place_of = {offset: place for place, offset in enumerate(formulas, first)}
        self.cost_at = first + len(self.place_of)
        self.size = self.cost_at + 1
        # A call that costs nothing keeps Python's lock.
        self.costs: Counter[_Cost] = Counter() if _needs_still_data(graph) else Counter(_costs(steps, 1))

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
        bounds = _Estimate(self.dims, lines)
        estimate = bounds.total(self._amounts())
        self._require("small", f"fcmp olt double {estimate}, {_number(LARGEST)}", lines)
        needed = "0"
        for end in self.arena.ends:
            needed = emitter.emit(f"call i64 @llvm.umax.i64(i64 {needed}, i64 {emitter.size(end).ref})", 0)
        if self.max_bytes is not None:
            self._require("allowed", f"icmp ule i64 {needed}, {self.max_bytes}", lines)
        for place, ref in enumerate([needed, *(emitter.size(n).ref for n in self.extents)], len(self.dims)):
            self._store(place, ref, lines)
        lines += [f"  call void @offsets{start}(ptr %frame)" for start in starts]
        self._store(self.cost_at, bounds.cost(self.costs, OPERATIONS * self.target.lanes(32)), lines)
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


class _Cost(NamedTuple):
    """What decides how long a kernel takes: its scalar operations, and the bytes of all it may read and write."""

    work: Size
    bytes: Size
    times: Size


def _needs_still_data(graph: Graph) -> bool:
    bodies = (node.attrs["body"].graph for node in graph.live() if node.op is SCAN)
    return any(node.op.needs_still_data for node in graph.live()) or any(map(_needs_still_data, bodies))


def _costs(steps: Sequence[Step | LoopStep], times: Size) -> Iterator[_Cost]:
    for step in steps:
        if isinstance(step, LoopStep):
            yield from _costs(step.steps, times * step.length)
        else:
            amounts = (product(b.shape) * max(BITS[b.dtype] // 8, 1) for b in step.buffers)
            yield _Cost(step.kernel.work, sum(amounts, start=0), times)


def _number(value: float) -> str:
    """A number as LLVM writes it: with a point, however large it is."""
    return f"{value:.17e}"


def _nanoseconds(work: float, size: float, operations: float) -> float:
    return work / operations + min(work * BYTES_OF_OPERATION, size) / BYTES


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
            term = self._put(f"fmul double {self._of(amount)}, {_number(times)}")
            total = self._put(f"fadd double {total}, {term}")
        return total

    def cost(self, costs: Counter[_Cost], operations: float) -> str:
        """About how many nanoseconds some kernels take, at so many operations in each."""
        total, known = "0.0", 0.0
        for cost, count in costs.items():
            if not any(isinstance(size, Dim) for size in cost):
                known += count * float(cost.times) * _nanoseconds(float(cost.work), float(cost.bytes), operations)
                continue
            work = self._of(cost.work)
            # An operation reads no more than some bytes: what is taken from a large table is not all of it.
            most = self._put(f"fmul double {work}, {_number(BYTES_OF_OPERATION)}")
            reading = self._put(f"fdiv double {self._smaller(most, self._of(cost.bytes))}, {_number(BYTES)}")
            working = self._put(f"fdiv double {work}, {_number(operations)}")
            once = self._put(f"fadd double {working}, {reading}")
            times = self._put(f"fmul double {self._of(cost.times)}, {_number(count)}")
            total = self._put(f"fadd double {total}, {self._put(f'fmul double {once}, {times}')}")
        total = self._put(f"fadd double {total}, {_number(min(known, FOREVER))}")
        return self._put(f"fptosi double {self._smaller(total, _number(FOREVER))} to i64")

    def _smaller(self, a: str, b: str) -> str:
        less = self._put(f"fcmp olt double {a}, {b}")
        return self._put(f"select i1 {less}, double {a}, double {b}")

    def _of(self, size: Size) -> str:
        if not isinstance(size, Dim):
            return _number(abs(size))
        total = "0.0"
        for monomial, coefficient in size.terms:
            term = _number(abs(coefficient))
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
