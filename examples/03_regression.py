"""Linear and logistic regression on real data: the closed form and descent agree."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

import symnet as sn

data = load_diabetes()
features = (data.data - data.data.mean(0)) / data.data.std(0)
x_data = np.hstack([features, np.ones((len(features), 1))])
y_data = data.target

closed_form = np.linalg.solve(x_data.T @ x_data, x_data.T @ y_data)

x = sn.Variable("x", shape=("n", 11), dtype="float64")
y = sn.Variable("y", shape=("n",), dtype="float64")
w = sn.Parameter(np.zeros(11), name="w")
loss = sn.mse(x @ w, y)
step = sn.compile(loss, updates=sn.optim.SGD(lr=0.1)(loss, [w]))
for _ in range(20_000):
    final = step(x_data, y_data)
print(f"diabetes: mean squared error {final:.2f}")
print(f"largest difference from the closed form: {np.abs(w.value - closed_form).max():.1e}")

cancer = load_breast_cancer()
features = ((cancer.data - cancer.data.mean(0)) / cancer.data.std(0)).astype("float32")
x = sn.Variable("x", shape=("n", 30), dtype="float32")
y = sn.Variable("y", shape=("n",), dtype="float32")
layer = sn.nn.Linear(30, 1, rng=0)
probability = sn.sigmoid(layer(x)[:, 0])
loss = sn.logloss(probability, y)
step = sn.compile(loss, updates=sn.optim.SGD(lr=0.5)(loss, layer.parameters()))
for _ in range(500):
    final = step(features, cancer.target)
predict = sn.compile(probability > 0.5)
accuracy = (predict(features) == cancer.target).mean()
print(f"breast cancer: logloss {final:.4f}, accuracy {accuracy:.3f}")
print(step.graph)
