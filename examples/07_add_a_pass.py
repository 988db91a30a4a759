"""Add a pass: a function from Graph to Graph, given to `compile` in a pipeline of your own."""

import numpy as np

import symnet as sn
from symnet.op import OPS


def square_to_multiply(graph: sn.Graph) -> sn.Graph:
    """power(x, 2.0)  ->  multiply(x, x)"""

    def rule(new: sn.Graph, node: sn.Node, inputs: tuple[sn.Node, ...]) -> sn.Node | None:
        if node.op.name != "power" or inputs[1].literal is None or not (inputs[1].literal == 2).all():
            return None
        new.fired["square"] += 1
        return new.insert(OPS["multiply"], (inputs[0], inputs[0]), {})

    return graph.rewrite(rule)


x = sn.Variable("x", shape=("n",), dtype="float64")
f = sn.compile(x**2 + 1.0, pipeline=[square_to_multiply, *sn.PIPELINE])
print(f.graph)
print(f.report)
print(f(np.arange(4.0)))
