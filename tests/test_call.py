"""The call path: what the trampoline handles, what it hands over, and that nothing leaks or crashes.

The programs are written by hand in LLVM. With SYMNET_CALL_PATH=ctypes every call is a slow call, and the same
tests hold but for those about what is native (`test_on_the_other_path` runs them so).
"""

from __future__ import annotations

import ctypes
import functools
import gc
import itertools
import os
import random
import subprocess
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from ctypes import py_object
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import binding as llvm

import symnet as sn
from symnet.codegen import binding as binding_module
from symnet.codegen import layouts, pool, trampoline
from symnet.codegen.call import Binding, InputSpec, NativeCallable, ResultSpec, call_path, run
from symnet.codegen.machine import shared_lljit
from symnet.errors import ArgumentError, GraphError, IndexOutOfBounds

NATIVE = call_path() == "native"
native_only = pytest.mark.skipif(not NATIVE, reason="the trampoline is off")

# d = a * b + 1 over the dim n, through an arena of n items. The plan refuses n = 13, the entry a -1 in a.
# For n = 17 the extents are those of an array that cannot be.
PRODUCT = """
define i32 @plan(ptr %frame) {
  %n = load i64, ptr %frame
  %unlucky = icmp eq i64 %n, 13
  br i1 %unlucky, label %no, label %yes
yes:
  %bytes = mul i64 %n, 8
  %needed = getelementptr i64, ptr %frame, i64 1
  store i64 %bytes, ptr %needed
  %huge = icmp eq i64 %n, 17
  %size = select i1 %huge, i64 1152921504606846976, i64 %n
  %extent = getelementptr i64, ptr %frame, i64 2
  store i64 %size, ptr %extent
  ret i32 0
no:
  ret i32 7
}
define i32 @entry(ptr %buffers, ptr %frame, ptr %arena) {
start:
  %n = load i64, ptr %frame
  %a = load ptr, ptr %buffers
  %b.at = getelementptr ptr, ptr %buffers, i64 1
  %b = load ptr, ptr %b.at
  %d.at = getelementptr ptr, ptr %buffers, i64 2
  %d = load ptr, ptr %d.at
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %good ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %a.i.at = getelementptr TYPE, ptr %a, i64 %i
  %b.i.at = getelementptr TYPE, ptr %b, i64 %i
  %t.i.at = getelementptr TYPE, ptr %arena, i64 %i
  %d.i.at = getelementptr TYPE, ptr %d, i64 %i
  %a.i = load TYPE, ptr %a.i.at
  %b.i = load TYPE, ptr %b.i.at
  %bad = fcmp oeq TYPE %a.i, -1.0
  br i1 %bad, label %no, label %good
good:
  %t.i = fmul TYPE %a.i, %b.i
  store TYPE %t.i, ptr %t.i.at
  %t = load TYPE, ptr %t.i.at
  %d.i = fadd TYPE %t, 1.0
  store TYPE %d.i, ptr %d.i.at
  %i.next = add i64 %i, 1
  br label %next
no:
  ret i32 3
done:
  ret i32 0
}
"""

# For x of shape (2, n) and y of shape (n,): s = x[0, 0] + y[0] (0-d) and t = [n, 2] (int64), which cannot be
# allocated for n = 17.
PAIR = """
define i32 @plan(ptr %frame) {
  %n = load i64, ptr %frame
  %needed = getelementptr i64, ptr %frame, i64 1
  store i64 0, ptr %needed
  %huge = icmp eq i64 %n, 17
  %size = select i1 %huge, i64 1152921504606846976, i64 2
  %extent = getelementptr i64, ptr %frame, i64 2
  store i64 %size, ptr %extent
  ret i32 0
}
define i32 @entry(ptr %buffers, ptr %frame, ptr %arena) {
  %x = load ptr, ptr %buffers
  %y.at = getelementptr ptr, ptr %buffers, i64 1
  %y = load ptr, ptr %y.at
  %s.at = getelementptr ptr, ptr %buffers, i64 2
  %s = load ptr, ptr %s.at
  %t.at = getelementptr ptr, ptr %buffers, i64 3
  %t = load ptr, ptr %t.at
  %x.0 = load double, ptr %x
  %y.0 = load double, ptr %y
  %sum = fadd double %x.0, %y.0
  store double %sum, ptr %s
  %n = load i64, ptr %frame
  store i64 %n, ptr %t
  %t.1 = getelementptr i64, ptr %t, i64 1
  store i64 2, ptr %t.1
  ret i32 0
}
"""

# w[0] += x[0] for two parameters w and v; v is only read: the result, if there is one, is w[0] + v[0].
STEP = """
define i32 @plan(ptr %frame) {
  store i64 0, ptr %frame
  ret i32 0
}
define i32 @entry(ptr %buffers, ptr %frame, ptr %arena) {
  %x = load ptr, ptr %buffers
  %v.at = getelementptr ptr, ptr %buffers, i64 1
  %v = load ptr, ptr %v.at
  %w.at = getelementptr ptr, ptr %buffers, i64 2
  %w = load ptr, ptr %w.at
  %x.0 = load double, ptr %x
  %w.0 = load double, ptr %w
  %v.0 = load double, ptr %v
  %new = fadd double %w.0, %x.0
  store double %new, ptr %w
  br i1 RESULT, label %result, label %done
result:
  %d.at = getelementptr ptr, ptr %buffers, i64 3
  %d = load ptr, ptr %d.at
  %both = fadd double %new, %v.0
  store double %both, ptr %d
  br label %done
done:
  ret i32 0
}
"""


@functools.cache
def loaded(text: str) -> Any:
    """Compile a program, once."""
    builder = llvm.JITLibraryBuilder().add_ir(text).export_symbol("plan").export_symbol("entry")
    return builder.link(shared_lljit(), f"test.{loaded.cache_info().misses}")


def bound(text: str, *inputs: InputSpec, keep: object = None, **options: Any) -> Binding:
    code = loaded(text)
    return Binding(code["plan"], code["entry"], inputs, keep=(code, keep), **options)


def product(dtype: str = "float64", shape: tuple[int | str, ...] = ("n",), keep: object = None) -> Binding:
    text = PRODUCT.replace("TYPE", {"float64": "double", "float32": "float"}[dtype])
    inputs = InputSpec("A", dtype, shape), InputSpec("B", dtype, shape)
    return bound(text, *inputs, results=(ResultSpec(dtype, 1),), dims=("n",), frame_size=3, keep=keep)


