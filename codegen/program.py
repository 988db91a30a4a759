"""A graph as one native entry: the kernels' functions, the entry that calls them, the plan of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from symnet.dims import Dim, Size, names
from symnet.graph import Graph, Node
from symnet.untouched import remember

from .elements import Group
from .emit import called_functions, emit_function, emit_kernel
from .frame import Frame
from .indices import IndexWriter
from .kernels import plan_kernels
from .loops import Kernel, check
from .lower import worth_sharing
from .memory import Arena, plan_arena
from .plan import LoopStep, Plan, Step, every_step
from .targets import Target
from .turning import called_turns, turn_function
from .writer import Bound

# Kernels called by one function of the entry.
PART = 64
# Among the buffers: what is known of the versions of Parameters, and the memory of the team that shares kernels.
VERSIONS = "versions"
TEAM = "team"
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'
# What every function of the entry is given; the parts of arrays that loops are at come behind.
GIVEN = "ptr %buffers, ptr %frame, ptr %arena"


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
        self.frame = Frame(graph, self.arena, target, max_bytes, self.plan.steps)
        self.dims = self.frame.dims
        self.checks: list[Node] = []
        leaves = [*self.plan.parameters, *self.plan.constants, *self.plan.copies]
        leaves += [VERSIONS] * self.has_versions + [TEAM] * (target.threads > 1)
        self.table = {name: k for k, name in enumerate([*self.plan.inputs, *leaves, *self.plan.results])}
        self.functions: dict[str, str] = {}
        self.emitted: dict[int, str] = {}
        # By kernel: the function that the team calls for a part of it.
        self.pieces: dict[str, str] = {}
        self.text = self._text()

    @property
    def has_versions(self) -> bool:
        """Whether calls count a version or ask for one."""
        return bool(self.graph.updates or self.plan.copies)

    def _text(self) -> str:
        for step in every_step(self.plan.steps):
            self._function(step.kernel)
        parts = self._sequence("entry", self.plan.steps, [])
        functions = [*self._definitions(), *self.pieces.values(), *parts, self.frame.text()]
        return "\n\n".join([*functions, ATTRIBUTES, ""])

    def _definitions(self) -> list[str]:
        text = "\n".join(self.functions)
        functions = [turn_function(element, lanes) for element, lanes in sorted(called_turns(text))]
        functions += [
            emit_function(op, dtype, lanes, self.target) for op, dtype, lanes in sorted(called_functions(text))
        ]
        return functions + [text.replace("@KERNEL(", f"@{name}(") for text, name in self.functions.items()]

    def _function(self, kernel: Kernel) -> str:
        """The function of a kernel; equal kernels share one."""
        if id(kernel) not in self.emitted:
            check(kernel)
            text = emit_kernel(kernel, "KERNEL", self.target)
            self.emitted[id(kernel)] = self.functions.setdefault(text, f"kernel{len(self.functions)}")
        return self.emitted[id(kernel)]

    def _sequence(self, name: str, steps: Sequence[Step | LoopStep], windows: list[str]) -> list[str]:
        """The functions that run some steps, in parts: LLVM's time grows faster than a function's length."""
        if len(steps) <= PART:
            return self._part(name, steps, windows)
        parts = [steps[k : k + PART] for k in range(0, len(steps), PART)]
        texts: list[str] = []
        calls = [f"{name}.part{k}" for k in range(len(parts))]
        for call, part in zip(calls, parts, strict=True):
            texts += self._part(call, part, windows)
        body = self._begun(name, windows)
        for call in calls:
            body.call(call, [GIVEN, *(f"ptr %{w}" for w in windows)])
        return [*texts, body.text()]

    def _begun(self, name: str, windows: list[str]) -> _Function:
        """The beginning of a function that runs steps; of the entry, what comes before all steps."""
        body = _Function(_head(name, windows), "start:")
        if name == "entry" and self.has_versions:
            table = self._pointer(VERSIONS, {}, body.lines)
            body.lines += [f"  %begin = load ptr, {table}", f"  call void %begin({table})"]
        return body

    def _part(self, name: str, steps: Sequence[Step | LoopStep], windows: list[str]) -> list[str]:
        texts: list[str] = []
        body = self._begun(name, windows)
        known = {w: f"ptr %{w}" for w in windows}
        for step in steps:
            if isinstance(step, LoopStep):
                texts += self._loop(step, windows)
                body.call(step.name, [GIVEN, *(f"ptr %{w}" for w in windows)])
                continue
            arguments = [self._pointer(b.name, known, body.lines) for b in step.buffers]
            arguments += [self._size(d, known, body.lines) for d in step.kernel.dims]
            function = self._function(step.kernel)
            if step.kernel.is_split:
                self._shared_call(body, function, arguments, step.kernel, known)
            else:
                body.lines.append(f"  call void @{function}({', '.join(arguments)})")
            if step.check is not None:
                self.checks.append(step.check)
                body.require(self._pointer(step.flag, known, body.lines), len(self.checks))
        return [*texts, body.text()]

    def _shared_call(
        self, body: _Function, name: str, arguments: list[str], kernel: Kernel, known: dict[str, str]
    ) -> None:
        """Call a kernel; in parts, by the team, where its work is worth it."""
        whole = f"  call void @{name}({', '.join([*arguments, 'i64 0, i64 1'])})"
        worth = worth_sharing(self.target)
        self.pieces.setdefault(name, _piece(name, [a.split()[0] for a in arguments]))
        team, k = self._pointer(TEAM, known, body.lines), next(body.fresh)
        body.head.append(f"  %job{k} = alloca [{len(arguments)} x i64], align 16")
        for place, argument in enumerate(arguments):
            body.lines += [
                f"  %job{k}.{place} = getelementptr i64, ptr %job{k}, i64 {place}",
                f"  store {argument}, ptr %job{k}.{place}",
            ]
        job = f"{team}, ptr @{name}.piece, ptr %job{k}, i64 {self.target.threads}"
        fork = [f"  %fork{k} = load ptr, {team}", f"  call void %fork{k}({job})"]
        if isinstance(kernel.work, int):
            body.lines += fork
            return
        work = self._work(kernel.work, k, known, body.lines)
        body.lines += [
            f"  %worth{k} = icmp uge i64 {work}, {worth}",
            f"  br i1 %worth{k}, label %share{k}, label %alone{k}",
            f"share{k}:",
            *fork,
            f"  br label %done{k}",
            f"alone{k}:",
            whole,
            f"  br label %done{k}",
            f"done{k}:",
        ]

    def _work(self, work: Size, place: int, known: dict[str, str], lines: list[str]) -> str:
        """An amount of work as a number."""
        writer = IndexWriter([], self.target)
        # Its names must not meet those of other amounts in this function.
        writer.count = (place + 1) * 10_000
        for dim in names(work):
            writer.names[dim] = Bound(self._size(dim, known, lines).split()[1], 0, 1)
        ref = writer.size(work).ref
        lines += writer.scopes[0].lines
        return ref

    def _loop(self, loop: LoopStep, windows: list[str]) -> list[str]:
        """The function of a loop, which moves the windows and runs the steps as often as it has repetitions."""
        inside = [*windows, *loop.windows]
        texts = self._sequence(f"{loop.name}.body", loop.steps, inside)
        body = _Function(_head(loop.name, windows), "start:")
        known = {w: f"ptr %{w}" for w in windows}
        bases = {w: self._pointer(window.base, known, body.lines) for w, window in loop.windows.items()}
        writer = IndexWriter(self.dims, self.target)
        for place in range(len(self.dims)):
            body.lines += [
                f"  %d{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %d{place} = load i64, ptr %d{place}.at",
            ]
        length = writer.size(loop.length).ref
        strides = {w: writer.size(window.stride).ref for w, window in loop.windows.items()}
        body.lines += [
            *writer.scopes[0].lines,
            f"  %last = sub i64 {length}, 1",
            "  br label %next",
            "next:",
            "  %step = phi i64 [ 0, %start ], [ %following, %repeat ]",
            f"  %more = icmp slt i64 %step, {length}",
            "  br i1 %more, label %run, label %done",
            "run:",
            f"  %place = {'sub i64 %last, %step' if loop.is_reversed else 'add i64 %step, 0'}",
        ]
        for w, base in bases.items():
            body.lines += [
                f"  %{w}.offset = mul i64 %place, {strides[w]}",
                f"  %{w} = getelementptr i8, {base}, i64 %{w}.offset",
            ]
        body.call(f"{loop.name}.body", [GIVEN, *(f"ptr %{w}" for w in inside)])
        body.lines += [
            "  br label %repeat",
            "repeat:",
            "  %following = add i64 %step, 1",
            "  br label %next",
            "done:",
        ]
        return [*texts, body.text()]

    def _size(self, dim: str, known: dict[str, str], lines: list[str]) -> str:
        """A dim as an argument, loaded from the frame at its first use."""
        key = f"size of {dim}"
        if key not in known:
            place = self.dims.index(dim)
            lines += [
                f"  %size.{place}.at = getelementptr i64, ptr %frame, i64 {place}",
                f"  %size.{place} = load i64, ptr %size.{place}.at",
            ]
            known[key] = f"i64 %size.{place}"
        return known[key]

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


def _head(name: str, windows: Sequence[str]) -> str:
    """How a function of the entry begins; the entry itself is seen from outside."""
    linkage = "" if name == "entry" else "internal "
    parameters = ", ".join([GIVEN, *(f"ptr %{w}" for w in windows)])
    return f"define {linkage}i32 @{name}({parameters}) #0 {{"


def _piece(name: str, types: Sequence[str]) -> str:
    """The function that runs a part of a kernel, its arguments read from memory."""
    lines = [f"define internal void @{name}.piece(ptr %job, i64 %part, i64 %parts) #0 {{"]
    for place, type in enumerate(types):
        lines += [
            f"  %a{place}.at = getelementptr i64, ptr %job, i64 {place}",
            f"  %a{place} = load {type}, ptr %a{place}.at",
        ]
    arguments = ", ".join([*(f"{type} %a{place}" for place, type in enumerate(types)), "i64 %part, i64 %parts"])
    return "\n".join([*lines, f"  call void @{name}({arguments})", "  ret void", "}"])


class _Function:
    """The text of a function that gives a status, 0 where all it calls give 0."""

    def __init__(self, *head: str) -> None:
        self.head = list(head)
        self.lines: list[str] = []
        self.fresh = count()

    def call(self, name: str, arguments: Sequence[str]) -> None:
        """Call a function of a status, and give up where it is not 0."""
        k = next(self.fresh)
        self.lines += [
            f"  %status{k} = call i32 @{name}({', '.join(arguments)})",
            f"  %good{k} = icmp eq i32 %status{k}, 0",
            f"  br i1 %good{k}, label %go{k}, label %fail{k}",
            f"fail{k}:",
            f"  ret i32 %status{k}",
            f"go{k}:",
        ]

    def require(self, flag: str, status: int) -> None:
        """Give up with a status where a flag is not set."""
        k = next(self.fresh)
        self.lines += [
            f"  %passed{k} = load i8, {flag}",
            f"  %good{k} = icmp ne i8 %passed{k}, 0",
            f"  br i1 %good{k}, label %go{k}, label %fail{k}",
            f"fail{k}:",
            f"  ret i32 {status}",
            f"go{k}:",
        ]

    def text(self) -> str:
        return "\n".join([*self.head, *self.lines, "  ret i32 0", "}"])


remember(__name__)
