"""The loop IR: its text, and a checker that catches planted faults."""

from __future__ import annotations

from copy import deepcopy

import pytest

from symnet import scalar as s
from symnet.codegen.loops import Buffer, Carry, Fetch, Kernel, Loop, Output, Store, check
from symnet.codegen.lower import lower
from symnet.codegen.targets import PORTABLE
from symnet.dims import Dim
from symnet.errors import GraphError

INDEX, K, N = Dim.named("i0"), Dim.named("k0"), Dim.named("n")
A, B, C = (Buffer(name, "float32", (N,), "argument") for name in "abc")


def dot() -> Kernel:
    """sum over k of a[k] * b[k]."""
    product = s.load("a", (K,), "float32") * s.load("b", (K,), "float32")
    total = Buffer("t", "float32", (), "argument")
    return lower([], [Output(total, 0, s.fold("add", [("k0", N)], product))], {"a": A, "b": B, "t": total}, PORTABLE)


def scaled() -> Kernel:
    """c[i] = a[i] * 2 + b[i]."""
    value = s.load("a", (INDEX,), "float32") * 2.0 + s.load("b", (INDEX,), "float32")
    return lower([("i0", N)], [Output(C, INDEX, value)], {"a": A, "b": B, "c": C}, PORTABLE)


def test_text_of_an_element_wise_kernel() -> None:
    assert str(scaled()).splitlines() == [
        "kernel(b: float32[n], a: float32[n], c: float32[n], n)",
        "  for j#0 in 0 .. 8*(n//8) step 8 lanes 8:",
        "    c[j#0] = add(mul(a[j#0], 2.0), b[j#0])",
        "  for j#1 in 8*(n//8) .. 4*(n//4) step 4 lanes 4:",
        "    c[j#1] = add(mul(a[j#1], 2.0), b[j#1])",
        "  for j#2 in 4*(n//4) .. n step 4 lanes 4 masked:",
        "    c[j#2] = add(mul(a[j#2], 2.0), b[j#2])",
    ]


def test_vectors_of_costly_values_stay_as_long_as_registers() -> None:
    """Of a long vector LLVM would compute all parts of a polynomial beside each other."""
    value = s.load("a", (INDEX,), "float32")
    for result, lanes in ((value + 1.0, 8), (s.exp(value), 4)):
        kernel = lower([("i0", 64)], [Output(C, INDEX, result)], {"a": A, "c": C}, PORTABLE)
        assert [loop.lanes for loop in kernel.body if isinstance(loop, Loop)] == [lanes]


def test_text_of_a_fold() -> None:
    text = str(dot())
    assert "carry" in text and "fma(a[" in text
    assert text.splitlines()[-1].startswith("  t[0] = horizontal(")


def test_lanes_of_a_fold_over_two_axes_meet_once() -> None:
    """Behind all loops; and rows that share a load of vectors are folded together."""
    row, k, m = Dim.named("i0"), Dim.named("k0"), Dim.named("k1")
    shared, own = Buffer("a", "float32", (N, 64), "argument"), Buffer("b", "float32", (6, N, 64), "argument")
    result = Buffer("t", "float32", (6,), "argument")
    at = 64 * k + m
    product = s.load("a", (at,), "float32") * s.load("b", (row * 64 * N + at,), "float32")
    total = s.fold("add", [("k0", N), ("k1", 64)], product)
    kernel = lower([("i0", 6)], [Output(result, row, total)], {"a": shared, "b": own, "t": result}, PORTABLE)
    check(kernel)
    lines = str(kernel).splitlines()
    assert [line for line in lines if "horizontal" in line] == [line for line in lines if " t[" in line]
    outer = next(line for line in lines if "i0" in line and line.lstrip().startswith("for"))
    assert outer.endswith("step 6:")


def first_loop(kernel: Kernel) -> Loop:
    return next(statement for statement in kernel.body if isinstance(statement, Loop))


def store_elsewhere(kernel: Kernel) -> None:
    kernel.body.append(Store("nowhere", 0, s.const(1.0, "float32")))


def fetch_elsewhere(kernel: Kernel) -> None:
    kernel.body.append(Fetch("nowhere", 0))


def load_elsewhere(kernel: Kernel) -> None:
    kernel.body.append(Store("a", 0, s.load("nowhere", (0,), "float32")))


def unbound_index(kernel: Kernel) -> None:
    kernel.body.append(Store("a", Dim.named("q"), s.const(1.0, "float32")))


def unbound_index_in_a_load(kernel: Kernel) -> None:
    kernel.body.append(Store("a", 0, s.load("b", (Dim.named("q"),), "float32")))


def unknown_variable(kernel: Kernel) -> None:
    kernel.body.insert(0, Store("a", 0, s.variable("later", "float32")))


def carry_without_end(kernel: Kernel) -> None:
    first_loop(kernel).carries.append(Carry("loose", s.const(0.0, "float32")))


def index_bound_twice(kernel: Kernel) -> None:
    loop = first_loop(kernel)
    loop.body.append(Loop(loop.index, 0, 4, 1))


def name_carried_twice(kernel: Kernel) -> None:
    loop = first_loop(kernel)
    carry = Carry("twice", s.const(0.0, "float32"), s.const(0.0, "float32"))
    loop.carries.append(carry)
    loop.body.append(Loop("inner", 0, 4, 1, carries=[carry]))


def fold_left_over(kernel: Kernel) -> None:
    kernel.body.append(Store("a", 0, s.fold("add", [("k9", 3)], s.const(1.0, "float32"))))


def dim_that_is_no_argument(kernel: Kernel) -> None:
    kernel.dims.remove("n")
    kernel.body.append(Store("a", 0, s.cast(s.index(N), "float32")))


FAULTS = [
    store_elsewhere,
    fetch_elsewhere,
    load_elsewhere,
    unbound_index,
    unbound_index_in_a_load,
    unknown_variable,
    carry_without_end,
    index_bound_twice,
    name_carried_twice,
    fold_left_over,
    dim_that_is_no_argument,
]


@pytest.mark.parametrize("make", [dot, scaled])
def test_sound_kernels_pass(make: object) -> None:
    check(make())  # type: ignore[operator]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", [dot, scaled])
def test_planted_faults_are_caught(make: object, fault: object) -> None:
    kernel = deepcopy(make())  # type: ignore[operator]
    fault(kernel)  # type: ignore[operator]
    with pytest.raises(GraphError):
        check(kernel)
