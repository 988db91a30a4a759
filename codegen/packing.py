"""Weights as the tiles of products read them: strips of columns side by side, made before the kernels run.

Those of a constant are made when the program is compiled; those of a Parameter that the program does not update,
when it is called for the first time and whenever the Parameter was written in between; see :mod:`.versions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symnet.dims import substitute
from symnet.expr import aligned_copy
from symnet.scalar import Scalar

from .schedule import Axes, Schedule, packable, stride


@dataclass(frozen=True)
class Packing:
    """How a matrix that lies in an array is laid out anew: strip after strip, each row by row.

    Attributes
    ----------
    start, down, across : int
        Where its first element is in the flat array, how far it is to the next row and to the next column.
    rows, columns : int
    width : int
        The columns of a strip; the last ones may be fewer, whole vectors all the same.
    lanes : int
        Those of a vector.
    """

    start: int
    down: int
    across: int
    rows: int
    columns: int
    width: int
    lanes: int

    @property
    def size(self) -> int:
        """The elements of the strips; those beyond the last column are 0."""
        return self.rows * -(-self.columns // self.lanes) * self.lanes

    def strips(self) -> Iterator[tuple[int, int]]:
        """The first column and the width of each strip: whole ones, whole vectors, a vector that is not full."""
        whole = self.columns // self.width * self.width
        full = self.columns // self.lanes * self.lanes
        yield from ((first, self.width) for first in range(0, whole, self.width))
        if full > whole:
            yield whole, full - whole
        if self.columns > full:
            yield full, self.lanes

    def of(self, array: np.ndarray) -> np.ndarray:
        """The strips of the matrix in an array, which is C-contiguous."""
        flat = array.reshape(-1)
        steps = (self.down * array.itemsize, self.across * array.itemsize)
        matrix = as_strided(flat[self.start :], (self.rows, self.columns), steps, writeable=False)
        packed = aligned_copy(np.zeros(self.size, array.dtype))
        for first, width in self.strips():
            part = matrix[:, first : first + width]
            packed[first * self.rows : (first + width) * self.rows].reshape(self.rows, width)[:, : part.shape[1]] = part
        return packed


def packed_ahead(schedule: Schedule, domain: Axes, folds: Sequence[Scalar], spaces: Mapping[str, str]) -> Schedule:
    """The schedule with strips, where all that would be copied to them is packed before: they cost nothing then."""
    if schedule.row is None or schedule.paired:
        return schedule
    loads = packable(folds, schedule)
    if loads and all(packing_of(load, fold, domain, schedule, spaces) for fold, load in loads):
        return replace(schedule, columns_first=True, packed=True)
    return schedule


def packing_of(
    load: Scalar, fold: Scalar, domain: Axes, schedule: Schedule, spaces: Mapping[str, str]
) -> Packing | None:
    """The packing of what a product's tiles load; None unless it is a matrix of known size that stays as it is.

    Parameters
    ----------
    load, fold : Scalar
        As :func:`symnet.codegen.schedule.packable` gives them.
    domain : sequence of (name, size)
    schedule : Schedule
    spaces : dict of str to str
        Where the buffers are.
    """
    ((axis, rows),) = fold.payload.axes
    columns = dict(domain)[str(schedule.vector)]
    if load.op != "load" or not (isinstance(rows, int) and isinstance(columns, int)):
        return None
    space, (address,) = spaces.get(load.payload[0]), load.payload[1]
    down, across = stride(address, axis), stride(address, str(schedule.vector))
    start = substitute(address, {axis: 0, str(schedule.vector): 0})
    if down is None or across is None or not isinstance(start, int):
        return None
    # Parameters are packed by a function that copies rows.
    if space != "constant" and not (space == "kept" and across == 1):
        return None
    width = schedule.lanes * schedule.vectors
    return Packing(start, down, across, rows, columns, width, schedule.lanes)
