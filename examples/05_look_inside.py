"""Look inside: the optimised graph, what each pass did, the loops, the machine code."""

import tempfile
from pathlib import Path

import numpy as np

import symnet as sn

x = sn.Variable("x", shape=("batch", 8), dtype="float32")
w = sn.Parameter(np.full((8, 4), 0.5, "float32"), name="w")
b = sn.Parameter(np.full(4, 0.1, "float32"), name="b")
f = sn.compile(sn.log(sn.softmax(sn.relu(x @ w + b))))
f(np.ones((3, 8), "float32"))

print(f.graph, end="\n\n")
print(f.report, end="\n\n")
print({stage: f"{ms:.1f} ms" for stage, ms in f.timings.items()}, end="\n\n")
print(f.memory, end="\n\n")

with tempfile.TemporaryDirectory() as folder:
    for ending in ("txt", "svg", "dot", "json", "loops", "ll", "s"):
        path = f.dump(Path(folder) / f"net.{ending}")
        print(f"{path.name:10} {path.stat().st_size:7} bytes")
    print("\n" + "\n".join((Path(folder) / "net.loops").read_text().splitlines()[:12]))
