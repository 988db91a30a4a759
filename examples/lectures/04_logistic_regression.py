"""The sigmoid turns a line into a probability, and logloss asks that probability to be honest.

Right and sure costs nothing, wrong and sure costs without bound; the loss is convex, so descent finds the best line.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save
from sklearn.datasets import load_breast_cancer

import symnet as sn

cancer = load_breast_cancer()
radius = cancer.data[:, 0]
malignant = (cancer.target == 0).astype(float)
mean, deviation = radius.mean(), radius.std()
scaled = (radius - mean) / deviation

x = sn.Variable("x", shape=("n",), dtype="float64")
y = sn.Variable("y", shape=("n",), dtype="float64")
w, b = sn.Parameter(0.0, name="w"), sn.Parameter(0.0, name="b")
probability = sn.sigmoid(w * x + b)
loss = sn.logloss(probability, y)
step = sn.compile([loss, *sn.grad(loss, [w, b])], updates=sn.optim.SGD(lr=2.0)(loss, [w, b]))
predict = sn.compile(probability)

first, *_ = step(scaled, malignant)
for _ in range(1_000):
    last, dw, db = step(scaled, malignant)
accuracy = ((predict(scaled) > 0.5) == malignant).mean()
border = mean - deviation * b.value / w.value
print(f"logloss at the start {first:.4f} = ln 2, at the end {last:.4f}; slope there {abs(dw) + abs(db):.0e}")
print(f"accuracy {accuracy:.3f} from one number; even odds at a radius of {border:.2f}")

# One tumour at a time: what the loss charges for the probability given to a malignant one.
p = sn.Variable("p", shape=("n",), dtype="float64")
charge = sn.compile([-sn.log(p), -sn.log(1 - p)])
for guess, cost in zip((0.99, 0.5, 0.01), charge(np.array([0.99, 0.5, 0.01]))[0], strict=True):
    print(f"p = {guess:4}: cost {cost:.2f}")
assert np.isclose(first, np.log(2)) and max(abs(dw), abs(db)) < 1e-6 and accuracy > 0.87

figure, (left, right) = panels(2, width=4.6)
ticks = np.linspace(radius.min(), radius.max(), 300)
jitter = np.random.default_rng(0).uniform(-0.03, 0.03, len(radius))
left.scatter(radius, malignant + jitter, s=6, color=GREY, label="569 tumours (1: malignant)")
left.plot(ticks, predict((ticks - mean) / deviation), color=BLUE, label="probability")
left.axvline(border, color=ORANGE, linestyle="--", label=f"even odds: {border:.1f}")
label(left, "A line through a sigmoid", "mean radius", "probability of malignant", legend=False)
left.legend(fontsize="small", loc="center right")
ticks = np.linspace(0.005, 0.995, 300)
for cost, color, name in zip(charge(ticks), (BLUE, ORANGE), ("malignant: -ln p", "benign: -ln(1 - p)"), strict=True):
    right.plot(ticks, cost, color=color, label=name)
label(right, "Logloss of one tumour", "probability p given to malignant", "cost (nats)")
save(figure)
