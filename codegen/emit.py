"""Loop IR to LLVM text.

Every scalar is computed once, in the outermost loop where all it depends on is known. In layers, each a
class on the one before: ``writer`` (SSA values and open loops), ``indices``, ``access`` (loads and stores), and
here loops and scalars. LLVM's own pass pipeline is not run: the text is what the machine gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import groupby
from math import gcd

from symnet.dims import Dim, Size, product
from symnet.scalar import TRANSCENDENTAL, Scalar, variable

from .access import AccessWriter
from .llvm_text import LLVM_TYPE, constant_text, iota, itemsize, vector_type
from .loops import Fetch, Kernel, Loop, Statement, Store, Turn, postorder
from .targets import Target
from .vector_math import expand
from .writer import Bound, Scope, Value

# A loop body calls its transcendental words as functions if they come to more core words than this.
INLINED = 600
# Scalars with transcendental words that are computed a part of each in turn.
IN_STEP = 2


def emit_kernel(kernel: Kernel, name: str, target: Target) -> str:
    """The LLVM function `name` for a kernel."""
    return Emitter(kernel, target).function(name)


def emit_function(op: str, dtype: str, lanes: int, target: Target) -> str:
    """The LLVM function of a transcendental word, for kernels that call it; see :func:`called_functions`."""
    arguments = ("x", "y")[: 2 if op in ("pow", "fmod") else 1]
    emitter = Emitter(Kernel([], [], [], []), target)
    emitter.variables = {name: Value(f"%{name}", lanes) for name in arguments}
    scalars = tuple(variable(name, dtype) for name in arguments)
    result = emitter.widen(emitter.value(expand(op, scalars, target.has_fma, target.has_avx512)), dtype, lanes)
    type = vector_type(LLVM_TYPE[dtype], lanes)
    parameters = ", ".join(f"{type} %{name}" for name in arguments)
    head = f"define internal {type} @math.{op}.{dtype}.{lanes}({parameters}) #0 {{"
    return "\n".join([head, "entry:", *emitter.scopes[0].lines, f"  ret {type} {result.ref}", "}"])


def called_functions(text: str) -> set[tuple[str, str, int]]:
    """The transcendental words (op, dtype, lanes) that a kernel's text calls."""
    return {(op, dtype, int(lanes)) for op, dtype, lanes in re.findall(r"@math\.(\w+)\.(\w+)\.(\d+)\(", text)}


