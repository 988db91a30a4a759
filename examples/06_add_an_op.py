"""Add an op: four answers side by side. Native code, gradients and the interpreter follow from them."""

import numpy as np

import symnet as sn
from symnet import scalar as s
from symnet.ops.elementwise import elementwise

# softsign(x) = x / (1 + |x|)
softsign = elementwise(
    "softsign_example",
    numpy=lambda x: x / (1 + np.abs(x)),
    element=lambda x: x / (1 + s.absolute(x)),
    grad=lambda g, y, x: (g / (1 + sn.abs(x)) ** 2,),
)

x = sn.Variable("x", shape=("n",), dtype="float64")
data = np.array([-2.0, 0.0, 3.0])
native = sn.compile([softsign(x), sn.grad(softsign(x).sum(), x)])
print("native:     ", *native(data))
print("interpreted:", *sn.compile([softsign(x), sn.grad(softsign(x).sum(), x)], mode="interpret")(data))
print("at once:    ", softsign(data))
