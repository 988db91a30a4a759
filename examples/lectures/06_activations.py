"""Each activation and its derivative; the derivatives are not typed in but found on the graph.

The table prints f and f' at three places, and every f' agrees with the formula one derives by hand.
"""

import numpy as np
from picture import BLUE, ORANGE, label, panels, save

import symnet as sn


def sigma(x):
    """The sigmoid in numpy, for the formulas by hand."""
    return 1 / (1 + np.exp(-x))


# name: the activation, and its derivative by hand
TABLE = {
    "sigmoid": (sn.sigmoid, lambda x: sigma(x) * (1 - sigma(x))),
    "tanh": (sn.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "softsign": (sn.softsign, lambda x: 1 / (1 + np.abs(x)) ** 2),
    "step": (sn.heaviside, lambda x: 0 * x),
    "softplus": (sn.softplus, sigma),
    "ReLU": (sn.relu, lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky ReLU": (sn.leaky_relu, lambda x: np.where(x > 0, 1.0, 0.01)),
    "parametric ReLU": (lambda x: sn.prelu(x, 0.25), lambda x: np.where(x > 0, 1.0, 0.25)),
    "ELU": (sn.elu, lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))),
}


def with_derivative(activation):
    """The function and its derivative, compiled together."""
    x = sn.Variable("x", shape=("n",), dtype="float64")
    y = activation(x)
    return sn.compile([y, sn.grad(y.sum(), x)])


ticks = np.linspace(-4, 4, 800)  # an even number: 0, where some have a kink, is not among them
places = np.array([-2.0, -0.5, 2.0])
figure, axes = panels(3, 3, width=3.1, height=2.6)
print(f"{'':16} {'f(-2)':>7} {'f(-.5)':>7} {'f(2)':>7}   {'f´(-2)':>7} {'f´(-.5)':>7} {'f´(2)':>7}")
for plot, (name, (activation, by_hand)) in zip(axes, TABLE.items(), strict=True):
    function = with_derivative(activation)
    values, slopes = function(places)
    print(f"{name:16}" + "".join(f" {v:7.3f}" for v in values) + "  " + "".join(f" {s:7.3f}" for s in slopes))
    values, slopes = function(ticks)
    assert np.allclose(slopes, by_hand(ticks), atol=1e-12), name
    plot.plot(ticks, values, color=BLUE, label="f")
    plot.plot(ticks, slopes, color=ORANGE, linestyle="--", label="f´, found symbolically")
    plot.set_ylim((-1.3, 1.3) if np.abs(values).max() <= 1 else (-1.3, 4.1))
    label(plot, name, legend=False)
print("largest derivative of the sigmoid:", with_derivative(sn.sigmoid)(np.zeros(1))[1][0])
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
save(figure)
