"""Teams of threads that share the parts of a kernel.

A program asks its team to run a function for every part (``team.ll``). The workers are Python threads that
spend their life in native code, without the interpreter's lock: they spin for some microseconds after a
job, then sleep on a futex. There is one team for each number of threads; a forked child starts its own.

What a kernel computes does not depend on who computes it: parts are whole iterations of its outer loops,
so results are the same, bit for bit, for every number of threads.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from contextlib import suppress
from ctypes import CFUNCTYPE, c_int32, c_void_p
from functools import cache
from pathlib import Path
from string import Template

import numpy as np

from symnet.errors import ArgumentError
from symnet.expr import aligned_copy

from .jit import Loaded, compile_object
from .targets import PORTABLE

_TEXT = Path(__file__).with_name("team.ll")
# Linux's numbers of the calls futex and sched_yield, and the processor's word for a short rest.
_CALLS = {
    "x86_64": (202, 24, "call void @llvm.x86.sse2.pause()"),
    "aarch64": (98, 124, "call void @llvm.aarch64.hint(i32 1)"),
}
# Rests before a waiting thread sleeps: some 50 microseconds.
_SPINS = 1500
_BYTES = 320
_MOST = 256
_GENERATION, _ALIVE, _SYSCALL = 64, 288, 296


def supported() -> bool:
    """Whether this system has what teams are made of; elsewhere programs run in one thread."""
    return sys.platform == "linux" and platform.machine() in _CALLS


def thread_count(threads: int | None) -> int:
    """The number of threads asked for: `threads`, else that of ``SYMNET_NUM_THREADS``, else 1.

    Raises
    ------
    ArgumentError
        It is no number from 1 to 256.
    """
    given = os.environ.get("SYMNET_NUM_THREADS", "1") if threads is None else threads
    name = "SYMNET_NUM_THREADS" if threads is None else "threads"
    try:
        number = int(given)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= _MOST or isinstance(given, (bool, float)):
        raise ArgumentError(f"{name} is {given!r}; expected a number of threads, from 1 to {_MOST}")
    return number if supported() else 1


class Team:
    """A number of threads, the caller's among them.

    Attributes
    ----------
    memory : ndarray of uint8
        What native code knows of the team.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.memory = aligned_copy(np.zeros(_BYTES, np.uint8))
        self._word(0, _library().addresses["fork"])
        self._word(_SYSCALL, ctypes.cast(ctypes.CDLL(None).syscall, c_void_p).value or 0)
        self.start()
        os.register_at_fork(after_in_child=self.start)

    def start(self) -> None:
        """Begin the workers' lives; in a forked child, where the parent's do not exist, anew."""
        generation = int(self.memory[_GENERATION : _GENERATION + 4].view(np.int32)[0])
        self.memory[_GENERATION + 4 : _ALIVE].fill(0)
        self._word(_ALIVE, self.threads - 1)
        processors = sorted(os.sched_getaffinity(0))
        for index in range(1, self.threads):
            arguments = (self.memory.ctypes.data, generation, processors[index % len(processors)])
            threading.Thread(target=_live, args=arguments, name=f"symnet worker {index}", daemon=True).start()

    def _word(self, place: int, value: int) -> None:
        self.memory[place : place + 8].view(np.int64)[0] = value


def _live(team: int, generation: int, processor: int) -> None:
    # On a processor of its own: threads that wake together are else put on one.
    with suppress(OSError):
        os.sched_setaffinity(0, {processor})
    CFUNCTYPE(None, c_void_p, c_int32)(_library().addresses["work"])(team, generation)


@cache
def team_of(threads: int) -> Team:
    """The team of so many threads."""
    return Team(threads)


@cache
def _library() -> Loaded:
    futex, rest, pause = _CALLS[platform.machine()]
    text = Template(_TEXT.read_text()).substitute(futex=futex, spins=_SPINS, pause=pause, **{"yield": rest})
    return Loaded(compile_object(text, PORTABLE, is_glue=True).code, ("fork", "work"))
