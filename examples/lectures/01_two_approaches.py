"""The same sum two ways: imperatively every line computes at once, symbolically the lines only describe.

What is described can be optimised as a whole, so the compiled function gives the same numbers in less time.
"""

import numpy as np
from picture import BLUE, ORANGE, label, panels, save

import symnet as sn
from symnet import eager

# Imperative: c exists, as ten numbers, before d is thought of.
a, b = eager.tensor(np.ones(10)), eager.tensor(np.ones(10) * 2)
c = b * a
d_eager = c + 1
print("imperative:", d_eager.numpy())

# Symbolic: C and D are descriptions; only f computes.
A, B = sn.Variable("A"), sn.Variable("B")
C = B * A
D = C + sn.Constant(1)
f = sn.compile(D)
d_compiled = f(A=np.ones(10), B=np.ones(10) * 2)
print("symbolic:  ", d_compiled)
assert (d_eager.numpy() == 3).all() and (d_compiled == 3).all()


def compare(size):
    """Both ways' times for vectors of this size; the expression is longer, so there is more to fuse."""
    rng = np.random.default_rng(0)
    x, y = rng.random(size), rng.random(size)
    X, Y = (sn.Variable(name, shape=("n",), dtype="float64") for name in "XY")
    u, v = eager.tensor(x), eager.tensor(y)
    result = sn.benchmark(
        np.tanh(X * Y + 1.0) * X - Y,
        {"X": x, "Y": y},
        imperative=lambda: np.tanh(u * v + 1.0) * u - v,
        seconds=0.05,
    )
    rows = {row.name: row for row in result.rows}
    ratio = rows["imperative"].microseconds / rows["compiled"].microseconds
    memory = rows["imperative"].peak_bytes / rows["compiled"].peak_bytes
    print(f"{size:7} numbers: imperative / symbolic = {ratio:5.1f} in time, {memory:.1f} in memory")
    return ratio


print("tanh(x y + 1) x - y:")
sizes = [10, 100, 1_000, 10_000, 100_000]
ratios = [compare(size) for size in sizes]
assert min(ratios) > 1

figure, axes = panels(width=5.4)
axes.loglog(sizes, ratios, "o-", color=BLUE)
axes.axhline(1, color=ORANGE, linestyle="--", label="equally fast")
label(axes, "How many times faster the compiled way is", "numbers in each vector", "time, imperative / symbolic")
save(figure)
