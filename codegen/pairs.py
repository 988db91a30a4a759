"""Products of numbers rounded to bfloat16: what is multiplied lies in pairs along the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed

from symnet import scalar as s
from symnet.dims import Dim, Size, substitute
from symnet.scalar import Scalar

from .loops import Buffer, Loop, Output, Statement, Store, replace
from .schedule import Schedule, moves
from .tiles import Tiling


class Pairs(Tiling):
    """Writes the rounding and packing of a product's rows.

    Attributes
    ----------
    scratch : dict of Scalar to Buffer
        Memory for copies, by what is copied.
    lengths : dict of str to size
        How many numbers a sum over pairs has, by its index.
    singles : dict of Scalar to Scalar
        The loads of numbers that pairs are made of.
    """

    def __init__(self, outputs: Sequence[Output], folds: Sequence[Scalar]) -> None:
        super().__init__()
        self.outputs, self.folds = outputs, folds
        self.scratch: dict[Scalar, Buffer] = {}
        self.lengths: dict[str, Size] = {}
        self.singles: dict[Scalar, Scalar] = {}

    def paired_rows(
        self, schedule: Schedule, sizes: dict[str, Size], at: dict[str, Size]
    ) -> tuple[Sequence[Output], list[Statement]]:
        """Round the left operand of all rows to pairs; the outputs that read them, and the rounding."""
        (fold,) = self.folds
        ((axis, length),) = fold.payload.axes
        self.lengths[axis] = length
        half, row = (length + 1) // 2, str(schedule.row)
        self.singles = {_pair_of(x.args[0], axis, length): x.args[0] for x in fold.args[0].args}
        left = next(x for x in self.singles if moves(x, row) != 0)
        (right,) = (x for x in self.singles if x is not left)
        # The pairs of a row side by side; of a transposed operand those of a column.
        outer, inner = (row, sizes[row]), (axis, half)
        if moves(left, row) == 1 and moves(left, axis) != 2:
            outer, inner = inner, outer
        scratch = self.scratch_for(left, outer[1], inner[1])
        place = Dim.named(outer[0]) * inner[1] + Dim.named(inner[0])
        total = s.dot(s.load(scratch, (place,), "pair"), right, s.const(0, "float32"))
        sums = {fold: s.fold("add", [(axis, half)], total)}
        values = replace([o.value for o in self.outputs], {}, sums)
        paired = [changed(o, value=v) for o, v in zip(self.outputs, values, strict=True)]
        return paired, self._rounded(left, scratch, place, (outer, inner), at, schedule.lanes)

    def scratch_for(self, x: Scalar, depth: Size, width: Size) -> str:
        """The buffer for the copies of a load or pair."""
        if x not in self.scratch:
            self.scratch[x] = Buffer(f"strip{next(self.fresh)}", x.dtype, (depth, width), "argument")
        return self.scratch[x].name

    def _rounded(
        self,
        x: Scalar,
        scratch: str,
        place: Size,
        axes: tuple[tuple[str, Size], tuple[str, Size]],
        at: dict[str, Size],
        lanes: int,
    ) -> list[Statement]:
        (outer, n_outer), (inner, n_inner) = axes
        loop = Loop(self.name(outer), 0, n_outer, 1, whole=True)
        for n, own in self.vector_pieces(n_inner, lanes, 2):
            for c in range(n):
                spot = {**at, outer: Dim.named(loop.index), inner: Dim.named(own.index) + c * lanes}
                (value,) = replace([x], spot, {})
                own.body.append(Store(scratch, substitute(place, spot), value))
            loop.body.append(own)
        return [loop]


def _pair_of(load: Scalar, axis: str, length: Size) -> Scalar:
    """Two neighbours along the sum, by the place of the pair; a 0 beyond its end."""
    first, second = Dim.named(axis) * 2, Dim.named(axis) * 2 + 1
    x, y = (replace([load], {axis: k}, {})[0] for k in (first, second))
    if not isinstance(length, int) or length % 2:
        exists = s.index(second) < s.index(length)
        buffer, address = y.payload
        y = s.select(exists, s.load(buffer, address, "float32", exists), 0.0)
    return s.pair(x, y)
