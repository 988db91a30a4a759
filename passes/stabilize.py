"""Stabilisation: formulas that overflow become ones that do not.

Runs where a program is written down, before anything is differentiated, so that gradients are those
of the stable form. Terminates: every rule removes an exp, a log or a division, or an op that no rule
brings back.
"""

from __future__ import annotations

from symnet import ops
from symnet.graph import Graph, Node
from symnet.op import OPS

from .rules import Rule, apply_rules, rewrite_node

_FLOATS = ("float32", "float64")


def _stable(name: str, left: object, right: object) -> Rule:
    """A rule tested where both sides are finite; the point is that the right one stays so."""
    return Rule(name, left, right, ulp=64.0, domain=(-3.0, 3.0), special=False, dtypes=_FLOATS)  # type: ignore[arg-type]


RULES = [
    _stable("log-of-sigmoid", lambda x: ops.log(ops.sigmoid(x)), lambda x: -ops.softplus(-x)),
    _stable("log-of-one-minus-sigmoid", lambda x: ops.log(1 - ops.sigmoid(x)), lambda x: -ops.softplus(x)),
    _stable("softplus", lambda x: ops.log(1 + ops.exp(x)), lambda x: ops.softplus(x)),
    _stable("softplus-swapped", lambda x: ops.log(ops.exp(x) + 1), lambda x: ops.softplus(x)),
    _stable("softplus-log1p", lambda x: ops.log1p(ops.exp(x)), lambda x: ops.softplus(x)),
    _stable("log1p", lambda x: ops.log(1 + x), lambda x: ops.log1p(x)),
    _stable("log1p-swapped", lambda x: ops.log(x + 1), lambda x: ops.log1p(x)),
    _stable("expm1", lambda x: ops.exp(x) - 1, lambda x: ops.expm1(x)),
    _stable("sigmoid", lambda x: 1 / (1 + ops.exp(-x)), lambda x: ops.sigmoid(x)),
]


def stabilize(graph: Graph) -> Graph:
    """Rewrite formulas that overflow or cancel.

    before:  y = log(softmax(x, axis=1))
    after:   y = log_softmax(x, axis=1)
    requires: composites not expanded yet.
    preserves: types; values where the original is accurate.
    """
    structural = graph.rewrite(_structural)
    result = apply_rules(structural, RULES)
    result.fired.update(structural.fired)
    return result


def stabilize_node(graph: Graph, node: Node) -> Node:
    """The stable form of a node just inserted, whose operands are stable already; often the node itself."""
    return rewrite_node(graph, _structural(graph, node, node.inputs) or node, RULES)


def _structural(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """The rules that carry attributes along."""
    made = None
    name = ""
    if node.op.name == "log" and inputs[0].op.name == "softmax":
        name = "log-of-softmax"
        made = graph.apply(OPS["log_softmax"], inputs[0].inputs, inputs[0].attrs)
    elif node.op.name == "log" and inputs[0].op.name == "sum" and inputs[0].inputs[0].op.name == "exp":
        name = "log-of-sum-of-exp"
        made = graph.apply(OPS["logsumexp"], inputs[0].inputs[0].inputs, inputs[0].attrs)
    elif node.op.name == "divide" and _is_softmax(inputs):
        name = "softmax"
        made = graph.apply(OPS["softmax"], inputs[0].inputs, {"axis": _axis(inputs[1])})
    if made is not None:
        graph.fired[name] += 1
    return made


def _axis(total: Node) -> int:
    axis = total.attrs["axis"]
    return axis if isinstance(axis, int) else int(axis[0])


def _is_softmax(inputs: tuple[Node, ...]) -> bool:
    """exp(x) / sum(exp(x)) over one axis that is kept."""
    e, total = inputs
    if e.op.name != "exp" or total.op.name != "sum" or total.inputs[0] is not e or not total.attrs["keepdims"]:
        return False
    axis = total.attrs["axis"]
    return isinstance(axis, int) or (axis is not None and len(axis) == 1)
