"""Strips: columns passed by all rows before the next columns, copied side by side first where that pays.

Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from itertools import pairwise
from typing import NamedTuple

from symnet import scalar as s
from symnet.dims import Dim, Size, substitute
from symnet.scalar import Scalar

from .ahead import packing_of
from .folds import folds_in
from .loops import Buffer, Loop, Output, Statement, Store, Turn, replace
from .packing import Packing
from .pairs import Pairs
from .schedule import PACKED_ROWS, Axes, Schedule, first_load, moves, packable
from .targets import Target
from .tiles import inside_loop, spots_of
from .wide import can_be_wide, widened

# The part of the L2 cache that a strip may take: one of so many.
STRIP_SHARE = 2


class Strip(NamedTuple):
    """Neighbouring columns: the first, how many they are, and how many columns there are in all."""

    start: Size
    width: int
    extent: Size


class Strips(Pairs):
    """Writes strips.

    Attributes
    ----------
    domain : sequence of (name, size)
    spaces : dict of str to str
        Where the buffers are that loads name.
    packed : dict of Scalar to Buffer
        Memory for what is packed before the kernel runs, by its load; `packings` tells how it lies there.
    """

    domain: Axes
    spaces: Mapping[str, str]
    target: Target

    def __init__(self, outputs: Sequence[Output], folds: Sequence[Scalar]) -> None:
        super().__init__(outputs, folds)
        self.packed: dict[Scalar, Buffer] = {}
        self.packings: dict[Scalar, Packing] = {}

    def strips(self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]) -> list[Statement]:
        """Strips of columns, each passed by all rows; packed first where that pays."""
        assert schedule.vector is not None
        given, pieces = self.outputs, list[Statement]()
        if schedule.paired:
            given, pieces = self.paired_rows(schedule, sizes, at)
        for n_columns, strip in self.vector_pieces(sizes[schedule.vector], schedule.lanes, schedule.vectors):
            width = n_columns * schedule.lanes
            # The strip's index moves from strip to strip; inside, passes over the strip's own columns.
            start, is_masked = Dim.named(strip.index), strip.masked
            end = strip.stop - start if is_masked else width
            strip.lanes, strip.masked = 1, False
            own = Strip(start, width, sizes[schedule.vector])
            for outputs in self._parts(schedule, sizes, given, own):
                columns = Loop(self.name("j"), 0, end, width, schedule.lanes, is_masked)
                if schedule.packed:
                    outputs, copying = self._packed(schedule, at, outputs, own, columns)
                    strip.body += copying
                count, columns = widened(n_columns, columns) if can_be_wide(outputs, schedule) else (n_columns, columns)
                for n_rows, row_loop in self.row_pieces(schedule, sizes):
                    spots = spots_of(schedule, at, (n_rows, row_loop), (count, start + Dim.named(columns.index)))
                    columns.body += inside_loop(row_loop, self.tile(spots, outputs))
                strip.body.append(columns)
            pieces.append(strip)
        return pieces

    def _parts(
        self, schedule: Schedule, sizes: dict[str, Size], outputs: Sequence[Output], strip: Strip
    ) -> list[Sequence[Output]]:
        """What is stored in each pass over a strip: sums over a part of a long axis first, then the outputs.

        All rows read the strip, so what they read of it in a pass must stay in the L2 cache.
        """
        folds = folds_in([o.value for o in outputs])
        count = _part_count(schedule, sizes, folds, self.target.l2_bytes // STRIP_SHARE)
        if count == 1:
            return [outputs]
        (fold,) = folds
        ((axis, steps),) = fold.payload.axes
        row, vector = str(schedule.row), str(schedule.vector)
        self.scratch_for(fold, sizes[row], schedule.lanes * schedule.vectors)
        memory, place = self.scratch[fold], Dim.named(row) * strip.width + Dim.named(vector) - strip.start
        bounds = [steps * k // count for k in range(count + 1)]
        passes: list[Sequence[Output]] = []
        for first, end in pairwise(bounds):
            (body,) = replace(fold.args, {axis: Dim.named(axis) + first}, {})
            total = s.fold("add", [(axis, end - first)], body)
            total = total if first == 0 else s.load(memory.name, (place,), fold.dtype) + total
            passes.append([Output(memory, place, total)])
        values = replace([o.value for o in outputs], {}, {fold: total})
        passes[-1] = [replaced(o, value=v) for o, v in zip(outputs, values, strict=True)]
        return passes

    def _packed(
        self, schedule: Schedule, at: dict[str, Size], outputs: Sequence[Output], strip: Strip, columns: Loop
    ) -> tuple[Sequence[Output], list[Statement]]:
        """Copy what all rows read of a strip side by side; the outputs that read the copy, and the copying."""
        vector, lanes = str(schedule.vector), schedule.lanes
        copies: dict[Scalar, Scalar] = {}
        statements: list[Statement] = []
        for fold, load in packable(folds_in([o.value for o in outputs]), schedule):
            ((axis, size),) = fold.payload.axes
            place = Dim.named(axis) * strip.width + Dim.named(vector) - strip.start
            length = self.lengths.get(axis)
            if packing := packing_of(load, fold, self.domain, schedule, self.spaces, length):
                # Those before this strip have as many rows.
                copies[load] = s.load(self._ahead(load, packing), (place + strip.start * size,), load.dtype)
                continue
            # Whole squares are turned: their last rows may lie beyond the end.
            scratch = self.scratch_for(load, (size + lanes - 1) // lanes * lanes, lanes * schedule.vectors)
            copies[load] = s.load(scratch, (place,), load.dtype)
            along = Loop(self.name(axis), 0, size, 1)
            here = {**at, axis: Dim.named(along.index)}
            if moves(load, vector) != 1 and moves(load, axis) == (2 if load.op == "pair" else 1):
                length = self.lengths.get(axis, size)
                statements.append(_turned(load, length, schedule, here, strip, scratch, along))
                continue
            own = replaced(columns, index=self.name("j"), body=[along])
            for c in range(0, strip.width, lanes):
                column = Dim.named(own.index) + c
                (value,) = replace([load], {**here, vector: strip.start + column}, {})
                along.body.append(Store(scratch, Dim.named(along.index) * strip.width + column, value))
            statements.append(own)
        values = replace([o.value for o in outputs], {}, copies)
        return [replaced(o, value=v) for o, v in zip(outputs, values, strict=True)], statements

    def _ahead(self, load: Scalar, packing: Packing) -> str:
        """The buffer that holds a matrix's strips."""
        if load not in self.packed:
            self.packings[load] = packing
            self.packed[load] = Buffer(f"packed{next(self.fresh)}", load.dtype, (packing.size,), "packed")
        return self.packed[load].name


