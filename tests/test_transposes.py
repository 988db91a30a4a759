"""Transposed copies: every element at its place, for any sizes, axes and dtypes; nothing is read or written beyond."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn

SHAPES = [(16, 16), (1, 40), (17, 16), (64, 50), (100, 31), (5, 33), (0, 20)]


def transposed(a: np.ndarray, axes: tuple[int, ...], shape: Any = None, **options: Any) -> sn.Function:
    return sn.compile(sn.transpose(sn.Variable("x", shape or a.shape, str(a.dtype)), axes), **options)


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_matrices(shape: tuple[int, int], dtype: str, target: str) -> None:
    a = np.random.default_rng(1).integers(0, 99, shape).astype(dtype)
    np.testing.assert_array_equal(transposed(a, (1, 0), target=target)(a), a.T)


@pytest.mark.parametrize("axes", list(permutations(range(4))))
def test_more_axes(axes: tuple[int, ...]) -> None:
    a = np.random.default_rng(2).standard_normal((2, 19, 3, 34)).astype(np.float32)
    np.testing.assert_array_equal(transposed(a, axes)(a), a.transpose(axes))
    np.testing.assert_array_equal(transposed(a, axes, ("n", 19, "m", 34))(a), a.transpose(axes))


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
def test_what_is_transposed_may_be_gathered(target: str) -> None:
    rng = np.random.default_rng(6)
    a, where = rng.standard_normal((20, 7, 33)).astype(np.float32), rng.integers(0, 7, 9)
    x, i = sn.Variable("x", a.shape, "float32"), sn.Variable("i", where.shape, "int64")
    f = sn.compile(sn.transpose(sn.take(x, i, axis=1), (2, 1, 0)), target=target)
    np.testing.assert_array_equal(f(x=a, i=where), a[:, where].transpose(2, 1, 0))


def test_nothing_is_written_beyond_the_result() -> None:
    a = np.random.default_rng(3).standard_normal((35, 50)).astype(np.float32)
    memory = np.full(50 * 35 + 64, 7, np.float32)
    transposed(a, (1, 0))(a, out=memory[32:-32].reshape(50, 35))
    np.testing.assert_array_equal(memory[32:-32].reshape(50, 35), a.T)
    assert (memory[:32] == 7).all()
    assert (memory[-32:] == 7).all()


def test_a_parameter_becomes_its_own_transpose() -> None:
    start = np.random.default_rng(4).standard_normal((40, 40)).astype(np.float32)
    w = sn.Parameter(start, name="w")
    step = sn.compile(None, [], updates={w: sn.transpose(w)})
    step()
    np.testing.assert_array_equal(w.value, start.T)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_share_it(threads: int) -> None:
    a = np.random.default_rng(5).standard_normal((700, 900)).astype(np.float32)
    np.testing.assert_array_equal(transposed(a, (1, 0), threads=threads)(a), a.T)


def test_whole_squares_are_turned(tmp_path: Path) -> None:
    f = transposed(np.zeros((64, 64), np.float32), (1, 0), target="avx2")
    f.dump(tmp_path / "f.loops")
    assert "turn 8 in" in (tmp_path / "f.loops").read_text()
