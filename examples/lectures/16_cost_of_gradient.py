"""The derivatives by all weights at once cost about two more passes; finite differences cost a pass for every weight.

A 10-512-256-1 network has 137,217 weights, so the chain rule, run backwards, wins by tens of thousands.
"""

from itertools import pairwise
from timeit import repeat

import numpy as np
from picture import BLUE, GREEN, ORANGE, label, panels, save

import symnet as sn

x = sn.Variable("x", shape=("batch", 10), dtype="float32")
y = sn.Variable("y", shape=("batch", 1), dtype="float32")
sizes = [10, 512, 256, 1]
layers = [sn.nn.Linear(m, n, rng=m) for m, n in pairwise(sizes)]
net = sn.nn.Sequential(layers[0], sn.nn.ReLU(), layers[1], sn.nn.ReLU(), layers[2])
loss = sn.mse(net(x), y)
weights = net.parameters()
forward = sn.compile(loss)
both = sn.compile([loss, *sn.grad(loss, weights)])

rng = np.random.default_rng(0)
data = rng.normal(size=(32, 10)).astype("float32"), rng.normal(size=(32, 1)).astype("float32")
count = sum(w.value.size for w in weights)
times = [[], []]
for _ in range(60):  # in turns, so that what else the machine does meets both
    for found, function in zip(times, (forward, both), strict=True):
        found.append(min(repeat(lambda f=function: f(*data), number=1, repeat=3)))
one, all_at_once = min(times[0]), min(times[1])
backward = (all_at_once - one) / one
differences = count + 1  # passes: one for every weight, and one to compare with
print(f"weights: {count:,}")
print(f"all derivatives, backward: {backward:.1f} times the forward pass, with it {backward + 1:.1f}")
print(f"finite differences: {differences:,} times, {differences / (backward + 1):,.0f} times as much")
assert count == 137_217 and backward <= 2.5 and differences >= 10_000

# Both find the same derivative; here of the weights that matter most in the last layer.
last = weights[-2]
slope, held = both(*data)[-2], last.value.copy()
for k in np.argsort(-np.abs(slope[:, 0]))[:5]:
    sides = []
    for change in (0.01, -0.01):
        last.value = held + change * (np.arange(len(held)) == k)[:, None]
        sides.append(float(forward(*data)))
    estimate = (sides[0] - sides[1]) / 0.02
    print(f"weight {k:3} of the last layer: backward {slope[k, 0]:.5f}, by differences {estimate:.5f}")
    assert np.isclose(slope[k, 0], estimate, rtol=1e-2)
last.value = held

figure, axes = panels(width=6.2, height=2.8)
names = ["forward pass", "forward and backward", "finite differences"]
bars = axes.barh(names, [1, backward + 1, differences], color=[GREEN, BLUE, ORANGE])
axes.bar_label(bars, ["1", f"{backward + 1:.1f}", f"{differences:,}"], padding=4)
axes.set(xscale="log", xlim=(0.5, 2e6))
axes.invert_yaxis()
label(axes, "All 137,217 derivatives", "cost in forward passes")
save(figure)
