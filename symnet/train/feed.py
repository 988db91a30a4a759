"""Data on its way to the compiled step: checked once, cut into batches, copied once an epoch where it is shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtype import DTYPES
from ..errors import ArgumentError, DTypeError, ShapeError
from ..expr import as_numbers, check_fits

# Shuffled rows are gathered so many bytes at a time: few calls for small batches, little memory for large sets.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Kind:
    """What one sample is.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    """

    shape: tuple[int, ...]
    dtype: str


def samples(name: str, value: Any, floating: str, kind: Kind | None = None) -> tuple[np.ndarray, Kind]:
    """An array of samples as compiled code takes it; no copy where it is so already.

    Parameters
    ----------
    name : str
        For messages.
    value : array_like
    floating : str
        The dtype that floating numbers are cast to.
    kind : Kind, optional
        What a sample must be. Default: what these are.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError
        These are no numbers, no rows of samples, or not of the kind.
    """
    array = as_numbers(value, name, is_cast=True)
    if array.ndim == 0:
        raise ShapeError(f"{name} is one number; expected an array whose rows are samples")
    kind = kind or Kind(array.shape[1:], _dtype(array.dtype, floating))
    if array.shape[1:] != kind.shape:
        raise ShapeError(f"{name} has shape {array.shape}; expected samples of shape {kind.shape}")
    if not np.can_cast(array.dtype, kind.dtype, "same_kind"):
        raise DTypeError(f"{name} is {array.dtype}; expected {kind.dtype}, to which it does not cast safely")
    check_fits(array, kind.dtype, name)
    return np.require(array, kind.dtype, ["C", "A"]), kind


def _dtype(given: np.dtype, floating: str) -> str:
    if given.kind == "f":
        return floating
    if given.name in DTYPES:
        return given.name
    return "int32" if np.can_cast(given, np.int32) else "int64"


def same_length(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Refuse arrays that are not of one length, or empty.

    Raises
    ------
    ShapeError, ArgumentError
    """
    if len(first) != len(second):
        raise ShapeError(f"{names[0]} has {len(first)} samples and {names[1]} has {len(second)}; expected as many")
    if not len(first):
        raise ArgumentError(f"{names[0]} has no samples; expected at least one")


class Feed:
    """Batches of rows of arrays of one length, the last one short.

    In order they are views. Shuffled they are gathered: each row is copied once an epoch, into memory that is
    used again, so a batch is valid until the next one is asked for.

    Parameters
    ----------
    arrays : sequence of arrays
    size : int
        Rows of a batch.
    """

    def __init__(self, arrays: Sequence[np.ndarray], size: int) -> None:
        self.arrays, self.size, self.length = tuple(arrays), size, len(arrays[0])
        widest = max(a.nbytes // max(self.length, 1) for a in self.arrays) * size
        self._rows = min(size * max(1, BLOCK // max(widest, 1)), self.length)
        self._memory: tuple[np.ndarray, ...] | None = None

    def epoch(self, order: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, ...]]:
        """All batches once, of the rows in this order."""
        if order is None:
            yield from self._cut(self.arrays, self.length)
            return
        if self._memory is None:
            self._memory = tuple(np.empty((self._rows, *a.shape[1:]), a.dtype) for a in self.arrays)
        for start in range(0, self.length, max(self._rows, 1)):
            rows = order[start : start + self._rows]
            for array, memory in zip(self.arrays, self._memory, strict=True):
                # "clip", since numpy takes a second copy under "raise"; the order has no row outside.
                np.take(array, rows, axis=0, out=memory[: len(rows)], mode="clip")
            yield from self._cut(self._memory, len(rows))

    def _cut(self, arrays: Sequence[np.ndarray], length: int) -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, length, self.size):
            rows = slice(start, min(start + self.size, length))
            yield tuple(a[rows] for a in arrays)
