"""Run in an environment that holds nothing but the wheel and what it depends on: `make wheel-check`."""

import sys

import numpy as np

import symnet as sn
from symnet.bench.peers import find_peers

a, b = sn.Variable("A"), sn.Variable("B")
f = sn.compile(b * a + sn.Constant(1))
assert (f(A=np.ones(10), B=np.ones(10) * 2) == 3.0).all()
assert "networkx" not in sys.modules, "networkx is imported lazily"
assert "sklearn" not in sys.modules and "matplotlib" not in sys.modules
assert [peer.name for peer in find_peers("numpy")] == ["symnet", "numpy"], "the benchmarks are in the wheel"
print(f"symnet {sn.__version__} from {sn.__file__}: {f!r}")
