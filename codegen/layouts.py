"""The memory layouts that native calls rely on: of Python, of numpy and of our own records.

They are the only definition of every structure: the trampoline's text takes its offsets from here. Those of
Python and numpy are checked against real objects before they are trusted (:func:`call_path`).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
import weakref
from ctypes import PYFUNCTYPE, Structure, addressof, c_byte, c_int8, c_int32, c_int64, c_void_p, pythonapi
from functools import cache
from typing import Literal

import numpy as np

from symnet.claims import Claim as Claim
from symnet.claims import Gate as Gate

C_CONTIGUOUS, F_CONTIGUOUS, OWNDATA, ALIGNED, WRITEABLE = 0x1, 0x2, 0x4, 0x100, 0x400
# The flags of a new array without axes.
SCALAR = C_CONTIGUOUS | F_CONTIGUOUS | OWNDATA | ALIGNED | WRITEABLE
# Results of so many bytes lie in pooled memory. Smaller ones come from malloc without page faults.
POOLED = 1 << 16
# A pool holds at most so many bytes, and no result that is larger.
POOL_LIMIT = 1 << 28
# A call that takes about so many nanoseconds releases the GIL: to release it and to get it back takes some 100.
LONG = 50_000
# What `enter` of the trampoline gives where another call holds a parameter.
BUSY = -1
STRUCTURES = ("none", "one", "tuple", "list", "dict")

_HEAD = object.__basicsize__
_HAVE_VECTORCALL = 1 << 11


# The structures
# --------------


class Object(Structure):
    """The start of every Python object. Of the count of references only the lower half is looked at."""

    _fields_ = [("_debug", c_byte * (_HEAD - 16)), ("count", c_int32), ("_high", c_int32), ("type", c_void_p)]


class Tuple(Structure):
    """PyTupleObject."""

    _fields_ = [
        ("_head", c_byte * _HEAD),
        ("size", c_int64),
        ("_hash", c_byte * (tuple.__basicsize__ - _HEAD - 8)),
        ("items", c_void_p * 1),
    ]


class List(Structure):
    """PyListObject, as far as its items. Its size lies where that of a tuple does."""

    _fields_ = [("_head", c_byte * _HEAD), ("size", c_int64), ("items", c_void_p)]


class Type(Structure):
    """PyTypeObject, as far as its flags."""

    _fields_ = [("_head", c_byte * _HEAD), ("size", c_int64), ("_slots", c_void_p * 18), ("flags", c_int64)]


class Array(Structure):
    """PyArrayObject of numpy."""

    _fields_ = [
        ("_head", c_byte * _HEAD),
        ("data", c_void_p),
        ("ndim", c_int32),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("base", c_void_p),
        ("descr", c_void_p),
        ("flags", c_int32),
        ("weakrefs", c_void_p),
    ]


class Descr(Structure):
    """PyArray_Descr of numpy: the part that versions 1 and 2 share."""

    _fields_ = [
        ("_head", c_byte * _HEAD),
        ("scalar_type", c_void_p),
        ("kind", c_int8),
        ("code", c_int8),
        ("byteorder", c_int8),
        ("_flags", c_int8),
        ("type_num", c_int32),
    ]


class Callable(Structure):
    """An instance of NativeCallable. The last two are owned references, which the type's dealloc drops."""

    _fields_ = [
        ("_head", c_byte * _HEAD),
        ("vectorcall", c_void_p),
        ("signature", c_void_p),
        ("first", c_void_p),
        ("record", c_void_p),
        ("kwnames", c_void_p),
    ]


class Signature(Structure):
    """The names of a callable's inputs, and how the arguments of the last call by keyword map to them.

    `positional` and `permutation` give for each input its place among the arguments, and last that of ``out``
    or -1. `permutation` holds for `n_positional` arguments followed by the tuple Callable.kwnames (identity).
    """

    _fields_ = [
        ("n_inputs", c_int64),
        ("names", c_void_p),
        ("positional", c_void_p),
        ("permutation", c_void_p),
        ("n_positional", c_int64),
    ]


