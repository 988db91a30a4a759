"""Who works on a Parameter's numbers while Python's lock (the GIL) is released.

A call whose work takes long runs without the lock, so that other threads of Python go on beside it. Its inputs are
its caller's, as with numpy; but several calls may meet at a Parameter. So every Parameter has a :class:`Claim`:

- A call that runs without the lock claims the Parameters it reads or updates for as long as it runs. Readers
  share a claim, a writer has it alone. Claims are looked at and changed natively, in one piece with the lock
  held, so they need no atomic operations (``enter`` of ``trampoline.ll``).
- A call that finds a claim taken waits in Python, as does one who reads or assigns ``Parameter.value``. It closes
  the claim first: nobody else can begin, so that its turn comes when those who are at work end. (Two threads
  that call in turns would else never leave a gap: the one gives the lock back when its next call has begun.)
- One thread waits at a time: the others queue at :data:`LOCK`. A call that waited holds it until it is done; other
  calls that need not wait pass by. The lock is re-entrant, and a native call runs no Python code, so a finalizer
  or signal handler that comes between may call functions itself.

Where calls are not native (``SYMNET_CALL_PATH=ctypes``) those that use Parameters hold :data:`LOCK` instead.

All calls in flight are waited for, and new ones keep Python's lock, before the process forks and when the
interpreter ends: a child gets whole Parameters without claims, and no code is unloaded while it runs.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import Structure, c_int64
from typing import TypeVar

T = TypeVar("T")

# Seconds between two looks at whether a wait is over.
PAUSE = 5e-5


class Claim(Structure):
    """Of a Parameter: how many calls read it without Python's lock, or -1 where one updates it; and whether new
    ones may begin (not while `closed` is above 0). And how often its numbers were written: programs keep copies of
    them in layouts of their own.
    """

    _fields_ = [("holders", c_int64), ("closed", c_int64), ("version", c_int64)]


class Gate(Structure):
    """Of the process: how many calls run without Python's lock, how many wait for claims that they have closed, and
    whether new calls may release Python's lock (as in Claim).
    """

    _fields_ = [("in_flight", c_int64), ("waiting", c_int64), ("closed", c_int64)]


GATE = Gate()
LOCK = threading.RLock()
# Around single steps in Python that must be in one piece where calls are not native.
STEP = threading.RLock()


def exclusively(claims: Sequence[Claim], action: Callable[[], T], readers: bool = False) -> T:
    """The result of `action`, done while no call that runs without Python's lock holds one of the claims.

    With `readers`, calls that only read may go on.
    """
    with LOCK:
        waiting, before = GATE.waiting, [claim.closed for claim in claims]
        try:
            GATE.waiting += 1
            for claim in claims:
                claim.closed += 1
            while any(claim.holders < 0 or (claim.holders and not readers) for claim in claims):
                time.sleep(PAUSE)
            return action()
        finally:
            GATE.waiting = waiting
            for claim, closed in zip(claims, before, strict=True):
                claim.closed = closed


def in_flight(action: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """The result of `action`, which releases Python's lock; of `otherwise` while none may begin."""
    with STEP:
        begins = not GATE.closed
        GATE.in_flight += begins
    if not begins:
        return otherwise()
    try:
        return action()
    finally:
        with STEP:
            GATE.in_flight -= 1


def _stop() -> None:
    LOCK.acquire()
    _finish()
    STEP.acquire()


def _finish() -> None:
    with STEP:
        GATE.closed += 1
    while GATE.in_flight:
        time.sleep(PAUSE)


def _go_on() -> None:
    GATE.closed -= 1
    STEP.release()
    LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_stop, after_in_parent=_go_on, after_in_child=_go_on)
atexit.register(_finish)
