"""A convolutional network reads handwritten digits: at least 98 of 100 that it has not seen.

Small filters slide over the picture; the same few numbers serve every place. Batch normalisation keeps the values of
every channel in range, pooling halves the picture. The picture shows the first layer's filters, and what they see.
"""

from matplotlib.figure import Figure
from picture import BLUE, ORANGE, label, save

import symnet as sn

digits = sn.data.digits()
pictures = {"training": digits.x_train.reshape(-1, 1, 8, 8), "test": digits.x_test.reshape(-1, 1, 8, 8)}


def block(channels, filters):
    """A convolution, normalised, and cut off below 0."""
    convolution = sn.nn.Conv2d(channels, filters, 3, padding=1, bias=False, rng=channels)
    return convolution, sn.nn.BatchNorm2d(filters), sn.nn.ReLU()


halved, tail = sn.nn.MaxPool2d(2), (sn.nn.Flatten(), sn.nn.Linear(32 * 2 * 2, 10, rng=3))
net = sn.nn.Sequential(*block(1, 16), *block(16, 32), halved, *block(32, 32), halved, *tail)
trainer = sn.train.Trainer(net, sn.nn.cross_entropy, sn.optim.Adam(lr=0.003), metrics=["accuracy"])
held = (pictures["test"], digits.y_test)
for epoch in range(1, 16):
    trainer.fit(pictures["training"], digits.y_train, validation=held, progress=False)
    if epoch in (1, 5, 15):
        print(f"epoch {epoch:2}: test accuracy {trainer.history['val_accuracy'][-1]:.3f}")
assert trainer.history["val_accuracy"][-1] >= 0.98

x = sn.Variable("x", ("batch", 1, 8, 8), "float32")
y = net.eval()(x)
trained, used = sn.compile(y), sn.compile(y, freeze=True)
found = used(pictures["test"])
sizes = f"{len(trained.graph.nodes)} -> {len(used.graph.nodes)} nodes"
same = (found.argmax(1) == trained(pictures["test"]).argmax(1)).all()
print(f"normalisation folded into the convolutions: {sizes}, the same answers: {same}")

seen = sn.compile(net[2](net[1](net[0](x))))(pictures["test"][:1])[0]
figure = Figure(figsize=(10, 3.8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.6])
axes = left.subplots()
for measure, name, color in (("accuracy", "training", BLUE), ("val_accuracy", "test", ORANGE)):
    axes.plot(trainer.history.epochs, trainer.history[measure], color=color, label=name)
axes.axhline(0.98, color="black", linestyle=":", label="98 %")
axes.set_ylim(0.9, 1.002)
label(axes, "Digits read rightly", "epoch", "share")
for k, plot in enumerate(right.subplots(4, 9).ravel()):
    row, place = divmod(k, 9)
    plot.axis("off")
    if place:
        plot.imshow((seen if row % 2 else net[0].weight.value[:, 0])[row // 2 * 8 + place - 1], cmap="gray_r")
    elif row % 2:
        plot.imshow(pictures["test"][0, 0], cmap="gray_r")
right.suptitle("The filters of the first layer, and what they make of the digit")
save(figure)