def pair(structure: Any, keys: tuple[str, ...] = ()) -> Binding:
    inputs = InputSpec("x", "float64", (2, "n")), InputSpec("y", "float64", ("n",))
    results = ResultSpec("float64", 0), ResultSpec("int64", 1)
    return bound(PAIR, *inputs, results=results, dims=("n",), frame_size=3, structure=structure, keys=keys)


def step(v: np.ndarray, w: np.ndarray, result: bool) -> Binding:
    return bound(
        STEP.replace("RESULT", str(result).lower()),
        InputSpec("x", "float64", (4,)),
        results=(ResultSpec("float64", 0),) if result else (),
        dims=(),
        frame_size=1,
        parameters=(v, w),
        updated=(1,),
        structure="one" if result else "none",
    )


class Program(NativeCallable):
    """A callable with a small slow path: it casts to a binding, and counts the calls it gets."""

    def __init__(self, *bindings: Binding) -> None:
        self.slow = 0
        for each in bindings:
            self._bind(each)

    def _slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.slow += 1
        out = kwargs.pop("out", None)
        names = [spec.name for spec in self._bindings[0].inputs]
        given = dict(zip(names, args, strict=False)) | kwargs
        if set(given) != set(names) or len(args) + len(kwargs) != len(names):
            raise TypeError("arguments")
        if not isinstance(out, np.ndarray | list | tuple | dict | None):
            raise TypeError("out")
        chosen = self._choose([getattr(given[name], "dtype", None) for name in names])
        arrays = [np.array(given[spec.name], spec.dtype, order="C") for spec in chosen.inputs]
        if any(array.ndim != len(spec.shape) for array, spec in zip(arrays, chosen.inputs, strict=True)):
            raise ValueError("rank")
        outcome = run(chosen, arrays)
        if outcome.status:
            raise ValueError(f"{outcome.stage} {outcome.status}")
        if out is None:
            return packed(chosen, outcome.results)
        if not isinstance(out, np.ndarray):
            raise ValueError("several out")
        (result,) = outcome.results
        if (out.shape, out.dtype, out.flags.writeable) != (result.shape, result.dtype, True):
            raise ValueError("out does not fit")
        out[...] = result
        return out

    def _choose(self, dtypes: list[Any]) -> Binding:
        exact = [each for each in self._bindings if [spec.dtype for spec in each.inputs] == dtypes]
        return (exact or self._bindings)[0]


def packed(binding: Binding, results: list[np.ndarray]) -> Any:
    """The results in the structure that a native call returns."""
    if binding.structure == "dict":
        return dict(zip(binding.keys, results, strict=True))
    return {"one": lambda r: r[0], "none": lambda r: None, "tuple": tuple, "list": list}[binding.structure](results)


class Text(str):
    """A str that is not exactly one."""


A, B = np.arange(10.0), np.full(10, 2.0)
D = A * B + 1


def ready(*bindings: Binding) -> Program:
    """A product program whose arena holds 10 items."""
    f = Program(*(bindings or (product(),)))
    f(A, B)
    f.slow = 0
    return f


def check_native(f: Program) -> None:
    """No call was slow (unless all are)."""
    assert f.slow == 0 or not NATIVE


# Arguments
# ---------


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(A=A, B=B),
        lambda f: f(B=B, A=A),
        lambda f: f(A, B),
        lambda f: f(A, B=B),
        lambda f: f(*[A, B]),
        lambda f: f(**{"A": A, "B": B}),
        lambda f: f(**{"".join(["", "B"]): B, bytes([65]).decode(): A}),
        lambda f: f(**{"".join(["B", " "])[:-1]: B, Text("A"): A}),
        lambda f: functools.partial(f, A)(B=B),
        lambda f: next(map(f, [A], [B])),
    ],
)
def test_arguments_by_position_and_name(call: Any) -> None:
    f = ready()
    for _ in range(3):
        np.testing.assert_array_equal(call(f), D)
        np.testing.assert_array_equal(f(A=A, B=B), D)
        np.testing.assert_array_equal(f(B, A), D)
    check_native(f)


def test_names_made_at_run_time_need_not_be_the_same_object() -> None:
    inputs = InputSpec("left_operand", "float64", ("n",)), InputSpec("right_operand", "float64", ("n",))
    text = PRODUCT.replace("TYPE", "double")
    f = ready(bound(text, *inputs, results=(ResultSpec("float64", 1),), dims=("n",), frame_size=3))
    for _ in range(3):
        left, right = "_".join(["left", "operand"]), "_".join(["right", "operand"])
        assert left is not inputs[0].name
        np.testing.assert_array_equal(f(**{right: B, left: A}), D)
        np.testing.assert_array_equal(f(A, right_operand=B), D)
    check_native(f)


def test_the_python_method_answers_too() -> None:
    f = ready()
    np.testing.assert_array_equal(f.__call__(A=A, B=B), D)
    assert f.slow == 1


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((A,), {}),
        ((A, B, B), {}),
        ((A, B, B, B, B), {}),
        ((A,), {"A": A}),
        ((A, B), {"A": A}),
        ((A,), {"B": B, "C": B}),
        ((A,), {"C": B}),
        ((), {"A": A}),
        ((), {"A": A, "B": B, "C": B, "D": B}),
        ((None, B), {}),
        ((A, B[:9]), {}),
        ((A.reshape(2, 5), B), {}),
        ((np.float64(1), B), {}),
        ((A[0:0].reshape(0, 0), B), {}),
        ((A, B, A, B), {"out": A}),
        ((A,), {"out": A}),
    ],
)
def test_what_cannot_be_called_reaches_the_slow_path_and_raises(args: Any, kwargs: Any) -> None:
    f = ready()
    for _ in range(2):
        with pytest.raises((TypeError, ValueError, GraphError)):
            f(*args, **kwargs)
        np.testing.assert_array_equal(f(A=A, B=B), D)
    assert f.slow == (2 if NATIVE else 4)


def misaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    memory[:] = array.view(np.uint8)
    return memory.view(array.dtype)


