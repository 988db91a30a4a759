"""Measures the memory that `performance.md` tells: ``python docs/memory_use.py`` (on Linux).

By how many MiB the resident memory of a process grows, over numpy and the row's own arrays, until the first call
has returned: all of it, and the part that no other process can share (the rest is mostly the library's file).
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

MEASURED = ["W1", "W5-b128", "W9-train"]
MIB = 1 << 20


def resident() -> np.ndarray:
    """Bytes of this process in memory: all, and those of its own."""
    pages = [line.split() for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Rss")]
    sizes = {name: int(kilobytes) << 10 for name, kilobytes, _ in pages}
    return np.array([sum(sizes.values()), sizes["RssAnon:"]])


def measure(peer: str, row: str) -> None:
    """In a child: the growth in MiB."""
    # The first product starts numpy's own library.
    np.ones((64, 64)) @ np.ones((64, 64))
    before = resident()
    from symnet.bench.peers import PEERS
    from symnet.bench.workloads import ROWS

    if peer != "symnet":
        # Only the rows come from symnet.
        before = resident()
    workload = ROWS[row]()
    arrays = [array for batch in workload.batches for array in batch] + list(workload.parameters.values())
    own = sum(array.nbytes for array in arrays)
    importlib.import_module(f"symnet.bench.peers.{PEERS[peer].module}")
    program = PEERS[peer].build(workload)
    if program is not None:
        program.call(*(program.native(array) for array in workload.batches[0]))
        print(*((resident() - before - own) / MIB))


def child(peer: str, row: str, folder: str) -> str:
    from symnet.bench.peers import PEERS

    environment = {**os.environ, **PEERS[peer].settings(threads=1), "SYMNET_CACHE_DIR": folder}
    command = [sys.executable, __file__, peer, row]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return " / ".join(f"{float(word):.0f}" for word in printed.split()) or "–"


def main() -> None:
    from symnet.bench.peers import PEERS

    peers = [name for name in ("torch", "jax", "onnxruntime", "numba") if PEERS[name].is_installed]
    print("| " + " | ".join(["row", "symnet, cold", "symnet, warm", *peers]) + " |")
    print("| --- |" + " --: |" * (len(peers) + 2))
    for row in MEASURED:
        with tempfile.TemporaryDirectory() as folder:
            cells = [child("symnet", row, folder), child("symnet", row, folder)]
            cells += [child(peer, row, folder) for peer in peers]
        print("| " + " | ".join([row, *cells]) + " |", flush=True)


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
