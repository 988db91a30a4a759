"""LLVM text in, addresses out. LLVM itself is loaded where machine code is made, not where the cache has it."""

from __future__ import annotations

from typing import NamedTuple

from .cache import cached, name_of
from .linking import Unforeseen, linked
from .processor import facts
from .targets import Target


class Compiled(NamedTuple):
    """Machine code: an object file's bytes, where it came from in words, and its name in the cache."""

    code: bytes
    origin: str
    name: str


def compile_object(text: str, target: Target, is_glue: bool = False) -> Compiled:
    """Machine code for LLVM text, compiled now or found in the cache.

    In glue, code without loops worth the name, functions marked ``alwaysinline`` are put in place, the one
    LLVM pass that is run; and what is left to the code generator is done at level 0.
    """

    def make() -> bytes:
        from .machine import object_of

        return object_of(text, target, is_glue)

    name = object_name(text, target, is_glue)
    return Compiled(*cached(name, make), name)


def object_name(text: str, target: Target, is_glue: bool = False) -> str:
    """The name in the cache of the machine code for LLVM text."""
    kind = "glue" if is_glue else "O1"
    return name_of((text, target.cpu, target.features, f"pic, {kind}, {facts().llvm}"))


class Loaded:
    """Linked code: addresses by symbol. The code is freed when this is dropped."""

    def __init__(self, code: bytes, symbols: tuple[str, ...]) -> None:
        try:
            image = linked(code)
            self.addresses = {symbol: image.addresses[symbol] for symbol in symbols}
            self._keep: object = image
        except (Unforeseen, KeyError):
            from .machine import link

            self.addresses, self._keep = link(code, symbols)
