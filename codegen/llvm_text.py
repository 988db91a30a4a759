"""LLVM's spelling of types and constants."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from symnet.scalar import BITS, FLOATS

LLVM_TYPE = {"bool": "i1", "int32": "i32", "int64": "i64", "float32": "float", "float64": "double", "pair": "i32"}
MEMORY_TYPE = {**LLVM_TYPE, "bool": "i8"}
# The float zero, whose vectors have a short name; those of integers are read again by `numbers_in`.
ZERO = "0x0000000000000000"


def vector_type(element: str, lanes: int) -> str:
    """LLVM's name of a vector of `lanes` elements; of the element itself for one."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def constant_text(value: Any, dtype: str) -> str:
    """A number as LLVM writes it."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype not in FLOATS:
        return str(int(value))
    if dtype == "float32":
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    return "0x" + struct.pack(">d", value).hex().upper()


@lru_cache(maxsize=1024)
def splat_text(element: str, text: str, lanes: int) -> str:
    """A constant in every lane."""
    if lanes > 1 and text == ZERO:
        return "zeroinitializer"
    return text if lanes == 1 else "<" + ", ".join([f"{element} {text}"] * lanes) + ">"


def vector_text(element: str, numbers: Sequence[int]) -> str:
    """A vector of integers or flags that are known."""
    return "<" + ", ".join(f"{element} {_flag(k) if element == 'i1' else k}" for k in numbers) + ">"


def _flag(k: int) -> str:
    return "true" if k else "false"


def is_number(ref: str) -> bool:
    """Whether a value is an integer that is known."""
    return ref.removeprefix("-").isdigit()


def numbers_in(ref: str) -> list[int] | None:
    """The integers or flags of a vector that :func:`vector_text` or :func:`splat_text` wrote; None of another value."""
    if not ref.startswith("<i"):
        return None
    words = [part.split()[1] for part in ref[1:-1].split(", ")]
    return [int(w) if w not in ("true", "false") else int(w == "true") for w in words]


@lru_cache(maxsize=64)
def iota(lanes: int) -> str:
    """The vector 0, 1, 2, ..."""
    return vector_text("i64", range(lanes))


def itemsize(dtype: str) -> int:
    """Bytes of an element in memory."""
    return max(BITS[dtype] // 8, 1)


def mangled(element: str, lanes: int) -> str:
    """A vector type as the names of intrinsics hold it."""
    return f"v{lanes}" + {"float": "f32", "double": "f64"}.get(element, element)
