"""A network on real handwritten digits: one native function for every batch size."""

import numpy as np

import symnet as sn

digits = sn.data.digits()
x = sn.Variable("x", shape=("batch", 64), dtype="float32")
y = sn.Variable("y", shape=("batch",), dtype="int64")
net = sn.nn.Sequential(sn.nn.Linear(64, 32, rng=0), sn.nn.ReLU(), sn.nn.Linear(32, 10, rng=1))
loss = sn.nn.cross_entropy(net(x), y)
step = sn.compile(loss, updates=sn.optim.SGD(lr=0.3)(loss, net.parameters()))
predict = sn.compile(sn.argmax(net(x), axis=1))

rng = np.random.default_rng(0)
for epoch in range(40):
    for xb, yb in sn.data.batches([digits.x_train, digits.y_train], 32, rng):
        last = step(x=xb, y=yb)
    if epoch % 10 == 9:
        accuracy = (predict(digits.x_test) == digits.y_test).mean()
        print(f"epoch {epoch + 1:2}: loss {last:.4f}, test accuracy {accuracy:.3f}")
print("compilations of the training step:", step.n_compiles)
