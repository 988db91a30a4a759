"""Measures what `performance.md` tells of ``precision="bf16"``: ``python docs/precision.py``; torch is needed.

W11 in float32 and bfloat16, by symnet and by torch, one thread each, in one process; they take turns of 100 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import symnet as sn
from symnet.bench.compare import load, processor
from symnet.bench.workloads import ROWS, Workload

ROUNDS, SLICE = 20, 0.1
Way = Callable[[], Any]


def ways_of(workload: Workload, x: np.ndarray) -> dict[str, Way]:
    """How the net is computed, by name."""
    p = {name: sn.Parameter(value, name) for name, value in workload.parameters.items()}
    v = sn.Variable("x", x.shape, "float32")
    y = sn.relu(v @ p["w0"] + p["b0"]) @ p["w1"] + p["b1"]
    single, half = sn.compile(y), sn.compile(y, precision="bf16", freeze=True)
    found: dict[str, Way] = {"symnet, float32": lambda: single(x), "symnet, bf16": lambda: half(x)}
    for name, dtype in (("torch, float32", torch.float32), ("torch, bf16", torch.bfloat16)):
        layers = [torch.nn.Linear(1024, 4096), torch.nn.ReLU(), torch.nn.Linear(4096, 1024)]
        for k, layer in enumerate(layers[::2]):
            layer.weight.data = torch.tensor(workload.parameters[f"w{k}"].T.copy())
            layer.bias.data = torch.tensor(workload.parameters[f"b{k}"])
        net, given = torch.nn.Sequential(*layers).to(dtype), torch.tensor(x).to(dtype)
        found[name] = lambda net=net, given=given: net(given)
    return found


def seconds(way: Way) -> float:
    """Of a call, in one turn."""
    calls, start = 0, time.perf_counter()
    while time.perf_counter() < start + SLICE:
        way()
        calls += 1
    return (time.perf_counter() - start) / calls


def main() -> None:
    torch.set_num_threads(1)
    workload = ROWS["W11"]()
    x, p = workload.batches[0][0], workload.parameters
    exact = np.maximum(x.astype(np.float64) @ p["w0"] + p["b0"], 0) @ p["w1"].astype(np.float64) + p["b1"]
    with torch.inference_mode():
        ways = ways_of(workload, x)
        results = {name: torch.as_tensor(way()).double().numpy() for name, way in ways.items()}
        turns = [{name: seconds(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    print(f"{processor()}, torch {torch.__version__}; {load()}\n")
    print("| W11 | ms | GFLOP/s | error | largest error | torch, bf16 / this |\n| --- | --: | --: | --: | --: | --: |")
    for name, result in results.items():
        median = float(np.median([turn[name] for turn in turns]))
        ratio = float(np.median([turn["torch, bf16"] / turn[name] for turn in turns]))
        off = result - exact
        errors = np.linalg.norm(off) / np.linalg.norm(exact), np.abs(off).max() / np.abs(exact).max()
        cells = f"{median * 1e3:.2f}", f"{workload.flops / median / 1e9:.0f}", *(f"{e:.1e}" for e in errors)
        print(f"| {name} | {' | '.join(cells)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
