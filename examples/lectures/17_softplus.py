"""Softplus, ln(1 + e^x), is close to a sum of sigmoids with one weight, each half a step further: x - 1/2, x - 3/2, ...

So one softplus neuron acts as many on-off neurons that share their weights, and its slope is a sigmoid again.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

COPIES = 12
x = sn.Variable("x", shape=("n",), dtype="float64")
shifts = np.arange(COPIES) + 0.5
steps = sn.sigmoid(sn.expand_dims(x, 1) - shifts)  # a row for each x, a column for each sigmoid
total = sn.sum(steps, axis=1)
soft = sn.softplus(x)
both = sn.compile([total, soft, steps, sn.grad(soft.sum(), x)])

ticks = np.linspace(-5, 8, 400)
sums, exact, parts, slope = both(ticks)
inside = ticks < COPIES / 2
gap = np.abs(sums - exact)[inside].max()
print(f"{COPIES} sigmoids against softplus, up to x = {COPIES / 2:g}: largest difference {gap:.4f}")
for place in (0.0, 2.0, 5.0):
    a, b, *_ = both(np.array([place]))
    print(f"x = {place:g}: sum {a[0]:.4f}, softplus {b[0]:.4f}, ReLU {max(place, 0):g}")
assert gap < 0.02 and np.allclose(slope, 1 / (1 + np.exp(-ticks)))
print("the derivative of softplus, found symbolically, is the sigmoid")

figure, (left, right) = panels(2, width=4.4)
left.plot(ticks, parts, color=GREY, linewidth=0.8)
left.plot([], [], color=GREY, label="sigmoid(x - 1/2), (x - 3/2), ...")
left.plot(ticks, slope, color=BLUE, label="derivative of softplus")
label(left, "Twelve shifted sigmoids", "x", "value", legend=False)
left.set_ylim(top=1.3)
left.legend(fontsize="small", loc="upper left")
right.plot(ticks, exact, color=BLUE, linewidth=5, alpha=0.4, label="softplus")
right.plot(ticks, sums, color=ORANGE, label="sum of the sigmoids")
right.plot(ticks, np.maximum(ticks, 0), color=GREY, linestyle=":", label="ReLU")
label(right, "Their sum", "x", "value")
save(figure)
