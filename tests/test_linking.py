"""Objects linked without LLVM: what is foreseen runs, anything else is refused, not guessed."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet.codegen import machine
from symnet.codegen.jit import Loaded, compile_object
from symnet.codegen.linking import Unforeseen, linked
from symnet.codegen.targets import PORTABLE, host

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="objects are linked by LLVM here"
)
TARGETS = [("host", 0), ("avx512", 512), ("avx2", 256), ("portable", 128)]

TEXT = """
@count = dso_local global i64 40
@empty = dso_local global [100 x i8] zeroinitializer, align 64
@table = internal constant [2 x ptr] [ptr @one, ptr @two]
define internal i64 @one() { ret i64 1 }
define internal i64 @two() noinline { ret i64 2 }
define i64 @add(i64 %which) {
  %at = getelementptr ptr, ptr @table, i64 %which
  %function = load ptr, ptr %at
  %more = call i64 %function()
  %old = load i64, ptr @count
  %new = add i64 %old, %more
  store i64 %new, ptr @count
  ret i64 %new
}
define double @third(double %x) {
  %y = fdiv double %x, 3.0
  ret double %y
}
"""


def code_of(text: str) -> bytes:
    return compile_object(text, PORTABLE)[0]


def test_code_constants_data_and_pointers() -> None:
    image = linked(code_of(TEXT))
    add = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(image.addresses["add"])
    assert [add(0), add(1), add(1)] == [41, 43, 45]
    assert ctypes.c_int64.from_address(image.addresses["count"]).value == 45
    assert image.addresses["empty"] % 64 == 0 and ctypes.string_at(image.addresses["empty"], 100) == bytes(100)
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(image.addresses["third"])(1.0) == 1 / 3


def test_every_image_has_its_own_data() -> None:
    first, second = linked(code_of(TEXT)), linked(code_of(TEXT))
    ctypes.c_int64.from_address(first.addresses["count"]).value = 7
    assert ctypes.c_int64.from_address(second.addresses["count"]).value == 40


def test_code_cannot_be_written_to() -> None:
    image = linked(code_of(TEXT))
    with open("/proc/self/maps") as maps:
        spans = [line.split() for line in maps]
    modes = {
        name: next(mode for span, mode, *_ in spans if int(span.split("-")[0], 16) <= at < int(span.split("-")[1], 16))
        for name, at in image.addresses.items()
        if name in ("add", "count")
    }
    assert modes == {"add": "r-xp", "count": "rw-p"}


def test_a_symbol_from_elsewhere_is_left_to_llvm() -> None:
    text = "declare i64 @strlen(ptr)\ndefine i64 @f(ptr %x) {\n  %n = call i64 @strlen(ptr %x)\n  ret i64 %n\n}\n"
    with pytest.raises(Unforeseen, match="strlen"):
        linked(code_of(text))
    loaded = Loaded(code_of(text), ("f",))
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(loaded.addresses["f"])(b"four") == 4


@pytest.mark.parametrize("code", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(200), bytes(64)])
def test_what_is_no_object_is_refused(code: bytes) -> None:
    with pytest.raises(Unforeseen):
        linked(code)


@given(st.data())
def test_damage_is_refused_or_harmless_to_this_process(data: st.DataObject) -> None:
    """Linking writes to the image's own memory only. (Entries of the cache have checksums, so none comes this far.)"""
    code = bytearray(code_of(TEXT))
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(code)), st.integers(0, len(code))))
    with contextlib.suppress(Unforeseen):
        linked(bytes(code[:end]))


@pytest.mark.parametrize("target", [name for name, bits in TARGETS if bits <= host().vector_bits])
def test_programs_are_linked_without_llvm(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the code that symnet generates has anything unforeseen."""

    def refuse(*given: object) -> None:
        raise AssertionError("linked by LLVM")

    monkeypatch.setattr(machine, "link", refuse)
    x = sn.Variable("x", ("batch", 20), "float32")
    w = sn.Parameter(np.ones((20, 5), "float32"))
    loss = sn.mean(sn.log(sn.softmax(sn.gelu(x @ w)) + 1) ** 2)
    options: dict[str, Any] = {"target": target, "threads": 2}
    step = sn.compile(loss, [x], updates=sn.optim.Adam(lr=0.1)(loss, [w]), **options)
    step(np.ones((3, 20), "float32"))
    sn.compile(sn.cumsum(sn.sort(x, axis=1) % 3, axis=0), [x], **options)(np.ones((3, 20), "float32"))