class Emitter(AccessWriter):
    """Writes one kernel; `size` also serves the program's plan."""

    def __init__(self, kernel: Kernel, target: Target) -> None:
        super().__init__(kernel, target, set(_stored(kernel.body)))
        self.kernel = kernel
        self.variables: dict[str, Value] = {}

    @cached_property
    def costly_words(self) -> int:
        """How many core words the transcendental words of the fullest loop body come to."""
        return _most_words(self.kernel.body, self.target)

    @property
    def calls_functions(self) -> bool:
        """Whether some loop body has too many transcendental words to have them in place."""
        return self.costly_words > INLINED

    def function(self, name: str) -> str:
        pointers = ", ".join(f"ptr noalias {p}" for p in self.pointers.values())
        for size in self.kernel.nonempty:
            if isinstance(size, Dim):
                self._return_if_zero(size)
        if self.kernel.is_split:
            self._own_scratch()
        self.body(self.kernel.body)
        scope = self.scopes[0]
        dims = ", ".join(f"i64 %d{k}" for k in range(len(self.kernel.dims)))
        part = "i64 %part, i64 %parts" if self.kernel.is_split else ""
        arguments = ", ".join(filter(None, (pointers, dims, part)))
        dummy = ["  %dummy = alloca [16 x i8], align 16"] if self.needs_dummy else []
        lines = [f"define internal void @{name}({arguments}) #0 {{", "entry:", *dummy, *scope.lines, "  ret void", "}"]
        return "\n".join(lines)

    def _own_scratch(self) -> None:
        """The stretch of each scratch buffer that belongs to this part."""
        for name in sorted(self.kernel.scratch):
            buffer = self.buffers[name]
            bytes_each = self.size(product(buffer.shape) * itemsize(buffer.dtype)).ref
            offset = self.emit(f"mul i64 %part, {bytes_each}", 0)
            self.pointers[name] = self.emit(f"getelementptr i8, ptr {self.pointers[name]}, i64 {offset}", 0)

    def _part_of(self, loop: Loop, start: str, stop: str) -> tuple[str, str]:
        """The bounds of this part of a loop's iterations."""
        extent = self.emit(f"sub i64 {stop}, {start}", 0)
        rounded = self.emit(f"add i64 {extent}, {loop.step - 1}", 0)
        count = self.emit(f"sdiv i64 {rounded}, {loop.step}", 0)
        bounds = []
        for part in ("%part", self.emit("add i64 %part, 1", 0)):
            before = self.emit(f"sdiv i64 {self.emit(f'mul i64 {count}, {part}', 0)}, %parts", 0)
            moved = self.emit(f"mul i64 {before}, {loop.step}", 0)
            bound = self.emit(f"add i64 {start}, {moved}", 0)
            bounds.append(self.emit(f"call i64 @llvm.smin.i64(i64 {bound}, i64 {stop})", 0))
        return bounds[0], bounds[1]

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

    def body(self, statements: Sequence[Statement]) -> None:
        for kind, group in groupby(statements, type):
            alike = list(group)
            if kind is Store:
                stores = [x for x in alike if isinstance(x, Store)]
                self._load_old(stores)
                self.in_step([x.value for x in stores])
            self._statements(alike)

    def _load_old(self, stores: Sequence[Store]) -> None:
        """Load what one store reads and another one, perhaps before it, writes over: new values are made of old ones.

        A store that reads what it writes itself is left alone: one that adds at an index needs what was added before.
        """
        targets = {x.buffer for x in stores}
        if len(targets) == 1:
            return
        for store in stores:
            for x in postorder([store.value]):
                if x.op == "load" and x.payload[0] in targets - {store.buffer}:
                    self.value(x)

    def _statements(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Store):
                self.store(statement)
            elif isinstance(statement, Turn):
                self.turn(statement)
            elif isinstance(statement, Fetch):
                self.fetch(statement)
            else:
                self.loop(statement)

    def loop(self, loop: Loop) -> None:
        parent = self.scopes[-1]
        depth = len(self.scopes)
        start, stop = self.size(loop.start), self.size(loop.stop)
        lanes = max([loop.lanes, *(s.lanes for s in self.scopes)])
        widths = [max(lanes, c.lanes) for c in loop.carries]
        firsts = [self.widen(self.value(c.first), c.first.dtype, w) for c, w in zip(loop.carries, widths, strict=True)]
        shared = self.kernel.is_split and depth == 1 and not loop.whole
        known = isinstance(loop.start, int) and isinstance(loop.stop, int) and not shared
        once = known and loop.stop - loop.start <= loop.step  # type: ignore[operator]
        if once and loop.stop <= loop.start:  # type: ignore[operator]
            self._after(loop, firsts)
            return
        head, end = self.fresh("loop")[1:], self.fresh("end")[1:]
        scope = Scope(depth, parent.label if once else head, loop.lanes, "" if once else loop.index)
        self.scopes.append(scope)
        index = start.ref if once else self.fresh("i")
        # The index of a loop that runs once is a number, known outside of all loops.
        made = 0 if once else depth
        self.names[loop.index] = Bound(index, made, loop.lanes, _common_factor(loop))
        phis = firsts if once else [Value(self.fresh("c"), w, depth) for w in widths]
        for carry, phi in zip(loop.carries, phis, strict=True):
            self.variables[carry.name] = phi
        if loop.masked:
            scope.mask = self._mask(index, stop.ref, loop.lanes, made)
        self.body(loop.body)
        self.in_step([c.next for c in loop.carries if c.next is not None])
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
        bounds = self._part_of(loop, start.ref, stop.ref) if shared else (start.ref, stop.ref)
        certain = known and loop.stop > loop.start  # type: ignore[operator]
        self._join(loop, scope, parent, (*bounds, index), (head, end), (firsts, phis, nexts), certain)

    def _mask(self, index: str, stop: str, lanes: int, depth: int) -> str:
        first, every = Value(index, 1, depth), Value(iota(lanes), lanes)
        place, end = self._integer("add", first, every, depth).ref, self.splat(stop, "i64", lanes, depth)
        return self.words.word("lt", "int64", "bool", [place, end], lanes, depth)

    def _close(self, loop: Loop) -> None:
        self.forget(self.scopes.pop().keys)
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
        certain: bool,
    ) -> None:
        """Append a finished loop to its parent: guard, phis, body, back edge, exit phis.

        The guard is left out where the loop certainly runs.
        """
        (start, stop, index), (head, end) = bounds, labels
        firsts, phis, nexts = carried
        before, out = parent.label, parent.lines
        pointers = [self.first_and_next(moving, start, loop.step, parent.depth) for moving in scope.moving]
        if certain:
            out.append(f"  br label %{head}")
        else:
            enter = self.fresh()
            out += [f"  {enter} = icmp slt i64 {start}, {stop}", f"  br i1 {enter}, label %{head}, label %{end}"]
        moved, following, again = self.fresh(), self.fresh("n"), self.fresh()
        out += [f"{head}:", f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{scope.label} ]"]
        types = [vector_type(LLVM_TYPE[c.first.dtype], v.lanes) for c, v in zip(loop.carries, firsts, strict=True)]
        for phi, first, new, type in zip(phis, firsts, nexts, types, strict=True):
            out.append(f"  {phi.ref} = phi {type} [ {first.ref}, %{before} ], [ {new.ref}, %{scope.label} ]")
        for moving, (first_pointer, next_pointer, _) in zip(scope.moving, pointers, strict=True):
            out.append(f"  {moving.ref} = phi ptr [ {first_pointer}, %{before} ], [ {next_pointer}, %{scope.label} ]")
        out += [*scope.lines, *(line for *_, lines in pointers for line in lines)]
        out += [
            f"  {moved} = add nsw i64 {index}, {loop.step}",
            # Addresses are made well here. LLVM would try to improve them, a sixth of its time, if it saw that they
            # move in step with the index; what is frozen it takes as it is.
            f"  {following} = freeze i64 {moved}",
            f"  {again} = icmp slt i64 {following}, {stop}",
            f"  br i1 {again}, label %{head}, label %{end}",
            f"{end}:",
        ]
        parent.label = end
        if certain:
            self._after(loop, nexts)
            return
        results = [Value(self.fresh("r"), first.lanes) for first in firsts]
        for result, first, new, type in zip(results, firsts, nexts, types, strict=True):
            out.append(f"  {result.ref} = phi {type} [ {new.ref}, %{scope.label} ], [ {first.ref}, %{before} ]")
        self._after(loop, results)

    def value(self, root: Scalar) -> Value:
        """Compute a scalar (and what it needs), each part as far out as it can be."""
        for _ in self._parts(root):
            pass
        return self.lookup(root)

    def in_step(self, roots: Sequence[Scalar]) -> None:
        """Compute costly scalars a few at a time: while one waits for its last result the others go on."""
        costly = [root for root in roots if self.costly_words and _has_transcendental(root)]
        for first in range(0, len(costly), IN_STEP):
            at_work = [self._parts(root) for root in costly[first : first + IN_STEP]]
            while at_work:
                at_work = [parts for parts in at_work if next(parts, None)]

    def _parts(self, root: Scalar) -> Iterator[Scalar]:
        """Compute a scalar, and yield each part that was."""
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
            elif x.op in TRANSCENDENTAL and not self.calls_functions:
                polynomial = expand(x.op, x.args, self.target.has_fma, self.target.has_avx512)
                yield from self._parts(polynomial)
                if x not in self.memo:
                    value = self.lookup(polynomial)
                    self.remember(x, value.ref, value.lanes, value.depth)
            elif x.op in TRANSCENDENTAL:
                self.call(x)
            else:
                self.compute(x)
            yield x

    def call(self, x: Scalar) -> None:
        """A word as a function: in a kernel that has many, polynomials in place would take LLVM too long."""
        depth = self.depth_of(x.args)
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
        self.forget(scope.keys[kept:])
        del scope.keys[kept:]
        scope.lines += [f"  br label %{join}", f"{join}:"]
        edges = f"[ {usual.ref}, %{before} ], [ {picked}, %{scope.label} ]"
        scope.label = join
        ref = self.emit(f"phi {vector_type(LLVM_TYPE[x.dtype], lanes)} {edges}", depth)
        self.remember(x, ref, lanes, depth)

    def lookup(self, x: Scalar) -> Value:
        return self.variables[x.payload] if x.op == "variable" else self.memo[x]

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
        if x.op == "cast" and x.dtype == "int32" and x.args[0].op == "index":
            value = self.size_in_32_bits(x.args[0].payload)
            self.remember(x, value.ref, value.lanes, value.depth)
            return
        values = [self.lookup(a) for a in x.args]
        if self.is_zeroed(x):
            self.remember(x, values[1].ref, values[1].lanes, values[1].depth)
            return
        depth = max([v.depth for v in values])
        if x.op == "horizontal":
            self.remember(x, self.words.horizontal(x.payload, x.dtype, values[0], depth), 1, depth)
            return
        lanes = max([v.lanes for v in values])
        refs = [self.widen(v, a.dtype, lanes).ref for v, a in zip(values, x.args, strict=True)]
        if x.op == "lookup":
            self.remember(x, self.words.lookup(x.payload, refs[0], lanes, depth), lanes, depth)
            return
        operand = x.args[-1].dtype if x.op != "select" else x.dtype
        ref = self.words.word(x.op, operand, x.dtype, refs, lanes, depth)
        self.remember(x, ref, lanes, depth)


