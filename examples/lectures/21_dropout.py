"""A large network learns a few digits by heart, mistakes included: training comes to perfection, the test gets worse.

Dropout holds it back. In training each hidden unit is left out with probability p, the others are scaled by
1 / (1 - p); in use nothing is left out. The curves of training and test then stay together.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

digits = sn.data.digits()
rng = np.random.default_rng(0)
x_few, y_few = digits.x_train[:300], digits.y_train[:300].copy()
wrong = rng.choice(300, 45, replace=False)
y_few[wrong] = (y_few[wrong] + rng.integers(1, 10, 45)) % 10
EPOCHS = 120


def train(p):
    """The measures after every epoch, on the digits trained on and on those for testing."""
    generator = sn.random.Generator(seed=0)
    hidden = [
        (sn.nn.Linear(n, 256, rng=n), sn.nn.ReLU(), *([sn.nn.Dropout(p, generator)] if p else [])) for n in (64, 256)
    ]
    net = sn.nn.Sequential(*hidden[0], *hidden[1], sn.nn.Linear(256, 10, rng=1))
    trainer = sn.train.Trainer(net, sn.nn.cross_entropy, sn.optim.Adam(lr=0.001), metrics=["accuracy"])
    found = {"training": [], "test": []}
    for _ in range(EPOCHS):
        trainer.fit(x_few, y_few, batch_size=30, progress=False)
        found["training"].append(trainer.evaluate(x_few, y_few))
        found["test"].append(trainer.evaluate(digits.x_test, digits.y_test))
    return found


print(f"{len(x_few)} digits to train, {len(wrong)} of them with a wrong label; {len(digits.x_test)} to test, all right")
figure, axes = panels(2, width=4.8, height=3.8)
last = {}
for p, plot in zip((0.0, 0.7), axes, strict=True):
    found = train(p)
    losses = {name: [m["loss"] for m in measures] for name, measures in found.items()}
    last[p] = {name: (measures[-1]["loss"], measures[-1]["accuracy"]) for name, measures in found.items()}
    text = ", ".join(f"{n} loss {loss:.3f} accuracy {accuracy:.3f}" for n, (loss, accuracy) in last[p].items())
    best = int(np.argmin(losses["test"]))
    print(f"dropout {p}: {text}; the best test loss, {losses['test'][best]:.3f}, was after epoch {best + 1}")
    for (name, curve), color in zip(losses.items(), (BLUE, ORANGE), strict=True):
        plot.plot(range(1, EPOCHS + 1), curve, color=color, label=name)
    plot.axvline(best + 1, color=GREY, linestyle=":", label="the best test loss")
    plot.set_ylim(0, 1.4)
    label(plot, f"Dropout {p:.0%}" if p else "No dropout: learned by heart", "epoch", "cross-entropy (nats)")
save(figure)
assert last[0.0]["training"][1] > 0.99 and last[0.7]["training"][1] < 0.95
assert last[0.7]["test"][0] < 0.8 * last[0.0]["test"][0] and last[0.7]["test"][1] > last[0.0]["test"][1] + 0.02
