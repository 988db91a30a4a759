"""Measures what a second thread gives, as `performance.md` tells: ``python docs/two_threads.py``.

Each row is compiled for one and for two threads, and called in turns. Beside the median stands the tenth percentile,
the time of a call that nothing else on the machine disturbed.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial

import numpy as np

from symnet.bench.peers.with_symnet import build
from symnet.bench.workloads import ROWS

MEASURED = "W1 W4-b1 W5-digits W8-infer W5-b32 W6 W4-b256 W5-b128 W9-infer W9-train W11".split()
TURN, TURNS = 0.05, 30
THREADS = (1, 2)


def compiled(row: str, threads: int) -> partial[object]:
    """A row's call with its arguments."""
    os.environ["SYMNET_NUM_THREADS"] = str(threads)
    workload = ROWS[row]()
    return partial(build(workload).call, *workload.batches[0])


def times_of(row: str) -> list[list[float]]:
    """Seconds of the calls for each number of threads."""
    calls = [compiled(row, threads) for threads in THREADS]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, own in zip(calls, times, strict=True):
            call()
            end = time.perf_counter() + TURN
            while (start := time.perf_counter()) < end:
                call()
                own.append(time.perf_counter() - start)
    return times


def main() -> None:
    print("| row | 1 thread, µs | 2 threads | times | undisturbed: 1 thread | 2 threads | times |")
    print("| --- |" + " --: |" * 6)
    for row in sys.argv[1:] or MEASURED:
        times = times_of(row)
        cells = []
        for share in (50, 10):
            one, two = (np.percentile(own, share) * 1e6 for own in times)
            cells += [f"{one:,.4g}", f"{two:,.4g}", f"{one / two:.2f}"]
        print("| " + " | ".join([row, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
