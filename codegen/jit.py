"""The just-in-time linker: LLVM text in, addresses out. One linker for the whole process."""

from __future__ import annotations

import threading
from functools import cache
from itertools import count
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from .cache import cached
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
def target_machine(target: Target) -> Any:
    """LLVM's code generator for a target."""
    _initialize()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=1, reloc="pic", codemodel="default", jit=True
    )


def compile_object(text: str, target: Target, inline: bool = False) -> tuple[bytes, str]:
    """Machine code for LLVM text, as an object file's bytes; and whether it was compiled now, and why.

    With `inline`, functions marked ``alwaysinline`` are put in place first: the one LLVM pass that is run.
    """

    def make() -> bytes:
        module = llvm.parse_assembly(text)
        # A fault of ours must be an exception here, not undefined behaviour later.
        module.verify()
        if inline:
            passes = llvm.create_new_module_pass_manager()
            passes.add_always_inliner_pass()
            machine = target_machine(target)
            passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
        return bytes(target_machine(target).emit_object(module))

    return cached((text, target.cpu, target.features, str(inline), llvm_version()), make)


@cache
def llvm_version() -> str:
    """What the machine code depends on besides the text and the target."""
    return f"O1 pic, llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}, {llvm.get_default_triple()}"


class Loaded:
    """Linked code: addresses by symbol. The code is freed when this is dropped."""

    def __init__(self, code: bytes, symbols: tuple[str, ...]) -> None:
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for symbol in symbols:
            builder.export_symbol(symbol)
        with _lock:
            self._tracker = builder.link(shared_lljit(), f"symnet{next(_names)}")
        self.addresses = {symbol: int(self._tracker[symbol]) for symbol in symbols}
