"""A perceptron draws one line and moves it at every mistake; for AND it comes to rest, for XOR it never does.

XOR asks b <= 0, w1 + b > 0, w2 + b > 0 and w1 + w2 + b <= 0, but the middle two add up to w1 + w2 + b > -b >= 0;
two neurons before the last one solve it.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

POINTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
AND, XOR = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])


def train(targets, epochs=100):
    """The perceptron rule: weights += (target - answer) * input. Returns the function and its last mistakes."""
    x, t = sn.Variable("x", shape=(2,), dtype="float64"), sn.Variable("t", shape=(), dtype="float64")
    w, b = sn.Parameter(np.zeros(2), name="w"), sn.Parameter(0.0, name="b")
    mistake = t - sn.heaviside(x @ w + b, 0.0)
    step = sn.compile(mistake, updates={w: w + mistake * x, b: b + mistake})
    mistakes = [sum(bool(step(*pair)) for pair in zip(POINTS, targets, strict=True)) for _ in range(epochs)]
    print(f"mistakes by epoch {mistakes[:8]}, in the last {mistakes[-1]}: w = {w.value + 0.0}, b = {b.value:g}")
    return lambda x: np.heaviside(x @ w.value + b.value, 0), mistakes[-1]


def two_layers(x):
    """XOR is OR and not AND: two neurons and one that joins them."""
    either_both = np.heaviside(x @ np.ones((2, 2)) - np.array([0.5, 1.5]), 0)
    return np.heaviside(either_both @ np.array([1.0, -1.0]) - 0.5, 0)


def draw(axes, function, targets, title):
    """The side that says 1, in grey, and the four points."""
    ticks = np.linspace(-0.5, 1.5, 201)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    axes.contourf(ticks, ticks, function(grid), levels=[0.5, 1.5], colors=[GREY], alpha=0.35)
    for value, color, mark in ((0, ORANGE, "o"), (1, BLUE, "s")):
        axes.scatter(*POINTS[targets == value].T, s=90, c=color, marker=mark, label=f"should be {value}", zorder=2)
    axes.set(aspect="equal", xticks=[0, 1], yticks=[0, 1])
    label(axes, title, "x1", "x2", legend=False)


print("AND:", end=" ")
line_and, wrong_and = train(AND)
print("XOR:", end=" ")
line_xor, wrong_xor = train(XOR)
print("XOR with two layers:", two_layers(POINTS))
assert wrong_and == 0 and wrong_xor > 0 and (two_layers(POINTS) == XOR).all()

figure, axes = panels(3, width=3.4, height=4.2)
draw(axes[0], line_and, AND, "AND: one line does it")
draw(axes[1], line_xor, XOR, "XOR: no line does it")
draw(axes[2], two_layers, XOR, "XOR: two layers do it")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
save(figure)
