"""Weights as the tiles of products read them: strips of columns side by side, made before the kernels run.

Those of a constant are made when the program is compiled; those of a Parameter that the program does not update,
when it is called for the first time and whenever the Parameter was written in between; see :mod:`.versions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symnet.dims import Size, substitute
from symnet.expr import aligned_copy
from symnet.ops.rounding import BFLOAT16
from symnet.scalar import Scalar

from .schedule import Axes, Schedule, first_load, packable, stride


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
    is_paired : bool
        Whether an element of the strips is a pair of neighbours in a column, rounded to bfloat16; beyond an odd
        number of rows there is a 0.
    """

    start: int
    down: int
    across: int
    rows: int
    columns: int
    width: int
    lanes: int
    is_paired: bool = False

    @property
    def depth(self) -> int:
        """The rows of the strips."""
        return (self.rows + 1) // 2 if self.is_paired else self.rows

    @property
    def size(self) -> int:
        """The elements of the strips; those beyond the last column are 0."""
        return self.depth * -(-self.columns // self.lanes) * self.lanes

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
        matrix = _paired(matrix) if self.is_paired else matrix
        packed = aligned_copy(np.zeros(self.size, matrix.dtype))
        for first, width in self.strips():
            part, strip = matrix[:, first : first + width], slice(first * self.depth, (first + width) * self.depth)
            packed[strip].reshape(self.depth, width)[:, : part.shape[1]] = part
        return packed


def _paired(matrix: np.ndarray) -> np.ndarray:
    """Two rows in one: of each number the 16 bits of its bfloat16, the first row's below."""
    bits = BFLOAT16.numpy(matrix).view(np.uint32) >> 16
    bits = np.pad(bits, ((0, len(bits) % 2), (0, 0)))
    return bits[::2] | bits[1::2] << 16


def packed_ahead(schedule: Schedule, domain: Axes, folds: Sequence[Scalar], spaces: Mapping[str, str]) -> Schedule:
    """The schedule with strips, where all that would be copied to them is packed before: they cost nothing then."""
    if schedule.row is None or schedule.paired:
        return schedule
    loads = packable(folds, schedule)
    if loads and all(packing_of(load, fold, domain, schedule, spaces) for fold, load in loads):
        return replace(schedule, columns_first=True, packed=True)
    return schedule


def packing_of(
    load: Scalar, fold: Scalar, domain: Axes, schedule: Schedule, spaces: Mapping[str, str], length: Size | None = None
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
    length : size, optional
        Of a fold over pairs, how many numbers that are.
    """
    ((axis, steps),) = fold.payload.axes
    rows, columns = steps if length is None else length, dict(domain)[str(schedule.vector)]
    if not (isinstance(rows, int) and isinstance(columns, int)):
        return None
    is_paired, (buffer, (address,)) = load.op == "pair", first_load(load).payload
    down, across = stride(address, axis), stride(address, str(schedule.vector))
    start = substitute(address, {axis: 0, str(schedule.vector): 0})
    if down is None or across is None or not isinstance(start, int):
        return None
    # Parameters are packed by a function that copies rows.
    space, is_copied = spaces.get(buffer), across == 1 and not is_paired
    if space != "constant" and not (space == "kept" and is_copied):
        return None
    width = schedule.lanes * schedule.vectors
    return Packing(start, down // (1 + is_paired), across, rows, columns, width, schedule.lanes, is_paired)
