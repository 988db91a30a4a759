"""Least squares has a closed form, and descent finds the same line; least absolute error has none, and needs descent.

Squares make far points count most, so outliers turn the one line and hardly touch the other.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

rng = np.random.default_rng(0)
x_data = np.linspace(0.0, 10.0, 50)
y_data = 2 * x_data + 1 + rng.normal(0, 1, 50)
y_data[-6:] -= 18  # a broken instrument
X_data = np.column_stack([x_data, np.ones(50)])


def descend(loss_of, rate, steps):
    """The weights that gradient descent finds for a loss."""
    X, y = sn.Variable("X", shape=("n", 2), dtype="float64"), sn.Variable("y", shape=("n",), dtype="float64")
    w = sn.Parameter(np.zeros(2), name="w")
    loss = loss_of(X @ w, y)
    step = sn.compile(loss, updates=sn.optim.SGD(lr=rate)(loss, [w]))
    losses = [float(step(X_data, y_data)) for _ in range(steps)]
    return w.value.copy(), losses


closed = np.linalg.solve(X_data.T @ X_data, X_data.T @ y_data)
squares, square_losses = descend(sn.mse, 0.02, 3_000)
# The slope of |e| does not shrink near the minimum, so the step must.
absolute, absolute_losses = descend(sn.mae, sn.optim.ExponentialLR(0.05, 0.999), 10_000)

print(f"true line            y = {2:.3f} x + {1:.3f}")
print(f"MSE, closed form     y = {closed[0]:.3f} x + {closed[1]:.3f}")
print(f"MSE, by descent      y = {squares[0]:.3f} x + {squares[1]:.3f}, loss {square_losses[-1]:.3f}")
print(f"MAE, by descent      y = {absolute[0]:.3f} x + {absolute[1]:.3f}, loss {absolute_losses[-1]:.3f}")
print(f"difference of the two MSE lines: {np.abs(closed - squares).max():.1e}")
assert np.allclose(closed, squares, atol=1e-6)
assert abs(absolute[0] - 2) < 0.15 < abs(squares[0] - 2)

figure, (left, right) = panels(2, width=4.6)
left.scatter(x_data, y_data, s=14, color=GREY, label="data")
left.plot(x_data, X_data @ closed, color=ORANGE, label="least squares (MSE)")
left.plot(x_data, X_data @ absolute, color=BLUE, label="least absolute error (MAE)")
label(left, "Six outliers", "x", "y")
right.loglog(square_losses, color=ORANGE, label="MSE")
right.loglog(absolute_losses, color=BLUE, label="MAE")
label(right, "Descent", "step", "loss")
save(figure)
