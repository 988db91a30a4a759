"""The LLVM text of the trampoline: the native half of a call, one for every function.

The trampoline is the ``vectorcall`` of a :class:`symnet.codegen.call.NativeCallable`. It walks the callable's
descriptors, most recently used first; one that fits the arguments gets its results allocated and its entry
called. Whatever it does not handle goes to the callable's Python method ``__call__``.

The text is ``trampoline.ll``, LLVM with seven shorthands, which :func:`llvm_text` expands.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
from collections.abc import Callable
from ctypes import PYFUNCTYPE, c_int8, c_int32, c_int64, c_void_p, pythonapi
from functools import cache
from itertools import count
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np

from symnet.claims import GATE
from symnet.codegen import layouts

_TEXT = Path(__file__).with_name("trampoline.ll")


def llvm_text() -> str:
    """The LLVM text of the trampoline, with its shorthands expanded."""
    constants = {name: number for number, name in enumerate(layouts.STRUCTURES)}
    constants["readable"] = layouts.C_CONTIGUOUS | layouts.ALIGNED
    constants["writeable"] = constants["readable"] | layouts.WRITEABLE
    constants["scalar_flags"] = layouts.SCALAR
    constants |= {"pooled": layouts.POOLED, "pool_limit": layouts.POOL_LIMIT}
    constants |= {"made": 0, "failed": 1, "missed": 2}
    constants |= {"long": layouts.LONG, "busy": layouts.BUSY}
    constants["api_size"] = ctypes.sizeof(layouts.Api)
    text = Template(_TEXT.read_text()).substitute(constants).replace(",\n   ", ",")
    numbers = count()
    return _SHORT.sub(lambda line: _expand(line[1], line[0], next(numbers)), text)


def _expand(word: str, line: str, number: int) -> str:
    """The lines of plain LLVM that a shorthand stands for; `number` makes their names unique."""
    pattern, expansion = _SHORTHANDS[word]
    match = pattern.match(line)
    return expansion(f"%.{number}", *match.groups()) if match else line


_LLVM_TYPES = {c_void_p: "ptr", c_int64: "i64", c_int32: "i32", c_int8: "i8"}


@cache
def _field(layout: str, field: str) -> tuple[int, str]:
    """The offset and the LLVM type of a field."""
    structure = getattr(layouts, layout)
    return getattr(structure, field).offset, _LLVM_TYPES.get(dict(structure._fields_)[field], "array")


def _get(name: str, target: str, layout: str, field: str, base: str) -> str:
    offset, kind = _field(layout, field)
    return f"  {name} = getelementptr i8, ptr {base}, i64 {offset}\n  {target} = load {kind}, ptr {name}"


def _set(name: str, layout: str, field: str, base: str, value: str) -> str:
    offset, kind = _field(layout, field)
    return f"  {name} = getelementptr i8, ptr {base}, i64 {offset}\n  store {kind} {value}, ptr {name}"


def _at(name: str, target: str, layout: str, field: str, base: str) -> str:
    return f"  {target} = getelementptr i8, ptr {base}, i64 {_field(layout, field)[0]}"


def _item(name: str, target: str, kind: str, base: str, index: str) -> str:
    return f"  {name} = getelementptr {kind}, ptr {base}, i64 {index}\n  {target} = load {kind}, ptr {name}"


def _put(name: str, kind: str, base: str, index: str, value: str) -> str:
    return f"  {name} = getelementptr {kind}, ptr {base}, i64 {index}\n  store {kind} {value}, ptr {name}"


def _element(name: str, target: str, layout: str, base: str, index: str) -> str:
    size = ctypes.sizeof(getattr(layouts, layout))
    return f"  {target} = getelementptr [{size} x i8], ptr {base}, i64 {index}"


def _api(name: str, target: str | None, kind: str, function: str, arguments: str) -> str:
    load = _get(f"{name}.at", f"{name}.function", "Api", function, "@api")
    return f"{load}\n  {target or ''}call {kind} {name}.function({arguments})"


_SHORTHANDS: dict[str, tuple[re.Pattern[str], Callable[..., str]]] = {
    "get": (re.compile(r" *(%\S+) = get (\w+)\.(\w+) (\S+)"), _get),
    "set": (re.compile(r" *set (\w+)\.(\w+) (\S+) = (\S+)"), _set),
    "at": (re.compile(r" *(%\S+) = at (\w+)\.(\w+) (\S+)"), _at),
    "item": (re.compile(r" *(%\S+) = item (\w+) (\S+)\[(\S+)\]"), _item),
    "put": (re.compile(r" *put (\w+) (\S+)\[(\S+)\] = (\S+)"), _put),
    "element": (re.compile(r" *(%\S+) = element (\w+) (\S+)\[(\S+)\]"), _element),
    "api": (re.compile(r" *(%\S+ = )?api (\w+) (\w+)\((.*)\)"), _api),
}
_SHORT = re.compile(rf"^ +(?:%\S+ = )?({'|'.join(_SHORTHANDS)}) .*", re.MULTILINE)


# Loading it, on first use
# ------------------------


class Library(NamedTuple):
    """The loaded layouts. `code` keeps it in memory."""

    call: int
    claim: Any
    push: Any
    lend: Any
    admit: Any
    release: Any
    enter: Any
    wait: Any
    end_wait: Any
    code: object


# What Python calls: the types of the answer and of the arguments. All hold the GIL, which `enter` may release.
_EXPORTS: dict[str, tuple[Any, ...]] = {
    "claim": (c_void_p, c_void_p),
    "push": (None, c_void_p, c_void_p),
    "lend": (ctypes.py_object, c_void_p, c_void_p, c_void_p, c_int64),
    "admit": (c_int32, c_void_p, ctypes.py_object, c_void_p, c_int64),
    "release": (None, c_void_p),
    "enter": (c_int32, c_void_p, c_void_p),
    "wait": (None, c_void_p, c_void_p),
    "end_wait": (None, c_void_p, c_void_p),
}


@cache
def loaded() -> Library:
    """The trampoline, with the addresses that it uses filled in."""
    # LLVM is loaded by the first program that is compiled.
    from symnet.codegen.jit import Loaded, compile_object
    from symnet.codegen.targets import PORTABLE

    compiled = compile_object(llvm_text(), PORTABLE, is_glue=True)
    code = Loaded(compiled.code, ("api", "call", *_EXPORTS))
    api = layouts.Api.from_address(code.addresses["api"])
    for name in layouts.API_FUNCTIONS:
        setattr(api, name, ctypes.cast(getattr(pythonapi, name), c_void_p).value)
    table = _numpy_api()
    for name, place in layouts.NUMPY_FUNCTIONS.items():
        setattr(api, name, table[place])
    objects = (np.ndarray, tuple, list, dict, None, _CALL_NAME)
    for name, each in zip(layouts.API_OBJECTS, objects, strict=True):
        setattr(api, name, id(each))
    api.gate = ctypes.addressof(GATE)
    exports = {name: PYFUNCTYPE(*types)(code.addresses[name]) for name, types in _EXPORTS.items()}
    return Library(code.addresses["call"], **exports, code=code)


_CALL_NAME = sys.intern("__call__")


def _numpy_api() -> Any:
    """numpy's table of C functions. Its order is fixed by numpy's ABI."""
    try:
        module = importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:
        module = importlib.import_module("numpy.core._multiarray_umath")
    pointer = PYFUNCTYPE(c_void_p, ctypes.py_object, c_void_p)(("PyCapsule_GetPointer", pythonapi))
    return ctypes.cast(pointer(module._ARRAY_API, None), ctypes.POINTER(c_void_p))