class Descriptor(Structure):
    """One native program: what it accepts, what it gives and its two functions.

    `claims` are the addresses of its parameters' claims: first those of the `n_updated` that it updates.
    """

    _fields_ = [
        ("next", c_void_p),
        ("workspace", c_void_p),
        ("plan", c_void_p),
        ("entry", c_void_p),
        ("n_inputs", c_int64),
        ("inputs", c_void_p),
        ("n_results", c_int64),
        ("results", c_void_p),
        ("structure", c_int64),
        ("keys", c_void_p),
        ("n_ranges", c_int64),
        ("n_written", c_int64),
        ("ranges", c_void_p),
        ("pool", c_void_p),
        ("stores_early", c_int64),
        ("claims", c_void_p),
        ("n_claims", c_int64),
        ("n_updated", c_int64),
    ]


class Spec(Structure):
    """What one input must be, or one result will be. A result has no axes: the frame has its extents."""

    _fields_ = [
        ("descr", c_void_p),
        ("axes", c_void_p),
        ("itemsize", c_int64),
        ("type_num", c_int32),
        ("ndim", c_int32),
        ("byteorder", c_int8),
    ]


class Axis(Structure):
    """One axis of an input: its size must equal ``*expected``, or is stored there where it `binds` a dim."""

    _fields_ = [("expected", c_void_p), ("binds", c_int64)]


class Range(Structure):
    """The bytes [start, end) of an array."""

    _fields_ = [("start", c_void_p), ("end", c_void_p)]


class Block(Structure):
    """A block of a pool: an array that owns its memory (an owned reference, or null), and the part that is used.

    The block is free where nothing but the pool refers to the array.
    """

    _fields_ = [("object", c_void_p), ("data", c_void_p), ("bytes", c_int64)]


class Pool(Structure):
    """The blocks of a binding's large results, `held` bytes in all: at most `limit`; and its last scalars.

    `scalars` has two places for each result. A result without axes leaves a reference there: when it is the only
    one left, the array itself is the next call's result.
    """

    _fields_ = [
        ("blocks", c_void_p),
        ("n_blocks", c_int64),
        ("held", c_int64),
        ("limit", c_int64),
        ("scalars", c_void_p),
        ("n_scalars", c_int64),
    ]


class Workspace(Structure):
    """The memory of one call in progress: claimed and put back as a unit.

    `needed`, `extents`, `cost` and `result_buffers` point into the frame and the buffers. `planned` says that the
    frame holds the plan of its dims and that the arena is large enough for it; `has_large` that some result
    of that plan is for the pool; `is_long` that its calls release the GIL. `ranges` has room for the memory of all
    inputs and results. `waits` says that the call has closed its parameters' claims and waits for its turn.
    """

    _fields_ = [
        ("frame", c_void_p),
        ("needed", c_void_p),
        ("extents", c_void_p),
        ("cost", c_void_p),
        ("buffers", c_void_p),
        ("result_buffers", c_void_p),
        ("results", c_void_p),
        ("ranges", c_void_p),
        ("arena", c_void_p),
        ("arena_bytes", c_int64),
        ("planned", c_int64),
        ("has_large", c_int64),
        ("is_long", c_int64),
        ("waits", c_int64),
    ]


API_FUNCTIONS = (
    "Py_IncRef",
    "Py_DecRef",
    "PyTuple_New",
    "PyList_New",
    "PyDict_New",
    "PyDict_SetItem",
    "PyDict_Next",
    "PyUnicode_Compare",
    "PyObject_GetAttr",
    "PyObject_Vectorcall",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
)


# By their places in numpy's table.
NUMPY_FUNCTIONS = {"PyArray_NewFromDescr": 94, "PyArray_SetBaseObject": 282}


API_OBJECTS = ("ndarray", "tuple", "list", "dict", "none", "call_name")


class Api(Structure):
    """Addresses of Python and numpy that the trampoline uses, and that of the process's Gate."""

    _fields_ = [(name, c_void_p) for name in (*API_FUNCTIONS, *NUMPY_FUNCTIONS, *API_OBJECTS, "gate")]


# Whether to trust them
# ---------------------


@cache
def call_path() -> Literal["native", "ctypes"]:
    """How calls run in this process: by the trampoline, or all by ``_slow_call``.

    The trampoline needs a CPython with a GIL whose structures, and numpy's, lie as they are known to. The
    environment variable ``SYMNET_CALL_PATH=ctypes`` switches it off.
    """
    trusted = (
        os.environ.get("SYMNET_CALL_PATH") != "ctypes"
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and struct.calcsize("P") == 8
        and _layouts_hold()
    )
    return "native" if trusted else "ctypes"


