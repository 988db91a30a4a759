"""A step for all the data is exact and dear; one for every 12 samples is rough and cheap, so there are more.

For the same work, seen samples, mini-batches come further; Adam gives every weight a rate of its own.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

rng = np.random.default_rng(0)
x_data = rng.uniform(0, 3, 120)
y_data = 2 * x_data + 1 + rng.normal(0, 0.5, 120)
EPOCHS = 15


def train(optimizer, batch):
    """The weights after every step, and the loss over all data after every epoch."""
    x, y = (sn.Variable(name, shape=("n",), dtype="float64") for name in "xy")
    w, b = (sn.Parameter(-1.0, name=name) for name in "wb")
    loss = sn.mse(w * x + b, y)
    step = sn.compile(None, updates=optimizer(loss, [w, b]))
    measure = sn.compile(loss)
    shuffle, places, losses = np.random.default_rng(1), [(-1.0, -1.0)], [float(measure(x_data, y_data))]
    for _ in range(EPOCHS):
        for xb, yb in sn.data.batches([x_data, y_data], batch, shuffle):
            step(xb, yb)
            places.append((float(w.value), float(b.value)))
        losses.append(float(measure(x_data, y_data)))
    return np.array(places), losses


WAYS = {
    "SGD, all 120 at once": (sn.optim.SGD(lr=0.05), 120, GREEN),
    "SGD, batches of 12": (sn.optim.SGD(lr=0.05), 12, BLUE),
    "Adam, batches of 12": (sn.optim.Adam(lr=0.3), 12, ORANGE),
}
found = {name: train(optimizer, batch) for name, (optimizer, batch, _) in WAYS.items()}
columns = np.column_stack([x_data, np.ones(120)])
best, residue, *_ = np.linalg.lstsq(columns, y_data)
for name, (places, losses) in found.items():
    print(f"{name:20}: {len(places) - 1:3} steps in {EPOCHS} epochs, loss {losses[0]:.2f} -> {losses[-1]:.3f}")
print(f"{'closed form':20}: loss {residue[0] / 120:.3f} at w = {best[0]:.3f}, b = {best[1]:.3f}")
full, mini, adam = (losses[-1] for _, losses in found.values())
assert max(mini, adam) < full and min(mini, adam) < 1.05 * residue[0] / 120

figure, (left, right) = panels(2, width=4.8, height=3.8)
w, b = np.meshgrid(np.linspace(-1.4, 4, 150), np.linspace(-1.4, 2.7, 150))
surface = ((w[..., None] * x_data + b[..., None] - y_data) ** 2).mean(-1)
left.contour(w, b, surface, levels=np.geomspace(0.3, 40, 10), colors=GREY, linewidths=0.6)
for name, (places, losses) in found.items():
    color, width = WAYS[name][2], 4 if name.startswith("SGD, all") else 1
    left.plot(*places.T, ".-", color=color, markersize=3, linewidth=width)
    right.semilogy(losses, color=color, label=name)
left.plot(*best, "k*", markersize=10)
label(left, "The way to the best line (star)", "w", "b")
right.axhline(residue[0] / 120, color=GREY, linestyle=":", label="closed form")
label(right, "Loss for the same work", "epochs", "mean squared error")
save(figure)
