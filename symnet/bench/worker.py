"""One peer in one process: takes pickled requests on standard input, answers on standard output."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .peers import PEERS, Program, thread_count
from .workloads import ROWS

CHECKED = 3  # calls from the first weights whose results are compared
BLOCK = 0.0015  # seconds
Block = tuple[float, bool]  # seconds a call, and whether nothing interrupted it


def as_arrays(value: Any) -> list[np.ndarray]:
    """What a call gave, as a list of numpy arrays."""
    return [np.array(v) for v in (value if isinstance(value, (list, tuple)) else [value])]


def interruptions() -> int:
    """How often the system has taken the processor from this process; 0 where it does not say."""
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def measure(call: Callable[..., Any], inputs: list[tuple[Any, ...]], seconds: float) -> list[Block]:
    """Time blocks of calls, inputs in turns, for so long."""
    clock, one = time.perf_counter, float("inf")
    for given in [inputs[0]] * 3:
        start = clock()
        call(*given)
        one = min(one, clock() - start)
    count = min(max(1, int(BLOCK / max(one, 1e-7))), 5000)
    turns = [inputs[k % len(inputs)] for k in range(count)]
    blocks: list[Block] = []
    gc.collect()
    gc.disable()
    end = clock() + seconds
    while len(blocks) < 2 or clock() < end:
        before, start = interruptions(), clock()
        for given in turns:
            call(*given)
        elapsed = clock() - start
        blocks.append((elapsed / count, interruptions() == before))
    gc.enable()
    return blocks


class Worker:
    """Holds the row that is being measured."""

    def __init__(self, peer: str) -> None:
        self.peer = PEERS[peer]
        self.program: Program | None = None
        self.inputs: list[tuple[Any, ...]] = []

    def build(self, row: str) -> Any:
        """The outputs of the first calls, and the Parameters after them; None where the peer has no such row."""
        self.program, self.inputs = None, []
        workload = ROWS[row]()
        self.program = self.peer.build(workload)
        if self.program is None:
            return None
        native = self.program.native
        self.inputs = [tuple(native(a) for a in batch) for batch in workload.batches]
        outputs = [as_arrays(self.program.call(*self.inputs[k % len(self.inputs)])) for k in range(CHECKED)]
        return outputs, {name: np.array(v) for name, v in self.program.parameters().items()}

    def time(self, seconds: float) -> list[Block]:
        """Blocks of calls of the row that was built last."""
        if self.program is None:
            raise RuntimeError("nothing is built")
        return measure(self.program.call, self.inputs, seconds)


def main(peer: str) -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What libraries print goes elsewhere.
    warnings.filterwarnings("ignore")
    if sys.platform == "linux":
        processors = sorted(os.sched_getaffinity(0))[-thread_count() :]
        for thread in os.listdir("/proc/self/task"):  # BLAS has started its own.
            os.sched_setaffinity(int(thread), processors)
    worker = Worker(peer)
    while True:
        try:
            what, argument = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = getattr(worker, what)(argument)
        except Exception as error:
            answer = error if type(error).__module__ == "builtins" else RuntimeError(f"{type(error).__name__}: {error}")
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