@pytest.mark.parametrize(
    "convert",
    [
        list,
        misaligned,
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(object),
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.repeat(a, 2)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.ma.array(a),
        lambda a: a.view(np.recarray),
        memoryview,
    ],
)
def test_arguments_to_be_cast_reach_the_slow_path(convert: Any) -> None:
    f = ready()
    for call in (f(convert(A), B), f(A=A, B=convert(B))):
        np.testing.assert_array_equal(call, D)
    assert f.slow == 2


def test_views_read_only_arrays_and_equal_dtypes_are_native() -> None:
    f = ready()
    long = np.zeros(30)
    long[10:20] = A
    frozen = B.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(f(long[10:20], frozen), D)
    tagged = A.astype(np.dtype("float64", metadata={"unit": "m"}))
    assert tagged.dtype is not A.dtype
    np.testing.assert_array_equal(f(tagged, B), D)
    check_native(f)


def test_rank_literal_sizes_and_layout() -> None:
    f = Program(pair("tuple"))
    x, y = np.arange(10.0).reshape(2, 5), np.ones(5)
    for _ in range(2):
        total, sizes = f(x, y)
        assert (total, list(sizes)) == (1.0, [5, 2])
    check_native(f)
    assert f(np.asfortranarray(x), y)[0] == 1.0
    for bad in (x.reshape(5, 2), x[:1], x[:, :4], x[None]):
        with pytest.raises((ValueError, GraphError)):
            f(bad, y)
    assert f.slow == (5 if NATIVE else 7)


# Specialisations
# ---------------


def test_specialisations_are_tried_in_turn() -> None:
    f = Program(product(), product("float32"))
    short = A.astype(np.float32), B.astype(np.float32)
    f(A, B)
    run(f._bindings[1], short)
    f.slow = 0
    for size in [10, 3, 10, 7, 0, 1]:
        for a, b in [(A, B), short, short, (A, B), (A, B)]:
            d = f(A=a[:size], B=b[:size])
            assert d.dtype == a.dtype
            np.testing.assert_array_equal(d, D[:size])
    check_native(f)
    assert [each.inputs[0].dtype for each in f._bindings] == ["float64", "float32"]


def test_a_later_specialisation_takes_what_an_earlier_plan_refuses() -> None:
    f = ready(product(), product(shape=("n",)))
    with pytest.raises(ValueError, match="plan 7"):
        f(np.ones(13), np.ones(13))
    np.testing.assert_array_equal(f(A, B), D)


def test_bindings_of_one_callable_agree_and_serve_no_other() -> None:
    f, shared = Program(product()), product()
    with pytest.raises(GraphError, match="inputs"):
        f._bind(pair("list"))
    f._bind(shared)
    for other in (f, Program()):
        with pytest.raises(GraphError, match="one callable"):
            other._bind(shared)


def test_a_class_with_its_own_call_keeps_it() -> None:
    class Loud(Program):
        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            return "loud"

    assert Loud(product())(A, B) == "loud"
    assert Program._slow_call is Loud._slow_call


def test_a_callable_without_a_program_is_slow() -> None:
    class Bare(NativeCallable):
        pass

    assert Bare()._bindings == ()
    with pytest.raises(NotImplementedError):
        Bare()(1)


@pytest.mark.parametrize(
    "change",
    [
        {"dims": ()},
        {"dims": ("n", "m")},
        {"frame_size": 2},
        {"structure": "none"},
        {"structure": "dict"},
        {"updated": (0,)},
        {"parameters": (A[::2],)},
        {"results": (ResultSpec("float64", 1), ResultSpec("float64", 0)), "frame_size": 9},
    ],
)
def test_a_binding_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    options = {"results": (ResultSpec("float64", 1),), "dims": ("n",), "frame_size": 3} | change
    with pytest.raises(GraphError):
        bound(PRODUCT.replace("TYPE", "double"), InputSpec("A", "float64", ("n",)), **options)


# Results
# -------


def test_structures_of_results() -> None:
    x, y = np.full((2, 3), 4.0), np.full(3, 0.5)
    for structure, keys in (("tuple", ()), ("list", ()), ("dict", ("s", "t"))):
        f = Program(pair(structure, keys))
        f(x, y)
        for got in (f(x=x, y=y), packed(f._bindings[0], run(f._bindings[0], [x, y]).results)):
            assert type(got).__name__ == structure
            if isinstance(got, dict):
                assert list(got) == ["s", "t"]
                got = list(got.values())
            total, sizes = got
            assert (type(total), total.shape, total.dtype, total) == (np.ndarray, (), np.float64, 4.5)
            assert (type(sizes), sizes.dtype, list(sizes)) == (np.ndarray, np.int64, [3, 2])
            assert total.flags.carray and sizes.flags.owndata and sizes.base is None
        check_native(f)


def test_updates_without_results_give_none() -> None:
    v, w = np.zeros(4), np.zeros(4)
    f = Program(step(v, w, result=False))
    assert [f(np.ones(4)), f(x=np.ones(4))] == [None, None]
    assert w[0] == 2.0
    check_native(f)


def test_empty_arrays() -> None:
    f = ready()
    assert f(A[:0], B[:0]).shape == (0,)
    check_native(f)


def test_results_are_new_each_time() -> None:
    f = ready()
    first, second = f(A, B), f(A, B)
    first[:] = 0
    np.testing.assert_array_equal(second, D)
    assert f(A, B).base is None


def test_a_result_that_cannot_be_allocated_raises_and_harms_nothing() -> None:
    f = Program(product())
    f(np.ones(17 + 3), np.ones(17 + 3))
    f.slow = 0
    for _ in range(3):
        with pytest.raises((ValueError, MemoryError)):
            f(np.ones(17), np.ones(17))
        np.testing.assert_array_equal(f(A, B), D)
    check_native(f)


# The caller's array
# ------------------


def test_out() -> None:
    f = ready()
    out = np.empty(10)
    assert f(A=A, B=B, out=out) is out
    np.testing.assert_array_equal(out, D)
    assert f(A, B, out=out[:]) is not out
    assert f(out=out, B=B, A=A) is out
    assert f(A, B, **{"".join("out"): out}) is out
    check_native(f)


def test_out_that_overlaps_goes_through_a_temporary() -> None:
    f = ready()
    memory = np.zeros(15)
    for start in range(6):
        memory[:10] = A
        out = memory[start : start + 10]
        np.testing.assert_array_equal(f(memory[:10], B, out=out), D)
        memory[:10] = B
        np.testing.assert_array_equal(f(A=A, B=memory[:10], out=out), D)
    assert f.slow == 12


