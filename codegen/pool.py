"""Memory for large results, used again: a fresh page costs more than most work that fills it.

numpy gives large memory back to the system with every array, and the next one faults its pages in again. A
:class:`Pool` keeps blocks instead. A block is a plain uint8 array; a result is an array in its memory whose base
it is. So a block is free again when the pool's reference to it is the only one left, whatever was made of
the result in between: views of it, buffers, arrays of other libraries.

All that is done natively, by the trampoline's ``lend``, ``admit`` and ``release``, in one piece with the GIL held:
no other thread sees a block between the test that it is free and its first use. Where calls are not native,
there is no pool, since nothing says what a count of references means.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence
from ctypes import addressof, c_int64, c_void_p

import numpy as np

from symnet.codegen import layouts, trampoline

_ALIGNMENT = 64
_HUGE_PAGE = 1 << 21


class Pool:
    """The blocks of one binding: twice what its largest call needs, so that a result may be kept while the next
    is computed; and never more than ``layouts.POOL_LIMIT`` bytes. They are freed with the binding.

    Parameters
    ----------
    n_results : int
        Of a call.
    """

    def __init__(self, n_results: int) -> None:
        self.blocks = (layouts.Block * (16 + 4 * n_results))()
        self.scalars = (c_void_p * (2 * n_results))()
        self.native = layouts.Pool(
            blocks=addressof(self.blocks),
            n_blocks=len(self.blocks),
            limit=layouts.POOL_LIMIT,
            scalars=addressof(self.scalars),
            n_scalars=len(self.scalars),
        )
        self._most = 0
        if layouts.call_path() == "native":
            # Not when the process ends: the trampoline may be gone by then.
            weakref.finalize(
                self, _release, trampoline.loaded(), self.native, (self.blocks, self.scalars)
            ).atexit = False

    def expect(self, sizes: Sequence[int]) -> None:
        """Set the limit by the largest call so far, of these bytes for each result."""
        self._most = max(self._most, sum(filter(is_large, sizes)))
        self.native.limit = min(2 * self._most, layouts.POOL_LIMIT)

    def array(self, spec: layouts.Spec, shape: Sequence[int], size: int) -> np.ndarray | None:
        """A new array of `size` bytes in pooled memory, its numbers undefined; None where the pool is full."""
        if layouts.call_path() != "native":
            return None
        library, extents = trampoline.loaded(), (c_int64 * len(shape))(*shape)
        wanted = addressof(self.native), addressof(spec), addressof(extents), size
        found: np.ndarray | None = library.lend(*wanted)
        if found is None:
            memory, start = _memory(size)
            if library.admit(addressof(self.native), memory, memory.ctypes.data + start, size):
                del memory
                found = library.lend(*wanted)
        return found


def _release(library: trampoline.Library, native: layouts.Pool, kept: object) -> None:
    """Drop what a pool refers to. Results keep the blocks that they lie in."""
    library.release(addressof(native))


def is_large(size: int) -> bool:
    """Is a result of so many bytes for the pool?"""
    return layouts.POOLED <= size <= layouts.POOL_LIMIT


def aligned_bytes(size: int) -> np.ndarray:
    """Uninitialised memory aligned for vectors, and for huge pages where it is large."""
    memory, start = _memory(size)
    return memory[start : start + size]


def _memory(size: int) -> tuple[np.ndarray, int]:
    """An array that owns such memory, and where in it the `size` bytes start."""
    if size < _HUGE_PAGE // 2:
        memory, alignment = np.empty(size + _ALIGNMENT, np.uint8), _ALIGNMENT
    else:
        pages = _pages(size + _HUGE_PAGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        memory, alignment = np.frombuffer(pages, np.uint8), _HUGE_PAGE
    return memory, -memory.ctypes.data % alignment


def _pages(size: int) -> mmap.mmap:
    """Fresh pages. They are private: shared ones, the default, a forked process would write to as well."""
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)
