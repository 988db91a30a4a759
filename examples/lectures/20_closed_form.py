"""The least squares are where the gradient is 0: XᵀX w = Xᵀy, one linear system, solved in the compiled program.

A penalty on w makes the system XᵀX + λ. Its solution is an expression like any other, so that the error on held-out
data can be differentiated by λ, and λ found by descent.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

DEGREE = 9
rng = np.random.default_rng(1)


def sample(count):
    """Points of a sine with noise: the powers of x, and y."""
    x = np.sort(rng.uniform(-1, 1, count))
    return np.vander(x, DEGREE + 1), np.sin(3 * x) + rng.normal(0, 0.3, count)


(X_data, y_data), (X_held, y_held) = sample(14), sample(40)


def closed_form(rows, y, penalty=0.0):
    """The weights of least squares: the normal equations, on arrays or on Variables."""
    return np.linalg.solve(rows.T @ rows + penalty * np.eye(DEGREE + 1), rows.T @ y)


X, y = sn.Variable("X", ("n", DEGREE + 1), "float64"), sn.Variable("y", ("n",), "float64")
fit = sn.compile(closed_form(X, y))
w, wanted = fit(X_data, y_data), np.linalg.lstsq(X_data, y_data)[0]
print(f"normal equations, natively: w = {np.round(w[-4:], 3)} (the last four of {len(w)})")
print(f"numpy.linalg.lstsq:         w = {np.round(wanted[-4:], 3)}")
print(f"largest difference {np.abs(w - wanted).max():.0e}; programs compiled {fit.n_compiles}")
assert np.allclose(w, wanted, rtol=1e-5)

logarithm = sn.Parameter(-5.0, name="log_penalty")
held = sn.mse(X_held @ closed_form(X_data, y_data, sn.exp(logarithm)), y_held)
step = sn.compile([held, sn.exp(logarithm)], updates=sn.optim.Adam(lr=0.1)(held, [logarithm]))
errors, penalties = np.array([step() for _ in range(300)], dtype=float).T
print(f"held-out error without penalty {np.mean((X_held @ w - y_held) ** 2):.3f}")
print(f"held-out error by descent      {errors[0]:.3f} -> {errors[-1]:.3f} at the penalty {penalties[-1]:.3f}")
tried = np.geomspace(1e-4, 10, 200)
each = [np.mean((X_held @ closed_form(X_data, y_data, p) - y_held) ** 2) for p in tried]
assert errors[-1] <= min(each) + 1e-6

figure, (left, right) = panels(2, width=4.6)
places = np.linspace(X_data[:, -2].min(), X_data[:, -2].max(), 200)
left.scatter(X_data[:, -2], y_data, s=14, color=GREY, label="data")
for weights, color, name in ((w, ORANGE, "no penalty"), (closed_form(X_data, y_data, penalties[-1]), BLUE, "best one")):
    left.plot(places, np.vander(places, DEGREE + 1) @ weights, color=color, label=name)
label(left, f"Polynomials of degree {DEGREE}", "x", "y")
right.loglog(tried, each, color=GREY, label="every penalty")
right.loglog(penalties, errors, ".", color=GREEN, label="descent")
label(right, "Error on held-out data", "penalty", "mean squared error")
save(figure)
