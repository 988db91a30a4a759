"""Constant matrices laid out at compile time as products read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet.codegen.packing import Packing


@given(st.integers(0, 9), st.integers(1, 70), st.sampled_from([(16, 4), (8, 2), (3, 1)]), st.booleans())
def test_strips_hold_every_element_once(rows: int, columns: int, tile: tuple[int, int], is_turned: bool) -> None:
    lanes, vectors = tile
    matrix = np.arange(1.0, rows * columns + 1).reshape(rows, columns)
    down, across = (1, rows) if is_turned else (columns, 1)
    packing = Packing(0, down, across, rows, columns, lanes * vectors, lanes)
    packed = packing.of(np.ascontiguousarray(matrix.T) if is_turned else matrix)
    assert packed.size == packing.size and sorted(packed[packed != 0]) == sorted(matrix.ravel())
    for first, width in packing.strips():
        strip = packed[first * rows : (first + width) * rows].reshape(rows, width)
        np.testing.assert_array_equal(strip[:, : columns - first], matrix[:, first : first + width])


def compiled(build: Any, shape: tuple[Any, ...], weights: np.ndarray, **options: Any) -> tuple[Any, Any]:
    x = sn.Variable("x", shape, str(weights.dtype))
    w = sn.Parameter(weights, name="w")
    return sn.compile(build(x, w), [x], freeze=True, **options), sn.compile(build(x, w), [x], mode="interpret")


BUILDS = {
    "as it lies": lambda x, w: sn.relu(x @ w + 1),
    "turned": lambda x, w: x @ w.T,
    "a part": lambda x, w: x[:, 3:] @ w[3:, 1:],
    "backwards": lambda x, w: x @ w[::-1, ::-1],
    "twice": lambda x, w: sn.tanh(x @ w) * (x @ w.T) if w.shape[0] == w.shape[1] else x @ w + x @ (w * 2),
    "read elsewhere too": lambda x, w: (x @ w).sum() + w.sum(),
    "computed": lambda x, w: x @ (w * w),
}


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_products_with_constants(build: Any, dtype: str, target: str) -> None:
    rng = np.random.default_rng(0)
    for rows, size in [(2, 17), (7, 40), ("batch", 33), (64, 130)]:
        weights = rng.integers(-9, 9, (size, size)).astype(dtype)
        f, expected = compiled(build, (rows, size), weights, target=target)
        for count in [1, 5, 50] if rows == "batch" else [rows]:
            x = rng.integers(-9, 9, (count, size)).astype(dtype)
            np.testing.assert_allclose(f(x), expected(x), rtol=1e-6, atol=1e-6)


def test_only_what_is_read_is_kept() -> None:
    weights = np.ones((64, 48), "float32")
    f, _ = compiled(lambda x, w: x @ w + x @ w, (8, 64), weights)
    f(np.ones((8, 64), "float32"))
    assert f.memory.constants == weights.nbytes
    g, _ = compiled(lambda x, w: (x @ w) + sn.take(w, sn.argmax(x[0]), axis=0), (8, 64), weights)
    np.testing.assert_array_equal(g(np.ones((8, 64), "float32")), np.full((8, 48), 65))
    assert g.memory.constants == 2 * weights.nbytes


def test_weights_of_a_loop_are_packed_once() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((20, 20)).astype("float32")
    x = rng.standard_normal((6, 4, 20)).astype("float32")

    def build(xs: Any, w: Any) -> Any:
        return sn.scan(lambda h, each: (sn.tanh(h @ w + each),) * 2, sn.zeros((4, 20), dtype="float32"), xs)[0]

    f, expected = compiled(build, (6, 4, 20), weights)
    np.testing.assert_allclose(f(x), expected(x), rtol=1e-5, atol=1e-5)
    start = 4 * 20
    assert f.memory.constants == (20 * 32 + start) * 4


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_do_not_depend_on_threads(threads: int) -> None:
    rng = np.random.default_rng(2)
    weights, x = rng.standard_normal((300, 200)).astype("f"), rng.standard_normal((100, 300)).astype("f")
    f, _ = compiled(lambda x, w: x @ w, ("batch", 300), weights, threads=threads)
    g, _ = compiled(lambda x, w: x @ w, ("batch", 300), weights)
    np.testing.assert_array_equal(f(x), g(x))
