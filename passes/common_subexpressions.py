"""Common subexpressions.

Nodes are interned, so two that are written alike are one already. What is left are those that are
alike but for the order of their operands.
"""

from __future__ import annotations

from symnet.graph import CONSTANT, Graph, Node
from symnet.op import OPS

COMMUTATIVE = {"add", "multiply", "equal", "not_equal", "logical_and", "logical_or"}
MIRRORED = {"greater": "less", "greater_equal": "less_equal"}


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """Give commutative ops one order of operands, so that equal ones become one node.

    before:  a = multiply(x, y); b = multiply(y, x); c = add(a, b)
    after:   a = multiply(x, y); c = add(a, a)
    requires: nothing.
    preserves: every bit: IEEE addition and multiplication commute.
    Terminates: operands only move towards the order of the graph, constants last.
    """
    return graph.rewrite(_ordered)


def _ordered(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    name = node.op.name
    if len(inputs) != 2 or (name not in COMMUTATIVE and name not in MIRRORED):
        return None
    swapped = (inputs[1], inputs[0])
    if name in MIRRORED:
        return graph.insert(OPS[MIRRORED[name]], swapped, node.attrs)
    if _rank(inputs[0]) <= _rank(inputs[1]):
        return None
    graph.fired[f"order-{name}"] += 1
    return graph.insert(node.op, swapped, node.attrs)


def _rank(node: Node) -> tuple[bool, int]:
    return node.op is CONSTANT, node.index
