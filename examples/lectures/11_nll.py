"""The negative log-likelihood looks at one number of each sample: the probability given to the right class.

Sure and right costs little, one bad guess (0.03) costs more than all the others; the mean is what training minimises.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

CLASSES = ["cat", "dog", "bird"]
PROBABILITIES = np.array([[0.90, 0.06, 0.04], [0.15, 0.80, 0.05], [0.03, 0.95, 0.02], [0.10, 0.20, 0.70]])
LABELS = np.array([0, 1, 0, 2])

p = sn.Variable("p", shape=("n", 3), dtype="float64")
y = sn.Variable("y", shape=("n",), dtype="int64")
picked = sn.sum(p * sn.one_hot(y, 3, "float64"), axis=1)
costs = -sn.log(picked)
table = sn.compile([picked, costs, sn.nn.nll_loss(sn.log(p), y)])
right, cost, mean = table(PROBABILITIES, LABELS)

print(f"{'sample':6} {'is a':5} {'cat':>5} {'dog':>5} {'bird':>5} {'p(right)':>9} {'-ln p':>7}")
for k, (row, answer) in enumerate(zip(PROBABILITIES, LABELS, strict=True)):
    print(f"{k + 1:<6} {CLASSES[answer]:5} " + " ".join(f"{v:5.2f}" for v in row), f"{right[k]:9.2f} {cost[k]:7.3f}")
print(f"likelihood {right.prod():.5f}, sum of costs {cost.sum():.3f}, mean (NLL) {mean:.3f}")
assert np.allclose(right, [0.90, 0.80, 0.03, 0.70]) and np.allclose(cost, [0.105, 0.223, 3.507, 0.357], atol=5e-4)
assert np.isclose(mean, cost.mean()) and np.isclose(right.prod(), np.exp(-cost.sum()))

ticks = np.linspace(0.01, 1, 300)
figure, axes = panels(width=5.6, height=3.8)
axes.plot(ticks, -np.log(ticks), color=GREY)
axes.scatter(right, cost, color=[ORANGE if c > 1 else BLUE for c in cost], zorder=2)
for chance, charged in zip(right, cost, strict=True):
    axes.annotate(f"{charged:.2f}", (chance, charged), (4, 5), textcoords="offset points")
axes.axhline(mean, color=BLUE, linestyle="--", label=f"mean of the four: {mean:.2f}")
axes.set_xlim(0, 1.12)
label(axes, "-ln p, and the four samples", "probability p given to the right class", "cost (nats)")
save(figure)
