"""Gradients found on the graph: the numbers of the lectures."""

import numpy as np

import symnet as sn

x, y, z = sn.Variable("x"), sn.Variable("y"), sn.Variable("z")
f = (2 * x + y) * z
value, dx, dy, dz = sn.compile([f, *sn.grad(f, [x, y, z])])(10.0, -2.0, -4.0)
print(f"(2x + y)z at (10, -2, -4): {value:g}, gradients {dx:g} {dy:g} {dz:g}")

x1, x2 = sn.Variable("x1"), sn.Variable("x2")
g = x1 * x2 + np.sin(x1)
value, d1, d2 = sn.compile([g, *sn.grad(g, [x1, x2])])(2.0, 5.0)
print(f"x1 x2 + sin x1 at (2, 5): {value:.4f}, gradients {d1:.4f} {d2:.4f}")

h = x1**2 * x2**2
d1, d2 = sn.compile(sn.grad(h, [x1, x2]))(3.0, 2.0)
print(f"x1² x2² at (3, 2): gradients {d1:g} {d2:g}")

# A gradient is an expression, so it has a gradient.
print("second derivative of x1³ at 2:", sn.compile(sn.grad(sn.grad(x1**3, x1), x1))(2.0))

# Gradient descent on w1² + 5 w2², from (-1, 0.25) with step 0.01.
w1, w2 = sn.Parameter(-1.0, name="w1"), sn.Parameter(0.25, name="w2")
loss = w1**2 + 5 * w2**2
step = sn.compile(loss, updates=sn.optim.SGD(lr=0.01)(loss, [w1, w2]))
for k in range(301):
    current = step()
    if k % 100 == 0:
        print(f"step {k:3}: loss {current:.6f} at ({w1.value:.4f}, {w2.value:.4f})")
