"""Constant matrices laid out at compile time as products read them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet.codegen import kernels
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


def predictor(weights: np.ndarray, rows: int = 8) -> tuple[sn.Parameter, Any, np.ndarray]:
    x, w = sn.Variable("x", ("batch", weights.shape[0]), str(weights.dtype)), sn.Parameter(weights, name="w")
    given_x = np.random.default_rng(3).standard_normal((rows, weights.shape[0])).astype(weights.dtype)
    return w, sn.compile(x @ w, [x]), given_x


@pytest.mark.parametrize("size", [(40, 33), (300, 16), (7, 200)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_follow_every_way_of_writing(size: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(4)
    w, f, x = predictor(rng.standard_normal(size).astype(dtype))
    native = sn.compile(None, updates={w: w * 1.5})
    interpreted = sn.compile(None, updates={w: w - 1}, mode="interpret")
    tied = sn.compile((w * 2).sum(), updates={w: w + w})

    def assign() -> None:
        w.value = rng.standard_normal(size)

    for write in [lambda: None, native, assign, interpreted, tied, native, native]:
        write()
        for _ in range(2):
            np.testing.assert_allclose(f(x), x.astype("float64") @ w.value, rtol=1e-4, atol=1e-4)
    assert f.memory.copies >= w.value.nbytes and f.memory.parameters == w.value.nbytes


def test_a_step_that_is_refused_leaves_what_copies_hold() -> None:
    w, f, x = predictor(np.ones((20, 20), "float32"))
    before = f(x)
    i = sn.Variable("i", (), "int64")
    step = sn.compile(sn.take(w, i, axis=0), [i], updates={w: w * 2})
    with pytest.raises(sn.SymnetError):
        step(99)
    np.testing.assert_array_equal(f(x), before)
    step(3)
    np.testing.assert_allclose(f(x), before * 2, rtol=1e-6)


def test_a_program_that_updates_a_parameter_keeps_no_copy_of_it() -> None:
    w = sn.Parameter(np.ones((64, 64), "float32"), name="w")
    x = sn.Variable("x", (32, 64), "float32")
    loss = ((x @ w) ** 2).sum()
    step = sn.compile(loss, updates=sn.optim.SGD(lr=1e-6)(loss, [w]))
    step(np.ones((32, 64), "float32"))
    assert step.memory.copies == 0


def test_large_parameters_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "COPIED_BYTES", 1000)
    w, f, x = predictor(np.ones((20, 20), "float32"))
    np.testing.assert_allclose(f(x), x @ w.value, rtol=1e-5)
    assert f.memory.copies == 0


def test_readers_on_other_threads_see_whole_copies() -> None:
    """Of weights that are all alike, whichever version a call meets."""
    w, f, _ = predictor(np.zeros((400, 400), "float32"))
    x = np.zeros((200, 400), "float32")
    x[:, ::7] = 1
    step = sn.compile(None, updates={w: w + 1})
    wrong, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            found = f(x)
            if found.min() != found.max():
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(200):
        step()
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert f(x)[0, 0] == 200 * x[0].sum()
