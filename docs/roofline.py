"""Measures what `performance.md` tells, and draws `roofline.svg`: ``python docs/roofline.py``.

Peaks are measured by symnet programs too: arithmetic by a product of matrices, bandwidth by the sum of
arrays of several sizes. Every number is a median over turns of all programs, in one run, with one thread.
"""

from __future__ import annotations

import datetime
import itertools
import math
import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import symnet as sn
from symnet.bench.compare import load, median, microseconds, processor
from symnet.bench.peers.with_symnet import build
from symnet.bench.worker import as_arrays, measure
from symnet.bench.workloads import LEARNING_RATE, ROWS

Timed = Callable[[], Any]
PEAK = "product 512 x 512 x 512"
BANDWIDTHS = {"L2": 512, "L3": 8192, "memory": 131072}  # KiB that are read
POINTS = [name for name in ROWS if name not in ("W1", "W2", "W3-1e3", "W3-1e6")]
DRAWN = ["W4-b1", "W4-b32", "W5-b128", "W5-digits", "W7-train", "W8-train", "W10-ln", "W11"]
EXPLAINED = ["W10-xe", "W10-xeg", "W5-b128"]
rng = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def program(formula: Callable[..., Any], *arrays: np.ndarray) -> Timed:
    """A compiled formula with its arguments."""
    inputs = [sn.Variable(f"x{k}", a.shape, str(a.dtype)) for k, a in enumerate(arrays)]
    return partial(sn.compile(formula(*inputs), inputs), *arrays)


def product(m: int, k: int, n: int, left: bool = False, right: bool = False) -> Timed:
    """(m, k) @ (k, n), where the left or right factor lies transposed."""
    a, b = floats(*((k, m) if left else (m, k))), floats(*((n, k) if right else (k, n)))
    return program(lambda a, b: (a.T if left else a) @ (b.T if right else b), a, b)


def update(*shapes: tuple[int, ...]) -> Timed:
    """``w -= rate * g`` for each."""
    w = [sn.Parameter(floats(*shape), name=f"w{k}") for k, shape in enumerate(shapes)]
    g = [sn.Variable(f"g{k}", shape, "float32") for k, shape in enumerate(shapes)]
    rule = {weight: weight - LEARNING_RATE * gradient for weight, gradient in zip(w, g, strict=True)}
    return partial(sn.compile(None, g, updates=rule), *(floats(*shape) for shape in shapes))


def row(name: str) -> tuple[Timed, float, float]:
    """A row, its flops, and the bytes it must read and write at least: inputs, weights and outputs, once each."""
    workload = ROWS[name]()
    built = build(workload)
    call = partial(built.call, *workload.batches[0])
    weights = sum(v.nbytes for v in workload.parameters.values())
    times = {"": 1, "sgd": 2, "adam": 6}[workload.optimizer]
    read = sum(a.nbytes for a in workload.batches[0]) + sum(a.nbytes for a in as_arrays(call()))
    return call, workload.flops, read + times * weights


def mlp_parts() -> dict[str, tuple[Timed, float]]:
    """The parts of the training step of 784-256-128-10 at batch 128, each a program of its own, and their flops."""
    sizes = (784, 256, 128, 10)
    parts: dict[str, tuple[Timed, float]] = {}
    for before, after in itertools.pairwise(sizes):
        parts[f"x @ w, (128, {before}) @ ({before}, {after})"] = (
            product(128, before, after),
            2.0 * 128 * before * after,
        )
    for before, after in itertools.pairwise(sizes):
        name = f"weights' gradient, ({before}, 128) @ (128, {after})"
        parts[name] = (product(before, 128, after, left=True), 2.0 * 128 * before * after)
    for before, after in itertools.pairwise(sizes[1:]):
        name = f"inputs' gradient, (128, {after}) @ ({after}, {before})"
        parts[name] = (product(128, after, before, right=True), 2.0 * 128 * before * after)
    relu = program(lambda z, b: sn.relu(z + b), floats(128, 256), floats(256))
    parts["bias and relu of (128, 256)"] = (relu, 0)
    parts["cross entropy of (128, 10) and its gradient"] = (cross_entropy(128, 10, True), 0)
    shapes = [(a, b) for a, b in itertools.pairwise(sizes)]
    parts["update of 235,000 weights"] = (update(*shapes), 0)
    return parts


