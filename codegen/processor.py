"""What LLVM says of this processor and of itself.

To ask it, its library must be loaded, which takes longer than all else in a process that finds its programs in the
cache. So the answer is kept there too, under the description that Linux gives of the processor and the state of LLVM's
library; where there is no such description LLVM is asked every time.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .cache import cached, name_of

_DESCRIPTION = Path("/proc/cpuinfo")
# Lines of it that differ from core to core, or from time to time.
_VARYING = ("processor", "cpu MHz", "physical id", "core id", "apicid", "initial apicid")


class Facts(NamedTuple):
    """The processor and its features as LLVM spells them; and what tells LLVM's versions apart."""

    cpu: str
    features: str
    llvm: str


@cache
def facts() -> Facts:
    """What is known of this processor."""
    known = _described()
    if not known:
        return _asked()
    body, _ = cached(name_of(("processor", platform.machine(), *known)), lambda: "\n".join(_asked()).encode())
    return Facts(*body.decode().split("\n"))


def _asked() -> Facts:
    import llvmlite
    import llvmlite.binding as llvm

    versions = f"llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}, {llvm.get_default_triple()}"
    return Facts(llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), versions)


def _described() -> tuple[str, ...]:
    """The first processor in Linux's words, and LLVM's libraries; nothing where one of them cannot be told."""
    spec = importlib.util.find_spec("llvmlite")
    libraries = Path(str(spec and spec.origin)).parent.glob("binding/*llvm*")
    try:
        first = _DESCRIPTION.read_text().partition("\n\n")[0]
        states = [(path, os.stat(path)) for path in sorted(libraries)]
    except OSError:
        return ()
    lines = [line for line in first.splitlines() if line.partition("\t")[0].strip() not in _VARYING]
    if not states or not any(line.lower().startswith(("flags", "features")) for line in lines):
        return ()
    return (*lines, *(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states))
