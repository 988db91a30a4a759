"""Strips: columns passed by all rows before the next columns, copied side by side first where that pays.

Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed

from symnet import scalar as s
from symnet.dims import Dim, Size, minimum, substitute
from symnet.scalar import Scalar

from .loops import Buffer, Loop, Output, Statement, Store, Turn, replace
from .schedule import Schedule, packable, stride
from .tiles import Tiling, inside_loop, spots_of


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
                outputs, strip.body[:0] = self._packed(schedule, at, start, columns, n_columns, sizes[schedule.vector])
            for n_rows, row_loop in self.row_pieces(schedule, sizes):
                spots = spots_of(schedule, at, (n_rows, row_loop), (n_columns, start + Dim.named(columns.index)))
                columns.body += inside_loop(row_loop, self.tile(spots, outputs))
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
            self.scratch[load] = Buffer(f"strip{next(self.fresh)}", load.dtype, (depth, width), "argument")
        return self.scratch[load].name
