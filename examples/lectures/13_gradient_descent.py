"""Descent on w1² + 5 w2² from (-1, 0.25): a small step is slow, a good one fast, a large one climbs out of the valley.

A step multiplies w1 by 1 - 2 rate and w2 by 1 - 10 rate, so the steep direction sets the limit: the rate must be < 0.2.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn


def descend(rate, steps=20):
    """The places visited and the losses there."""
    w1, w2 = sn.Parameter(-1.0, name="w1"), sn.Parameter(0.25, name="w2")
    loss = w1**2 + 5 * w2**2
    step = sn.compile(loss, updates=sn.optim.SGD(lr=rate)(loss, [w1, w2]))
    places, losses = [], []
    for _ in range(steps + 1):
        places.append((float(w1.value), float(w2.value)))
        losses.append(float(step()))  # the loss at the place before the step
    return np.array(places), losses


RATES = {0.01: GREEN, 0.15: BLUE, 0.21: ORANGE}
found = {rate: descend(rate) for rate in RATES}
for rate, (places, losses) in found.items():
    print(f"rate {rate:4}: loss {losses[0]:.4f} -> {losses[1]:.4f} -> ... -> {losses[-1]:.4f} after 20 steps")
    by_hand = np.array([[-((1 - 2 * rate) ** k), 0.25 * (1 - 10 * rate) ** k] for k in range(21)])
    assert np.allclose(places, by_hand) and np.isclose(losses[0], 1.3125)
assert found[0.15][1][-1] < 1e-3 < found[0.01][1][-1] < losses[0] < losses[-1]

figure, axes = panels(4, width=3.2, height=3.3)
w1, w2 = np.meshgrid(np.linspace(-1.3, 1.3, 200), np.linspace(-1.3, 1.3, 200))
for plot, (rate, color) in zip(axes, RATES.items(), strict=False):
    places, losses = found[rate]
    plot.contour(w1, w2, w1**2 + 5 * w2**2, levels=np.geomspace(0.02, 9, 10), colors=GREY, linewidths=0.6)
    plot.plot(*places.T, "o-", color=color, markersize=4)
    plot.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    label(plot, f"rate {rate}", "w1", "w2")
    axes[3].semilogy(losses, color=color, label=f"rate {rate}")
label(axes[3], "Loss", "step", "w1² + 5 w2²")
save(figure)
