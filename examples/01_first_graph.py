"""Two ways to compute d = a * b + 1: imperatively, at once; and symbolically: declare, compile, run."""

import numpy as np

from symnet import Constant, Variable, compile

# Imperative: every line computes.
a = np.ones(10)
b = np.ones(10) * 2
c = b * a
d = c + 1
print("imperative:", d)

# Symbolic: the lines describe; compile makes one native function of them.
A = Variable("A")
B = Variable("B")
C = B * A
D = C + Constant(1)
f = compile(D)
d = f(A=np.ones(10), B=np.ones(10) * 2)
print("symbolic:  ", d)

# The same function serves other types and shapes; it specialises itself once for each kind.
print(f(A=np.ones((2, 1), "float32"), B=np.arange(3, dtype="float32")))
print(f.graph)
