"""A graph as one native entry: the kernels' functions, the entry that calls them, the plan of its memory."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.dims import Dim, Size
from symnet.graph import Graph

from .emit import Emitter, emit_kernel
from .kernels import Group, Plan, Step, plan_kernels
from .loops import Kernel, check
from .memory import Arena, plan_arena
from .targets import Target

CHECKED_SIZES = 1
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'


class Assembly:
    """The text of a program and the layout of its frame.

    Attributes
    ----------
    text : str
        LLVM: ``i32 plan(ptr frame)`` and ``i32 entry(ptr buffers, ptr frame, ptr arena)``. A status other
        than 0 is 1 + the place of the failed check in `checks`.
    plan : Plan
    arena : Arena
    dims : list of str
    frame_size : int
    """

    def __init__(self, graph: Graph, groups: Sequence[Group], target: Target) -> None:
        self.graph, self.target = graph, target
        self.plan: Plan = plan_kernels(graph, groups, target)
        self.arena: Arena = plan_arena(self.plan)
        self.dims = graph.dims()
        self.checks = [step.check for step in self.plan.steps if step.check is not None]
        self.extents: list[Size] = [size for node in graph.outputs for size in node.shape]
        self.offsets = list(dict.fromkeys(o for o in self.arena.offsets.values() if isinstance(o, Dim)))
        self.frame_size = len(self.dims) + 1 + len(self.extents) + len(self.offsets)
        self.functions: dict[str, str] = {}
        self.text = self._text()

    def _text(self) -> str:
        calls = [(step, self._function(step.kernel)) for step in self.plan.steps]
        entry = self._entry(calls)
        return "\n\n".join([*self._definitions(), entry, self._plan_function(), ATTRIBUTES, ""])

    def _definitions(self) -> list[str]:
        return [text.replace("@KERNEL(", f"@{name}(") for text, name in self.functions.items()]

    def _function(self, kernel: Kernel) -> str:
        """The function of a kernel; equal kernels share one."""
        check(kernel)
        text = emit_kernel(kernel, "KERNEL", self.target)
        return self.functions.setdefault(text, f"kernel{len(self.functions)}")

    def _entry(self, calls: Sequence[tuple[Step, str]]) -> str:
        lines = ["define i32 @entry(ptr %buffers, ptr %frame, ptr %arena) #0 {", "start:"]
        where = self._pointers(lines)
        for place, dim in enumerate(self.dims):
            lines += [
                f"  %size.{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %size.{place} = load i64, ptr %size.{place}.at",
            ]
            where[dim] = f"i64 %size.{place}"
        failed = 0
        for step, function in calls:
            kernel = step.kernel
            arguments = [where[b.name] for b in kernel.buffers] + [where[d] for d in kernel.dims]
            lines.append(f"  call void @{function}({', '.join(arguments)})")
            if step.check is not None:
                failed += 1
                flag = where[step.flag].removeprefix("ptr ")
                lines += [
                    f"  %check.{failed} = load i8, ptr {flag}",
                    f"  %passed.{failed} = icmp ne i8 %check.{failed}, 0",
                    f"  br i1 %passed.{failed}, label %go.{failed}, label %fail.{failed}",
                    f"fail.{failed}:",
                    f"  ret i32 {failed}",
                    f"go.{failed}:",
                ]
        return "\n".join([*lines, "  ret i32 0", "}"])

    def _pointers(self, lines: list[str]) -> dict[str, str]:
        """Load every buffer's address; what an argument of a kernel call reads, by buffer name."""
        where: dict[str, str] = {}
        table = [*self.plan.inputs, *(f"n{n.index}" for n in [*self.plan.parameters, *self.plan.constants])]
        for place, name in enumerate([*table, *self.plan.results]):
            lines += [
                f"  %{name}.at = getelementptr ptr, ptr %buffers, i64 {place}",
                f"  %{name} = load ptr, ptr %{name}.at",
            ]
            where[name] = f"ptr %{name}"
        first = len(self.dims) + 1 + len(self.extents)
        for place in range(len(self.offsets)):
            lines += [
                f"  %offset{place}.at = getelementptr i64, ptr %frame, i64 {first + place}",
                f"  %offset{place} = load i64, ptr %offset{place}.at",
            ]
        places = {offset: place for place, offset in enumerate(self.offsets)}
        for name, offset in self.arena.offsets.items():
            text = str(offset) if isinstance(offset, int) else f"%offset{places[offset]}"
            lines.append(f"  %{name} = getelementptr i8, ptr %arena, i64 {text}")
            where[name] = f"ptr %{name}"
        return where

    def _plan_function(self) -> str:
        """Check what inference assumed of the sizes, then fill the frame."""
        emitter = Emitter(Kernel([], self.dims, [], []), self.target)
        scope = emitter.scopes[0]
        for place in range(len(self.dims)):
            scope.lines += [
                f"  %d{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %d{place} = load i64, ptr %d{place}.at",
            ]
        for number, (a, b) in enumerate(self.graph.checks):
            left, right = emitter.size(a).ref, emitter.size(b).ref
            scope.lines += [
                f"  %same{number} = icmp eq i64 {left}, {right}",
                f"  br i1 %same{number}, label %next{number}, label %differ",
                f"next{number}:",
            ]
        for number, dim in enumerate(self.dims):
            # A size that was not declared and is not 1: a call where it is 1 may mean another program.
            if "." in dim:
                scope.lines += [
                    f"  %one{number} = icmp eq i64 %d{number}, 1",
                    f"  br i1 %one{number}, label %differ, label %more{number}",
                    f"more{number}:",
                ]
        values: list[Size] = [self.arena.size, *self.extents, *self.offsets]
        for place, amount in enumerate(values, len(self.dims)):
            value = emitter.size(amount).ref
            scope.lines += [
                f"  %f{place} = getelementptr i64, ptr %frame, i64 {place}",
                f"  store i64 {value}, ptr %f{place}",
            ]
        differ = ["differ:", f"  ret i32 {CHECKED_SIZES}"] if any("%differ" in line for line in scope.lines) else []
        return "\n".join(["define i32 @plan(ptr %frame) #0 {", "entry:", *scope.lines, "  ret i32 0", *differ, "}"])
