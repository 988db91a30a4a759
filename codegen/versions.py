"""Copies of Parameters that programs keep, made anew where a Parameter was written in between.

Every Parameter counts how often it was written (:class:`symnet.claims.Claim`). A program that updates some counts
first. One that reads copies then looks whether they are of the present numbers. Calls on other threads that
find the same copy old write the same bytes to it; whoever writes the Parameter itself has a claim that excludes all
of them. A program has a table of all that, in words of 8 bytes:

    table  ::= address of `begin`  updated  packed  address of version (updated times)  record (packed times)
    record ::= address of version  version copied  from  to  rows  columns  down  width  lanes

Of a record all but the rows count bytes; see :class:`symnet.codegen.packing.Packing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from symnet.claims import Claim

from .jit import Loaded, compile_object
from .packing import Packing
from .targets import PORTABLE

_TEXT = Path(__file__).with_name("versions.ll")


class Copy(NamedTuple):
    """A copy that is kept: of which numbers, whose claim counts their versions, where it is and how it lies there."""

    source: np.ndarray
    claim: Claim
    memory: np.ndarray
    packing: Packing


def table_of(updated: Sequence[Claim], copies: Sequence[Copy]) -> np.ndarray:
    """The table of a program that updates some Parameters and reads copies of others."""
    words = [_loaded().addresses["begin"], len(updated), len(copies), *map(_version, updated)]
    for source, claim, memory, p in copies:
        each = source.itemsize
        sizes = (p.rows, p.columns * each, p.down * each, p.width * each, p.lanes * each)
        # No version is below 0: the first call copies.
        words += [_version(claim), -1, source.ctypes.data + p.start * each, memory.ctypes.data, *sizes]
    return np.array(words, np.int64)


def _version(claim: Claim) -> int:
    return addressof(claim) + Claim.version.offset


@cache
def _loaded() -> Loaded:
    # Copying is bound by memory at level 0 too, which takes a fifth of the time to compile.
    return Loaded(compile_object(_TEXT.read_text(), PORTABLE, is_glue=True).code, ("begin",))
