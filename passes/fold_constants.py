"""Constant folding."""

from __future__ import annotations

import numpy as np

from symnet.dims import Dim, product
from symnet.errors import SymnetError
from symnet.graph import CONSTANT, Graph, Node, attr_sizes

# A folded value is kept in the program: no larger than this many elements, or than what it is made of.
LARGEST = 1 << 16


def fold_constants(graph: Graph) -> Graph:
    """Compute nodes whose operands are all constants.

    before:  a = add(2.0, 3.0); y = multiply(x, a)
    after:   y = multiply(x, 5.0)
    requires: nothing.
    preserves: types; values are those of the ops' numpy answers.
    """
    return graph.rewrite(_folded)


def _folded(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    if not inputs or any(i.op is not CONSTANT for i in inputs) or attr_sizes(node):
        return None
    size = product(node.shape)
    largest = max(LARGEST, *(i.attrs["value"].array.size for i in inputs))
    if isinstance(size, Dim) or size > largest or (node.op.family == "movement" and size > 1):
        return None
    try:
        with np.errstate(all="ignore"):
            value = node.op.numpy(*(i.attrs["value"].array for i in inputs), **node.attrs)
    except SymnetError:
        # An index out of bounds is an error of the call, not of the compilation.
        return None
    graph.fired[f"fold-{node.op.name}"] += 1
    return graph.constant(value, node.dtype)
