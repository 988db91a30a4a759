"""Two gates of one's own in a circuit: the value on every wire forward, the gradient on every wire backward."""

import numpy as np

import symnet as sn
from symnet import scalar as s
from symnet.dtype import broadcast
from symnet.op import Op, apply, register


class MultGate(Op):
    """z = x y. Backward, each operand gets the gradient times the other."""

    def result_shape(self, x, y):
        return broadcast(x, y)

    def numpy(self, x, y):
        return np.multiply(x, y)

    def element(self, i, x, y):
        return x[i] * y[i]

    def grad(self, g, z, x, y):
        return g * y, g * x


class MaxGate(Op):
    """z = max(x, y). Backward, the gradient goes to the larger, and of equals to the first."""

    def result_shape(self, x, y):
        return broadcast(x, y)

    def numpy(self, x, y):
        return np.maximum(x, y)

    def element(self, i, x, y):
        return s.maximum(x[i], y[i])

    def grad(self, g, z, x, y):
        return sn.where(x >= y, g, 0.0), sn.where(x >= y, 0.0, g)


mult_gate = register(MultGate("mult_gate_example", "elementwise"))
max_gate = register(MaxGate("max_gate_example", "elementwise"))

x, y, z, w = (sn.Variable(name, shape=(), dtype="float64") for name in "xyzw")
product = apply(mult_gate, x, y)
larger = apply(max_gate, z, w)
total = product + larger
result = apply(mult_gate, total, sn.Constant(2.0))

wires = {"x": x, "y": y, "z": z, "w": w, "x * y": product, "max(z, w)": larger, "their sum": total, "result": result}
point = {"x": 3.0, "y": -4.0, "z": 2.0, "w": -1.0}
inner = list(wires.values())
circuit = sn.compile([*inner, *sn.grad(result, inner)])
numbers = circuit(**point)

print(f"{'wire':10} {'value':>6} {'gradient':>9}")
for name, value, gradient in zip(wires, numbers[: len(wires)], numbers[len(wires) :], strict=True):
    print(f"{name:10} {value:6g} {gradient:9g}")

sn.check_grads(result, point)
print("finite differences agree")
