"""Data: real sets that come inside packages, mini-batches, and MNIST's file format."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

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


MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
# MNIST's files and their MD5 checksums.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
CHUNK = 1 << 16


def mnist(
    folder: str | Path, url: str | None = None, progress: bool = True, checksums: Mapping[str, str] | None = None
) -> Split:
    """MNIST's 70,000 handwritten digits (LeCun et al.), 28 by 28 pixels from 0 to 1, from a folder or the network.

    Parameters
    ----------
    folder : str or Path
        Holds MNIST's four IDX files under their names, gzipped or plain.
    url : str, optional
        Where to fetch gzipped files that the folder lacks, such as ``sn.data.MNIST_URL``; each is kept in the folder
        once it is whole and has its checksum. Default: nothing is fetched.
    progress : bool
        Show a bar for each file that is fetched, where tqdm is installed.
    checksums : dict of str to str, optional
        The MD5 checksums of files with other data in the same form, such as Fashion-MNIST's.

    Returns
    -------
    Split
        `x` float32 of shape (n, 784), `y` int64.

    Raises
    ------
    DataError
        A file is missing, cannot be fetched, has another checksum, or is no such file.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.
    """
    place, sums = Path(folder), MNIST_FILES if checksums is None else checksums
    # All are there before the first is read.
    paths = [_mnist_file(place, name, url, sums[name], progress) for name in MNIST_FILES]
    pixels, labels, test_pixels, test_labels = map(load_idx, paths)
    for images, answers, path in ((pixels, labels, paths[0]), (test_pixels, test_labels, paths[2])):
        if images.ndim != 3 or answers.shape != images.shape[:1]:
            raise DataError(
                f"{path}: images of shape {images.shape} and labels of shape {answers.shape}; "
                "expected (n, height, width) and (n,)"
            )
    x_train, x_test = (p.reshape(len(p), -1).astype(np.float32) / 255 for p in (pixels, test_pixels))
    return Split(x_train, labels.astype(np.int64), x_test, test_labels.astype(np.int64))


def _mnist_file(folder: Path, name: str, url: str | None, checksum: str, progress: bool) -> Path:
    """The path of a file, fetched if it is not there."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.exists():
            return path
    if url is None:
        raise DataError(f"{folder} has no {name}: put it there, or give url=sn.data.MNIST_URL to fetch it")
    address = f"{url.rstrip('/')}/{name}"
    try:
        raw = _fetched(address, progress)
    except (OSError, ValueError, HTTPException) as error:
        raise DataError(f"cannot fetch {address}: {error}; put {name} into {folder} by hand") from None
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != checksum:
        raise DataError(f"{address} has the MD5 checksum {found}; expected {checksum}: nothing was kept")
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{name}.part"
    beside.write_bytes(raw)
    return beside.replace(folder / name)


def _fetched(address: str, progress: bool) -> bytes:
    """What an address gives, with a bar."""
    try:
        from tqdm import tqdm
    except ImportError:
        progress = False
    with urlopen(address, timeout=30) as answer:
        size = answer.headers.get("Content-Length")
        total = int(size) if size else None
        parts: list[bytes] = []
        name = address.rsplit("/", 1)[-1]
        with tqdm(total=total, desc=name, unit="B", unit_scale=True) if progress else _NoBar() as bar:
            while part := answer.read(CHUNK):
                parts.append(part)
                bar.update(len(part))
    return b"".join(parts)


class _NoBar:
    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def update(self, n: int) -> None:
        """Nobody looks."""
