"""A gradient is multiplied by the activation's slope in every layer, and the sigmoid's is 1/4 at most.

Through ten sigmoid layers it all but vanishes, so the first layers do not learn; ReLU's slope of 1 lets it pass.
"""

import numpy as np
from picture import BLUE, ORANGE, label, panels, save

import symnet as sn

DEPTH, WIDTH = 10, 32
rng = np.random.default_rng(0)
x_data = rng.normal(size=(128, 2))
y_data = (x_data[:, 0] * x_data[:, 1] > 0).astype(float)  # XOR, with real numbers


def build(activation, gain):
    """A deep network, its weights drawn with variance gain / inputs; the loss, and the layers' weights."""
    x = sn.Variable("x", shape=x_data.shape, dtype="float64")
    y = sn.Variable("y", shape=y_data.shape, dtype="float64")
    sizes = [2] + [WIDTH] * DEPTH + [1]
    h, layers = x, [sn.nn.Linear(sizes[k], sizes[k + 1], dtype="float64") for k in range(DEPTH + 1)]
    for k, layer in enumerate(layers):
        layer.weight.value = rng.normal(0, np.sqrt(gain / sizes[k]), layer.weight.shape)
        layer.bias.value = np.zeros(layer.bias.shape)
        h = layer(activation(h) if k else h)
    return sn.nn.binary_cross_entropy_with_logits(h[:, 0], y), layers


def study(name, activation, gain):
    """The norm of every layer's gradient before training, and the loss while training."""
    loss, layers = build(activation, gain)
    weights = [layer.weight for layer in layers]
    norms = sn.compile([sn.sqrt((g * g).sum()) for g in sn.grad(loss, weights)])(x_data, y_data)
    everything = [p for layer in layers for p in layer.parameters()]
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.01)(loss, everything))
    losses = [float(step(x_data, y_data)) for _ in range(400)]
    print(f"{name:8} gradient norms from the first layer to the last:", " ".join(f"{n:.0e}" for n in norms))
    print(f"{'':8} last / first {norms[-1] / norms[0]:.1e}; loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    return np.array(norms), losses


sigmoid_norms, sigmoid_losses = study("sigmoid", sn.sigmoid, 1.0)
relu_norms, relu_losses = study("ReLU", sn.relu, 2.0)
print(f"the slopes alone allow at most 0.25^{DEPTH} = {0.25**DEPTH:.1e}")
assert sigmoid_norms[0] < 1e-4 * sigmoid_norms[-1] and relu_norms[0] > 0.05 * relu_norms[-1]
assert sigmoid_losses[-1] > 0.68 and relu_losses[-1] < 0.3

figure, (left, right) = panels(2, width=4.4)
for norms, losses, color, name in (
    (sigmoid_norms, sigmoid_losses, BLUE, "sigmoid"),
    (relu_norms, relu_losses, ORANGE, "ReLU"),
):
    left.semilogy(range(1, DEPTH + 2), norms, "o-", color=color, label=name)
    right.plot(losses, color=color, label=name)
label(left, "Before training", "layer", "norm of the gradient")
label(right, "Training, the same rate", "step", "logloss")
right.set_ylim(bottom=0)
save(figure)