def _common_factor(loop: Loop) -> int:
    """What certainly divides every value of a loop's index."""
    return gcd(loop.start, loop.step) if isinstance(loop.start, int) else 1


def _has_transcendental(root: Scalar) -> bool:
    return any(x.op in TRANSCENDENTAL for x in postorder([root]))


def _most_words(body: Sequence[Statement], target: Target) -> int:
    """How many core words the transcendental words of the fullest single loop body come to."""
    stores = [s.value for s in body if isinstance(s, Store)]
    loops = [s for s in body if isinstance(s, Loop)]
    carried = [c.next for loop in loops for c in loop.carries if c.next is not None]
    own = [x for x in postorder([*stores, *carried]) if x.op in TRANSCENDENTAL]
    return max([sum(_length(x.op, x.dtype, target) for x in own), *(_most_words(x.body, target) for x in loops)])


@cache
def _length(op: str, dtype: str, target: Target) -> int:
    """The core words of a transcendental one."""
    arguments = (variable("x", dtype), variable("y", dtype))
    return len(postorder([expand(op, arguments, target.has_fma, target.has_avx512)]))


def _stored(body: Sequence[Statement]) -> Iterable[str]:
    for statement in body:
        if isinstance(statement, (Store, Turn)):
            yield statement.buffer
        elif isinstance(statement, Loop):
            yield from _stored(statement.body)
