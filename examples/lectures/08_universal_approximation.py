"""One hidden layer, if it is wide enough, comes as close as one likes to any continuous function.

A sum of a few tanh steps is coarse; more of them follow the curve, and the error falls with the width.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

x_data = np.linspace(-3, 3, 200)[:, None]
y_data = np.sin(3 * x_data) + 0.5 * np.abs(x_data)


def fit(width, steps=6_000):
    """The curve of a trained network with one hidden layer, and its mean squared error."""
    x = sn.Variable("x", shape=("n", 1), dtype="float64")
    y = sn.Variable("y", shape=("n", 1), dtype="float64")
    rng = np.random.default_rng(0)
    hidden = sn.nn.Linear(1, width, dtype="float64")
    # Steps of some steepness, spread over the interval.
    hidden.weight.value = rng.choice([-3.0, 3.0], (1, width))
    hidden.bias.value = hidden.weight.value[0] * np.linspace(-2.5, 2.5, width)
    net = sn.nn.Sequential(hidden, sn.nn.Tanh(), sn.nn.Linear(width, 1, dtype="float64", rng=1))
    loss = sn.mse(net(x), y)
    rate = sn.optim.CosineAnnealingLR(0.02, steps)
    step = sn.compile(loss, updates=sn.optim.Adam(lr=rate)(loss, net.parameters()))
    for _ in range(steps):
        error = step(x_data, y_data)
    print(f"{width:3} hidden neurons: mean squared error {error:.6f}")
    return sn.compile(net(x))(x_data), float(error)


widths = [3, 6, 20]
fits = [fit(width) for width in widths]
errors = [error for _, error in fits]
assert errors[0] > 5 * errors[1] and errors[1] > 1_000 * errors[2]

figure, axes = panels(width=6.4, height=4.2)
axes.plot(x_data, y_data, color=GREY, linewidth=6, alpha=0.5, label="sin 3x + |x| / 2")
for (curve, error), width, color in zip(fits, widths, (ORANGE, GREEN, BLUE), strict=True):
    axes.plot(x_data, curve, color=color, label=f"{width} neurons, error {error:.1g}")
axes.set_ylim(-1.1, 4)
label(axes, "One hidden layer of tanh", "x", "output")
axes.legend(ncols=2, fontsize="small", loc="upper center")
save(figure)
