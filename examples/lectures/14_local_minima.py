"""Descent stops at the first place where the slope is zero, and that need not be the lowest one.

A small step rests in the narrow hollow next to the start, a larger one cannot, and finds the wide valley beyond;
one that is too large for the valley too never comes to rest.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

START = (2.1, 1.7)


def surface(w1, w2):
    """A narrow hollow at (1.5, 1), a wide and deep valley near (-1, -0.5). Of numbers, arrays or symbols."""
    hollow = 0.5 * np.exp(-((w1 - 1.5) ** 2 + (w2 - 1) ** 2) / 0.3)
    valley = 1.2 * np.exp(-((w1 + 1) ** 2 + (w2 + 0.5) ** 2) / 3)
    return 1 - hollow - valley + 0.03 * (w1**2 + w2**2)


def descend(rate, steps=200):
    """The places visited, and the slope's length at the last."""
    w1, w2 = (sn.Parameter(start, name=f"w{k}") for k, start in enumerate(START, 1))
    loss = surface(w1, w2)
    slope = sn.sqrt(sum(g * g for g in sn.grad(loss, [w1, w2])))
    step = sn.compile([w1, w2, loss, slope], updates=sn.optim.SGD(lr=rate)(loss, [w1, w2]))
    return np.array([step() for _ in range(steps)])


RATES = {0.1: GREEN, 1.5: BLUE, 3.0: ORANGE}
found = {rate: descend(rate) for rate in RATES}
for rate, places in found.items():
    w1, w2, loss, slope = places[-1]
    state = "at rest" if slope < 1e-6 else "still moving"
    print(f"rate {rate}: after 200 steps at ({w1:.2f}, {w2:.2f}), loss {loss:.3f}, {state}")
small, middle, large = (places[-1] for places in found.values())
assert small[3] < 1e-6 and middle[3] < 1e-6 and large[3] > 1e-3 and middle[2] < small[2] - 0.3

figure, axes = panels(3, width=3.6, height=3.5)
w1, w2 = np.meshgrid(np.linspace(-3, 3, 250), np.linspace(-3, 3, 250))
for plot, (rate, places) in zip(axes, found.items(), strict=True):
    plot.contour(w1, w2, surface(w1, w2), levels=25, colors=GREY, linewidths=0.5)
    plot.plot(*places[:, :2].T, ".-", color=RATES[rate], linewidth=0.8, markersize=4)
    plot.plot(*START, "ko", label="start")
    plot.plot(*places[-1, :2], "k*", markersize=10, label="after 200 steps")
    plot.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    label(plot, f"rate {rate}: loss {places[-1, 2]:.2f}", "w1", "w2", legend=False)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
save(figure)
