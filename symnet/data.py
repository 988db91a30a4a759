"""Data: real sets that come inside packages, mini-batches, and MNIST's file format."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import ArgumentError, ShapeError, SymnetError


class DataError(SymnetError, ValueError):
    """A file that is not what it should be."""


@dataclass(frozen=True)
class Split:
    """Samples and labels to train on and to test with."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits(test_share: float = 0.2, seed: int = 0) -> Split:
    """scikit-learn's 1,797 handwritten digits (from the UCI repository), 8 by 8 pixels from 0 to 1.

    Returns
    -------
    Split
        `x` float32 of shape (n, 64), `y` int64.

    Raises
    ------
    ArgumentError
        scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ArgumentError("the digits come with scikit-learn: pip install 'symnet[demo]'") from None
    found = load_digits()
    x, y = (found.data / 16).astype(np.float32), found.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = np.split(order, [round(len(x) * test_share)])
    return Split(x[train], y[train], x[test], y[test])


def batches(
    arrays: Sequence[np.ndarray], size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Mini-batches of rows, the last one short; shuffled with `rng`.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    ArgumentError
        The size is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> [len(x) for x, in batches([np.arange(5)], 2)]
    [2, 2, 1]
    """
    if size < 1:
        raise ArgumentError(f"a batch size of {size}; expected at least 1")
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ShapeError(f"arrays of lengths {sorted(lengths)} cannot be cut into batches together")
    return _rows(arrays, lengths.pop(), size, rng)


def _rows(
    arrays: Sequence[np.ndarray], length: int, size: int, rng: np.random.Generator | None
) -> Iterator[tuple[np.ndarray, ...]]:
    order = None if rng is None else rng.permutation(length)
    for start in range(0, length, size):
        rows = slice(start, start + size) if order is None else order[start : start + size]
        yield tuple(a[rows] for a in arrays)


IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load_idx(path: str | Path) -> np.ndarray:
    """An array from a file in MNIST's IDX format (LeCun), gzipped or plain.

    Raises
    ------
    DataError
        The file is no IDX file, or is truncated.
    """
    raw = Path(path).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path}: damaged gzip file: {error}") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_DTYPES:
        raise DataError(f"{path}: not an IDX file (it starts with {raw[:4].hex()})")
    dtype, rank = np.dtype(IDX_DTYPES[raw[2]]), raw[3]
    if len(raw) < 4 + 4 * rank:
        raise DataError(f"{path}: truncated in its header")
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    expected = math.prod(shape) * dtype.itemsize
    body = raw[4 + 4 * rank :]
    if len(body) != expected:
        raise DataError(f"{path}: holds {len(body)} bytes of data, its shape {shape} needs {expected}")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))
