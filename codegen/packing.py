"""Weights as the tiles of products read them: strips of columns side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symnet.expr import aligned_copy
from symnet.ops.rounding import BFLOAT16


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

    def empty(self, dtype: np.dtype) -> np.ndarray:
        """Memory for the strips of a matrix of this dtype: zeros, aligned."""
        return aligned_copy(np.zeros(self.size, dtype))

    def of(self, array: np.ndarray) -> np.ndarray:
        """The strips of the matrix in an array, which is C-contiguous."""
        flat = array.reshape(-1)
        steps = (self.down * array.itemsize, self.across * array.itemsize)
        matrix = as_strided(flat[self.start :], (self.rows, self.columns), steps, writeable=False)
        matrix = _paired(matrix) if self.is_paired else matrix
        packed = self.empty(matrix.dtype)
        for first, width in self.strips():
            part, strip = matrix[:, first : first + width], slice(first * self.depth, (first + width) * self.depth)
            packed[strip].reshape(self.depth, width)[:, : part.shape[1]] = part
        return packed


def _paired(matrix: np.ndarray) -> np.ndarray:
    """Two rows in one: of each number the 16 bits of its bfloat16, the first row's below."""
    bits = BFLOAT16.numpy(matrix).view(np.uint32) >> 16
    bits = np.pad(bits, ((0, len(bits) % 2), (0, 0)))
    return bits[::2] | bits[1::2] << 16


# Of what lies as it is.
NO_PACKING = Packing(0, 0, 0, 0, 0, 0, 0)


def laid_out(array: np.ndarray, packing: Packing) -> np.ndarray:
    """The numbers of a constant as kernels read them, aligned."""
    return aligned_copy(array) if packing == NO_PACKING else packing.of(array)