def cross_entropy(rows: int, classes: int, with_gradient: bool) -> Timed:
    z, y = sn.Variable("z", (rows, classes), "float32"), sn.Variable("y", (rows,), "int64")
    loss = sn.nn.cross_entropy(z, y)
    outputs = [loss, sn.grad(loss, [z])[0]] if with_gradient else loss
    return partial(sn.compile(outputs, [z, y]), 3 * floats(rows, classes), rng.integers(0, classes, rows))


def softmax_parts() -> dict[str, tuple[Timed, float]]:
    """The parts of softmax cross entropy of (256, 1000)."""
    z, count = 3 * floats(256, 1000), 256e3
    return {
        "largest of each row": (program(lambda z: sn.max(z, axis=-1), z), count),
        "largest, and sum of exponentials": (program(lambda z: sn.logsumexp(z, axis=-1), z), 25 * count),
        "softmax": (program(lambda z: sn.softmax(z, axis=-1), z), 26 * count),
        "read and write: z * 2": (program(lambda z: z * 2, z), count),
    }


def in_turns(calls: dict[str, Timed], rounds: int = 7, seconds: float = 0.06) -> dict[str, float]:
    """The median seconds of each call."""
    blocks: dict[str, list[Any]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            blocks[name] += measure(call, [()], seconds)
    return {name: median(found) for name, found in blocks.items()}


def svg(points: dict[str, tuple[float, float]], peak: float, bandwidths: dict[str, float]) -> str:
    """Flops per byte to the right, GFLOP/s upwards, both logarithmic."""
    left, top, width, height = 64, 24, 620, 330
    x0, x1, y0, y1 = math.log10(0.25), math.log10(512), math.log10(8), math.log10(512)

    def at(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - x0) / (x1 - x0)
        return left + width * right, top + height * (1 - (math.log10(y) - y0) / (y1 - y0))

    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="410" viewBox="0 0 720 410" role="img" '
        'aria-label="Roofline: GFLOP/s of the rows over flops per byte">',
        "<style>text{font:11px ui-sans-serif,system-ui,Helvetica,Arial,sans-serif;fill:#4a5160}"
        ".m{text-anchor:middle}.e{text-anchor:end}.b{font-weight:600;fill:#1b1f27}</style>",
        '<rect width="720" height="410" fill="#fbfaf7"/>',
    ]
    for value in (0.25, 1, 4, 16, 64, 256):
        x, y = at(value, 8)
        out.append(f'<path d="M{x:.0f},{y:.0f}V{top}" stroke="#e6e3da"/>')
        out.append(f'<text class="m" x="{x:.0f}" y="{y + 16:.0f}">{value:g}</text>')
    for value in (8, 16, 32, 64, 128, 256, 512):
        x, y = at(0.25, value)
        out.append(f'<path d="M{x:.0f},{y:.0f}h{width}" stroke="#e6e3da"/>')
        out.append(f'<text class="e" x="{x - 6:.0f}" y="{y + 4:.0f}">{value:g}</text>')
    out.append(f'<text class="m" x="{left + width / 2:.0f}" y="396">flops per byte that must be moved at least</text>')
    out.append('<text x="8" y="16">GFLOP/s, one core</text>')
    (x, y), (end, _) = at(peak / max(bandwidths.values()), peak), at(512, peak)
    out.append(f'<path d="M{x:.1f},{y:.1f}H{end:.1f}" stroke="#1f8a4c" stroke-width="1.6"/>')
    out.append(f'<text class="e" x="{end:.0f}" y="{y - 6:.0f}">largest product: {peak:.0f} GFLOP/s</text>')
    for name, rate in bandwidths.items():
        start = max(0.25, 8 / rate)
        (x, y), (end, top_y) = at(start, start * rate), at(peak / rate, peak)
        out.append(f'<path d="M{x:.1f},{y:.1f}L{end:.1f},{top_y:.1f}" stroke="#7c4dbd" stroke-width="1.3"/>')
        label = f"{name} {rate:.0f} GB/s"
        turn = math.degrees(math.atan2(top_y - y, end - x))
        near, far = at(max(0.27, start * 1.06), max(0.27, start * 1.06) * rate)
        out.append(f'<text y="13" transform="translate({near:.0f},{far:.0f}) rotate({turn:.0f})">{label}</text>')
    for name, (intensity, rate) in points.items():
        x, y = at(intensity, rate)
        color, place = "#2f6db5", f'x="{x + 7:.1f}" y="{y + 4:.1f}"'
        if name in EXPLAINED:
            color, place = "#b83253", f'class="m b" x="{x:.1f}" y="{y + 18:.1f}"'
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
        out.append(f"<text {place}>{name}</text>")
    return "\n".join([*out, "</svg>", ""])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def rate(flops: float, seconds: float) -> str:
    return f"{flops / seconds / 1e9:.0f}" if flops else "–"


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    before = load()
    rows = {name: row(name) for name in POINTS}
    steps, sweeps = mlp_parts(), softmax_parts()
    sums = {name: program(sn.sum, floats(kib * 256)) for name, kib in BANDWIDTHS.items()}
    exp = program(sn.exp, floats(4096))
    parts = {name: call for name, (call, _) in {**steps, **sweeps}.items()}
    calls = {PEAK: product(512, 512, 512), "exp": exp, **sums, **parts}
    times = in_turns({**calls, **{name: call for name, (call, _, _) in rows.items()}})

    peak = 2 * 512**3 / times[PEAK] / 1e9
    bandwidths = {name: 4 * kib * 256 / times[name] / 1e9 for name, kib in BANDWIDTHS.items()}
    points = {name: (flops / moved, flops / times[name] / 1e9) for name, (_, flops, moved) in rows.items()}
    drawn = {name: points[name] for name in POINTS if name in DRAWN + EXPLAINED}
    Path(__file__).with_name("roofline.svg").write_text(svg(drawn, peak, bandwidths))

    print(
        f"{datetime.date.today()}, {processor()}, Python {platform.python_version()}, numpy {np.__version__}, ", end=""
    )
    print(f"symnet {sn.__version__}, one thread, load average {before} before and {load()} after.\n")
    found = ", ".join(f"{name} {value:.0f}" for name, value in bandwidths.items())
    print(f"{PEAK}: {peak:.0f} GFLOP/s; sums, GB/s read: {found}; ")
    print(f"exp: {times['exp'] / 4096 * 1e12:.0f} ps an element, 22 flops each\n")
    body = [
        [name, microseconds(times[name]), f"{x:.1f}", f"{y:.0f}", f"{y / peak:.0%}"] for name, (x, y) in points.items()
    ]
    print(table(["row", "µs", "flops per byte", "GFLOP/s", "of the peak"], body))
    for whole, pieces in (("W5-b128", steps), ("W10-xeg", sweeps)):
        body = [[name, microseconds(times[name]), rate(flops, times[name])] for name, (_, flops) in pieces.items()]
        if whole == "W5-b128":
            total = sum(times[name] for name in pieces)
            body.append(["sum of the parts", microseconds(total), rate(sum(f for _, f in pieces.values()), total)])
        else:
            body.append(["W10-xe, the loss", microseconds(times["W10-xe"]), rate(rows["W10-xe"][1], times["W10-xe"])])
        body.append([f"{whole}, the whole", microseconds(times[whole]), rate(rows[whole][1], times[whole])])
        print(table(["part, as a program of its own", "µs", "GFLOP/s"], body))


if __name__ == "__main__":
    main()
