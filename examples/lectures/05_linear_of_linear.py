"""Layers without an activation between them are one layer: (x A + a) B + b = x (A B) + (a B + b).

The optimiser sees it and keeps a single product, as the graph's text shows; a ReLU between them stops it.
"""

from itertools import pairwise
from timeit import repeat

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

rng = np.random.default_rng(1)
SIZES = [1, 200, 200, 1]
WEIGHTS = [rng.normal(0, (2 / m) ** 0.5, (m, n)) for m, n in pairwise(SIZES)]
BIASES = [rng.normal(0, 0.7, n) for n in SIZES[1:]]


def network(activation, pipeline=None):
    """Three layers with fixed numbers: what is to be trained cannot be folded."""
    x = sn.Variable("x", shape=("batch", 1), dtype="float64")
    h = x
    for k, (weight, bias) in enumerate(zip(WEIGHTS, BIASES, strict=True)):
        h = h @ sn.Constant(weight) + sn.Constant(bias)
        h = activation(h) if k < 2 else h
    return sn.compile(h, pipeline=pipeline)


def products(f):
    """How many products of matrices the optimised graph has."""
    return sum(node.op.name in ("linear", "matmul") for node in f.graph.live())


as_written = network(lambda h: h, pipeline=[])
collapsed = network(lambda h: h)
bent = network(sn.relu)
for name, f in (("as written", as_written), ("optimised", collapsed), ("with ReLU, optimised", bent)):
    print(f"{name}: {products(f)} products\n{f.graph}\n")

data = np.linspace(-3, 3, 601)[:, None]
difference = np.abs(as_written(data) - collapsed(data)).max()
times = [min(repeat(lambda f=f: f(data), number=1, repeat=30)) for f in (as_written, collapsed, bent)]
print(f"largest difference {difference:.1e}; {times[0] / times[1]:.0f} times faster")
assert difference < 1e-10 and [products(f) for f in (as_written, collapsed, bent)] == [3, 1, 3]

figure, (left, right) = panels(2, width=4.4)
left.plot(data, collapsed(data), color=BLUE, label="no activation")
left.plot(data, bent(data), color=ORANGE, label="ReLU between layers")
label(left, "Three layers", "x", "output")
bars = right.bar(["as written", "optimised", "with ReLU"], [t * 1e6 for t in times], color=[GREY, BLUE, ORANGE])
right.bar_label(bars, fmt="%.3g", padding=2)
right.set(yscale="log", ylim=(0.1, 3e3))
label(right, "Time of a call with 601 rows", "", "microseconds")
save(figure)