@pytest.mark.parametrize("out", [np.empty(20)[::2], misaligned(A), np.empty(10).view(np.recarray)])
def test_out_that_cannot_be_written_in_place(out: np.ndarray) -> None:
    f = ready()
    assert f(A, B, out=out) is out
    np.testing.assert_array_equal(out, D)
    assert f.slow == 1


def test_out_that_does_not_fit() -> None:
    f = ready()
    frozen = np.empty(10)
    frozen.flags.writeable = False
    for out in (
        np.empty(9),
        np.empty(11),
        np.empty((10, 1)),
        np.empty(10, np.float32),
        frozen,
        np.empty(10, ">f8"),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            f(A, B, out=out)
    assert f.slow == 6
    np.testing.assert_array_equal(f(A, B, out=None), D)
    assert f.slow == 7


def test_out_for_several_results_is_slow() -> None:
    f = Program(pair("list"))
    x, y = np.ones((2, 3)), np.ones(3)
    f(x, y)
    f.slow = 0
    with pytest.raises(ValueError, match="unpack"):
        f(x, y, out=np.empty(()))
    assert f.slow == 1


def sums(structure: Any = "list") -> tuple[Program, np.ndarray, np.ndarray]:
    """A program of two results that was called once, and its arguments: the results are 2.0 and [3, 2]."""
    f, x, y = Program(pair(structure, ("s", "t") if structure == "dict" else ())), np.ones((2, 3)), np.ones(3)
    f(x, y)
    f.slow = 0
    return f, x, y


@native_only
@pytest.mark.parametrize("structure", ["tuple", "list", "dict"])
def test_out_for_several_results(structure: Any) -> None:
    f, x, y = sums(structure)
    s, t = np.empty(()), np.empty(2, np.int64)
    outs: list[Any] = [{"s": s, "t": t}, f(x, y)] if structure == "dict" else [[s, t], (s, t)]
    for out in outs:
        s[...], t[...] = 0, 0
        before = [sys.getrefcount(each) for each in (out, s, t)]
        for _ in range(3):
            assert f(x, y, out=out) is out
        assert [sys.getrefcount(each) for each in (out, s, t)] == before
        total, sizes = out.values() if isinstance(out, dict) else out
        assert total == 2.0 and list(sizes) == [3, 2]
    assert f.slow == 0


@native_only
def test_out_for_several_results_that_does_not_fit_is_slow_and_untouched() -> None:
    s, t = np.zeros(()), np.zeros(2, np.int64)
    frozen = np.zeros(())
    frozen.flags.writeable = False
    memory = np.zeros(3)
    bad: list[Any] = [[], [s], [s, t, t], [t, s], [s, None], [s, np.zeros(3, np.int64)], [frozen, t], [s, t[::-1]]]
    bad += [[memory[:1].reshape(()), memory.view(np.int64)[:2]], {"s": s, "t": t}, iter([s, t]), type("L", (list,), {})]
    f, x, y = sums("list")
    for out in [*bad, [x[0, 0:1].reshape(()), t]]:
        with pytest.raises((ValueError, TypeError)):
            f(x, y, out=out)
    assert f.slow == len(bad) + 1
    g, x, y = sums("dict")
    wrong: list[Any] = [
        {"t": t, "s": s},
        {"s": s},
        {"s": s, "t": t, "u": t},
        {"s": s, "u": t},
        {},
        {1: s, 2: t},
        [s, t],
    ]
    for out in wrong:
        with pytest.raises((ValueError, TypeError)):
            g(x, y, out=out)
    assert g.slow == len(wrong)
    assert not any(array.any() for array in (s, t, frozen, memory)) and (x == 1).all()


def test_a_program_that_may_fail_late_never_sees_the_callers_array() -> None:
    inputs = InputSpec("A", "float64", ("n",)), InputSpec("B", "float64", ("n",))
    text, one = PRODUCT.replace("TYPE", "double"), (ResultSpec("float64", 1),)
    f = ready(bound(text, *inputs, results=one, dims=("n",), frame_size=3, stores_early=True))
    out, bad = np.full(10, 7.0), A.copy()
    bad[5] = -1
    with pytest.raises(ValueError, match="entry 3"):
        f(bad, B, out=out)
    assert run(f._bindings[0], [bad, B], [out]).status == 3
    assert (out == 7).all()
    assert f(A, B, out=out) is out and f.slow == 2
    np.testing.assert_array_equal(out, D)


def test_run_stores_to_targets_of_any_kind() -> None:
    binding, memory = product(), np.arange(30.0)
    outs = [np.empty(10), memory[10:20], memory[::3], misaligned(A), np.empty(10, ">f8"), np.ma.masked_all(10)]
    for out in outs:
        outcome = run(binding, [A, B], [out])
        assert outcome.results[0] is out
        np.testing.assert_array_equal(np.asarray(out), D)
    assert not np.ma.getmaskarray(outs[-1]).any()
    shifted = np.arange(12.0)
    run(binding, [shifted[:10], B], [shifted[2:]])
    np.testing.assert_array_equal(shifted, [0, 1, *D])
    with pytest.raises(GraphError, match="shape"):
        run(binding, [A, B], [np.empty(3)])
    np.testing.assert_array_equal(run(binding, [A, B]).results[0], D)


X = sn.Variable("x")


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_out_arrays_that_overlap_are_refused(mode: str) -> None:
    f = sn.compile([X + 1, X * 2], mode=mode)
    x, memory = np.arange(4.0), np.full(12, 7.0)
    for first, second in [(memory[:4], memory[:4]), (memory[:4], memory[3:7]), (memory[:8:2], memory[4:8])]:
        for _ in range(2):
            with pytest.raises(ArgumentError, match=r"out= has arrays that overlap.*written at test_call"):
                f(x, out=[first, second])
    assert (memory == 7).all()
    f(x, out=[memory[:8:2], memory[1:9:2]])  # between each other, but apart
    np.testing.assert_array_equal(memory[:8], np.stack([x + 1, x * 2], 1).ravel())


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_out_may_overlap_inputs_and_parameters(mode: str) -> None:
    w = sn.Parameter(np.arange(4.0), name="w")
    f = sn.compile({"a": X + w, "b": X * w}, updates={w: w + 1}, mode=mode)
    for k in range(3):
        x, b = np.arange(4.0), np.empty(4)
        f(x, out={"b": b, "a": x})
        np.testing.assert_array_equal(x, np.arange(4.0) * 2 + k)
        np.testing.assert_array_equal(b, np.arange(4.0) * (np.arange(4.0) + k))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_out_of_a_call_that_fails_is_untouched(mode: str) -> None:
    table, i = sn.Variable("table", ("n",), "float64"), sn.Variable("i", ("m",), "int64")
    late = i + 1  # a result that the check reads: it is stored first
    for outputs in ([late, table[late]], [table * 2, table[i + 1]]):
        f = sn.compile(outputs, mode=mode)
        t, good, bad = np.arange(5.0), np.array([0, 3]), np.array([0, 9])
        out = [np.full_like(each, 7) for each in f(table=t, i=good)]
        for _ in range(3):
            with pytest.raises(IndexOutOfBounds):
                f(table=t, i=bad, out=out)
            assert all((each == 7).all() for each in out)
        f(table=t, i=good, out=out)
        for each, expected in zip(out, f(table=t, i=good), strict=True):
            np.testing.assert_array_equal(each, expected)


def test_an_input_named_out_comes_first() -> None:
    inputs = InputSpec("A", "float64", ("n",)), InputSpec("out", "float64", ("n",))
    text = PRODUCT.replace("TYPE", "double")
    f = Program(bound(text, *inputs, results=(ResultSpec("float64", 1),), dims=("n",), frame_size=3))
    run(f._bindings[0], [A, B])
    if NATIVE:
        np.testing.assert_array_equal(f(A=A, out=B), D)


# Results without axes
# --------------------


@native_only
def test_a_result_without_axes_is_given_again_when_nobody_has_it() -> None:
    f, x, y = sums()
    first, second = f(x, y)[0], f(x, y)[0]
    places = {address(first), address(second)}
    assert len(places) == 2
    for k in range(6):
        x[0, 0] = k
        del first
        first = f(x, y)[0]
        assert address(first) in places and address(first) != address(second)
        assert (first, second) == (k + 1, 2.0)
    assert f.slow == 0


def test_results_without_axes_that_are_kept_stay() -> None:
    f, x, y = sums("tuple")
    kept = []
    for k in range(100):
        x[0, 0] = k
        kept.append(f(x, y)[0])
        if k % 9 == 4:
            del kept[k // 2]
    assert len(set(map(address, kept))) == len(kept)
    values = [float(each) for each in kept]
    x[0, 0] = -1
    for _ in range(5):
        assert f(x, y)[0] == 0.0
    assert values == [float(each) for each in kept] == sorted(set(values))


def remake(array: np.ndarray) -> None:
    state: Any = (1, (2,), np.dtype("int32"), False, b"12345678")
    array.__setstate__(state)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r.flags, "writeable", False),
        lambda r: r.resize((3, 4), refcheck=False),
        lambda r: np.ndarray.__setattr__(r, "shape", (1, 1)),
        lambda r: np.ndarray.__setattr__(r, "dtype", np.dtype("int64")),
        lambda r: np.ndarray.__setattr__(r, "dtype", np.dtype(">f8")),
        remake,
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_result_that_was_changed_is_not_given_again(change: Any) -> None:
    f, x, y = sums()
    for _ in range(3):
        result = f(x, y)[0]
        change(result)
        del result
        for _ in range(4):
            again = f(x, y)[0]
            assert (again.shape, again.dtype, again.flags.carray, again) == ((), np.float64, True, 2.0)


def test_a_result_that_is_watched_is_not_given_again() -> None:
    f, x, y = sums()
    result = f(x, y)[0]
    watcher = weakref.ref(result)
    del result
    results = [f(x, y)[0] for _ in range(4)]
    assert all(watcher() is not each for each in results)
    alive = weakref.ref(results[0])
    del f, results
    gc.collect()
    assert watcher() is None and alive() is None


# Large results
# -------------

N = 20_000  # numbers of a large result
LARGE, TWOS = np.arange(float(N)), np.full(N, 2.0)
PRODUCTS = LARGE * TWOS + 1


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def ready_for_large() -> Program:
    f = Program(product())
    f(LARGE, TWOS)
    f.slow = 0
    return f


def pool_of(f: Any) -> layouts.Pool:
    native: layouts.Pool = f._bindings[0]._native.pool.native
    return native


@native_only
def test_memory_of_large_results_is_used_again() -> None:
    f = ready_for_large()
    result = f(LARGE, TWOS)
    place = address(result)
    assert place % 64 == 0 and result.flags.carray and not result.flags.owndata
    assert type(result.base) is np.ndarray and result.base.dtype == np.uint8
    for _ in range(5):
        result[:] = np.nan
        del result
        result = f(A=LARGE, B=TWOS)
        assert address(result) == place
        np.testing.assert_array_equal(result, PRODUCTS)
    check_native(f)
    fresh = run(f._bindings[0], [LARGE, TWOS]).results[0]
    second = address(fresh)
    assert second != place and type(fresh.base) is np.ndarray
    del fresh
    fresh = f(LARGE, TWOS)
    assert address(fresh) == second
    check_native(f)


@native_only
def test_results_that_are_kept_are_never_used_again() -> None:
    f, kept = ready_for_large(), []
    for k in range(60):
        kept.append(f(LARGE, np.full(N, float(k))))
        if k % 7 == 3:
            del kept[random.Random(k).randrange(len(kept))]
        assert pool_of(f).held <= pool_of(f).limit <= 2 * 8 * N
    places = sorted(map(address, kept))
    assert all(b - a >= 8 * N for a, b in itertools.pairwise(places))
    factors = [r[1] - 1 for r in kept]
    assert len(set(factors)) == len(kept)
    for factor, result in zip(factors, kept, strict=True):
        np.testing.assert_array_equal(result, LARGE * factor + 1)
    assert f.slow <= 3


@pytest.mark.parametrize(
    "derive",
    [
        lambda r: r[5:10],
        lambda r: r.reshape(2, -1)[1:, ::3].T,
        lambda r: r.view(np.recarray),
        lambda r: r.view(np.int64)[3:],
        lambda r: np.asarray(memoryview(r))[::-1],
        lambda r: np.frombuffer(r, np.uint8),
        lambda r: np.from_dlpack(r),
        lambda r: np.broadcast_to(r, (2, N)),
        lambda r: np.ma.array(r, copy=False),
        lambda r: np.lib.stride_tricks.as_strided(r, (3,), (16,)),
        lambda r: r.base,
        lambda r: r.flat,
        lambda r: next(np.nditer(r, flags=["external_loop"])),
    ],
)
def test_what_is_made_of_a_result_outlives_it(derive: Any) -> None:
    f = ready_for_large()
    result = f(LARGE, TWOS)
    derived = derive(result)
    before = np.array(derived, copy=True)
    del result
    live = [f(LARGE, LARGE) for _ in range(4)]
    assert len(set(map(address, live))) == 4
    np.testing.assert_array_equal(np.array(derived), before)
    del f
    gc.collect()
    np.testing.assert_array_equal(np.array(derived), before)


@native_only
def test_the_pool_is_freed_with_the_callable() -> None:
    f = ready_for_large()
    result, lost = f(LARGE, TWOS), f(LARGE, TWOS)
    held, dropped = weakref.ref(result.base), weakref.ref(lost.base)
    del lost
    assert dropped() is not None
    del f
    gc.collect()
    assert dropped() is None and held() is not None
    np.testing.assert_array_equal(result, PRODUCTS)
    del result
    assert held() is None


@native_only
def test_only_large_results_are_pooled_and_the_pool_is_bounded() -> None:
    f = Program(product())
    least = layouts.POOLED // 8
    for n in (4, least - 1, least, 3 * least, 100, least, 20 * least, 2 * least, least - 1, 20 * least):
        for _ in range(3):
            a = np.arange(float(n))
            results = f(a, a), f(a, a)
            for result in results:
                np.testing.assert_array_equal(result, a * a + 1)
                assert (result.base is not None) == (n >= least)
            del result, results
        assert pool_of(f).held <= pool_of(f).limit
    assert pool_of(f).limit == 2 * 8 * 20 * least
    assert pool.is_large(layouts.POOL_LIMIT) and not pool.is_large(layouts.POOL_LIMIT + 1)


@native_only
def test_a_pool_makes_room_for_other_sizes() -> None:
    f = ready_for_large()
    f(LARGE, TWOS), f(LARGE, TWOS)
    kept = [f(LARGE, TWOS) for _ in range(2)]
    assert pool_of(f).held == pool_of(f).limit
    short = LARGE[: N // 2]
    assert f(short[:-1], short[:-1]).base is None  # both blocks are in use
    del kept
    place = address(f(LARGE, TWOS))
    halved = address(f(short, short))
    assert halved == place  # half of a block at least is used
    shorter = LARGE[: N // 2 - 1]
    assert f(shorter, shorter).base.nbytes < 8 * N  # a free block has made room
    assert pool_of(f).held <= pool_of(f).limit


@native_only
def test_a_failed_check_gives_its_memory_back() -> None:
    f, bad = ready_for_large(), LARGE.copy()
    bad[-1] = -1
    place = address(f(LARGE, TWOS))
    for _ in range(20):
        with pytest.raises(ValueError, match="entry 3"):
            f(bad, TWOS)
        result = f(LARGE, TWOS)
        assert address(result) == place
        np.testing.assert_array_equal(result, PRODUCTS)
        del result
    assert pool_of(f).held == 8 * N


def test_large_results_of_several_sizes() -> None:
    f = sn.compile({"twice": X * 2, "sum": X.sum(axis=0), "all": X.sum(), "more": sn.concatenate([X, X])})
    for rows in (300, 500, 40, 300, 1, 700):
        previous = None
        for k in range(4):
            x = np.arange(rows * 100.0).reshape(rows, 100) + k
            got = f(x)
            expected = {"twice": x * 2, "sum": x.sum(0), "all": x.sum(), "more": np.concatenate([x, x])}
            for name, result in got.items():
                np.testing.assert_allclose(result, expected[name])
                assert not any(np.may_share_memory(result, other) for key, other in got.items() if key != name)
                assert previous is None or not np.may_share_memory(result, previous[name])
            assert not np.may_share_memory(got["twice"], x)
            previous = got


def test_a_result_given_back_as_an_input_is_left_alone() -> None:
    f = sn.compile(X * 2 + 1)
    x, expected = np.ones(N), np.ones(N)
    for _ in range(20):
        x, expected = f(x), expected * 2 + 1
        np.testing.assert_array_equal(x, expected)
    x = f(f(f(x)))
    np.testing.assert_array_equal(x, ((expected * 2 + 1) * 2 + 1) * 2 + 1)


def test_large_results_in_threads() -> None:
    f, errors = Program(product()), []

    def hammer(seed: int) -> None:
        rng, kept = random.Random(seed), []
        for k in range(300):
            n = rng.choice([N, N, N // 2, N + 5, 10])
            a = np.full(n, seed + k + 1.0)
            args = (list(a), a) if k % 100 == 0 else (a, a)
            kept.append((f(*args), (seed + k + 1.0) ** 2 + 1))
            if len(kept) > 3:
                result, expected = kept.pop(rng.randrange(4))
                if not (result == expected).all():
                    errors.append(expected)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as workers:
            for done in [workers.submit(hammer, 1000 * seed) for seed in range(4)]:
                done.result()
    finally:
        sys.setswitchinterval(interval)
    assert errors == [] and pool_of(f).held <= pool_of(f).limit


def test_large_results_leak_nothing() -> None:
    f = sn.compile([X * 2, X.sum(), X + 1])
    x, out = np.ones(N, np.float32), [np.empty(N, np.float32), np.empty((), np.float32), np.empty(N, np.float32)]
    watched = [x, *out, out, f, x.dtype, None]

    def calls(n: int) -> None:
        previous = None
        for k in range(n):
            previous = (f(x), previous and previous[0][0])
            if k % 10 == 0:
                f(x, out=out)
            if k % 100 == 0:
                f(list(x[:100])), f(x[: N // 2]), f(x[:-1], out=[out[0][1:], out[1], out[2][:-1]])

    calls(200)
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    tracemalloc.start()
    try:
        calls(1000)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        calls(10_000)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 20_000
    finally:
        tracemalloc.stop()
    after = [sys.getrefcount(each) for each in watched]
    assert [a - b for a, b in zip(after, before, strict=True) if abs(a - b) >= 50] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_memory_of_its_own() -> None:
    f = Program(product())
    n = 1 << 18
    a = np.arange(float(n))
    result, arena = f(a, a), f._bindings[0]._native.workspace.arena
    before, kept = result.copy(), arena.copy()
    child = os.fork()
    if child == 0:
        result[:], arena[:] = -1, 1
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(result, before)
    np.testing.assert_array_equal(arena, kept)


# Parameters
# ----------


def test_an_input_in_an_updated_parameter_is_copied() -> None:
    v, w = np.arange(4.0), np.arange(4.0)
    f = Program(step(v, w, result=True))
    assert f(np.full(4, 2.0)) == 2.0
    check_native(f)
    f.slow = 0
    assert f(v) == 2.0
    check_native(f)
    f.slow = 0
    assert f(x=w) == 4.0
    assert f.slow == 1


def test_out_in_a_parameter_goes_through_a_temporary() -> None:
    for index in (0, 1):
        parameters = np.arange(4.0), np.arange(4.0)
        f = Program(step(*parameters, result=True))
        out = parameters[index][3:].reshape(())
        assert f(np.full(4, 2.0), out=out) is out
        assert (out, f.slow) == (2.0, 1)


# Checks, plans and memory
# ------------------------


def test_a_refused_plan_does_not_stay() -> None:
    f = ready()
    for _ in range(2):
        with pytest.raises(ValueError, match="plan 7"):
            f(np.ones(13), np.ones(13))
        np.testing.assert_array_equal(f(A, B), D)
        with pytest.raises(ValueError, match="plan 7"):
            run_status(f, 13)
        np.testing.assert_array_equal(f(A, B), D)
    if NATIVE:
        assert f.slow == 2


def run_status(f: Program, n: int) -> None:
    outcome = run(f._bindings[0], [np.ones(n), np.ones(n)])
    raise ValueError(f"{outcome.stage} {outcome.status}")


def test_a_failed_check_on_the_data_is_explained_by_the_slow_path() -> None:
    f, bad = ready(), np.full(10, -1.0)
    for _ in range(2):
        with pytest.raises(ValueError, match="entry 3"):
            f(bad, B)
        with pytest.raises(ValueError, match="entry 3"):
            f(A=bad, B=B, out=np.empty(10))
        np.testing.assert_array_equal(f(A, B), D)
    if NATIVE:
        assert f.slow == 4


def test_the_arena_grows_once_per_size() -> None:
    f = Program(product())
    for slow, n in enumerate([4, 100, 300_000], start=1):
        for size in (n, n - 1, 1, n):
            np.testing.assert_array_equal(f(np.full(size, 3.0), np.ones(size)), np.full(size, 4.0))
        assert f.slow == slow or not NATIVE
        assert f._bindings[0].arena_bytes == 8 * n


@pytest.mark.parametrize("size", [1, 1000, 1 << 20, (1 << 22) + 5])
def test_arenas_are_aligned(size: int) -> None:
    memory = binding_module.aligned_bytes(size)
    assert memory.nbytes == size and memory.ctypes.data % 64 == 0
    memory[:] = 1


def test_a_busy_workspace_is_left_alone() -> None:
    f = ready()
    native = f._bindings[0]._native
    held = native.claim(f._bindings[0])
    assert held is native.workspace
    other = native.claim(f._bindings[0])
    assert other is not held
    native.put_back(other)
    np.testing.assert_array_equal(f(A[:5], B[:5]), D[:5])
    assert f.slow == 1 and list(held.frame)[:1] == [10]
    native.put_back(held)
    f.slow = 0
    np.testing.assert_array_equal(f(A, B), D)
    check_native(f)


def test_run_checks_what_it_is_given() -> None:
    program = product()
    for arrays in (
        [A, B[:3]],
        [A, B.astype(np.float32)],
        [A, B.reshape(2, 5)],
        [A, misaligned(B)],
        [A[::2], B[::2]],
    ):
        with pytest.raises(AssertionError):
            run(program, arrays)
    with pytest.raises(ValueError):
        run(program, [A])
    assert run(program, [A, B]).status == 0


# Lifetimes
# ---------


def test_instances_are_collected_with_all_they_hold() -> None:
    class Held:
        pass

    for cyclic in (False, True):
        held = Held()
        f = Program(product(keep=held))
        f(A, B)
        f(A=A, B=B)
        if cyclic:
            f.myself = f  # type: ignore[attr-defined]
        alive = weakref.ref(f), weakref.ref(held), weakref.ref(f._bindings[0])
        del f, held
        gc.collect()
        assert [ref() for ref in alive] == [None] * 3


def test_no_reference_is_lost_or_kept() -> None:
    f = Program(product(), product("float32"))
    g, h = Program(pair("dict", ("s", "t"))), Program(step(np.zeros(4), np.zeros(4), result=False))
    x, y, out, bad = np.ones((2, 3)), np.ones(3), np.empty(10), np.full(10, -1.0)
    watched = [A, B, x, y, out, bad, f, g, A.dtype, np.dtype("int64"), None, "A", g._bindings[0].keys[0]]
    names = ["".join(["left", str(i)]) for i in range(2)]
    four, wide = np.ones(4), np.ones((2, 17))
    unlucky, huge = np.ones(13), np.ones(17)  # made once: np.ones keeps a reference to its default dtype

    def calls() -> None:
        f(A=A, B=B), f(B=B, A=A), f(A, B), f(A, B=B), f(A, B, out=out), f(**{"".join("A"): A, Text("B"): B})
        g(x, y), g(y=y, x=x), f(list(A), B), h(four)
        with pytest.raises((ValueError, MemoryError)):
            g(wide, huge)
        for args in ((bad, B), (unlucky, unlucky), (huge, huge), (A,), (A, None)):
            with pytest.raises((TypeError, ValueError, GraphError, MemoryError)):
                f(*args)
        with pytest.raises(TypeError):
            f(A, B, **dict.fromkeys(names, A))

    calls()
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(200):
        calls()
    gc.collect()
    after = [sys.getrefcount(each) for each in watched]
    assert [a - b for a, b in zip(after, before, strict=True) if abs(a - b) >= 50] == []


def vectorcall(f: Any, arguments: list[Any], n_positional: int, kwnames: tuple[str, ...], skip: int = 0) -> Any:
    """Call as the interpreter does, with arguments[skip:] and keyword names of our own."""
    call = ctypes.PYFUNCTYPE(py_object, py_object, ctypes.c_void_p, ctypes.c_size_t, py_object)(
        ("PyObject_Vectorcall", ctypes.pythonapi)
    )
    array = (py_object * len(arguments))(*arguments)
    return call(f, ctypes.addressof(array) + 8 * skip, n_positional, kwnames)


def test_keyword_names_are_kept_only_while_they_are_the_last() -> None:
    f = ready()
    tuples = tuple(["A", "B"]), tuple(["B", "A"]), tuple(["A", "B"])
    before = [sys.getrefcount(each) for each in tuples]
    for names in tuples * 3:
        arguments = [A, B] if names[0] == "A" else [B, A]
        np.testing.assert_array_equal(vectorcall(f, arguments, 0, names), D)
        np.testing.assert_array_equal(vectorcall(f, [A, B], 1, names[1:] if names[0] == "A" else ("B",)), D)
    del names
    f(A=A, B=B)
    assert [sys.getrefcount(each) for each in tuples] == before
    check_native(f)


def test_names_of_other_types_are_not_kept() -> None:
    f, name = ready(), Text("B")
    f(A, **{name: B})
    alive = weakref.ref(name)
    del name
    gc.collect()
    assert alive() is None


def test_a_missing_argument_is_not_looked_for_in_front_of_the_others() -> None:
    f = ready()
    with pytest.raises(TypeError):
        vectorcall(f, [B, A], 0, ("A",), skip=1)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_does_not_grow() -> None:
    f, g = ready(), Program(pair("dict", ("s", "t")))
    x, y = np.ones((2, 3)), np.ones(3)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def calls(n: int) -> None:
        for i in range(n):
            f(A=A, B=B), g(x, y), f(A[: i % 10], B[: i % 10])
            if i % 10 == 0:
                f(A[::-1], **{"".join("B"): B})

    calls(10_000)
    before = resident()
    calls(100_000)
    assert resident() - before < 4 << 20


def test_threads_on_one_callable() -> None:
    f = ready()
    f._bind(product("float32"))

    def hammer(seed: int) -> None:
        sizes = random.Random(seed)
        for i in range(10_000):
            if i == 5000:
                f._bind(product())
            n = sizes.randrange(40 if i % 50 == 0 else 10)
            if n in (13, 17):
                continue
            a = np.full(n, seed + 1.0)
            d = f(A=a, B=a) if i % 2 else f(a, B=a)
            assert d.shape == (n,) and (d == (seed + 1.0) ** 2 + 1).all()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(hammer, seed) for seed in range(4)]:
                done.result()
    finally:
        sys.setswitchinterval(interval)
    np.testing.assert_array_equal(f(A, B), D)
    assert len(f._bindings) == 6


def test_calls_from_finalizers_within_a_call() -> None:
    """Allocating a result's container may run the collector, so any Python code: the workspace is busy."""
    f = Program(pair("dict", ("s", "t")))
    x, y = np.ones((2, 3)), np.ones(3)
    seen: list[float] = []

    class Caller:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            seen.append(float(f(y=y, x=x)["s"]))

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        kept = []
        for _ in range(2000):
            Caller()
            kept.append((f(x, y), f(x=x, y=y)))
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert len(seen) == 2000 and set(seen) == {2.0}
    assert all(a["s"] == b["s"] == 2.0 for a, b in kept)


def test_random_calls_agree_with_numpy() -> None:
    """Whatever the arguments are: numpy's answer or an exception."""
    f = Program(product(), product("float32"))
    rng = random.Random(0)
    base = np.linspace(0, 3, 40)
    pool: list[Any] = [base[:n].astype(t) for n in (0, 1, 2, 12) for t in ("f8", "f4", "i8", ">f8", "?")]
    pool += [base[:24:2], base[:12].reshape(3, 4), misaligned(base[:12]), 1.0, None, "text", [1.0, 2.0], base]
    names = ["A", "B", "out", "C", "".join("A"), Text("B")]
    hits = 0
    for _ in range(20_000):
        args = rng.choices(pool, k=rng.choice([0, 1, 2, 2, 2, 3]))
        kwargs = {name: rng.choice(pool) for name in rng.sample(names, rng.choice([0, 0, 1, 2]))}
        kwargs = {name: np.array(v) if name == "out" and isinstance(v, np.ndarray) else v for name, v in kwargs.items()}
        try:
            got = f(*args, **kwargs)
        except (TypeError, ValueError, GraphError):
            continue
        given = dict(zip("AB", args, strict=False)) | kwargs
        expected = np.asarray(given["A"], "f8") * np.asarray(given["B"], "f8") + 1
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        hits += 1
    assert hits > 500


# Which path
# ----------


@native_only
def test_layouts_that_do_not_hold_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layouts._layouts_hold()
    fields = list(layouts.Array._fields_)
    fields[1], fields[3] = fields[3], fields[1]
    monkeypatch.setattr(layouts, "Array", type("Array", (layouts.Structure,), {"_fields_": fields}))
    assert not layouts._layouts_hold()


@native_only
def test_the_trampoline_is_one_for_the_process() -> None:
    f, g = ready(), Program(pair("list"))
    calls = {layouts.Callable.from_address(id(each)).vectorcall for each in (f, g)}
    assert calls == {trampoline.loaded().call}
    module = llvm.parse_assembly(trampoline.llvm_text())
    module.verify()
    assert {each.name for each in module.global_variables} == {"api"}


@native_only
def test_on_the_other_path() -> None:
    environment = os.environ | {"SYMNET_CALL_PATH": "ctypes"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@native_only
def test_a_call_while_the_interpreter_ends() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_call
class Last:
    def __del__(self, f=test_call.ready(), a=test_call.A, b=test_call.B):
        print(f(A=a, B=b)[1], f.slow)
last = Last()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["3.0", "0"]), done.stderr


def test_a_thread_may_be_the_first_to_call() -> None:
    f, got = Program(product()), []
    thread = threading.Thread(target=lambda: got.append(f(A, B)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(got[0], D)
