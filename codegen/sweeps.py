"""Sweeps: one pass in vectors along an axis, which folds it and stores on the way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as places_of
from typing import TypeAlias

from symnet import scalar as s
from symnet.dims import Dim, Size, minimum, substitute
from symnet.scalar import FLOATS, Scalar

from .folds import combine, identity
from .loops import Carry, Fetch, Loop, Output, Statement, replace
from .schedule import Axes, Schedule, stride
from .tiles import Tiling

# Steps of a loop that adds up floats before its sum is added to that of the loops before.
BLOCK = 64


# A row of the domain: its indices, and what is known of it.
Row: TypeAlias = tuple[dict[str, Size], dict[Scalar, Scalar]]


class Sweeps(Tiling):
    """Writes sweeps."""

    def sweep(
        self,
        axis: tuple[str, Size],
        folds: Sequence[Scalar],
        rows: Sequence[Row],
        schedule: Schedule,
        stores: Sequence[Output],
        fetches: Sequence[Fetch] = (),
    ) -> list[Statement]:
        """One pass along an axis in vectors, several rows in step: carries the folds, stores and fetches on the way.

        What the folds give becomes known in each row.
        """
        statements, totals = self._in_lanes(axis, folds, rows, schedule, stores, fetches=fetches)
        for (_, known), found in zip(rows, totals, strict=True):
            known.update({f: _over_lanes(f, total, schedule) for f, total in found.items()})
        return statements

    def _in_lanes(
        self,
        axis: tuple[str, Size],
        folds: Sequence[Scalar],
        rows: Sequence[Row],
        schedule: Schedule,
        stores: Sequence[Output],
        firsts: dict[Scalar, Scalar] | None = None,
        fetches: Sequence[Fetch] = (),
    ) -> tuple[list[Statement], list[dict[Scalar, Scalar]]]:
        """The same with a vector of partial results for each fold of a row, which go on from `firsts`."""
        name, size = axis
        statements: list[Statement] = []
        parts = [{f: [identity(f.payload.kind, f.dtype)] * schedule.vectors for f in folds} for _ in rows]
        for fold, first in (firsts or {}).items():
            parts[0][fold][0] = first
        for vectors, loop in self.vector_pieces(size, schedule.lanes, schedule.vectors):
            for fold in folds:
                own_axis = fold.payload.axes[-1][0]
                for v, ((at, known), own) in places_of(range(vectors), list(zip(rows, parts, strict=True))):
                    place = Dim.named(loop.index) + v * schedule.lanes
                    (body,) = replace([fold.args[0]], {**at, own_axis: place}, known)
                    carry = Carry(self.name("acc"), own[fold][v])
                    total = s.variable(carry.name, fold.dtype)
                    carry.next = combine(fold.payload.kind, total, body)
                    if loop.masked and not (fold.payload.kind == "add" and _is_zero_when_idle(body, loop.index)):
                        carry.next = s.select(s.index(place) < s.index(size), carry.next, total)
                    loop.carries.append(carry)
                    own[fold][v] = total
            for v, (at, known) in places_of(range(vectors), rows):
                spot = {**at, name: Dim.named(loop.index) + v * schedule.lanes}
                loop.body += self.stores(spot, known, stores)
            for v in range(vectors):
                place = Dim.named(loop.index) + v * schedule.lanes
                loop.body += [Fetch(f.buffer, substitute(f.address, {name: place})) for f in fetches]
            statements.append(loop if loop.masked or stores else self._in_blocks(loop, folds))
        return statements, [{f: _total(f, found) for f, found in own.items()} for own in parts]

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

    def across(
        self, axes: Axes, folds: Sequence[Scalar], at: dict[str, Size], known: dict[Scalar, Scalar], schedule: Schedule
    ) -> list[Statement]:
        """Folds over several axes, the last one in vectors; the lanes meet once, behind all loops."""
        statements, totals = self._nested(axes, folds, at, known, schedule)
        known.update({f: _over_lanes(f, total, schedule) for f, total in totals.items()})
        return statements

    def _nested(
        self,
        axes: Axes,
        folds: Sequence[Scalar],
        at: dict[str, Size],
        known: dict[Scalar, Scalar],
        schedule: Schedule,
        firsts: dict[Scalar, Scalar] | None = None,
    ) -> tuple[list[Statement], dict[Scalar, Scalar]]:
        if len(axes) == 1:
            statements, (found,) = self._in_lanes(axes[0], folds, [(at, known)], schedule, [], firsts)
            return statements, found
        (name, size), *rest = axes
        index = self.name(name)
        loop = Loop(index, 0, size, 1)
        for fold in folds:
            loop.carries.append(Carry(self.name("acc"), identity(fold.payload.kind, fold.dtype), lanes=schedule.lanes))
        totals = {f: s.variable(c.name, f.dtype) for f, c in zip(folds, loop.carries, strict=True)}
        # A vector or two are added to the sum at once, more as their own sum: rounding errors grow with the steps.
        width = rest[0][1]
        joined = len(rest) == 1 and schedule.vectors == 1 and isinstance(width, int) and width <= 2 * schedule.lanes
        inner = {**at, name: Dim.named(index)}
        loop.body, parts = self._nested(tuple(rest), folds, inner, known, schedule, totals if joined else None)
        for fold, carry in zip(folds, loop.carries, strict=True):
            carry.next = parts[fold] if joined else combine(fold.payload.kind, totals[fold], parts[fold])
        return [loop], totals


def _total(fold: Scalar, parts: Sequence[Scalar]) -> Scalar:
    """The parts of a fold together; those that no loop has touched do not count."""
    total = parts[0]
    for part in parts[1:]:
        total = total if part.op == "const" else combine(fold.payload.kind, total, part)
    return total


def _over_lanes(fold: Scalar, total: Scalar, schedule: Schedule) -> Scalar:
    """The result of a fold whose partial results are the lanes of a vector."""
    return s.make("horizontal", (total,), fold.dtype, fold.payload.kind) if schedule.lanes > 1 else total


def _is_zero_when_idle(x: Scalar, index: str) -> bool:
    """Whether a value is 0 in the idle lanes of a masked loop, which load zeros."""
    if x.op == "load":
        return stride(x.payload[1][0], index) == 1
    if x.op == "select":
        return x.args[2] is s.const(0, x.dtype) and _is_zero_when_idle(x.args[1], index)
    return x.op == "mul" and all(_is_zero_when_idle(a, index) for a in x.args)
