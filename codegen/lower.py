"""From scalar expressions over a domain to loops.

A kernel stores values for every index of its domain. Values may hold folds, and the body of a fold
may hold folds that do not depend on its index (a softmax: the sum over exp(x - max over x)). Folds
are computed in levels, each level in one sweep; then the stores that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from itertools import count

import numpy as np

from symnet import scalar as s
from symnet.dims import Dim, Size, minimum, names, substitute
from symnet.scalar import FLOATS, Scalar

from .loops import Buffer, Carry, Kernel, Loop, Output, Statement, Store, Turn, postorder, replace, scalars_in
from .reuse import kept_values
from .schedule import Axes, Schedule, choose, for_sweep, packable, stride
from .targets import Target


def lower(
    domain: Axes,
    outputs: Sequence[Output],
    buffers: dict[str, Buffer],
    target: Target,
    row_axis: str | None = None,
) -> Kernel:
    """The loops that store every output for every index of the domain.

    Parameters
    ----------
    domain : sequence of (name, size)
    outputs : sequence of Output
    buffers : dict of str to Buffer
        Those that loads may name.
    target : Target
    row_axis : str, optional
        The index of the domain along which the folds run too: whole rows are computed, in sweeps.
    """
    domain = [(n, size) for n, size in domain if size != 1]
    ones = {n: 0 for n, size in domain if size == 1}
    outputs = [Output(o.buffer, substitute(o.address, ones), o.value) for o in outputs]
    lowering = _Lowering(domain, outputs, target, row_axis)
    body = lowering.body()
    used = [*_used_buffers(outputs, buffers), *lowering.scratch.values()]
    sizes = [size for _, size in domain] + [x for b in used for x in b.shape]
    dims = dict.fromkeys(n for size in [*sizes, *_sizes_in(outputs)] for n in names(size))
    indices = {n for n, _ in domain} | {n for f in _folds_in([o.value for o in outputs]) for n, _ in f.payload.axes}
    return Kernel(used, [d for d in dims if d not in indices], [size for _, size in domain], body)


def _used_buffers(outputs: Sequence[Output], buffers: dict[str, Buffer]) -> list[Buffer]:
    loads = [x.payload[0] for x in postorder([o.value for o in outputs]) if x.op == "load"]
    loads += [x.payload[0] for o in outputs for x in postorder(list(scalars_in(o.address))) if x.op == "load"]
    return list(
        {b.name: b for b in [*(buffers[n] for n in dict.fromkeys(loads)), *(o.buffer for o in outputs)]}.values()
    )


def _sizes_in(outputs: Sequence[Output]) -> list[Size]:
    found: list[Size] = [o.address for o in outputs]
    for x in postorder([o.value for o in outputs]):
        if x.op == "load":
            found.extend(x.payload[1])
        elif x.op == "index":
            found.append(x.payload)
        elif x.op == "fold":
            found.extend(size for _, size in x.payload.axes)
    return found


def _folds_in(values: Sequence[Scalar]) -> list[Scalar]:
    """Every fold, those inside others first."""
    return [x for x in postorder(list(values)) if x.op == "fold"]


class _Lowering:
    def __init__(self, domain: Axes, outputs: Sequence[Output], target: Target, row_axis: str | None) -> None:
        self.domain, self.outputs, self.target = domain, outputs, target
        self.row_axis = row_axis if row_axis in dict(domain) else None
        self.folds = _folds_in([o.value for o in outputs])
        self.fresh = count()
        self.scratch: dict[Scalar, Buffer] = {}
        self.level: dict[Scalar, int] = {}
        for fold in self.folds:
            self.level[fold] = 1 + max((self.level[f] for f in _folds_in(fold.args)), default=0)

    def name(self, stem: str) -> str:
        return f"{stem}_{next(self.fresh)}"

    def body(self) -> list[Statement]:
        if max(self.level.values(), default=0) > 1 or (self.folds and self.row_axis):
            return self._rows()
        values = [o.value for o in self.outputs]
        schedule = choose(self.domain, values, [o.address for o in self.outputs], self.folds, self.target)
        if schedule.horizontal:
            return self._around(self.domain, {}, lambda at: self._horizontal(schedule, at))
        return self._vertical(schedule)

    # -- one level of folds, or none -----------------------------------------------------------

    def _vertical(self, schedule: Schedule) -> list[Statement]:
        """Loops over the domain; inside, a register tile of `rows` by `vectors`."""
        sizes = dict(self.domain)
        outer = [(n, size) for n, size in self.domain if n not in (schedule.vector, schedule.row)]

        def tiles(at: dict[str, Size]) -> list[Statement]:
            if schedule.vector is None:
                return self._tile([at], self.outputs)
            return self._tiles(schedule, sizes, at)

        return self._around(outer, {}, tiles)

    def _tiles(self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]) -> list[Statement]:
        """The two loops over tiles, of rows and of columns, whichever is outside."""
        assert schedule.vector is not None
        if schedule.columns_first:
            return self._strips(schedule, sizes, at)
        pieces: list[Statement] = []
        for n_rows, row_loop in self._row_pieces(schedule, sizes):
            inner: list[Statement] = []
            for n_columns, loop in self._vector_pieces(sizes[schedule.vector], schedule.lanes, schedule.vectors):
                spots = _spots(schedule, at, (n_rows, row_loop), (n_columns, Dim.named(loop.index)))
                inner += _inside(loop, self._tile(spots, self.outputs))
            pieces += _inside(row_loop, inner)
        return pieces

    def _strips(self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]) -> list[Statement]:
        """Strips of columns, each passed by all rows; packed first where that pays (Goto & van de Geijn, 2008)."""
        assert schedule.vector is not None
        pieces: list[Statement] = []
        for n_columns, strip in self._vector_pieces(sizes[schedule.vector], schedule.lanes, schedule.vectors):
            width = n_columns * schedule.lanes
            # The strip's index moves from strip to strip; inside, one pass over the strip's own columns.
            end = strip.stop - Dim.named(strip.index) if strip.masked else width
            columns = Loop(self.name("j"), 0, end, width, schedule.lanes, strip.masked)
            strip.lanes, strip.masked, strip.body = 1, False, [columns]
            start = Dim.named(strip.index)
            outputs = self.outputs
            if schedule.packed:
                outputs, strip.body[:0] = self._packed(schedule, at, start, columns, n_columns, sizes[schedule.vector])
            for n_rows, row_loop in self._row_pieces(schedule, sizes):
                spots = _spots(schedule, at, (n_rows, row_loop), (n_columns, start + Dim.named(columns.index)))
                columns.body += _inside(row_loop, self._tile(spots, outputs))
            pieces.append(strip)
        return pieces

    def _packed(
        self, schedule: Schedule, at: dict[str, Size], start: Size, columns: Loop, n_columns: int, extent: Size
    ) -> tuple[Sequence[Output], list[Statement]]:
        """Copy what all rows read of a strip side by side; the outputs that read the copy, and the copying."""
        assert schedule.vector is not None
        lanes, width = schedule.lanes, n_columns * schedule.lanes
        copies: dict[Scalar, Scalar] = {}
        statements: list[Statement] = []
        for fold, load in packable(self.folds, schedule):
            ((axis, size),) = fold.payload.axes
            # Whole squares are turned: their last rows may lie beyond the end.
            scratch = self._scratch(load, (size + lanes - 1) // lanes * lanes, lanes * schedule.vectors)
            copies[load] = s.load(scratch, (Dim.named(axis) * width + Dim.named(schedule.vector) - start,), load.dtype)
            (address,) = load.payload[1]
            row = Dim.named(self.name(axis))
            loop = Loop(str(row), 0, size, 1)
            spot = {**at, axis: row}
            if stride(address, schedule.vector) != 1 and stride(address, axis) == 1:
                loop.step = lanes
                for c in range(n_columns):
                    places = [minimum(start + c * lanes + k, extent - 1) for k in range(lanes)]
                    rows = [substitute(address, {**spot, schedule.vector: place}) for place in places]
                    loop.body.append(Turn(scratch, row * width + c * lanes, width, load.payload[0], rows, size - row))
                statements.append(loop)
                continue
            own = Loop(self.name("j"), columns.start, columns.stop, columns.step, lanes, columns.masked, body=[loop])
            for c in range(n_columns):
                column = Dim.named(own.index) + c * lanes
                (value,) = replace([load], {**spot, schedule.vector: start + column}, {})
                loop.body.append(Store(scratch, row * width + column, value))
            statements.append(own)
        values = replace([o.value for o in self.outputs], {}, copies)
        return [changed(o, value=v) for o, v in zip(self.outputs, values, strict=True)], statements

    def _scratch(self, load: Scalar, depth: Size, width: int) -> str:
        """The buffer for the copied strips of a load."""
        if load not in self.scratch:
            self.scratch[load] = Buffer(self.name("strip"), load.dtype, (depth, width), "argument")
        return self.scratch[load].name

    def _around(
        self, axes: Axes, at: dict[str, Size], inside: Callable[[dict[str, Size]], list[Statement]]
    ) -> list[Statement]:
        """Plain loops over some indices."""
        if not axes:
            return inside(at)
        (name, size), *rest = axes
        index = self.name(name)
        return [Loop(index, 0, size, 1, body=self._around(rest, {**at, name: Dim.named(index)}, inside))]

    def _row_pieces(self, schedule: Schedule, sizes: dict[str, Size]) -> list[tuple[int, Loop | None]]:
        if schedule.row is None:
            return [(1, None)]
        extent, rows = sizes[schedule.row], schedule.rows
        whole = extent // rows * rows
        pieces: list[tuple[int, Loop | None]] = [(rows, Loop(self.name(schedule.row), 0, whole, rows))]
        if isinstance(extent, int) and isinstance(whole, int):
            rest = extent - whole
            if rest:
                pieces.append((rest, Loop(self.name(schedule.row), whole, extent, rest)))
            return pieces
        pieces.append((1, Loop(self.name(schedule.row), whole, extent, 1)))
        return pieces

    def _vector_pieces(self, extent: Size, lanes: int, vectors: int) -> list[tuple[int, Loop]]:
        """Loops that cover an extent by whole tiles, then whole vectors, then one masked vector."""
        tile = lanes * vectors
        whole, full = extent // tile * tile, extent // lanes * lanes
        if isinstance(extent, int) and isinstance(whole, int) and isinstance(full, int):
            pieces = [(vectors, Loop(self.name("j"), 0, whole, tile, lanes))] if whole else []
            if full > whole:
                pieces.append(((full - whole) // lanes, Loop(self.name("j"), whole, full, full - whole, lanes)))
            if extent > full:
                pieces.append((1, Loop(self.name("j"), full, extent, lanes, lanes, masked=True)))
            return pieces
        pieces = [(vectors, Loop(self.name("j"), 0, whole, tile, lanes))]
        if vectors > 1:
            pieces.append((1, Loop(self.name("j"), whole, full, lanes, lanes)))
        pieces.append((1, Loop(self.name("j"), full, extent, lanes, lanes, masked=True)))
        return pieces

    def _tile(self, spots: Sequence[dict[str, Size]], outputs: Sequence[Output]) -> list[Statement]:
        """Folds and stores at several places of the domain at once."""
        statements: list[Statement] = []
        found: list[dict[Scalar, Scalar]] = [{} for _ in spots]
        by_axes: dict[Axes, list[Scalar]] = {}
        for fold in _folds_in([o.value for o in outputs]):
            by_axes.setdefault(fold.payload.axes, []).append(fold)
        for axes, folds in by_axes.items():
            statements += self._fold_loops(axes, folds, spots, found)
        for output in outputs:
            for spot, known in zip(spots, found, strict=True):
                (value,) = replace([output.value], spot, known)
                statements.append(Store(output.buffer.name, substitute(output.address, spot), value))
        return statements

    def _fold_loops(
        self, axes: Axes, folds: Sequence[Scalar], spots: Sequence[dict[str, Size]], found: list[dict[Scalar, Scalar]]
    ) -> list[Statement]:
        """The loops over `axes` that compute the folds at every spot; equal instances are computed once."""
        indices = {name: self.name(name) for name, _ in axes}
        inner = {name: Dim.named(index) for name, index in indices.items()}
        instances: dict[tuple[str, Scalar], Instance] = {}
        for fold in folds:
            for spot, known in zip(spots, found, strict=True):
                (body,) = replace([fold.args[0]], {**spot, **inner}, {})
                key = (fold.payload.kind, body)
                if key not in instances:
                    place = s.index(inner[axes[-1][0]])
                    instances[key] = Instance(fold.payload.kind, body, place)
                known[fold] = s.variable(self._result(instances[key]), fold.dtype)
        loops = self._nest([(indices[n], size) for n, size in axes], list(instances.values()), None)
        return [loops]

    def _result(self, instance: Instance) -> str:
        if not instance.names:
            instance.names = [self.name("acc") for _ in instance.firsts()]
        return instance.names[-1]

    def _nest(self, axes: Axes, instances: Sequence[Instance], outer: list[list[Scalar]] | None) -> Loop:
        """Nested loops that carry each instance's state; `outer` is the state of the enclosing loop."""
        (index, size), *rest = axes
        loop = Loop(index, 0, size, 1)
        states: list[list[Scalar]] = []
        for k, instance in enumerate(instances):
            firsts = outer[k] if outer else instance.firsts()
            own = instance.names if outer is None else [self.name("acc") for _ in firsts]
            state = [s.variable(n, f.dtype) for n, f in zip(own, firsts, strict=True)]
            loop.carries += [Carry(n, f) for n, f in zip(own, firsts, strict=True)]
            states.append(state)
        if rest:
            inside = self._nest(rest, instances, states)
            loop.body.append(inside)
            for carry, inner in zip(loop.carries, inside.carries, strict=True):
                carry.next = s.variable(inner.name, inner.first.dtype)
            return loop
        nexts = [n for instance, state in zip(instances, states, strict=True) for n in instance.nexts(state)]
        for carry, following in zip(loop.carries, nexts, strict=True):
            carry.next = following
        return loop

    # -- lanes along a fold --------------------------------------------------------------------

    def _horizontal(self, schedule: Schedule, at: dict[str, Size]) -> list[Statement]:
        """Folds over one axis (others around it), the lanes counting that axis; then the stores."""
        assert schedule.vector is not None
        statements: list[Statement] = []
        known: dict[Scalar, Scalar] = {}
        by_axes: dict[Axes, list[Scalar]] = {}
        for fold in self.folds:
            by_axes.setdefault(fold.payload.axes, []).append(fold)
        for axes, folds in by_axes.items():
            statements += self._across(axes, folds, at, known, schedule)
        return statements + self._stores(at, known, self.outputs)

    def _stores(self, at: dict[str, Size], known: dict[Scalar, Scalar], outputs: Sequence[Output]) -> list[Statement]:
        return [Store(o.buffer.name, substitute(o.address, at), replace([o.value], at, known)[0]) for o in outputs]

    def _across(
        self, axes: Axes, folds: Sequence[Scalar], at: dict[str, Size], known: dict[Scalar, Scalar], schedule: Schedule
    ) -> list[Statement]:
        if len(axes) == 1:
            statements, results = self._sweep(axes[0], folds, at, known, schedule, [])
            known.update(results)
            return statements
        (name, size), *rest = axes
        index = self.name(name)
        loop = Loop(index, 0, size, 1)
        inner: dict[Scalar, Scalar] = dict(known)
        loop.body = self._across(tuple(rest), folds, {**at, name: Dim.named(index)}, inner, schedule)
        for fold in folds:
            carry = Carry(self.name("acc"), identity(fold.payload.kind, fold.dtype))
            total = s.variable(carry.name, fold.dtype)
            carry.next = combine(fold.payload.kind, total, inner[fold])
            loop.carries.append(carry)
            known[fold] = total
        return [loop]

    def _sweep(
        self,
        axis: tuple[str, Size],
        folds: Sequence[Scalar],
        at: dict[str, Size],
        known: dict[Scalar, Scalar],
        schedule: Schedule,
        stores: Sequence[Output],
    ) -> tuple[list[Statement], dict[Scalar, Scalar]]:
        """One pass along an axis in vectors: carries the folds, makes the stores on the way."""
        name, size = axis
        statements: list[Statement] = []
        parts: dict[Scalar, list[Scalar]] = {f: [identity(f.payload.kind, f.dtype)] * schedule.vectors for f in folds}
        for vectors, loop in self._vector_pieces(size, schedule.lanes, schedule.vectors):
            for fold in folds:
                own_axis = fold.payload.axes[-1][0]
                for v in range(vectors):
                    place = Dim.named(loop.index) + v * schedule.lanes
                    (body,) = replace([fold.args[0]], {**at, own_axis: place}, known)
                    if loop.masked:
                        inside = s.index(place) < s.index(size)
                        body = s.select(inside, body, identity(fold.payload.kind, fold.dtype))
                    carry = Carry(self.name("acc"), parts[fold][v])
                    total = s.variable(carry.name, fold.dtype)
                    carry.next = combine(fold.payload.kind, total, body)
                    loop.carries.append(carry)
                    parts[fold][v] = total
            for v in range(vectors):
                spot = {**at, name: Dim.named(loop.index) + v * schedule.lanes}
                loop.body += self._stores(spot, known, stores)
            statements.append(loop if loop.masked or stores else self._in_blocks(loop, folds))
        results = {}
        for fold in folds:
            kind = fold.payload.kind
            total = parts[fold][0]
            for part in parts[fold][1:]:
                total = total if part.op == "const" else combine(kind, total, part)
            results[fold] = s.make("horizontal", (total,), fold.dtype, kind) if schedule.lanes > 1 else total
        return statements, results

    def _in_blocks(self, loop: Loop, folds: Sequence[Scalar]) -> Loop:
        """A long sum as a sum of the sums of blocks: rounding errors grow with the blocks, not with the elements.

        The first level of pairwise summation (Higham, The accuracy of floating point summation, 1993).
        """
        sums = any(f.payload.kind == "add" and f.dtype in FLOATS for f in folds)
        steps = (loop.stop - loop.start) // loop.step if isinstance(loop.stop, int) else BLOCK + 1
        if not sums or isinstance(steps, Dim) or steps <= BLOCK:
            return loop
        start = Dim.named(self.name("block"))
        end = minimum(start + loop.step * BLOCK, loop.stop)
        inner = Loop(loop.index, start, end, loop.step, loop.lanes, body=loop.body)
        outer = Loop(str(start), loop.start, loop.stop, loop.step * BLOCK, body=[inner])
        kinds = [f.payload.kind for f in folds for _ in range(len(loop.carries) // len(folds))]
        for carry, kind in zip(loop.carries, kinds, strict=True):
            assert carry.next is not None
            total = s.variable(carry.name, carry.first.dtype)
            part = s.variable(self.name("part"), carry.first.dtype)
            (following,) = replace([carry.next], {}, {total: part})
            inner.carries.append(Carry(str(part.payload), identity(kind, carry.first.dtype), following))
            outer.carries.append(Carry(carry.name, carry.first, combine(kind, total, part), loop.lanes))
        return outer

    # -- several levels of folds along one axis ------------------------------------------------

    def _rows(self) -> list[Statement]:
        fold_axis, size = self.folds[0].payload.axes[-1]
        inner = self.row_axis or fold_axis
        outer = [(n, extent) for n, extent in self.domain if n != inner]
        values = [o.value for o in self.outputs]
        lanes = self.target.lanes(max([s.BITS[x.dtype] for x in postorder(values) if x.dtype in FLOATS] or [32]))
        outputs, kept = kept_values(self.outputs, self.level, inner)

        def row(at: dict[str, Size]) -> list[Statement]:
            statements: list[Statement] = []
            known: dict[Scalar, Scalar] = {}
            for level in range(1, max(self.level.values()) + 2):
                folds = [f for f in self.folds if self.level[f] == level]
                stores = [o for o in outputs if self._needs(o) == level - 1 and inner in names(o.address)]
                stores += kept.get(level, [])
                if folds or stores:
                    schedule = for_sweep(inner, size, lanes, [*(f.args[0] for f in folds), *(o.value for o in stores)])
                    sweep, results = self._sweep((inner, size), folds, at, known, schedule, stores)
                    statements += sweep
                    known.update(results)
            return statements + self._stores(at, known, [o for o in outputs if inner not in names(o.address)])

        return self._around(outer, {}, row)

    def _needs(self, output: Output) -> int:
        return max((self.level[f] for f in _folds_in([output.value])), default=0)


def _spots(
    schedule: Schedule, at: dict[str, Size], rows: tuple[int, Loop | None], columns: tuple[int, Size]
) -> list[dict[str, Size]]:
    """The places of the domain that one tile computes."""
    (n_rows, row_loop), (n_columns, column) = rows, columns
    spots: list[dict[str, Size]] = []
    for r in range(n_rows):
        for c in range(n_columns):
            spot = {**at, str(schedule.vector): column + c * schedule.lanes}
            if row_loop is not None:
                spot[str(schedule.row)] = Dim.named(row_loop.index) + r
            spots.append(spot)
    return spots


def _inside(loop: Loop | None, body: list[Statement]) -> list[Statement]:
    if loop is None:
        return body
    loop.body = body
    return [loop]


# Steps of a loop that adds up floats before its sum is added to that of the loops before.
BLOCK = 64


@dataclass
class Instance:
    """One fold at one place of the tile."""

    kind: str
    body: Scalar
    place: Scalar
    names: list[str] = field(default_factory=list)

    def firsts(self) -> list[Scalar]:
        """The state before the first iteration; the last one is the fold's result."""
        if self.kind.startswith("arg"):
            return [identity(self.kind[3:], self.body.dtype), s.const(0, "int64")]
        return [identity(self.kind, self.body.dtype)]

    def nexts(self, state: Sequence[Scalar]) -> list[Scalar]:
        """The state after an iteration."""
        if not self.kind.startswith("arg"):
            return [combine(self.kind, state[0], self.body)]
        best, position = state
        better = self.body > best if self.kind == "argmax" else self.body < best
        if self.body.dtype in FLOATS:
            better = better | (s.ne(self.body, self.body) & s.eq(best, best))
        return [s.select(better, self.body, best), s.select(better, self.place, position)]


def identity(kind: str, dtype: str) -> Scalar:
    """What a fold starts from."""
    if kind in ("add", "or"):
        return s.const(0, dtype)
    if kind in ("mul", "and"):
        return s.const(1, dtype)
    if dtype == "bool":
        return s.const(kind == "min", dtype)
    if dtype in FLOATS:
        return s.const(float("-inf") if kind == "max" else float("inf"), dtype)
    info = np.iinfo(dtype)
    return s.const(int(info.min if kind == "max" else info.max), dtype)


def combine(kind: str, total: Scalar, x: Scalar) -> Scalar:
    """One step of a fold. A product is added with one rounding: FMA is used inside folds only."""
    if kind == "add":
        if x.op == "mul" and x.dtype in FLOATS:
            return s.fma(x.args[0], x.args[1], total)
        return total + x
    if kind == "mul":
        return total * x
    if kind == "max":
        return s.maximum(total, x)
    if kind == "min":
        return s.minimum(total, x)
    return total & x if kind == "and" else total | x
