"""Register tiles: several neighbouring places of the domain computed at once, a vector or a number each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from itertools import product as places_of

from symnet import scalar as s
from symnet.dims import Dim, Size, product, substitute
from symnet.scalar import Scalar

from .folds import Instance, folds_in, together
from .loops import Carry, Loop, Output, Statement, Store, postorder, rebuilt, replace
from .schedule import FEWEST_STEPS, Axes, Schedule


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
        return self.pieces(schedule.row, schedule.rows, sizes)

    def pieces(self, index: str | None, rows: int, sizes: dict[str, Size]) -> list[tuple[int, Loop | None]]:
        """Loops that cover an index by tiles of so many rows, then what is left."""
        if index is None:
            return [(1, None)]
        extent = sizes[index]
        whole = extent // rows * rows
        pieces: list[tuple[int, Loop | None]] = [(rows, Loop(self.name(index), 0, whole, rows))]
        if isinstance(extent, int) and isinstance(whole, int):
            rest = extent - whole
            if rest:
                pieces.append((rest, Loop(self.name(index), whole, extent, rest)))
            return pieces
        if rows > 2 and rows % 2 == 0:
            # Rows that are left go in pairs: a pair takes little longer than one.
            pairs = extent // 2 * 2
            pieces.append((2, Loop(self.name(index), whole, pairs, 2)))
            whole = pairs
        pieces.append((1, Loop(self.name(index), whole, extent, 1)))
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

    def tile(self, spots: Sequence[dict[str, Size]], outputs: Sequence[Output], parts: int = 1) -> list[Statement]:
        """Folds and stores at several places of the domain at once; folds over one axis in so many partial ones."""
        statements: list[Statement] = []
        found: list[dict[Scalar, Scalar]] = [{} for _ in spots]
        by_axes: dict[Axes, list[Scalar]] = {}
        for fold in folds_in([o.value for o in outputs]):
            by_axes.setdefault(fold.payload.axes, []).append(fold)
        for axes, folds in by_axes.items():
            statements += self._fold_loops(axes, folds, spots, found, parts)
        for output in outputs:
            order = postorder([output.value], found[0])
            for spot, known in zip(spots, found, strict=True):
                (value,) = rebuilt(order, [output.value], spot, known)
                statements.append(Store(output.buffer.name, substitute(output.address, spot), value))
        return statements

    def _fold_loops(
        self,
        axes: Axes,
        folds: Sequence[Scalar],
        spots: Sequence[dict[str, Size]],
        found: list[dict[Scalar, Scalar]],
        parts: int,
    ) -> list[Statement]:
        """The loops over `axes` that compute the folds at every spot; equal instances are computed once."""
        indices = {name: self.name(name) for name, _ in axes}
        inner = {name: Dim.named(index) for name, index in indices.items()}
        instances: dict[tuple[str, str, Scalar], Instance] = {}
        place_of: dict[tuple[str, str, Scalar], int] = {}
        wanted: list[tuple[dict[Scalar, Scalar], Scalar, tuple[str, str, Scalar]]] = []
        for fold in folds:
            order = postorder(fold.args)
            for spot, known in zip(spots, found, strict=True):
                (body,) = rebuilt(order, fold.args, {**spot, **inner}, {})
                key = (fold.payload.kind, fold.dtype, body)
                place_of.setdefault(key, len(place_of))
                place = s.index(inner[axes[-1][0]], fold.dtype if fold.payload.kind.startswith("arg") else "int64")
                instances.setdefault(key, Instance(fold.payload.kind, body, place))
                wanted.append((known, fold, key))
        own, every = [(indices[n], size) for n, size in axes], list(instances.values())
        if parts > 1 and len(axes) == 1:
            loops, states = self._in_parts(own[0], every, parts)
        else:
            loops, states = self._nest(own, every, [i.firsts() for i in every])
        for known, fold, key in wanted:
            known[fold] = states[place_of[key]][-1]
        return loops

    def _nest(
        self, axes: Axes, instances: Sequence[Instance], firsts: Sequence[list[Scalar]]
    ) -> tuple[list[Statement], list[list[Scalar]]]:
        """Nested loops that carry each instance's state on from `firsts`; the states behind them."""
        steps = product(size for _, size in axes)
        if isinstance(steps, int) and steps <= FEWEST_STEPS:
            return [], [_in_steps(axes, i, first) for i, first in zip(instances, firsts, strict=True)]
        (index, size), *rest = axes
        loop = Loop(index, 0, size, 1)
        if not rest:
            return [loop], self._carried(loop, instances, firsts)
        states = self._carries(loop, firsts)
        loop.body, ends = self._nest(rest, instances, states)
        _set_nexts(loop, ends)
        return [loop], states

    def _in_parts(
        self, axis: tuple[str, Size], instances: Sequence[Instance], parts: int
    ) -> tuple[list[Statement], list[list[Scalar]]]:
        """A loop that takes so many steps at once, each into a state of its own, and one over those that are left.

        A sum waits for its last step: few sums leave the multipliers idle.
        """
        index, size = axis
        whole = size // parts * parts
        loops = [Loop(index, 0, whole, parts)]
        every = [i.at({index: Dim.named(index) + k}) for i in instances for k in range(parts)]
        states = self._carried(loops[0], every, [i.firsts() for i in every])
        if whole != size:
            loops.append(Loop(self.name(index), whole, size, 1))
            left = [i.at({index: Dim.named(loops[1].index)}) for i in instances]
            states[::parts] = self._carried(loops[1], left, states[::parts])
        totals = [[together(i.kind, [x for (x,) in states[k * parts :][:parts]])] for k, i in enumerate(instances)]
        return [*loops], totals

    def _carried(self, loop: Loop, instances: Sequence[Instance], firsts: Sequence[list[Scalar]]) -> list[list[Scalar]]:
        """The states of instances behind a loop that goes on from `firsts`."""
        states = self._carries(loop, firsts)
        _set_nexts(loop, [instance.nexts(state) for instance, state in zip(instances, states, strict=True)])
        return states

    def _carries(self, loop: Loop, firsts: Sequence[list[Scalar]]) -> list[list[Scalar]]:
        loop.carries = [Carry(self.name("acc"), first) for state in firsts for first in state]
        carried = iter(loop.carries)
        return [[s.variable(next(carried).name, first.dtype) for first in state] for state in firsts]

    def stores(self, at: dict[str, Size], known: dict[Scalar, Scalar], outputs: Sequence[Output]) -> list[Statement]:
        return [Store(o.buffer.name, substitute(o.address, at), replace([o.value], at, known)[0]) for o in outputs]


def _set_nexts(loop: Loop, ends: Sequence[list[Scalar]]) -> None:
    for carry, end in zip(loop.carries, [x for state in ends for x in state], strict=True):
        carry.next = end


def _in_steps(axes: Axes, instance: Instance, state: list[Scalar]) -> list[Scalar]:
    """The state of a fold after few steps, one after the other."""
    for places in places_of(*(range(size) for _, size in axes)):
        at = dict(zip((name for name, _ in axes), places, strict=True))
        state = instance.at(at).nexts(state)
    return state


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