def _part_count(schedule: Schedule, sizes: dict[str, Size], folds: Sequence[Scalar], most_bytes: int) -> int:
    """In how many parts a sum is made so that the strip's share of a part has so many bytes; where rows are many."""
    rows = sizes.get(str(schedule.row), 1)
    if len(folds) != 1 or schedule.paired or not schedule.packed or (isinstance(rows, int) and rows < PACKED_ROWS):
        return 1
    axes, kind = folds[0].payload.axes, folds[0].payload.kind
    steps = axes[0][1]
    if len(axes) != 1 or kind != "add" or not isinstance(steps, int):
        return 1
    return max(-(-steps * schedule.lanes * schedule.vectors * s.BITS[folds[0].dtype] // 8 // most_bytes), 1)


def _turned(
    x: Scalar, length: Size, schedule: Schedule, here: dict[str, Size], strip: Strip, scratch: str, along: Loop
) -> Loop:
    """The loop `along` a strip that lies on its side and is turned on its way to the copy."""
    (source, (address,)), vector, lanes = first_load(x).payload, str(schedule.vector), schedule.lanes
    pace, done = moves(x, vector), Dim.named(along.index)
    assert pace is not None
    along.step = lanes
    for c in range(0, strip.width, lanes):
        first = substitute(address, {**here, vector: strip.start + c})
        rows, columns = strip.extent - strip.start - c, length - done * (2 if x.op == "pair" else 1)
        to = done * strip.width + c
        along.body.append(Turn(lanes, scratch, to, strip.width, source, first, pace, rows, columns))
    return along
