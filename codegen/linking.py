"""Object files in, addresses out: sections copied to memory of their own, references between them filled in.

LLVM links too, and does where an object has anything that is not foreseen here: another format or processor, a
symbol from elsewhere. But what symnet generates refers to nothing outside of itself, and a process that finds its
machine code in the cache then needs no LLVM at all, which takes 25 ms and 50 MiB.

Foreseen is ELF for x86-64 (System V ABI, AMD64 supplement, chapter 4): code and constants, which become readable
and executable, and data, which stay writeable.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from functools import cache
from typing import Any, NamedTuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")

_ELF64 = b"\x7fELF\x02\x01"
_OBJECT, _X86_64 = 1, 62
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _UNWIND = 1, 2, 4, 8, 0x70000001
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_ABSOLUTE_64, _RELATIVE_32, _CALL_32 = 1, 2, 4
_LARGEST_SECTION_NUMBER = 0xFF00


class Unforeseen(Exception):
    """An object that only LLVM can link."""


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class Image(NamedTuple):
    """An object in memory: given back when that is dropped. The addresses are of its symbols."""

    memory: mmap.mmap
    addresses: dict[str, int]


def linked(code: bytes) -> Image:
    """Link an object.

    Raises
    ------
    Unforeseen
        It cannot be linked here.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unforeseen(f"{sys.platform} on {platform.machine()}")
    try:
        return _Linker(code).image()
    except (struct.error, IndexError, ValueError, OverflowError, OSError) as error:
        raise Unforeseen(f"a damaged object ({error})") from None


class _Linker:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._sections = self._read_sections()
        self._places, self._fixed = self._laid_out()
        self._symbols = self._read_symbols()

    def image(self) -> Image:
        self._fill_in()
        if self._fixed and _library().mprotect(self._base, self._fixed, mmap.PROT_READ | mmap.PROT_EXEC):
            raise Unforeseen(f"memory that may not be executed (errno {ctypes.get_errno()})")
        return Image(self._memory, {name: address for name, address in self._symbols if name and address is not None})

    def _read_sections(self) -> list[_Section]:
        ident, kind, machine, *_, start, _flags, _size, _, _, size, count, _ = _HEADER.unpack_from(self._code)
        if not ident.startswith(_ELF64) or (kind, machine, size) != (_OBJECT, _X86_64, _SECTION.size):
            raise Unforeseen("no object for x86-64")
        return [_Section(*_SECTION.unpack_from(self._code, start + k * size)) for k in range(count)]

    def _laid_out(self) -> tuple[dict[int, int], int]:
        """Memory with the sections in it, where each begins, and how much of it is not written to."""
        wanted = [k for k, s in enumerate(self._sections) if s.flags & _ALLOC and s.type != _UNWIND]
        if any(self._sections[k].type not in (_PROGBITS, _NOBITS) or self._sections[k].flags & _TLS for k in wanted):
            raise Unforeseen("a section of an unknown kind")
        wanted.sort(key=lambda k: self._sections[k].flags & _WRITE)
        offsets, end, fixed = dict[int, int](), 0, 0
        for k in wanted:
            section = self._sections[k]
            alignment = max(section.alignment, 1)
            if section.flags & _WRITE and not fixed:
                end = fixed = _rounded(end, mmap.PAGESIZE)
            offsets[k] = _rounded(end, alignment)
            end = offsets[k] + section.size
        self._memory = mmap.mmap(-1, max(end, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for k, offset in offsets.items():
            section = self._sections[k]
            if section.type == _PROGBITS:
                self._memory[offset : offset + section.size] = self._bytes(section)
        return offsets, fixed or _rounded(end, mmap.PAGESIZE)

    def _bytes(self, section: _Section) -> bytes:
        return self._code[section.offset : section.offset + section.size]

    def _read_symbols(self) -> list[tuple[str, int | None]]:
        """The name and address of every symbol; no address where it is not in memory."""
        found: list[tuple[str, int | None]] = []
        for table in (s for s in self._sections if s.type == _SYMTAB):
            names = self._bytes(self._sections[table.link])
            for start, _, _, section, value, _ in _SYMBOL.iter_unpack(self._bytes(table)):
                name = names[start : names.index(b"\0", start)].decode()
                place = self._places.get(section) if section < _LARGEST_SECTION_NUMBER else None
                found.append((name, None if place is None else self._base + place + value))
        return found

    def _fill_in(self) -> None:
        for table in (s for s in self._sections if s.type == _RELA and s.info in self._places):
            start = self._places[table.info]
            for offset, info, addend in _RELOCATION.iter_unpack(self._bytes(table)):
                name, address = self._symbols[info >> 32]
                kind, place = info & 0xFFFFFFFF, start + offset
                if address is None:
                    raise Unforeseen(f"a reference to {name}")
                if kind in (_RELATIVE_32, _CALL_32):
                    struct.pack_into("<i", self._memory, place, address + addend - (self._base + place))
                elif kind == _ABSOLUTE_64:
                    struct.pack_into("<q", self._memory, place, address + addend)
                else:
                    raise Unforeseen(f"a relocation of kind {kind}")


def _rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


@cache
def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    library.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return library
