"""Common subexpressions: equal values become one node."""

from __future__ import annotations

import numpy as np

from symnet.dtype import FLOATS, broadcast
from symnet.graph import CONSTANT, Graph, Node
from symnet.op import OPS

_MIRRORED = {
    "greater": "less",
    "greater_equal": "less_equal",
    "less": "greater",
    "less_equal": "greater_equal",
}


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """Make equal what differs only in the order of operands; equal nodes are one node by construction.

    Operands of a commutative op stand in order of computation, constants last. Of greater(a, b) and
    less(b, a) the one stays whose operands stand in that order: so rules find a constant on the right.

    before:  u = multiply(x, y); v = multiply(y, x); c = less(y, x); z = add(u, v)
    after:   u = multiply(x, y); c = greater(x, y); z = add(u, u)
    requires: nothing.
    preserves: every bit of every result: maximum and minimum of floats, which tell 0.0 from -0.0 by place,
               are turned only where one operand is a constant without zeros or NaN.
    Terminates: one round.
    """
    return graph.rewrite(_ordered)


def _ordered(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    if len(inputs) != 2 or _place(inputs[0]) <= _place(inputs[1]):
        return None
    if node.op.name in _MIRRORED:
        op = OPS[_MIRRORED[node.op.name]]
    elif node.op.is_commutative or (node.op.name in ("maximum", "minimum") and _turns(inputs)):
        op = node.op
    else:
        return None
    b, a = inputs
    # Two named sizes that the call proves equal: the type shows the first.
    if broadcast(a.shape, b.shape) != node.shape:
        return None
    graph.fired["order-operands"] += 1
    return graph.insert(op, (a, b), node.attrs)


def _place(node: Node) -> tuple[bool, int]:
    return node.op is CONSTANT, node.index


def _turns(inputs: tuple[Node, ...]) -> bool:
    if inputs[0].dtype not in FLOATS:
        return True
    literals = [n.literal for n in inputs if n.literal is not None]
    return any(bool(np.all(c) and not np.any(np.isnan(c))) for c in literals)
