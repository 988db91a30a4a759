"""Measures the compile times that `performance.md` tells: ``python docs/compile_time.py``.

Each number is CPU milliseconds of a process of its own, from building the expressions to the end of the first
call. With an empty cache ("cold") without imports, those of LLVM and of the code generator too; with the cache that
the process before left ("warm") with what of symnet is imported after `import symnet`. Peers beside symnet are jax and
numba where they are installed, without imports.
"""

from __future__ import annotations

import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from symnet.bench.peers import PEERS
from symnet.bench.workloads import ROWS

MEASURED = ["W1", "W5-digits", "W5-b128", "W7-train", "W8-train", "W9-train"]
COMPARED = [name for name in ("jax", "numba") if PEERS[name].is_installed]
TIMES = 5
STAGES = ["passes", "kernels", "llvm", "link"]
# What a first compilation imports.
LAZY = ["native", "program", "machine"]


def measure(peer: str, row: str, cache: str) -> None:
    """In a child: the milliseconds in all and by stage, with a cache that is "cold" or "warm"."""
    workload = ROWS[row]()
    importlib.import_module(f"symnet.bench.peers.{PEERS[peer].module}")
    if peer == "symnet" and cache == "cold":
        for module in LAZY:
            importlib.import_module(f"symnet.codegen.{module}")
    start = time.process_time()
    program = PEERS[peer].build(workload)
    if program is None:
        return
    inputs = [program.native(array) for array in workload.batches[0]]
    program.call(*inputs)
    stages = program.call.timings if peer == "symnet" else {}
    print((time.process_time() - start) * 1e3, *(stages[name] for name in STAGES if stages))


def child(peer: str, row: str, cache: str, folder: str) -> list[float]:
    environment = {**os.environ, **PEERS[peer].settings(threads=1), "SYMNET_CACHE_DIR": folder}
    command = [sys.executable, __file__, peer, row, cache]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return [float(word) for word in printed.split()]


def of_row(row: str) -> Iterator[str]:
    """The cells of a row: medians."""
    cold, warm = [], []
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(child("symnet", row, "cold", folder))
            warm.append(child("symnet", row, "warm", folder))
    yield from (f"{statistics.median(numbers):.1f}" for numbers in zip(*cold, strict=True))
    yield f"{statistics.median(numbers[0] for numbers in warm):.1f}"
    for peer in COMPARED:
        found = [child(peer, row, "cold", os.devnull) for _ in range(3)]
        yield f"{statistics.median(numbers[0] for numbers in found):.0f}" if all(found) else "–"


def main() -> None:
    heads = ["row", "cold", *STAGES, "warm", *COMPARED]
    print("| " + " | ".join(heads) + " |")
    print("| --- |" + " --: |" * (len(heads) - 1))
    for row in MEASURED:
        print("| " + " | ".join([row, *of_row(row)]) + " |", flush=True)


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
