"""A graph as one native entry: the kernels' functions, the entry that calls them, the plan of its memory."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.dims import Dim
from symnet.graph import Graph

from .emit import called_functions, emit_function, emit_kernel
from .frame import Frame
from .kernels import Group, Plan, Step, plan_kernels
from .loops import Kernel, check
from .memory import Arena, plan_arena
from .targets import Target

# Kernels called by one function of the entry.
PART = 64
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'


class Assembly:
    """The text of a program and the layout of its frame.

    Attributes
    ----------
    text : str
        LLVM: ``i32 plan(ptr frame)`` and ``i32 entry(ptr buffers, ptr frame, ptr arena)``. A status of the
        entry other than 0 is 1 + the place of the failed check in `checks`.
    plan : Plan
    arena : Arena
    frame : Frame
    dims : list of str
    """

    def __init__(self, graph: Graph, groups: Sequence[Group], target: Target, max_bytes: int | None = None) -> None:
        self.graph, self.target = graph, target
        self.plan: Plan = plan_kernels(graph, groups, target)
        self.arena: Arena = plan_arena(self.plan)
        self.frame = Frame(graph, self.arena, target, max_bytes)
        self.dims = self.frame.dims
        self.checks = [step.check for step in self.plan.steps if step.check is not None]
        leaves = [f"n{n.index}" for n in [*self.plan.parameters, *self.plan.constants]]
        self.table = {name: k for k, name in enumerate([*self.plan.inputs, *leaves, *self.plan.results])}
        self.functions: dict[str, str] = {}
        self.emitted: dict[int, str] = {}
        self.text = self._text()

    def _text(self) -> str:
        calls = [(step, self._function(step.kernel)) for step in self.plan.steps]
        return "\n\n".join([*self._definitions(), *self._entry(calls), self.frame.text(), ATTRIBUTES, ""])

    def _definitions(self) -> list[str]:
        called = sorted(called_functions("\n".join(self.functions)))
        functions = [emit_function(op, dtype, lanes, self.target) for op, dtype, lanes in called]
        return functions + [text.replace("@KERNEL(", f"@{name}(") for text, name in self.functions.items()]

    def _function(self, kernel: Kernel) -> str:
        """The function of a kernel; equal kernels share one."""
        if id(kernel) not in self.emitted:
            check(kernel)
            text = emit_kernel(kernel, "KERNEL", self.target)
            self.emitted[id(kernel)] = self.functions.setdefault(text, f"kernel{len(self.functions)}")
        return self.emitted[id(kernel)]

    def _entry(self, calls: Sequence[tuple[Step, str]]) -> list[str]:
        """The entry, in parts: LLVM's time grows faster than a function's length."""
        checks = iter(range(1, len(self.checks) + 1))
        numbered = [(step, function, next(checks) if step.check is not None else 0) for step, function in calls]
        parts = [numbered[k : k + PART] for k in range(0, len(numbered), PART)]
        texts = [self._part(f"part{k}", part) for k, part in enumerate(parts)]
        lines = ["define i32 @entry(ptr %buffers, ptr %frame, ptr %arena) #0 {", "start:"]
        for k in range(len(parts)):
            lines += [
                f"  %status{k} = call i32 @part{k}(ptr %buffers, ptr %frame, ptr %arena)",
                f"  %ended{k} = icmp eq i32 %status{k}, 0",
                f"  br i1 %ended{k}, label %go{k}, label %fail{k}",
                f"fail{k}:",
                f"  ret i32 %status{k}",
                f"go{k}:",
            ]
        return [*texts, "\n".join([*lines, "  ret i32 0", "}"])]

    def _part(self, name: str, calls: Sequence[tuple[Step, str, int]]) -> str:
        lines = [f"define internal i32 @{name}(ptr %buffers, ptr %frame, ptr %arena) #0 {{", "start:"]
        known: dict[str, str] = {}
        for step, function, number in calls:
            arguments = [self._pointer(b.name, known, lines) for b in step.buffers]
            arguments += [self._size(d, known, lines) for d in step.kernel.dims]
            lines.append(f"  call void @{function}({', '.join(arguments)})")
            if number:
                flag = self._pointer(step.flag, known, lines)
                lines += [
                    f"  %check.{number} = load i8, {flag}",
                    f"  %passed.{number} = icmp ne i8 %check.{number}, 0",
                    f"  br i1 %passed.{number}, label %go.{number}, label %fail.{number}",
                    f"fail.{number}:",
                    f"  ret i32 {number}",
                    f"go.{number}:",
                ]
        return "\n".join([*lines, "  ret i32 0", "}"])

    def _size(self, dim: str, known: dict[str, str], lines: list[str]) -> str:
        """A dim as an argument, loaded from the frame at its first use."""
        if dim not in known:
            place = self.dims.index(dim)
            lines += [
                f"  %size.{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %size.{place} = load i64, ptr %size.{place}.at",
            ]
            known[dim] = f"i64 %size.{place}"
        return known[dim]

    def _pointer(self, name: str, known: dict[str, str], lines: list[str]) -> str:
        """A buffer's address as an argument, made at its first use."""
        if name in known:
            return known[name]
        if name in self.table:
            lines += [
                f"  %{name}.at = getelementptr ptr, ptr %buffers, i64 {self.table[name]}",
                f"  %{name} = load ptr, ptr %{name}.at",
            ]
        else:
            offset = self.arena.offsets[name]
            text = str(offset)
            if isinstance(offset, Dim):
                place = self.frame.place_of[offset]
                text = f"%{name}.offset"
                lines += [
                    f"  {text}.at = getelementptr i64, ptr %frame, i64 {place}",
                    f"  {text} = load i64, ptr {text}.at",
                ]
            lines.append(f"  %{name} = getelementptr i8, ptr %arena, i64 {text}")
        known[name] = f"ptr %{name}"
        return known[name]
