"""What is asked of LLVM: machine code for its text, and to link where ``linking.py`` does not."""

from __future__ import annotations

import threading
from functools import cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm

from symnet.untouched import remember

from .targets import Target

_names = count()
_lock = threading.Lock()


@cache
def shared_lljit() -> Any:
    """The process's one linker of LLVM's."""
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


def object_of(text: str, target: Target, is_glue: bool) -> bytes:
    """An object file for LLVM text; see :func:`symnet.codegen.jit.compile_object`."""
    module = llvm.parse_assembly(text)
    # A fault of ours must be an exception here, not undefined behaviour later.
    module.verify()
    machine = target_machine(target, 0 if is_glue else 1)
    if is_glue:
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return bytes(machine.emit_object(module))


def assembly_of(text: str, target: Target) -> str:
    """LLVM text as the target's assembly."""
    return str(target_machine(target).emit_assembly(llvm.parse_assembly(text)))


def link(code: bytes, symbols: tuple[str, ...]) -> tuple[dict[str, int], object]:
    """The addresses of some symbols of an object, and what keeps its code."""
    builder = llvm.JITLibraryBuilder().add_object_img(code)
    for symbol in symbols:
        builder.export_symbol(symbol)
    with _lock:
        tracker = builder.link(shared_lljit(), f"symnet{next(_names)}")
    return {symbol: int(tracker[symbol]) for symbol in symbols}, tracker


remember(__name__)
