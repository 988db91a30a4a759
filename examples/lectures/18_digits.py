"""All pieces together: layers, softmax, cross-entropy, mini-batches and Adam read handwritten digits.

What counts is how the network does on digits it was not trained on; the picture shows some, the ones it misses first.
"""

import numpy as np
from matplotlib.figure import Figure
from picture import BLUE, ORANGE, label, save

import symnet as sn

digits = sn.data.digits()
x = sn.Variable("x", shape=("batch", 64), dtype="float32")
y = sn.Variable("y", shape=("batch",), dtype="int64")
net = sn.nn.Sequential(sn.nn.Linear(64, 64, rng=0), sn.nn.ReLU(), sn.nn.Linear(64, 10, rng=1))
logits = net(x)
loss = sn.nn.cross_entropy(logits, y)
step = sn.compile(loss, updates=sn.optim.Adam(lr=0.005)(loss, net.parameters()))
answers = sn.argmax(logits, axis=1)
test = sn.compile([loss, sn.mean(sn.cast(sn.equal(answers, y), "float32"))])
predict = sn.compile([answers, sn.softmax(logits)])

sets = {"training": (digits.x_train, digits.y_train), "test": (digits.x_test, digits.y_test)}
history = {"training": [], "test": []}
rng = np.random.default_rng(0)
for epoch in range(1, 31):
    for xb, yb in sn.data.batches(sets["training"], 32, rng):
        step(xb, yb)
    for name, (images, labels) in sets.items():
        history[name].append([float(v) for v in test(images, labels)])
    if epoch in (1, 5, 30):
        print(f"epoch {epoch:2}: " + ", ".join(f"{n} accuracy {h[-1][1]:.3f}" for n, h in history.items()))

found, chances = predict(digits.x_test)
wrong = np.flatnonzero(found != digits.y_test)
print(f"{len(digits.y_train)} digits to train, {len(found)} to test, {len(wrong)} of these read wrongly")
assert history["test"][-1][1] > 0.95

figure = Figure(figsize=(10, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
axes = left.subplots()
for (name, points), color in zip(history.items(), (BLUE, ORANGE), strict=True):
    axes.semilogy(range(1, 31), [loss for loss, _ in points], color=color, label=name)
label(axes, "Cross-entropy", "epoch", "loss (nats)")
shown = [*wrong[:8], *np.flatnonzero(found == digits.y_test)[:16]]
for plot, k in zip(right.subplots(3, 6).ravel(), shown, strict=False):
    plot.imshow(digits.x_test[k].reshape(8, 8), cmap="gray_r")
    color = "black" if found[k] == digits.y_test[k] else ORANGE
    plot.set_title(f"{found[k]}: {chances[k].max():.0%}", color=color, fontsize="small")
    plot.axis("off")
right.suptitle("Not seen in training: what the network reads, how sure it is")
save(figure)
