"""Loads and stores: contiguous, the same for all lanes, or an address for each lane; masked where lanes are idle."""

from __future__ import annotations

from collections.abc import Iterable

from symnet.dims import Dim, Size
from symnet.scalar import Scalar, const

from .indices import IndexWriter, constant_part
from .llvm_text import MEMORY_TYPE, itemsize, mangled, numbers_in, splat_text, vector_text, vector_type
from .loops import Buffer, Fetch, Kernel, Store, Turn
from .targets import Target
from .turning import name_of
from .words import Words
from .writer import Moving, Value


class AccessWriter(IndexWriter):
    """Writes loads and stores of a kernel's buffers."""

    def __init__(self, kernel: Kernel, target: Target, stored: set[str]) -> None:
        super().__init__(kernel.dims, target)
        self.stored = stored
        self.buffers: dict[str, Buffer] = {b.name: b for b in kernel.buffers}
        self.pointers = {b.name: f"%b{k}" for k, b in enumerate(kernel.buffers)}
        self.needs_dummy = False
        # Loads that give zeros where they are held back.
        self.zeroed: set[Scalar] = set()
        self.words = Words(self)

    def lookup(self, x: Scalar) -> Value:
        """The value of a scalar that was computed."""
        raise NotImplementedError

    def depth_of(self, args: Iterable[Scalar]) -> int:
        """The depth of the innermost loop that scalars which were computed depend on."""
        return max([self.lookup(a).depth for a in args], default=0)

    def load(self, x: Scalar) -> None:
        buffer = self.buffers[x.payload[0]]
        address = x.payload[1][0]
        kind, step = self.stride(address)
        here = len(self.scopes) - 1
        depth = max(self.size_depth(address), self.depth_of(x.args))
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
                mask = self.words.word("and", "bool", "bool", [wide, mask], lanes, here) if mask else wide
            else:
                mask = guard.ref
        if kind in ("strided", "repeated"):
            spread = self._strided if kind == "strided" else self._repeated
            ref = spread(buffer, self.pointer(buffer, address), step, lanes, mask, depth)
        else:
            ref = self._read(buffer, address, kind, lanes, mask, depth)
        if buffer.dtype == "bool":
            ref = self.emit(f"trunc {vector_type('i8', lanes)} {ref} to {vector_type('i1', lanes)}", depth)
        # A repeated element is read where any of its lanes is wanted.
        zeroed = ("contiguous", "strided", "scattered") if self.target.has_gather else ("contiguous", "strided")
        if mask and kind in zeroed:
            self.zeroed.add(x)
        self.remember(x, ref, lanes, depth)

    def is_zeroed(self, x: Scalar) -> bool:
        """Whether a select puts zeros where its load left zeros."""
        return (
            x.op == "select" and x.args[1] in self.zeroed and x.args[1].args[:1] == x.args[:1] and _is_zero(x.args[2])
        )

    def _read(self, buffer: Buffer, address: Size, kind: str, lanes: int, mask: str | None, depth: int) -> str:
        element, align = MEMORY_TYPE[buffer.dtype], itemsize(buffer.dtype)
        type = vector_type(element, lanes)
        if kind == "scattered":
            pointers = self.scattered(buffer, address, lanes, depth)
            if not self.target.has_gather:
                pointers = self._diverted(pointers, mask, lanes, depth)
                return self._gathered_one_by_one(pointers, element, align, lanes, depth)
            mask = mask or splat_text("i1", "true", lanes)
            return self.emit(
                f"call {type} @llvm.masked.gather.{mangled(element, lanes)}.v{lanes}p0"
                f"(<{lanes} x ptr> {pointers}, i32 {align}, <{lanes} x i1> {mask}, {type} zeroinitializer)",
                depth,
            )
        pointer = self.pointer(buffer, address)
        if kind == "uniform" and mask:
            self.needs_dummy = True
            pointer = self.emit(f"select i1 {mask}, ptr {pointer}, ptr %dummy", depth)
            mask = None
        return self._contiguous(buffer, pointer, lanes, mask, depth)

    def _contiguous(self, buffer: Buffer, pointer: str, lanes: int, mask: str | None, depth: int) -> str:
        """So many elements side by side; zeros where a mask holds them back."""
        element, align = MEMORY_TYPE[buffer.dtype], itemsize(buffer.dtype)
        type = vector_type(element, lanes)
        if mask is None:
            return self.emit(f"load {type}, ptr {pointer}, align {align}", depth)
        return self.emit(
            f"call {type} @llvm.masked.load.{mangled(element, lanes)}.p0"
            f"(ptr {pointer}, i32 {align}, <{lanes} x i1> {mask}, {type} zeroinitializer)",
            depth,
        )

    def _strided(self, buffer: Buffer, pointer: str, step: int, lanes: int, mask: str | None, depth: int) -> str:
        """Every `step`-th element, out of `step` vectors that cover them all; the last one ends at the last lane's."""
        element = MEMORY_TYPE[buffer.dtype]
        starts = [*(t * lanes for t in range(step - 1)), (step - 1) * (lanes - 1)]
        vector = [min(k * step // lanes, step - 1) for k in range(lanes)]
        place = [k * step - starts[t] for k, t in enumerate(vector)]
        result = ""
        for t, start in enumerate(starts):
            at = self.emit(f"getelementptr inbounds {element}, ptr {pointer}, i64 {start}", depth) if start else pointer
            lane = {place[k]: k for k in range(lanes) if vector[k] == t}
            wanted = [lane.get(p, lanes) for p in range(lanes)]
            own = mask and self._shuffle("i1", (mask, "zeroinitializer"), lanes, wanted, depth)
            part = self._contiguous(buffer, at, lanes, own, depth)
            # The first two parts meet from their places, later ones join what is in order already.
            before = place if t == 1 else list(range(lanes))
            picked = [lanes + place[k] if vector[k] == t else before[k] % lanes for k in range(lanes)]
            result = self._shuffle(element, (result, part), lanes, picked, depth) if result else part
        return result

    def _repeated(self, buffer: Buffer, pointer: str, times: int, lanes: int, mask: str | None, depth: int) -> str:
        """Elements side by side, each for so many lanes."""
        width, own = lanes // times, None
        for k in range(times if mask else 0):
            one = self._shuffle("i1", (str(mask), "zeroinitializer"), lanes, list(range(k, lanes, times)), depth)
            own = self.emit(f"or <{width} x i1> {own}, {one}", depth) if own else one
        part = self._contiguous(buffer, pointer, width, own, depth)
        every = [k // times for k in range(lanes)]
        return self._shuffle(MEMORY_TYPE[buffer.dtype], (part, "poison"), width, every, depth)

    def _shuffle(self, element: str, pair: tuple[str, str], lanes: int, places: list[int], depth: int) -> str:
        """Elements of two vectors of so many lanes, by their places among both."""
        known = [numbers_in(ref) for ref in pair]
        if known[0] is not None:
            both = known[0] + (known[1] or [0] * lanes)
            return vector_text(element, [both[k] for k in places])
        type, indices = vector_type(element, lanes), ", ".join(f"i32 {k}" for k in places)
        return self.emit(f"shufflevector {type} {pair[0]}, {type} {pair[1]}, <{len(places)} x i32> <{indices}>", depth)

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

    def store(self, store: Store) -> None:
        depth = len(self.scopes) - 1
        scope = self.scopes[-1]
        buffer = self.buffers[store.buffer]
        value = self.value(store.value)
        kind, _ = self.stride(store.address)
        kind = kind if kind in ("uniform", "contiguous") else "scattered"
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
            scope.lines.append(f"  store {memory} {ref}, ptr {pointer}, align {itemsize(buffer.dtype)}")

    def _scatter_one_by_one(self, memory: str, ref: str, pointers: str, buffer: Buffer, lanes: int) -> None:
        depth = len(self.scopes) - 1
        for lane in range(lanes):
            pointer = self.emit(f"extractelement <{lanes} x ptr> {pointers}, i64 {lane}", depth)
            one = self.emit(f"extractelement {memory} {ref}, i64 {lane}", depth)
            element = MEMORY_TYPE[buffer.dtype]
            self.scopes[-1].lines.append(f"  store {element} {one}, ptr {pointer}, align {itemsize(buffer.dtype)}")

    def call_void(self, kind: str, memory: str, ref: str, pointer: str, mask: str, buffer: Buffer, lanes: int) -> None:
        type = "ptr" if kind == "store" else f"<{lanes} x ptr>"
        suffix = f"{mangled(MEMORY_TYPE[buffer.dtype], lanes)}.{'p0' if kind == 'store' else f'v{lanes}p0'}"
        arguments = f"{memory} {ref}, {type} {pointer}, i32 {itemsize(buffer.dtype)}, <{lanes} x i1> {mask}"
        self.scopes[-1].lines.append(f"  call void @llvm.masked.{kind}.{suffix}({arguments})")

    def fetch(self, fetch: Fetch) -> None:
        pointer = self.pointer(self.buffers[fetch.buffer], fetch.address)
        self.scopes[-1].lines.append(f"  call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    def turn(self, turn: Turn) -> None:
        source, target = self.buffers[turn.source], self.buffers[turn.buffer]
        pace, rows, columns = (self.size(x).ref for x in (turn.pace, turn.rows, turn.columns))
        arguments = [
            f"ptr {self.pointer(source, turn.start)}, i64 {pace}, i64 {rows}, i64 {columns}",
            f"ptr {self.pointer(target, turn.address)}, i64 {turn.step}",
        ]
        name = name_of("pair" if target.dtype == "pair" else MEMORY_TYPE[source.dtype], turn.lanes)
        self.scopes[-1].lines.append(f"  call void @{name}({', '.join(arguments)})")

    def pointer(self, buffer: Buffer, address: Size) -> str:
        """The address of an element; with a vector index, that of the first lane."""
        key = ("pointer", buffer.name, address)
        if key in self.memo:
            return self.memo[key].ref
        element = MEMORY_TYPE[buffer.dtype]
        ref, depth = self.pointers[buffer.name], 0
        for depth, part in self._analysed(address)[1]:
            key_of_part = ("moved", ref, part)
            if key_of_part not in self.memo:
                self.remember(key_of_part, self._moved(ref, element, part, depth), 1, depth)
            ref = self.memo[key_of_part].ref
        constant = constant_part(address)
        if constant:
            ref = self.emit(f"getelementptr inbounds {element}, ptr {ref}, i64 {constant}", depth)
        return self.remember(key, ref, 1, depth).ref

    def _moved(self, ref: str, element: str, part: Dim, depth: int) -> str:
        """A pointer moved by a part of an address; in the innermost loop it goes on from where it was."""
        if depth and depth == len(self.scopes) - 1 and (pace := self.pace(part)) is not None:
            moving = Moving(self.fresh("p"), ref, element, self.size(pace, base=True))
            self.scopes[-1].moving.append(moving)
            return moving.ref
        step = self.size(part, base=True).ref
        return ref if step == "0" else self.emit(f"getelementptr inbounds {element}, ptr {ref}, i64 {step}", depth)

    def first_and_next(self, moving: Moving, start: str, step: int, depth: int) -> tuple[str, str, list[str]]:
        """A moving pointer's names before a loop and after an iteration, and the text that makes the latter."""
        ref, base, element, pace = moving
        offset = self._integer("mul", Value(start, 1), pace, depth).ref
        first = base if offset == "0" else self.emit(f"getelementptr {element}, ptr {base}, i64 {offset}", depth)
        stride = self._integer("mul", pace, Value(str(step), 1), depth).ref
        moved, following = self.fresh(), self.fresh()
        moves = f"  {moved} = getelementptr {element}, ptr {ref}, i64 {stride}"
        return first, following, [moves, f"  {following} = freeze ptr {moved}"]

    def scattered(self, buffer: Buffer, address: Size, lanes: int, depth: int) -> str:
        """A vector of addresses, made at a depth where the address is known."""
        index = self.widen(self.size(address), "int64", lanes).ref
        base = self.pointers[buffer.name]
        return self.emit(f"getelementptr {MEMORY_TYPE[buffer.dtype]}, ptr {base}, <{lanes} x i64> {index}", depth)


def _is_zero(x: Scalar) -> bool:
    return x.op == "const" and x is const(0, x.dtype)
