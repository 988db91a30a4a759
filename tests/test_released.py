"""Calls that release Python's lock: other threads go on, and nothing is lost, torn, leaked or left claimed.

No test measures time: a call that keeps the lock would let no other thread of Python do anything meanwhile. With
SYMNET_CALL_PATH=ctypes the same tests hold (`test_on_the_other_path` runs them so).
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.claims import GATE
from symnet.codegen.call import call_path
from symnet.codegen.layouts import LONG

LARGE = 1 << 20


def is_long(f: sn.Function) -> bool:
    return all(bool(b._native.workspace.native.is_long) for b in f._bindings)


def in_threads(*jobs: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]


def long_one(**options: Any) -> tuple[sn.Function, np.ndarray]:
    """A function whose calls take some hundred milliseconds, and its argument."""
    x = sn.Variable("x", (900, 900), "float32")
    for_each = x
    for _ in range(8):
        for_each = sn.tanh(for_each @ x)
    f = sn.compile(for_each, **options)
    given = np.full((900, 900), 1e-3, "f")
    f(given)
    return f, given


@contextmanager
def counting() -> Iterator[list[int]]:
    """A thread of Python that counts. It gets on only where this one gives the lock away: nothing forces it to."""
    count, go_on = [0], [True]

    def work() -> None:
        while go_on[0]:
            count[0] += 1
            time.sleep(1e-4)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=work)
    thread.start()
    sys.setswitchinterval(100.0)
    try:
        yield count
    finally:
        sys.setswitchinterval(interval)
        go_on[0] = False
        thread.join()


# Which calls
# -----------


def test_the_cost_grows_with_the_sizes() -> None:
    x = sn.Variable("x", ("n", "n"), "float32")
    f = sn.compile(sn.tanh(x @ x))
    costs = []
    for n in (1, 16, 64, 1024):
        f(np.ones((n, n), "f"))
        (binding,) = f._bindings
        costs.append(binding._native.workspace.frame[binding.cost_at or 0])
        assert is_long(f) == (costs[-1] >= LONG) == (n == 1024)
    assert costs == sorted(costs)
    assert 1e5 < costs[-1] < 1e9


def test_repeated_steps_cost_more() -> None:
    x = sn.Variable("x", ("n", 64), "float32")
    f = sn.compile(sn.scan(lambda c, row: (c + row, c), np.zeros(64, "f"), x))
    for n, expected in ((3, False), (1 << 18, True)):
        f(np.ones((n, 64), "f"))
        assert is_long(f) == expected


def test_a_row_of_a_large_table_is_cheap() -> None:
    table, i = sn.Parameter(np.zeros((1 << 18, 64), "f"), name="table"), sn.Variable("i", (2,), "int64")
    f = sn.compile(sn.take(table, i, axis=0))
    f(np.array([3, 4]))
    assert not is_long(f)


def test_what_needs_its_data_to_stay_keeps_the_lock() -> None:
    x = sn.Variable("x", ("n", 300), "float32")
    inside = sn.scan(lambda c, row: (c + row, sn.argsort(row)), np.zeros(300, "f"), x)
    for result in (sn.argsort(x), inside[1]):
        f = sn.compile(result)
        f(np.ones((2000, 300), "f"))
        assert not is_long(f)


# Others go on
# ------------


@pytest.mark.parametrize("by_list", [False, True])
def test_another_thread_goes_on_during_a_long_call(by_list: bool) -> None:
    f, given = long_one()
    wanted = f(given)
    argument = given.tolist() if by_list else given  # a list takes the slow path
    assert is_long(f)
    with counting() as count:
        before = count[0]
        got = f(argument)
        assert count[0] > before
    np.testing.assert_array_equal(got, wanted)


def test_with_threads_of_its_own() -> None:
    f, given = long_one(threads=2)
    with counting() as count:
        before = count[0]
        f(given)
        assert count[0] > before


def test_calls_of_one_function_run_at_once() -> None:
    f, given = long_one()
    wanted = f(given)
    for got in in_threads(*[lambda: f(given)] * 3):
        np.testing.assert_array_equal(got, wanted)
    assert GATE.in_flight == 0


def test_arrays_live_while_a_call_uses_them() -> None:
    """Items of `out` taken out of the caller's list, and arguments that nobody else has."""
    x = sn.Variable("x", (LARGE,), "float32")
    f = sn.compile([sn.tanh(x), sn.exp(x)])
    given = np.linspace(-1, 1, LARGE, dtype="f")
    wanted = f(given)
    assert is_long(f)
    for _ in range(5):
        out = [np.empty_like(given), np.empty_like(given)]
        stop = threading.Event()

        def spoil(out: list[Any] = out, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                if GATE.in_flight:
                    kept = out[:]
                    out.clear()
                    del kept[0]
                    [np.full(LARGE, 7.0, "f") for _ in range(4)]
                    out[:] = [None, *kept]
                    return

        thread = threading.Thread(target=spoil)
        thread.start()
        f(given.copy(), out=out)
        stop.set()
        thread.join()
        np.testing.assert_array_equal(out[1], wanted[1])


def test_indices_that_another_thread_changes() -> None:
    """Whatever it writes: an exception, or elements of the table."""
    table = sn.Parameter(np.arange(1000.0), name="table")
    i = sn.Variable("i", ("n",), "int64")
    f = sn.compile(sn.take(table, i, axis=0))
    indices, stop = np.zeros(LARGE, np.int64), threading.Event()
    f(indices)
    assert is_long(f)

    def spoil() -> None:
        while not stop.is_set():
            indices[::7] = 1 << 50
            indices[::7] = 999

    thread = threading.Thread(target=spoil)
    thread.start()
    for _ in range(30):
        try:
            got = f(indices)
        except sn.SymnetError:
            continue
        assert set(np.unique(got)) <= {0.0, 999.0}
    stop.set()
    thread.join()


# Parameters
# ----------


def counter(size: int = LARGE) -> tuple[sn.Parameter, sn.Function, sn.Function]:
    """A Parameter, a function that adds 1 to it and one that gives its least and its largest number."""
    w = sn.Parameter(np.zeros(size), name="w")
    add = sn.compile([], inputs=[], updates={w: w + 1})
    ends = sn.compile([sn.min(w), sn.max(w)], inputs=[])
    add(), ends()
    w.value = np.zeros(size)
    return w, add, ends


def unclaimed(w: sn.Parameter) -> bool:
    return (w.claim.holders, w.claim.closed, GATE.in_flight, GATE.waiting, GATE.closed) == (0,) * 5


@pytest.mark.parametrize("size", [16, LARGE])
def test_no_update_is_lost_and_none_is_seen_half_done(size: int) -> None:
    w, add, ends = counter(size)
    assert is_long(add) == (size > 16)
    steps, writers = 100, 3
    left = list(range(writers))

    def write() -> None:
        for _ in range(steps):
            add()
        left.pop()

    def read() -> None:
        seen = -1.0
        while left or seen < 0:
            low, high = map(float, ends())
            assert low == high >= seen
            seen = low

    in_threads(*[write] * writers, read, read)
    np.testing.assert_array_equal(w.value, np.full(size, float(steps * writers)))
    assert unclaimed(w)


def test_values_are_assigned_between_calls_not_within() -> None:
    w, add, ends = counter()
    assert is_long(add)
    done = threading.Event()

    def write() -> None:
        for k in range(100):
            w.value = np.full(w.value.shape, 1000.0 * k)
        done.set()

    def work() -> None:
        while not done.is_set():
            add()
            low, high = map(float, ends())
            assert low == high

    in_threads(write, work, work)
    assert unclaimed(w)


def test_values_are_read_while_others_update() -> None:
    w, add, _ = counter()
    done, seen = threading.Event(), []

    def work() -> None:
        for _ in range(100):
            add()
        done.set()

    def read() -> None:
        while not (done.is_set() and seen):
            seen.append(float(w.value[0]))

    in_threads(work, read)
    assert seen and seen == sorted(seen)
    assert unclaimed(w)


def test_interpreted_programs_take_turns_with_native_ones() -> None:
    w, add, ends = counter()
    slow = sn.compile([], inputs=[], updates={w: w + 1}, mode="interpret")

    def steps(f: sn.Function) -> None:
        for _ in range(30):
            f()
            low, high = map(float, ends())
            assert low == high

    in_threads(lambda: steps(add), lambda: steps(slow))
    assert w.value[0] == w.value[-1] == 60


def test_several_parameters_in_any_order() -> None:
    a, b = (sn.Parameter(np.zeros(LARGE), name=name) for name in "ab")
    one = sn.compile([], inputs=[], updates={a: a + 1, b: b + 1})
    two = sn.compile([], inputs=[], updates={b: b + sn.tanh(a * 0), a: a + sn.tanh(b * 0)})
    one(), two()
    assert is_long(one) and is_long(two)

    def steps(f: sn.Function) -> None:
        for _ in range(50):
            f()

    in_threads(*[lambda: steps(one), lambda: steps(two)] * 2)
    assert a.value.min() == a.value.max() == b.value.min() == b.value.max() == 101
    assert unclaimed(a) and unclaimed(b)


def test_a_failed_check_changes_nothing_and_claims_nothing() -> None:
    w, i = sn.Parameter(np.zeros(LARGE), name="w"), sn.Variable("i", (4,), "int64")
    step = sn.compile([sn.take(w, i), w * 2], updates={w: w + 1})
    good, bad = np.arange(4), np.array([0, 1, LARGE, 2])
    out = [np.full(4, -5.0), np.full(LARGE, -5.0)]
    step(good)
    assert is_long(step)

    def fail() -> None:
        for _ in range(10):
            with pytest.raises(sn.IndexOutOfBounds):
                step(bad)
            with pytest.raises(sn.IndexOutOfBounds):
                step(bad, out=out)

    in_threads(fail, fail)
    assert w.value.min() == w.value.max() == 1 and out[0].min() == out[1].max() == -5
    assert unclaimed(w)
    in_threads(fail, lambda: [step(good) for _ in range(10)])
    assert w.value.min() == w.value.max() == 11
    assert unclaimed(w)


def test_calls_from_finalizers_while_others_wait() -> None:
    """A finalizer may run wherever Python code does, so in a thread that waits, too."""
    w, add, _ = counter()

    class Caller:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            add()
            w.value[0]

    def steps() -> None:
        for _ in range(40):
            Caller()
            add()

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        in_threads(steps, steps)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert w.value.min() == w.value.max() == 160
    assert unclaimed(w)


# Lifetimes
# ---------


def test_no_reference_is_lost_or_kept() -> None:
    n = LARGE // 8
    x, w = sn.Variable("x", (n,), "float64"), sn.Parameter(np.zeros(n), name="w")
    f = sn.compile({"a": sn.tanh(sn.tanh(x)) + w, "b": sn.sum(x)}, updates={w: w + 1})
    given, out = np.ones(n), {"a": np.empty(n), "b": np.empty(())}
    f(given)
    assert is_long(f)
    watched = [given, out, out["a"], out["b"], f, w, w.storage, w.claim, None, np.dtype("float64")]

    def calls(times: int) -> None:
        for _ in range(times):
            f(given), f(x=given, out=out)

    calls(10)
    before = [sys.getrefcount(each) for each in watched]
    in_threads(lambda: calls(2500), lambda: calls(2500))
    gc.collect()
    after = [sys.getrefcount(each) for each in watched]
    assert [a - b for a, b in zip(after, before, strict=True) if abs(a - b) >= 50] == []
    assert w.value.min() == w.value.max() == 10_021
    assert unclaimed(w)


def script(text: str, *expected: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, list(expected)), done.stderr


ADDING = """
import os, sys, threading, numpy as np, symnet as sn
w = sn.Parameter(np.zeros(1 << 20), name="w")
add = sn.compile([], inputs=[], updates={w: w + 1})
add()
stop = []
def work():
    while not stop:
        add()
"""

FORKING = """
thread = threading.Thread(target=work)
thread.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        whole = w.value.min() == w.value.max()
        before = w.value[0]
        add()
        w.value = w.value + 1
        os._exit(0 if whole and w.value.min() == w.value.max() == before + 2 else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
stop.append(1)
thread.join()
assert w.value.min() == w.value.max()
print("done")
"""

ENDING = """
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
add()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_calls_are_in_flight() -> None:
    script(ADDING + FORKING, "done")


def test_the_interpreter_ends_while_calls_are_in_flight() -> None:
    for _ in range(3):
        script(ADDING + ENDING, "done")


@pytest.mark.skipif(call_path() != "native", reason="the other path is this one")
def test_on_the_other_path() -> None:
    environment = os.environ | {"SYMNET_CALL_PATH": "ctypes"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(Path(__file__))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
