"""Register tiles: several neighbouring places of the domain computed at once, a vector or a number each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from symnet import scalar as s
from symnet.dims import Dim, Size, substitute
from symnet.scalar import Scalar

from .folds import Instance, folds_in
from .loops import Carry, Loop, Output, Statement, Store, postorder, rebuilt, replace
from .schedule import Axes, Schedule


class Tiling:
    """Writes tiles, and the loops that lead to them."""

    def __init__(self) -> None:
        self.fresh = count()

    def name(self, stem: str) -> str:
        return f"{stem.partition('#')[0]}#{next(self.fresh)}"

    def around(
        self, axes: Axes, at: dict[str, Size], inside: Callable[[dict[str, Size]], list[Statement]]
    ) -> list[Statement]:
        """Plain loops over some indices."""
        if not axes:
            return inside(at)
        (name, size), *rest = axes
        index = self.name(name)
        return [Loop(index, 0, size, 1, body=self.around(rest, {**at, name: Dim.named(index)}, inside))]

    def row_pieces(self, schedule: Schedule, sizes: dict[str, Size]) -> list[tuple[int, Loop | None]]:
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
        if rows > 2 and rows % 2 == 0:
            # Rows that are left go in pairs: a pair takes little longer than one.
            pairs = extent // 2 * 2
            pieces.append((2, Loop(self.name(schedule.row), whole, pairs, 2)))
            whole = pairs
        pieces.append((1, Loop(self.name(schedule.row), whole, extent, 1)))
        return pieces

    def vector_pieces(self, extent: Size, lanes: int, vectors: int) -> list[tuple[int, Loop]]:
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

    def tile(self, spots: Sequence[dict[str, Size]], outputs: Sequence[Output]) -> list[Statement]:
        """Folds and stores at several places of the domain at once."""
        statements: list[Statement] = []
        found: list[dict[Scalar, Scalar]] = [{} for _ in spots]
        by_axes: dict[Axes, list[Scalar]] = {}
        for fold in folds_in([o.value for o in outputs]):
            by_axes.setdefault(fold.payload.axes, []).append(fold)
        for axes, folds in by_axes.items():
            statements += self._fold_loops(axes, folds, spots, found)
        for output in outputs:
            order = postorder([output.value], found[0])
            for spot, known in zip(spots, found, strict=True):
                (value,) = rebuilt(order, [output.value], spot, known)
                statements.append(Store(output.buffer.name, substitute(output.address, spot), value))
        return statements

    def _fold_loops(
        self, axes: Axes, folds: Sequence[Scalar], spots: Sequence[dict[str, Size]], found: list[dict[Scalar, Scalar]]
    ) -> list[Statement]:
        """The loops over `axes` that compute the folds at every spot; equal instances are computed once."""
        indices = {name: self.name(name) for name, _ in axes}
        inner = {name: Dim.named(index) for name, index in indices.items()}
        instances: dict[tuple[str, Scalar], Instance] = {}
        place = s.index(inner[axes[-1][0]])
        for fold in folds:
            order = postorder(fold.args)
            for spot, known in zip(spots, found, strict=True):
                (body,) = rebuilt(order, fold.args, {**spot, **inner}, {})
                key = (fold.payload.kind, body)
                if key not in instances:
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

    def stores(self, at: dict[str, Size], known: dict[Scalar, Scalar], outputs: Sequence[Output]) -> list[Statement]:
        return [Store(o.buffer.name, substitute(o.address, at), replace([o.value], at, known)[0]) for o in outputs]


def spots_of(
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


def inside_loop(loop: Loop | None, body: list[Statement]) -> list[Statement]:
    if loop is None:
        return body
    loop.body = body
    return [loop]