def _layouts_hold() -> bool:
    """Read real objects through the trampoline's layouts, and compare with what Python says."""
    base = np.arange(24, dtype=np.int32).reshape(4, 6)
    arrays: list[np.ndarray] = [base, base[1:3, ::2], np.asfortranarray(base)]
    arrays += [np.zeros(()), np.zeros((0, 3), ">f8"), np.ones(3, np.bool_)]
    names = ("a", "b", "c")
    pair = Tuple.from_address(id(names))
    items = (c_void_p * 3).from_address(addressof(pair) + Tuple.items.offset)
    listed = list(names)
    of_list = List.from_address(id(listed))
    return (
        all(_array_holds(array) for array in arrays)
        and pair.size == 3
        and list(items) == [id(name) for name in names]
        and of_list.size == 3
        and _numbers(of_list.items, 3) == tuple(items)
        and all(Type.from_address(id(kind)).flags == kind.__flags__ for kind in (int, dict, np.ndarray))
        and _counts_hold()
        and _weakrefs_hold()
    )


def _counts_hold() -> bool:
    """Is the count of references where it is read, and is it 1 for an array that one place refers to?"""
    places: list[object] = [np.empty(8, np.uint8)]
    native = Object.from_address(id(places[0]))
    alone = native.count
    places += places * 5
    return (alone, native.count) == (1, 6)


def _weakrefs_hold() -> bool:
    """Does an array say whether something refers to it weakly?"""
    array = np.empty(())
    native = Array.from_address(id(array))
    none = native.weakrefs
    reference = weakref.ref(array)
    return (none, native.weakrefs) == (None, id(reference))


def _array_holds(array: np.ndarray) -> bool:
    """Do the layouts say of an array what numpy says?"""
    native, descr = Array.from_address(id(array)), Descr.from_address(id(array.dtype))
    dtype, rank = array.dtype, array.ndim
    return (
        Object.from_address(id(array)).type == id(np.ndarray)
        and native.data == array.__array_interface__["data"][0]
        and (native.ndim, native.flags, native.descr) == (rank, array.flags.num, id(dtype))
        and (native.base or 0) == (0 if array.base is None else id(array.base))
        and (descr.scalar_type, descr.type_num) == (id(dtype.type), dtype.num)
        and [chr(descr.kind), chr(descr.code), chr(descr.byteorder)] == [dtype.kind, dtype.char, dtype.byteorder]
        and _numbers(native.shape, rank) == array.shape
        and _numbers(native.strides, rank) == array.strides
    )


def _numbers(address: int | None, count: int) -> tuple[int, ...]:
    return tuple((c_int64 * count).from_address(address)) if address and count else ()


# The type of a native callable
# -----------------------------

RECORD, _KWNAMES = "<record>", "<kwnames>"


class _Member(Structure):
    """PyMemberDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(Structure):
    """PyType_Slot."""

    _fields_ = [("slot", ctypes.c_int), ("value", c_void_p)]


class _TypeSpec(Structure):
    """PyType_Spec."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("size", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


_KEPT: list[object] = []


@cache
def vectorcall_base() -> type:
    """A type whose instances start with the fields of Callable.

    The two object members are owned: the dealloc that a type without one of its own gets drops them. The
    collector does not see them, so they outlive the clearing of a cycle, and must lead to nothing that refers
    back.
    """
    layout, object_member, size_member, read_only, base_type = Callable, 16, 19, 1, 1 << 10
    members = (_Member * 4)(
        _Member(b"__vectorcalloffset__", size_member, layout.vectorcall.offset, read_only),
        _Member(RECORD.encode(), object_member, layout.record.offset),
        _Member(_KWNAMES.encode(), object_member, layout.kwnames.offset),
    )
    tp_call, tp_members = 50, 72
    vectorcall = ctypes.cast(pythonapi.PyVectorcall_Call, c_void_p)
    slots = (_Slot * 3)(_Slot(tp_call, vectorcall), _Slot(tp_members, addressof(members)))
    spec = _TypeSpec(b"symnet.Vectorcall", ctypes.sizeof(layout), 0, base_type | _HAVE_VECTORCALL, slots)
    _KEPT.extend([members, slots, spec])
    make = PYFUNCTYPE(ctypes.py_object, c_void_p)(("PyType_FromSpec", pythonapi))
    made: type = make(addressof(spec))
    return made


def enable_vectorcall(cls: type) -> None:
    """Let calls of a class's instances use their vectorcall, although the class defines __call__ as well."""
    Type.from_address(id(cls)).flags |= _HAVE_VECTORCALL
