"""Teams of threads: the same bits for every number of them, also in forked children and beside other threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.codegen.team import supported, thread_count

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(130, 300)).astype("f"), RNG.integers(0, 7, 130)


def network(threads: int | None, batch: Any = "batch") -> tuple[sn.Function, list[sn.Parameter]]:
    x, y = sn.Variable("x", (batch, 300), "float32"), sn.Variable("y", (batch,), "int64")
    net = sn.nn.Sequential(sn.nn.Linear(300, 200, rng=0), sn.nn.Tanh(), sn.nn.Linear(200, 7, rng=1))
    loss = sn.nn.cross_entropy(net(x), y)
    updates = sn.optim.Adam(lr=0.01)(loss, net.parameters())
    return sn.compile([loss, net(x)], updates=updates, threads=threads), net.parameters()


@pytest.mark.parametrize("batch", ["batch", 130])
def test_every_number_of_threads_gives_the_same_bits(batch: Any) -> None:
    found = []
    for threads in (1, 2, 3, 5):
        step, parameters = network(threads, batch)
        results = [r for _ in range(4) for r in step(X, Y)]
        found.append([*results, *(p.value.copy() for p in parameters)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 1000), (1000, 64), (513, 511), (3, 100_000)])
def test_shapes_that_do_not_divide(shape: tuple[int, int]) -> None:
    x = sn.Variable("x", ("n", "m"), "float32")
    outputs = [sn.softmax(x), sn.tanh(x) + x.sum(axis=1, keepdims=True), x @ sn.exp(x.T * 0.01), x.sum(axis=0), x.sum()]
    given = RNG.normal(size=shape).astype("f")
    for a, b in zip(sn.compile(outputs, threads=1)(given), sn.compile(outputs, threads=3)(given), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not supported(), reason="one thread only on this system")
def test_large_kernels_are_shared_and_small_ones_are_not() -> None:
    step, _ = network(2)
    text = step._latest.llvm()  # type: ignore[union-attr]
    assert ".piece(" in text and "%fork" in text
    small = sn.Variable("x", (4, 4), "float32") @ np.ones((4, 4), "f")
    text = sn.compile(small, threads=2)._latest.llvm()  # type: ignore[union-attr]
    assert "%fork" not in text and "%parts" not in text


def test_several_python_threads_at_once() -> None:
    x = sn.Variable("x", ("n", 300), "float32")
    f = sn.compile(sn.tanh(x @ RNG.normal(size=(300, 200)).astype("f")), threads=2)
    inputs = [RNG.normal(size=(100 + k, 300)).astype("f") for k in range(4)]
    wanted = [f(i) for i in inputs]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(50):
            if not np.array_equal(f(inputs[k]), wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_python_threads_compile_each_type_once() -> None:
    a, b = sn.Variable("a"), sn.Variable("b")
    f = sn.compile(sn.tanh(a * b) + a)
    kinds = [(d, rank) for d in ("int32", "float32", "float64") for rank in range(3)]
    start = threading.Barrier(6)

    def work(_: int) -> float:
        start.wait()
        arrays = [np.ones((2,) * rank, dtype) for dtype, rank in kinds]
        return sum(float(np.sum(f(each, each))) for each in arrays)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(work, range(6)))
    finally:
        sys.setswitchinterval(interval)
    assert f.n_compiles == len(kinds)
    np.testing.assert_allclose(done, 3 * 7 * (np.tanh(1) + 1), rtol=1e-6)


PROGRAM = """
import os, sys, numpy as np, symnet as sn
x = sn.Variable("x", ("n", 500), "float32")
f = sn.compile(x @ np.ones((500, 400), "f"), threads=3)
given = np.ones((300, 500), "f")
assert (f(given) == 500).all()
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if (f(given) == 500).all() and (f(given) == 500).all() else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
assert (f(given) == 500).all()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_children_have_threads_of_their_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "done", done.stderr


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMNET_NUM_THREADS", raising=False)
    assert thread_count(None) == 1
    monkeypatch.setenv("SYMNET_NUM_THREADS", "3")
    assert thread_count(None) == (3 if supported() else 1)
    assert thread_count(2) == (2 if supported() else 1)
    for bad in (0, -1, 1.5, "two", True, 10**6):
        with pytest.raises(sn.ArgumentError, match="threads is"):
            thread_count(bad)  # type: ignore[arg-type]
    monkeypatch.setenv("SYMNET_NUM_THREADS", "many")
    with pytest.raises(sn.ArgumentError, match="SYMNET_NUM_THREADS is 'many'"):
        sn.compile(sn.Variable("x") * 2)


def test_arrays_without_elements_turned_by_two_threads() -> None:
    x = sn.Variable("x", (0, 7), "float64")
    f = sn.compile([x.T + 1, np.cumsum(x, axis=1)], threads=2)
    assert [result.shape for result in f(np.ones((0, 7)))] == [(7, 0), (0, 7)]
