"""Mini-batches, the digits, and IDX files: whole, gzipped and broken."""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import symnet as sn
from symnet.data import DataError, batches, load_idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = b"\0\0\x08\3" + struct.pack(">III", 2, 3, 4) + IMAGES.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_idx(tmp_path: Path, pack: type[bytes]) -> None:
    path = tmp_path / "images"
    path.write_bytes(pack(RAW))
    for found in (load_idx(path), load_idx(str(path))):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, IMAGES)


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_idx_dtypes_arrive_in_native_order(tmp_path: Path, code: int, dtype: str) -> None:
    wanted = np.array([1, 2, 100], dtype)
    path = tmp_path / "numbers"
    path.write_bytes(bytes([0, 0, code, 1]) + struct.pack(">I", 3) + wanted.astype(f">{dtype}").tobytes())
    found = load_idx(path)
    assert found.dtype == np.dtype(dtype) and found.dtype.isnative
    np.testing.assert_array_equal(found, wanted)


def damaged() -> bytes:
    """A gzip file whose deflate stream is nonsense from its first block on; the same at every time."""
    packed = bytearray(gzip.compress(RAW * 50, mtime=0))
    packed[10] = 0xFF
    return bytes(packed)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an IDX file"),
        (b"\1\0\x08\1" + RAW[4:], "not an IDX file"),
        (b"\0\0\x07\1" + RAW[4:], "not an IDX file"),
        (RAW[:9], "truncated in its header"),
        (RAW[:-1], "holds 23 bytes"),
        (RAW + b"\0", "holds 25 bytes"),
        (gzip.compress(RAW, mtime=0)[:-9], "damaged gzip"),
        (damaged(), "damaged gzip"),
        # Sizes whose product does not fit 64 bits.
        (b"\0\0\x08\4" + struct.pack(">4I", *(2**16,) * 4), "needs 18446744073709551616"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "broken"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message) as caught:
        load_idx(path)
    assert "broken" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_idx(tmp_path / "nothing")


@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_cover_every_row_once_and_together(shuffled: bool) -> None:
    rows = np.arange(10)
    found = list(batches((rows, rows * 2), 4, np.random.default_rng(0) if shuffled else None))
    assert [len(x) for x, _ in found] == [4, 4, 2]
    assert all((y == 2 * x).all() for x, y in found)
    order = np.concatenate([x for x, _ in found])
    assert sorted(order) == rows.tolist()
    assert (order.tolist() != rows.tolist()) is shuffled


def test_batches_of_nothing_and_bad_ones() -> None:
    assert list(batches([np.ones((0, 2))], 3)) == []
    # At the call, not at the first batch.
    with pytest.raises(sn.ArgumentError, match="batch size"):
        batches([np.ones(2)], 0)
    with pytest.raises(sn.ShapeError, match="lengths"):
        batches([np.ones(2), np.ones(3)], 1)


def test_digits() -> None:
    pytest.importorskip("sklearn")
    one, two = sn.data.digits(), sn.data.digits()
    assert one.x_train.shape == (1438, 64) and one.x_test.shape == (359, 64)
    assert one.x_train.dtype == np.float32 and one.y_train.dtype == np.int64
    assert one.x_train.min() >= 0.0 and one.x_train.max() <= 1.0
    assert set(one.y_test.tolist()) == set(range(10))
    np.testing.assert_array_equal(one.x_train, two.x_train)
    assert (sn.data.digits(seed=1).y_train != one.y_train).any()


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(sn.ArgumentError, match=r"symnet\[demo\]"):
        sn.data.digits()
