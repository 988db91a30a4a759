"""Strips: columns passed by all rows before the next columns, copied side by side first where that pays.

Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced
from typing import NamedTuple

from symnet import scalar as s
from symnet.dims import Dim, Size, substitute
from symnet.scalar import Scalar

from .loops import Buffer, Loop, Output, Statement, Store, Turn, replace
from .schedule import Schedule, packable, stride
from .tiles import Tiling, inside_loop, spots_of


class Strip(NamedTuple):
    """Neighbouring columns: the first, how many they are, and how many columns there are in all."""

    start: Size
    width: int
    extent: Size


class Strips(Tiling):
    """Writes strips.

    Attributes
    ----------
    scratch : dict of Scalar to Buffer
        Memory for the copies, by the load that is copied.
    """

    def __init__(self, outputs: Sequence[Output], folds: Sequence[Scalar]) -> None:
        super().__init__()
        self.outputs, self.folds = outputs, folds
        self.scratch: dict[Scalar, Buffer] = {}

    def strips(self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]) -> list[Statement]:
        """Strips of columns, each passed by all rows; packed first where that pays."""
        assert schedule.vector is not None
        pieces: list[Statement] = []
        for n_columns, strip in self.vector_pieces(sizes[schedule.vector], schedule.lanes, schedule.vectors):
            width = n_columns * schedule.lanes
            # The strip's index moves from strip to strip; inside, one pass over the strip's own columns.
            end = strip.stop - Dim.named(strip.index) if strip.masked else width
            columns = Loop(self.name("j"), 0, end, width, schedule.lanes, strip.masked)
            strip.lanes, strip.masked, strip.body = 1, False, [columns]
            start = Dim.named(strip.index)
            outputs = self.outputs
            if schedule.packed:
                part = Strip(start, width, sizes[schedule.vector])
                outputs, strip.body[:0] = self._packed(schedule, at, part, columns)
            for n_rows, row_loop in self.row_pieces(schedule, sizes):
                spots = spots_of(schedule, at, (n_rows, row_loop), (n_columns, start + Dim.named(columns.index)))
                columns.body += inside_loop(row_loop, self.tile(spots, outputs))
            pieces.append(strip)
        return pieces

    def _packed(
        self, schedule: Schedule, at: dict[str, Size], strip: Strip, columns: Loop
    ) -> tuple[Sequence[Output], list[Statement]]:
        """Copy what all rows read of a strip side by side; the outputs that read the copy, and the copying."""
        vector, lanes = str(schedule.vector), schedule.lanes
        copies: dict[Scalar, Scalar] = {}
        statements: list[Statement] = []
        for fold, load in packable(self.folds, schedule):
            ((axis, size),) = fold.payload.axes
            # Whole squares are turned: their last rows may lie beyond the end.
            scratch = self._scratch(load, (size + lanes - 1) // lanes * lanes, lanes * schedule.vectors)
            place = Dim.named(axis) * strip.width + Dim.named(vector) - strip.start
            copies[load] = s.load(scratch, (place,), load.dtype)
            along = Loop(self.name(axis), 0, size, 1)
            here = {**at, axis: Dim.named(along.index)}
            address = load.payload[1][0]
            if stride(address, vector) != 1 and stride(address, axis) == 1:
                statements.append(_turned(load, schedule, here, strip, scratch, along))
                continue
            own = replaced(columns, index=self.name("j"), body=[along])
            for c in range(0, strip.width, lanes):
                column = Dim.named(own.index) + c
                (value,) = replace([load], {**here, vector: strip.start + column}, {})
                along.body.append(Store(scratch, Dim.named(along.index) * strip.width + column, value))
            statements.append(own)
        values = replace([o.value for o in self.outputs], {}, copies)
        return [replaced(o, value=v) for o, v in zip(self.outputs, values, strict=True)], statements

    def _scratch(self, load: Scalar, depth: Size, width: int) -> str:
        """The buffer for the copied strips of a load."""
        if load not in self.scratch:
            self.scratch[load] = Buffer(f"strip{next(self.fresh)}", load.dtype, (depth, width), "argument")
        return self.scratch[load].name


def _turned(load: Scalar, schedule: Schedule, here: dict[str, Size], strip: Strip, scratch: str, along: Loop) -> Loop:
    """The loop `along` a strip that lies on its side and is turned on its way to the copy."""
    (address,), vector, lanes = load.payload[1], str(schedule.vector), schedule.lanes
    pace, done = stride(address, vector), Dim.named(along.index)
    assert pace is not None
    along.step = lanes
    for c in range(0, strip.width, lanes):
        first = substitute(address, {**here, vector: strip.start + c})
        rows, columns = strip.extent - strip.start - c, along.stop - done
        to = done * strip.width + c
        along.body.append(Turn(lanes, scratch, to, strip.width, load.payload[0], first, pace, rows, columns))
    return along
