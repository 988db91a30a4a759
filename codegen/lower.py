"""From scalar expressions over a domain to loops.

A kernel stores values for every index of its domain. Values may hold folds, and the body of a fold
may hold folds that do not depend on its index (a softmax: the sum over exp(x - max over x)). Folds
are computed in levels, each level in one sweep; then the stores that need them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from symnet import scalar as s
from symnet.dims import Dim, Size, minimum, names, product, substitute
from symnet.scalar import FLOATS, Scalar, scalars_in

from .ahead import packed_ahead
from .axes import merged
from .folds import folds_in
from .loops import Buffer, Fetch, Kernel, Loop, Output, Statement, Store, postorder, replace, sizes_in
from .regions import regions
from .reuse import kept_values
from .schedule import Axes, Schedule, choose, first_load, for_sweep, parts_of, rows_in_step, stride
from .strips import Strips
from .sweeps import Row, Sweeps
from .targets import Target
from .tiles import Tiling, inside_loop, spots_of
from .transposes import Transposes, beside_squares, transposed
from .wide import can_be_wide, widened

# Scalar operations that a transcendental word takes.
TRANSCENDENTAL_WEIGHT = 16
# Those, for each lane of a float32 vector, that make sharing a kernel worth its while: some 5 microseconds, where to
# begin and to end a job take one.
SHARED_WORK = 60_000


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
    domain, outputs = merged(domain, outputs, row_axis)
    lowering = _Lowering(domain, outputs, target, row_axis, {b.name: b.space for b in buffers.values()})
    # Where nothing is stored no loops are chosen: along an axis of no elements addresses do not tell where they go.
    is_idle = any(size == 0 for name, size in domain if name != row_axis)
    body = [] if is_idle else lowering.body()
    used = _used_buffers(outputs, buffers, {lowering.singles.get(x, x) for x in lowering.packed})
    own = [*lowering.scratch.values(), *lowering.packed.values()]
    kernel = _kernel(domain, outputs, [*used, *own], body)
    kernel.nonempty = [size for name, size in domain if name != row_axis or _all_lie_along(outputs, name)]
    kernel.work = _work(domain, outputs, row_axis)
    kernel.scratch = frozenset(b.name for b in lowering.scratch.values())
    kernel.packed = {b.name: (first_load(x).payload[0], lowering.packings[x]) for x, b in lowering.packed.items()}
    is_small = isinstance(kernel.work, int) and kernel.work < worth_sharing(target)
    kernel.is_split = target.threads > 1 and not is_small and all(isinstance(x, Loop) and not x.carries for x in body)
    return kernel


def worth_sharing(target: Target) -> int:
    """Scalar operations of a kernel that threads share; a smaller one stays as it is for one thread."""
    return SHARED_WORK * target.lanes(32)


def lower_scatter(domain: Axes, added: Output, buffers: dict[str, Buffer], target: Target) -> Kernel:
    """The loops that add a value at an address that is data, for every index of the domain, in C order.

    The lanes count the last index where neighbours are added to neighbours.
    """
    domain = [(n, size) for n, size in domain if size != 1]
    total = s.load(added.buffer.name, (added.address,), added.buffer.dtype) + added.value
    in_lanes = bool(domain) and stride(added.address, domain[-1][0]) == 1
    tiling = Tiling()

    def store(at: dict[str, Size]) -> list[Statement]:
        address, value = replace([s.index(added.address), total], at, {})
        return [Store(added.buffer.name, s.as_size(address), value)]

    def row(at: dict[str, Size]) -> list[Statement]:
        if not in_lanes:
            return store(at)
        name, size = domain[-1]
        pieces = tiling.vector_pieces(size, target.lanes(s.BITS[added.buffer.dtype]), 1)
        return [x for _, loop in pieces for x in inside_loop(loop, store({**at, name: Dim.named(loop.index)}))]

    body = tiling.around(domain[:-1] if in_lanes else domain, {}, row)
    output = Output(added.buffer, added.address, total)
    kernel = _kernel(domain, [output], _used_buffers([output], buffers), body)
    kernel.work = _work(domain, [output], None)
    return kernel


def _all_lie_along(outputs: Sequence[Output], index: str) -> bool:
    """Whether no output is a fold over an index, which has a value where there is nothing to fold."""
    return all(index in names(o.address) for o in outputs)


def _kernel(domain: Axes, outputs: Sequence[Output], used: list[Buffer], body: list[Statement]) -> Kernel:
    sizes = [size for _, size in domain] + [x for b in used for x in b.shape]
    dims = dict.fromkeys(n for size in [*sizes, *sizes_in(outputs)] for n in names(size))
    indices = {n for n, _ in domain} | {n for f in folds_in([o.value for o in outputs]) for n, _ in f.payload.axes}
    return Kernel(used, [d for d in dims if d not in indices], [size for _, size in domain], body)


def _work(domain: Axes, outputs: Sequence[Output], row_axis: str | None) -> Size:
    """About how many scalar operations the outputs take: a transcendental one counts as many."""
    values = [o.value for o in outputs]
    folds = folds_in(values)
    row = dict(domain).get(row_axis or "", 1)
    each = _words(values) * row
    for fold in folds:
        each = each + _words(fold.args) * product(size for _, size in fold.payload.axes)
    return each * product(size for name, size in domain if name != row_axis)


def _words(values: Sequence[Scalar]) -> int:
    """The weight of expressions, folds inside them not counted."""
    inside = {x for fold in folds_in(values) for x in postorder(list(fold.args))}
    return sum(
        TRANSCENDENTAL_WEIGHT if x.op in s.TRANSCENDENTAL else 1 for x in postorder(list(values)) if x not in inside
    )


def _used_buffers(outputs: Sequence[Output], buffers: dict[str, Buffer], but: Collection[Scalar] = ()) -> list[Buffer]:
    """The buffers that are stored to, and those of all loads but some."""
    loads = [x.payload[0] for x in postorder([o.value for o in outputs], but) if x.op == "load"]
    loads += [x.payload[0] for o in outputs for x in postorder(list(scalars_in(o.address))) if x.op == "load"]
    return list(
        {b.name: b for b in [*(buffers[n] for n in dict.fromkeys(loads)), *(o.buffer for o in outputs)]}.values()
    )


class _Lowering(Strips, Sweeps, Transposes):
    """Chooses a schedule and has the loops written; the ways to write them are the classes it stands on."""

    def __init__(
        self,
        domain: Axes,
        outputs: Sequence[Output],
        target: Target,
        row_axis: str | None,
        spaces: Mapping[str, str],
    ) -> None:
        super().__init__(outputs, folds_in([o.value for o in outputs]))
        self.domain, self.target, self.spaces = domain, target, spaces
        self.row_axis = row_axis if row_axis in dict(domain) else None
        self.level: dict[Scalar, int] = {}
        for fold in self.folds:
            self.level[fold] = 1 + max((self.level[f] for f in folds_in(fold.args)), default=0)

    def body(self) -> list[Statement]:
        if max(self.level.values(), default=0) > 1 or (self.folds and self.row_axis):
            return self._rows()
        if self.folds:
            return self._scheduled()
        statements: list[Statement] = []
        for domain, outputs in regions(self.domain, self.outputs, self.target.lanes(32)):
            statements += self._map(domain, outputs)
        return statements

    def _map(self, domain: Axes, outputs: Sequence[Output]) -> list[Statement]:
        """Loops without folds over a part of the domain."""
        lanes = self.target.lanes(s.BITS[outputs[0].buffer.dtype])
        pair = transposed(domain, outputs, lanes)
        if pair is None:
            self.domain, self.outputs = domain, outputs
            return self._scheduled()
        statements = self.squares(domain, outputs[0], pair, lanes)
        for part, own in beside_squares(domain, outputs, pair, lanes):
            statements += self._map(part, own)
        return statements

    def _scheduled(self) -> list[Statement]:
        """The loops over the domain, in tiles."""
        values = [o.value for o in self.outputs]
        schedule = choose(self.domain, values, [o.address for o in self.outputs], self.folds, self.target)
        schedule = packed_ahead(schedule, self.domain, self.folds, self.spaces)
        if schedule.horizontal:
            around = [(n, size) for n, size in self.domain if n not in (schedule.row, schedule.column)]
            return self.around(around, {}, lambda at: self._horizontal(schedule, at))
        return self._vertical(schedule)

    def _vertical(self, schedule: Schedule) -> list[Statement]:
        """Loops over the domain; inside, a register tile of `rows` by `vectors`."""
        sizes = dict(self.domain)
        outer = [(n, size) for n, size in self.domain if n not in (schedule.vector, schedule.row)]

        def tiles(at: dict[str, Size]) -> list[Statement]:
            if schedule.vector is None:
                return self.tile([at], self.outputs)
            return self._tiles(schedule, sizes, at)

        return self.around(outer, {}, tiles)

    def _tiles(self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]) -> list[Statement]:
        """The two loops over tiles, of rows and of columns, whichever is outside."""
        assert schedule.vector is not None
        if schedule.columns_first:
            return self.strips(schedule, sizes, at)
        pieces: list[Statement] = []
        wide = can_be_wide(self.outputs, schedule)
        for n_rows, row_loop in self.row_pieces(schedule, sizes):
            inner: list[Statement] = []
            for n_columns, loop in self.vector_pieces(sizes[schedule.vector], schedule.lanes, schedule.vectors):
                parts = parts_of(self.folds, schedule.rows * n_columns)
                if wide:
                    n_columns, loop = widened(n_columns, loop)
                spots = spots_of(schedule, at, (n_rows, row_loop), (n_columns, Dim.named(loop.index)))
                inner += inside_loop(loop, self.tile(spots, self.outputs, parts))
            pieces += inside_loop(row_loop, inner)
        return pieces

    def _horizontal(self, schedule: Schedule, at: dict[str, Size]) -> list[Statement]:
        """Folds over one axis (others around it), the lanes counting that axis, for a tile at once; then the stores."""
        pieces: list[Statement] = []
        sizes = dict(self.domain)
        for n_rows, row_loop in self.row_pieces(schedule, sizes):
            inner: list[Statement] = []
            for n_columns, loop in self.pieces(schedule.column, schedule.columns, sizes):
                spots = _moved(_moved([at], schedule.row, n_rows, row_loop), schedule.column, n_columns, loop)
                inner += inside_loop(loop, self._folds_of_rows(schedule, spots))
            pieces += inside_loop(row_loop, inner)
        return pieces

    def _folds_of_rows(self, schedule: Schedule, spots: Sequence[dict[str, Size]]) -> list[Statement]:
        statements: list[Statement] = []
        known: dict[Scalar, Scalar] = {}
        by_axes: dict[Axes, list[Scalar]] = {}
        for spot in spots:
            for fold in replace(self.folds, spot, {}):
                group = by_axes.setdefault(fold.payload.axes, [])
                group += [] if fold in group else [fold]
        for axes, folds in by_axes.items():
            statements += self.across(axes, folds, {}, known, schedule)
        for spot in spots:
            values = replace(replace([o.value for o in self.outputs], spot, {}), {}, known)
            statements += [
                Store(o.buffer.name, substitute(o.address, spot), value)
                for o, value in zip(self.outputs, values, strict=True)
            ]
        return statements

    def _rows(self) -> list[Statement]:
        """Folds in levels along one axis: a sweep for each level, a few rows in step."""
        fold_axis, size = self.folds[0].payload.axes[-1]
        inner = self.row_axis or fold_axis
        outer = [(n, extent) for n, extent in self.domain if n != inner]
        if not outer:
            return self._sweeps((inner, size), [{}], 1, [])
        *around, (name, extent) = outer
        count = rows_in_step(extent, size, [o.value for o in self.outputs])

        def blocks(at: dict[str, Size]) -> list[Statement]:
            statements: list[Statement] = []
            for n_rows, loop in self.pieces(name, count, {name: extent}):
                spots = _moved([at], name, n_rows, loop)
                following = [{**spot, name: minimum(spot[name] + n_rows, extent - 1)} for spot in spots]
                fetches = self._read(inner, name, following)
                statements += inside_loop(loop, self._sweeps((inner, size), spots, count, fetches))
            return statements

        return self.around(around, {}, blocks)

    def _sweeps(
        self, axis: tuple[str, Size], spots: Sequence[dict[str, Size]], count: int, fetches: Sequence[Fetch]
    ) -> list[Statement]:
        """All sweeps along rows in step; the second one fetches the rows that come next.

        Rows that are left over are summed as those in blocks of `count` are: no bit depends on a row's place.
        """
        inner, size = axis
        values = postorder([o.value for o in self.outputs])
        lanes = self.target.lanes(max([s.BITS[x.dtype] for x in values if x.dtype in FLOATS] or [32]))
        outputs, kept = kept_values(self.outputs, self.level, inner)
        rows: list[Row] = [(at, {}) for at in spots]
        statements: list[Statement] = []
        for level in range(1, max(self.level.values()) + 2):
            folds = [f for f in self.folds if self.level[f] == level]
            stores = [o for o in outputs if self._needs(o) == level - 1 and inner in names(o.address)]
            stores += kept.get(level, [])
            if folds or stores:
                bodies = [*(f.args[0] for f in folds), *(o.value for o in stores)]
                schedule = for_sweep(inner, size, lanes, bodies, count)
                statements += self.sweep(axis, folds, rows, schedule, stores, fetches if level == 2 else [])
        ends = [o for o in outputs if inner not in names(o.address)]
        return statements + [x for at, known in rows for x in self.stores(at, known, ends)]

    def _read(self, inner: str, row: str, spots: Sequence[dict[str, Size]]) -> list[Fetch]:
        """Fetches of what differs from row to row and is read along the rows at these places.

        Not where data decide which row is read: to look them up for the next row would take longer.
        """
        along = {f.payload.axes[-1][0]: Dim.named(inner) for f in self.folds}
        found: dict[tuple[str, Size], Fetch] = {}
        for x in postorder([o.value for o in self.outputs]):
            if x.op == "load" and not x.args and s.BITS[x.dtype] >= 32:
                buffer, address = x.payload[0], substitute(x.payload[1][0], along)
                if stride(address, inner) == 1 and stride(address, row) != 0 and not any(scalars_in(address)):
                    for spot in spots:
                        place = substitute(address, spot)
                        found[buffer, place] = Fetch(buffer, place)
        return list(found.values())

    def _needs(self, output: Output) -> int:
        return max((self.level[f] for f in folds_in([output.value])), default=0)


def _moved(spots: Sequence[dict[str, Size]], name: str | None, count: int, loop: Loop | None) -> list[dict[str, Size]]:
    """Every spot at so many neighbouring values of an index, from where a loop is."""
    if loop is None:
        return list(spots)
    return [{**spot, str(name): Dim.named(loop.index) + k} for spot in spots for k in range(count)]
