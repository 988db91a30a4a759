"""The just-in-time linker: LLVM text in, addresses out. One linker for the whole process."""

from __future__ import annotations

import threading
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from .cache import cached, name_of
from .linking import Unforeseen, linked
from .targets import Target

_names = count()
_lock = threading.Lock()


@cache
def shared_lljit() -> Any:
    """The process's one linker."""
    _initialize()
    return llvm.create_lljit_compiler(llvm.Target.from_default_triple().create_target_machine(jit=True))


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def target_machine(target: Target, level: int = 1) -> Any:
    """LLVM's code generator for a target. Level 0 keeps values in memory and takes a tenth of the time."""
    _initialize()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel="default", jit=True
    )


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
        module = llvm.parse_assembly(text)
        # A fault of ours must be an exception here, not undefined behaviour later.
        module.verify()
        machine = target_machine(target, level)
        if is_glue:
            passes = llvm.create_new_module_pass_manager()
            passes.add_always_inliner_pass()
            passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
        return bytes(machine.emit_object(module))

    level = 0 if is_glue else 1
    name = object_name(text, target, level)
    return Compiled(*cached(name, make), name)


def object_name(text: str, target: Target, level: int = 1) -> str:
    """The name in the cache of the machine code for LLVM text."""
    return name_of((text, target.cpu, target.features, f"O{level}", llvm_version()))


@cache
def llvm_version() -> str:
    """What the machine code depends on besides the text and the target."""
    return f"pic, llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}, {llvm.get_default_triple()}"


class Loaded:
    """Linked code: addresses by symbol. The code is freed when this is dropped."""

    def __init__(self, code: bytes, symbols: tuple[str, ...]) -> None:
        try:
            image = linked(code)
            self.addresses = {symbol: image.addresses[symbol] for symbol in symbols}
            self._keep: object = image
        except (Unforeseen, KeyError):
            self._link_by_llvm(code, symbols)

    def _link_by_llvm(self, code: bytes, symbols: tuple[str, ...]) -> None:
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for symbol in symbols:
            builder.export_symbol(symbol)
        with _lock:
            tracker = builder.link(shared_lljit(), f"symnet{next(_names)}")
        self.addresses = {symbol: int(tracker[symbol]) for symbol in symbols}
        self._keep = tracker
