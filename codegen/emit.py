"""Loop IR to LLVM text.

Every scalar is computed once, in the outermost loop where all it depends on is known; addresses are
split the same way, so that a loop body is left with an offset or two. LLVM's own pass pipeline is
not run: the text is what the machine gets.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from symnet.dims import Dim, Extremum, Quotient, Size
from symnet.errors import CompileError
from symnet.scalar import BITS, FLOATS, TRANSCENDENTAL, Scalar, variable

from .loops import Buffer, Kernel, Loop, Statement, Store, Turn, postorder
from .targets import Target
from .vector_math import expand
from .words import Words

LLVM_TYPE = {"bool": "i1", "int32": "i32", "int64": "i64", "float32": "float", "float64": "double"}
MEMORY_TYPE = {**LLVM_TYPE, "bool": "i8"}
# A loop body with more transcendental words than this calls them as functions.
INLINED = 12


@dataclass(frozen=True)
class Value:
    """An SSA value: its name (or a constant's text), its lanes, the depth of the loop it is made in."""

    ref: str
    lanes: int
    depth: int = 0


@dataclass
class Scope:
    """The body of one open loop: its text so far, and what was computed in it."""

    depth: int
    label: str
    lanes: int = 1
    mask: str | None = None
    lines: list[str] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Bound:
    """A loop index or a dim: the SSA name of its (first lane's) value, its depth, its lanes."""

    ref: str
    depth: int
    lanes: int


def emit_kernel(kernel: Kernel, name: str, target: Target) -> str:
    """The LLVM function `name` for a kernel."""
    return Emitter(kernel, target).function(name)


def emit_function(op: str, dtype: str, lanes: int, target: Target) -> str:
    """The LLVM function of a transcendental word, for kernels that call it; see :func:`called_functions`."""
    arguments = ("x", "y")[: 2 if op in ("pow", "fmod") else 1]
    emitter = Emitter(Kernel([], [], [], []), target)
    emitter.variables = {name: Value(f"%{name}", lanes) for name in arguments}
    scalars = tuple(variable(name, dtype) for name in arguments)
    result = emitter.widen(emitter.value(expand(op, scalars, target.has_fma)), dtype, lanes)
    type = vector_type(LLVM_TYPE[dtype], lanes)
    parameters = ", ".join(f"{type} %{name}" for name in arguments)
    head = f"define internal {type} @math.{op}.{dtype}.{lanes}({parameters}) #0 {{"
    return "\n".join([head, "entry:", *emitter.scopes[0].lines, f"  ret {type} {result.ref}", "}"])


def called_functions(text: str) -> set[tuple[str, str, int]]:
    """The transcendental words (op, dtype, lanes) that a kernel's text calls."""
    return {(op, dtype, int(lanes)) for op, dtype, lanes in re.findall(r"@math\.(\w+)\.(\w+)\.(\d+)\(", text)}


def vector_type(element: str, lanes: int) -> str:
    """LLVM's name of a vector of `lanes` elements; of the element itself for one."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def constant_text(value: Any, dtype: str) -> str:
    """A number as LLVM writes it."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype not in FLOATS:
        return str(int(value))
    if dtype == "float32":
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    return "0x" + struct.pack(">d", value).hex().upper()


def splat_text(element: str, text: str, lanes: int) -> str:
    """A constant in every lane."""
    return text if lanes == 1 else "<" + ", ".join([f"{element} {text}"] * lanes) + ">"


class Emitter:
    """Writes one kernel; `size` also serves the program's plan."""

    def __init__(self, kernel: Kernel, target: Target) -> None:
        self.kernel, self.target = kernel, target
        self.buffers: dict[str, Buffer] = {b.name: b for b in kernel.buffers}
        self.pointers = {b.name: f"%b{k}" for k, b in enumerate(kernel.buffers)}
        self.stored = set(_stored(kernel.body))
        self.scopes = [Scope(0, "entry")]
        self.names = {d: Bound(f"%d{k}", 0, 1) for k, d in enumerate(kernel.dims)}
        self.variables: dict[str, Value] = {}
        self.memo: dict[Any, Value] = {}
        self.count = 0
        self.words = Words(self)
        self.needs_dummy = False
        self.calls_functions = _most_transcendentals(kernel.body) > INLINED

    # -- the function --------------------------------------------------------------------------

    def function(self, name: str) -> str:
        for size in self.kernel.nonempty:
            if isinstance(size, Dim):
                self._return_if_zero(size)
        self.body(self.kernel.body)
        scope = self.scopes[0]
        pointers = ", ".join(f"ptr noalias {p}" for p in self.pointers.values())
        dims = ", ".join(f"i64 %d{k}" for k in range(len(self.kernel.dims)))
        arguments = ", ".join(filter(None, (pointers, dims)))
        dummy = ["  %dummy = alloca [16 x i8], align 16"] if self.needs_dummy else []
        lines = [f"define internal void @{name}({arguments}) #0 {{", "entry:", *dummy, *scope.lines, "  ret void", "}"]
        return "\n".join(lines)

    def _return_if_zero(self, size: Size) -> None:
        scope = self.scopes[0]
        value = self.size(size)
        test, leave, go = self.fresh(), self.fresh("empty"), self.fresh("nonempty")
        scope.lines += [
            f"  {test} = icmp eq i64 {value.ref}, 0",
            f"  br i1 {test}, label {leave}, label {go}",
            f"{leave[1:]}:",
            "  ret void",
            f"{go[1:]}:",
        ]
        scope.label = go[1:]

    def fresh(self, stem: str = "v") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def emit(self, text: str, depth: int) -> str:
        """Add an instruction to the scope at `depth`; its result's name."""
        name = self.fresh()
        self.scopes[depth].lines.append(f"  {name} = {text}")
        return name

    def remember(self, key: Any, ref: str, lanes: int, depth: int) -> Value:
        value = self.memo[key] = Value(ref, lanes, depth)
        self.scopes[depth].keys.append(key)
        return value

    # -- statements ----------------------------------------------------------------------------

    def body(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Store):
                self.store(statement)
            elif isinstance(statement, Turn):
                self.turn(statement)
            else:
                self.loop(statement)

    def loop(self, loop: Loop) -> None:
        parent = self.scopes[-1]
        depth = len(self.scopes)
        start, stop = self.size(loop.start), self.size(loop.stop)
        lanes = max([loop.lanes, *(s.lanes for s in self.scopes)])
        widths = [max(lanes, c.lanes) for c in loop.carries]
        firsts = [self.widen(self.value(c.first), c.first.dtype, w) for c, w in zip(loop.carries, widths, strict=True)]
        once = isinstance(loop.start, int) and isinstance(loop.stop, int) and loop.stop - loop.start <= loop.step
        if once and loop.stop <= loop.start:  # type: ignore[operator]
            self._after(loop, firsts)
            return
        head, end = self.fresh("loop")[1:], self.fresh("end")[1:]
        scope = Scope(depth, parent.label if once else head, loop.lanes)
        self.scopes.append(scope)
        index = start.ref if once else self.fresh("i")
        self.names[loop.index] = Bound(index, depth if not once else parent.depth, loop.lanes)
        phis = firsts if once else [Value(self.fresh("c"), w, depth) for w in widths]
        for carry, phi in zip(loop.carries, phis, strict=True):
            self.variables[carry.name] = phi
        if loop.masked:
            scope.mask = self._mask(index, stop.ref, loop.lanes, depth)
        self.body(loop.body)
        nexts = [
            self.widen(self.value(c.next), c.first.dtype, w)  # type: ignore[arg-type]
            for c, w in zip(loop.carries, widths, strict=True)
        ]
        self._close(loop)
        if once:
            parent.lines += scope.lines
            parent.label = scope.label
            self._after(loop, nexts)
            return
        self._join(loop, scope, parent, (start.ref, stop.ref, index), (head, end), (firsts, phis, nexts))

    def _mask(self, index: str, stop: str, lanes: int, depth: int) -> str:
        place = self.emit(f"add <{lanes} x i64> {self.splat(index, 'i64', lanes, depth)}, {_iota(lanes)}", depth)
        return self.emit(f"icmp slt <{lanes} x i64> {place}, {self.splat(stop, 'i64', lanes, depth)}", depth)

    def _close(self, loop: Loop) -> None:
        for key in self.scopes.pop().keys:
            del self.memo[key]
        del self.names[loop.index]

    def _after(self, loop: Loop, values: Iterable[Value]) -> None:
        for carry, value in zip(loop.carries, values, strict=True):
            self.variables[carry.name] = Value(value.ref, value.lanes, len(self.scopes) - 1)

    def _join(
        self,
        loop: Loop,
        scope: Scope,
        parent: Scope,
        bounds: tuple[str, str, str],
        labels: tuple[str, str],
        carried: tuple[list[Value], list[Value], list[Value]],
    ) -> None:
        """Append a finished loop to its parent: guard, phis, body, back edge, exit phis."""
        (start, stop, index), (head, end) = bounds, labels
        firsts, phis, nexts = carried
        certain = isinstance(loop.start, int) and isinstance(loop.stop, int) and loop.stop > loop.start
        before, out = parent.label, parent.lines
        if certain:
            out.append(f"  br label %{head}")
        else:
            enter = self.fresh()
            out += [f"  {enter} = icmp slt i64 {start}, {stop}", f"  br i1 {enter}, label %{head}, label %{end}"]
        following, again = self.fresh("n"), self.fresh()
        out += [f"{head}:", f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{scope.label} ]"]
        types = [vector_type(LLVM_TYPE[c.first.dtype], v.lanes) for c, v in zip(loop.carries, firsts, strict=True)]
        for phi, first, new, type in zip(phis, firsts, nexts, types, strict=True):
            out.append(f"  {phi.ref} = phi {type} [ {first.ref}, %{before} ], [ {new.ref}, %{scope.label} ]")
        out += scope.lines
        out += [
            f"  {following} = add nsw i64 {index}, {loop.step}",
            f"  {again} = icmp slt i64 {following}, {stop}",
            f"  br i1 {again}, label %{head}, label %{end}",
            f"{end}:",
        ]
        results = []
        for first, new, type in zip(firsts, nexts, types, strict=True):
            edges = [(new.ref, scope.label)] + ([] if certain else [(first.ref, before)])
            results.append(Value(self.fresh("r"), first.lanes))
            out.append(f"  {results[-1].ref} = phi {type} " + ", ".join(f"[ {v}, %{b} ]" for v, b in edges))
        parent.label = end
        self._after(loop, results)

    def store(self, store: Store) -> None:
        depth = len(self.scopes) - 1
        scope = self.scopes[-1]
        buffer = self.buffers[store.buffer]
        value = self.value(store.value)
        kind = self.stride(store.address)
        lanes = self.lanes if kind != "uniform" else 1
        value = self.widen(value, buffer.dtype, lanes)
        memory = vector_type(MEMORY_TYPE[buffer.dtype], lanes)
        ref = value.ref
        if buffer.dtype == "bool":
            ref = self.emit(f"zext {vector_type('i1', lanes)} {ref} to {memory}", depth)
        if kind == "scattered":
            pointers = self.scattered(buffer, store.address, lanes, depth)
            if not self.target.has_gather:
                pointers = self._diverted(pointers, self.mask, lanes, depth)
                self._scatter_one_by_one(memory, ref, pointers, buffer, lanes)
                return
            mask = self.mask or splat_text("i1", "true", lanes)
            self.call_void("scatter", memory, ref, pointers, mask, buffer, lanes)
        elif kind == "contiguous" and self.mask:
            pointer = self.pointer(buffer, store.address)
            self.call_void("store", memory, ref, pointer, self.mask, buffer, lanes)
        else:
            pointer = self.pointer(buffer, store.address)
            scope.lines.append(f"  store {memory} {ref}, ptr {pointer}, align {_bytes(buffer.dtype)}")

    def turn(self, turn: Turn) -> None:
        """Rows are loaded, transposed by exchanging ever larger halves in registers, and stored."""
        depth, lanes = len(self.scopes) - 1, len(turn.rows)
        source, target = self.buffers[turn.source], self.buffers[turn.buffer]
        element = MEMORY_TYPE[source.dtype]
        type, align = vector_type(element, lanes), _bytes(source.dtype)
        flags = f"<{lanes} x i1>"
        inside = self.splat(self.size(turn.below).ref, "i64", lanes, self.size_depth(turn.below))
        mask = self.emit(f"icmp slt <{lanes} x i64> {_iota(lanes)}, {inside}", depth)
        load = f"call {type} @llvm.masked.load.{_mangle(element, lanes)}.p0"
        rows = [
            self.emit(
                f"{load}(ptr {self.pointer(source, a)}, i32 {align}, {flags} {mask}, {type} zeroinitializer)", depth
            )
            for a in turn.rows
        ]
        size = 1
        while size < lanes:
            low = [k if k // size % 2 == 0 else k - size + lanes for k in range(lanes)]
            high = [k + size if k // size % 2 == 0 else k + lanes for k in range(lanes)]
            for a in [k for k in range(lanes) if k // size % 2 == 0]:
                pair = f"shufflevector {type} {rows[a]}, {type} {rows[a + size]}, <{lanes} x i32> "
                rows[a], rows[a + size] = (
                    self.emit(pair + "<" + ", ".join(f"i32 {k}" for k in places) + ">", depth) for places in (low, high)
                )
            size *= 2
        for k, row in enumerate(rows):
            pointer = self.pointer(target, turn.address + k * turn.step)
            self.scopes[-1].lines.append(f"  store {type} {row}, ptr {pointer}, align {align}")

    def call_void(self, kind: str, memory: str, ref: str, pointer: str, mask: str, buffer: Buffer, lanes: int) -> None:
        type = "ptr" if kind == "store" else f"<{lanes} x ptr>"
        suffix = f"{_mangle(MEMORY_TYPE[buffer.dtype], lanes)}.{'p0' if kind == 'store' else f'v{lanes}p0'}"
        arguments = f"{memory} {ref}, {type} {pointer}, i32 {_bytes(buffer.dtype)}, <{lanes} x i1> {mask}"
        self.scopes[-1].lines.append(f"  call void @llvm.masked.{kind}.{suffix}({arguments})")

    # -- scalars -------------------------------------------------------------------------------

    def value(self, root: Scalar) -> Value:
        """Compute a scalar (and what it needs), each part as far out as it can be."""
        stack = [root]
        while stack:
            x = stack[-1]
            if x in self.memo or x.op == "variable":
                stack.pop()
                continue
            lazy = x.payload == "lazy"
            needed = (x.args[0], x.args[2]) if lazy else x.args
            waiting = [a for a in needed if a not in self.memo and a.op != "variable"]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if lazy:
                self.branch(x)
            elif x.op in TRANSCENDENTAL:
                self.transcendental(x)
            else:
                self.compute(x)
        return self.lookup(root)

    def transcendental(self, x: Scalar) -> None:
        """A polynomial in place; a call in a kernel that has many, or LLVM's time would outgrow the kernel."""
        if not self.calls_functions:
            value = self.value(expand(x.op, x.args, self.target.has_fma))
            self.remember(x, value.ref, value.lanes, value.depth)
            return
        depth = self._depth(x.args)
        values = [self.lookup(a) for a in x.args]
        lanes = max(v.lanes for v in values)
        type = vector_type(LLVM_TYPE[x.dtype], lanes)
        arguments = ", ".join(f"{type} {self.widen(v, x.dtype, lanes).ref}" for v in values)
        ref = self.emit(f"call {type} @math.{x.op}.{x.dtype}.{lanes}({arguments})", depth)
        self.remember(x, ref, lanes, depth)

    def branch(self, x: Scalar) -> None:
        """A select whose first choice is computed only if some lane takes it."""
        scope, depth = self.scopes[-1], len(self.scopes) - 1
        condition, usual = self.lookup(x.args[0]), self.lookup(x.args[2])
        lanes = max(condition.lanes, usual.lanes)
        flags, usual = self.widen(condition, "bool", lanes), self.widen(usual, x.dtype, lanes)
        test = flags.ref
        if lanes > 1:
            packed = self.emit(f"bitcast <{lanes} x i1> {flags.ref} to i{lanes}", depth)
            test = self.emit(f"icmp ne i{lanes} {packed}, 0", depth)
        rare, join, before = self.fresh("rare")[1:], self.fresh("join")[1:], scope.label
        scope.lines += [f"  br i1 {test}, label %{rare}, label %{join}", f"{rare}:"]
        scope.label, kept = rare, len(scope.keys)
        chosen = self.widen(self.value(x.args[1]), x.dtype, lanes).ref
        picked = self.words.word("select", x.dtype, x.dtype, [flags.ref, chosen, usual.ref], lanes, depth)
        # What was computed in this block does not exist behind it.
        for key in scope.keys[kept:]:
            del self.memo[key]
        del scope.keys[kept:]
        scope.lines += [f"  br label %{join}", f"{join}:"]
        edges = f"[ {usual.ref}, %{before} ], [ {picked}, %{scope.label} ]"
        scope.label = join
        ref = self.emit(f"phi {vector_type(LLVM_TYPE[x.dtype], lanes)} {edges}", depth)
        self.remember(x, ref, lanes, depth)

    def lookup(self, x: Scalar) -> Value:
        return self.variables[x.payload] if x.op == "variable" else self.memo[x]

    def _depth(self, args: Iterable[Scalar]) -> int:
        return max((self.lookup(a).depth for a in args), default=0)

    def compute(self, x: Scalar) -> None:
        if x.op == "load":
            self.load(x)
            return
        if x.op == "index":
            value = self.size(x.payload)
            self.remember(x, value.ref, value.lanes, value.depth)
            return
        if x.op == "const":
            self.remember(x, constant_text(x.payload, x.dtype), 1, 0)
            return
        depth = self._depth(x.args)
        values = [self.lookup(a) for a in x.args]
        if x.op == "horizontal":
            self.remember(x, self.words.horizontal(x.payload, x.dtype, values[0], depth), 1, depth)
            return
        lanes = max(v.lanes for v in values)
        refs = [self.widen(v, a.dtype, lanes).ref for v, a in zip(values, x.args, strict=True)]
        operand = x.args[-1].dtype if x.op != "select" else x.dtype
        ref = self.words.word(x.op, operand, x.dtype, refs, lanes, depth)
        self.remember(x, ref, lanes, depth)

    def widen(self, value: Value, dtype: str, lanes: int) -> Value:
        """The value with so many lanes, the same in each where it had one."""
        if value.lanes == lanes:
            return value
        if value.lanes != 1:
            raise CompileError(f"a vector of {value.lanes} lanes is used where {lanes} are expected")
        return Value(self.splat(value.ref, LLVM_TYPE[dtype], lanes, value.depth), lanes, value.depth)

    def splat(self, ref: str, element: str, lanes: int, depth: int) -> str:
        if not ref.startswith("%"):
            return splat_text(element, ref, lanes)
        key = ("splat", ref, lanes)
        if key in self.memo:
            return self.memo[key].ref
        type = vector_type(element, lanes)
        one = self.emit(f"insertelement {type} poison, {element} {ref}, i64 0", depth)
        zeros = f"<{lanes} x i32> zeroinitializer"
        all_lanes = self.emit(f"shufflevector {type} {one}, {type} poison, {zeros}", depth)
        return self.remember(key, all_lanes, lanes, depth).ref

    # -- memory --------------------------------------------------------------------------------

    def load(self, x: Scalar) -> None:
        buffer = self.buffers[x.payload[0]]
        address = x.payload[1][0]
        kind = self.stride(address)
        here = len(self.scopes) - 1
        depth = max(self.size_depth(address), self._depth(x.args))
        if buffer.name in self.stored:
            depth = here
        mask = self.mask if kind != "uniform" else None
        if mask:
            depth = here
        lanes = self.lanes if kind != "uniform" else 1
        if x.args:
            guard = self.lookup(x.args[0])
            if guard.lanes > 1 and kind == "uniform":
                kind, lanes, depth = "scattered", guard.lanes, here
            if kind != "uniform":
                wide = self.widen(guard, "bool", lanes).ref
                mask = self.emit(f"and <{lanes} x i1> {wide}, {mask}", here) if mask else wide
            else:
                mask = guard.ref
        ref = self._read(buffer, address, kind, lanes, mask, depth)
        if buffer.dtype == "bool":
            ref = self.emit(f"trunc {vector_type('i8', lanes)} {ref} to {vector_type('i1', lanes)}", depth)
        self.remember(x, ref, lanes, depth)

    def _read(self, buffer: Buffer, address: Size, kind: str, lanes: int, mask: str | None, depth: int) -> str:
        element, align = MEMORY_TYPE[buffer.dtype], _bytes(buffer.dtype)
        type = vector_type(element, lanes)
        if kind == "scattered":
            pointers = self.scattered(buffer, address, lanes, depth)
            if not self.target.has_gather:
                pointers = self._diverted(pointers, mask, lanes, depth)
                return self._gathered_one_by_one(pointers, element, align, lanes, depth)
            mask = mask or splat_text("i1", "true", lanes)
            return self.emit(
                f"call {type} @llvm.masked.gather.{_mangle(element, lanes)}.v{lanes}p0"
                f"(<{lanes} x ptr> {pointers}, i32 {align}, <{lanes} x i1> {mask}, {type} zeroinitializer)",
                depth,
            )
        pointer = self.pointer(buffer, address)
        if kind == "uniform" and mask:
            self.needs_dummy = True
            pointer = self.emit(f"select i1 {mask}, ptr {pointer}, ptr %dummy", depth)
        elif mask:
            return self.emit(
                f"call {type} @llvm.masked.load.{_mangle(element, lanes)}.p0"
                f"(ptr {pointer}, i32 {align}, <{lanes} x i1> {mask}, {type} zeroinitializer)",
                depth,
            )
        return self.emit(f"load {type}, ptr {pointer}, align {align}", depth)

    def _diverted(self, pointers: str, mask: str | None, lanes: int, depth: int) -> str:
        """A vector of addresses, those of idle lanes replaced by memory that may be touched."""
        if mask is None:
            return pointers
        self.needs_dummy = True
        dummies = self.splat("%dummy", "ptr", lanes, 0)
        type = f"<{lanes} x ptr>"
        return self.emit(f"select <{lanes} x i1> {mask}, {type} {pointers}, {type} {dummies}", depth)

    def _gathered_one_by_one(self, pointers: str, element: str, align: int, lanes: int, depth: int) -> str:
        type, result = vector_type(element, lanes), "poison"
        for lane in range(lanes):
            pointer = self.emit(f"extractelement <{lanes} x ptr> {pointers}, i64 {lane}", depth)
            one = self.emit(f"load {element}, ptr {pointer}, align {align}", depth)
            result = self.emit(f"insertelement {type} {result}, {element} {one}, i64 {lane}", depth)
        return result

    def _scatter_one_by_one(self, memory: str, ref: str, pointers: str, buffer: Buffer, lanes: int) -> None:
        depth = len(self.scopes) - 1
        for lane in range(lanes):
            pointer = self.emit(f"extractelement <{lanes} x ptr> {pointers}, i64 {lane}", depth)
            one = self.emit(f"extractelement {memory} {ref}, i64 {lane}", depth)
            element = MEMORY_TYPE[buffer.dtype]
            self.scopes[-1].lines.append(f"  store {element} {one}, ptr {pointer}, align {_bytes(buffer.dtype)}")

    def pointer(self, buffer: Buffer, address: Size) -> str:
        """The address of an element; with a vector index, that of the first lane."""
        key = ("pointer", buffer.name, address)
        if key in self.memo:
            return self.memo[key].ref
        element = MEMORY_TYPE[buffer.dtype]
        ref, depth = self.pointers[buffer.name], 0
        for depth, part in self._by_depth(address):
            step = self.size(part, base=True).ref
            ref = self.emit(f"getelementptr inbounds {element}, ptr {ref}, i64 {step}", depth)
        constant = _constant_part(address)
        if constant:
            ref = self.emit(f"getelementptr inbounds {element}, ptr {ref}, i64 {constant}", depth)
        return self.remember(key, ref, 1, depth).ref

    def scattered(self, buffer: Buffer, address: Size, lanes: int, depth: int) -> str:
        """A vector of addresses, made at a depth where the address is known."""
        index = self.widen(self.size(address), "int64", lanes).ref
        base = self.pointers[buffer.name]
        return self.emit(f"getelementptr {MEMORY_TYPE[buffer.dtype]}, ptr {base}, <{lanes} x i64> {index}", depth)

    # -- sizes and indices ---------------------------------------------------------------------

    @property
    def lanes(self) -> int:
        """The lanes of the open vector loop; 1 without one."""
        return max(s.lanes for s in self.scopes)

    @property
    def mask(self) -> str | None:
        """The mask of the open vector loop, however many loops lie inside it."""
        return next((s.mask for s in self.scopes if s.mask), None)

    def stride(self, address: Size) -> str:
        """How an address moves with the lanes: "uniform", "contiguous" or "scattered"."""
        if not isinstance(address, Dim):
            return "uniform"
        found = "uniform"
        for monomial, coefficient in address.terms:
            varying = [a for a in monomial if self._atom_lanes(a) > 1]
            if not varying:
                continue
            plain = len(monomial) == 1 and isinstance(monomial[0], str) and coefficient == 1
            if not plain or found != "uniform":
                return "scattered"
            found = "contiguous"
        return found

    def _atom_lanes(self, atom: Any) -> int:
        if isinstance(atom, str):
            return self._bound(atom).lanes
        if isinstance(atom, Scalar):
            return self.value(atom).lanes
        parts = (atom.numerator, atom.denominator) if isinstance(atom, Quotient) else (atom.a, atom.b)
        return max((self._atom_lanes(a) for p in parts if isinstance(p, Dim) for m, _ in p.terms for a in m), default=1)

    def _bound(self, name: str) -> Bound:
        if name not in self.names:
            raise CompileError(f"the index {name} is not bound here")
        return self.names[name]

    def _atom_depth(self, atom: Any) -> int:
        if isinstance(atom, str):
            return self._bound(atom).depth
        if isinstance(atom, Scalar):
            return self.value(atom).depth
        parts = (atom.numerator, atom.denominator) if isinstance(atom, Quotient) else (atom.a, atom.b)
        return max(map(self.size_depth, parts))

    def size_depth(self, size: Size) -> int:
        """The depth of the innermost loop an index depends on."""
        if not isinstance(size, Dim):
            return 0
        return max((self._atom_depth(a) for m, _ in size.terms for a in m), default=0)

    def _by_depth(self, size: Size) -> list[tuple[int, Size]]:
        """The non-constant terms of an index, grouped by depth, outermost first."""
        groups: dict[int, Size] = {}
        if isinstance(size, Dim):
            for monomial, coefficient in size.terms:
                if monomial:
                    depth = max(map(self._atom_depth, monomial))
                    groups[depth] = groups.get(depth, 0) + Dim(((monomial, coefficient),))
        return sorted(groups.items(), key=lambda item: item[0])

    def size(self, size: Size, base: bool = False) -> Value:
        """An index as an i64; with `base`, a vector index counts as its first lane."""
        if isinstance(size, int):
            return Value(str(size), 1)
        key = ("size", size, base)
        if key in self.memo:
            return self.memo[key]
        total: Value | None = None
        depth = 0
        for depth, part in self._by_depth(size):
            assert isinstance(part, Dim)
            for monomial, coefficient in part.terms:
                term = self._term(monomial, coefficient, base, depth)
                total = term if total is None else self._integer("add", total, term, depth)
        constant = _constant_part(size)
        assert total is not None
        if constant:
            total = self._integer("add", total, Value(str(constant), 1), depth)
        return self.remember(key, total.ref, total.lanes, depth)

    def _term(self, monomial: tuple[Any, ...], coefficient: int, base: bool, depth: int) -> Value:
        term = self._atom(monomial[0], base)
        for atom in monomial[1:]:
            term = self._integer("mul", term, self._atom(atom, base), depth)
        return term if coefficient == 1 else self._integer("mul", term, Value(str(coefficient), 1), depth)

    def _integer(self, op: str, a: Value, b: Value, depth: int) -> Value:
        lanes = max(a.lanes, b.lanes)
        a, b = self.widen(a, "int64", lanes), self.widen(b, "int64", lanes)
        return Value(self.emit(f"{op} {vector_type('i64', lanes)} {a.ref}, {b.ref}", depth), lanes, depth)

    def _atom(self, atom: Any, base: bool) -> Value:
        if isinstance(atom, str):
            bound = self._bound(atom)
            if bound.lanes == 1 or base:
                return Value(bound.ref, 1, bound.depth)
            key = ("lanes", atom)
            if key not in self.memo:
                first = self.splat(bound.ref, "i64", bound.lanes, bound.depth)
                every = self.emit(f"add <{bound.lanes} x i64> {first}, {_iota(bound.lanes)}", bound.depth)
                self.remember(key, every, bound.lanes, bound.depth)
            return self.memo[key]
        if isinstance(atom, Scalar):
            return self.value(atom)
        depth = self._atom_depth(atom)
        if isinstance(atom, Quotient):
            a, b = self.size(atom.numerator, base), self.size(atom.denominator, base)
            # Sizes and the indices divided are never negative, so rounding down is rounding to zero.
            return self._integer("sdiv", a, b, depth)
        a, b = self.size(atom.a, base), self.size(atom.b, base)
        return self._choose(atom, a, b, depth)

    def _choose(self, atom: Extremum, a: Value, b: Value, depth: int) -> Value:
        lanes = max(a.lanes, b.lanes)
        a, b = self.widen(a, "int64", lanes), self.widen(b, "int64", lanes)
        type = vector_type("i64", lanes)
        test = self.emit(f"icmp {'slt' if atom.kind == 'min' else 'sgt'} {type} {a.ref}, {b.ref}", depth)
        chosen = self.emit(f"select {vector_type('i1', lanes)} {test}, {type} {a.ref}, {type} {b.ref}", depth)
        return Value(chosen, lanes, depth)


def _most_transcendentals(body: Sequence[Statement]) -> int:
    """How many transcendental words the fullest single loop body has."""
    stores = [s.value for s in body if isinstance(s, Store)]
    loops = [s for s in body if isinstance(s, Loop)]
    carried = [c.next for loop in loops for c in loop.carries if c.next is not None]
    own = sum(x.op in TRANSCENDENTAL for x in postorder([*stores, *carried]))
    return max([own, *(_most_transcendentals(loop.body) for loop in loops)])


def _stored(body: Sequence[Statement]) -> Iterable[str]:
    for statement in body:
        if isinstance(statement, (Store, Turn)):
            yield statement.buffer
        else:
            yield from _stored(statement.body)


def _constant_part(size: Size) -> int:
    if isinstance(size, int):
        return size
    monomial, coefficient = size.terms[-1]
    return coefficient if monomial == () else 0


def _iota(lanes: int) -> str:
    return "<" + ", ".join(f"i64 {k}" for k in range(lanes)) + ">"


def _bytes(dtype: str) -> int:
    return max(BITS[dtype] // 8, 1)


def _mangle(element: str, lanes: int) -> str:
    return f"v{lanes}" + {"float": "f32", "double": "f64"}.get(element, element)
