"""MNIST's files: from a folder, and from a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import symnet as sn
from symnet.data import MNIST_FILES, DataError, mnist


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = ((5, 28, 28), (5,), (3, 28, 28), (3,))
    return [rng.integers(0, 256 if len(s) == 3 else 10, s).astype(np.uint8) for s in shapes]


@pytest.fixture
def source(tmp_path: Path, arrays: list[np.ndarray]) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, array in zip(MNIST_FILES, arrays, strict=True):
        (folder / name).write_bytes(gzip.compress(idx(array)))
    return folder


@pytest.fixture
def url(source: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def sums(folder: Path) -> dict[str, str]:
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in MNIST_FILES}


def check(found: sn.data.Split, arrays: list[np.ndarray]) -> None:
    x, y, x_test, y_test = arrays
    assert found.x_train.dtype == np.float32 and found.y_train.dtype == np.int64
    np.testing.assert_array_equal(found.x_train, x.reshape(5, 784).astype(np.float32) / 255)
    np.testing.assert_array_equal(found.x_test, x_test.reshape(3, 784).astype(np.float32) / 255)
    assert found.y_train.tolist() == y.tolist() and found.y_test.tolist() == y_test.tolist()


def test_from_a_folder(source: Path, arrays: list[np.ndarray]) -> None:
    check(mnist(source), arrays)
    first = source / next(iter(MNIST_FILES))
    first.with_suffix("").write_bytes(gzip.decompress(first.read_bytes()))
    first.unlink()
    check(mnist(str(source)), arrays)


@pytest.mark.parametrize("progress", [True, False])
def test_from_a_server(
    source: Path, url: str, arrays: list[np.ndarray], tmp_path: Path, progress: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "deep" / "kept"
    check(mnist(place, url, progress, sums(source)), arrays)
    assert sorted(p.name for p in place.iterdir()) == sorted(MNIST_FILES)
    if not progress:
        assert not capsys.readouterr().err
    check(mnist(place), arrays)  # no network this time


def test_what_is_damaged_or_missing_is_not_kept(source: Path, url: str, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with pytest.raises(DataError, match=r"has the MD5 checksum .*; expected f68b3c2d"):
        mnist(place, url, progress=False)
    assert not place.exists()
    checksums = sums(source)
    (source / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"cannot fetch .*t10k-labels.*404.*by hand"):
        mnist(place, url, False, checksums)
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte\.gz: .*MNIST_URL"):
        mnist(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot fetch"):
        mnist(tmp_path / "nothing", "no address", progress=False)
    with pytest.raises(DataError, match="cannot fetch"):
        mnist(tmp_path / "nothing", "http://127.0.0.1:9/", progress=False)


def test_labels_of_another_set(source: Path) -> None:
    (source / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(DataError, match=r"images of shape \(5, 28, 28\) and labels of shape \(4,\)"):
        mnist(source)
