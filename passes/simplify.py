"""Algebraic simplification: rules that keep every bit, special values included.

Terminates: every rule leaves fewer nodes, or replaces an op by a cheaper one that no rule turns back.
"""

from __future__ import annotations


from symnet import ops
from symnet.dtype import broadcast
from symnet.errors import ShapeError
from symnet.graph import Graph, Node
from symnet.op import OPS

from .rules import Rule, apply_rules

RULES = [
    Rule("times-one", lambda x: x * 1, lambda x: x),
    Rule("one-times", lambda x: 1 * x, lambda x: x),
    Rule("divide-by-one", lambda x: x / 1.0, lambda x: x, dtypes=("float32", "float64")),
    Rule("minus-zero", lambda x: x - 0, lambda x: x),
    # x + 0.0 is not x for x = -0.0; x + (-0.0) is.
    Rule("plus-negative-zero", lambda x: x + -0.0, lambda x: x, dtypes=("float32", "float64")),
    Rule("double-negation", lambda x: -(-x), lambda x: x),
    Rule("plus-negative", lambda x, y: x + -y, lambda x, y: x - y),
    Rule("minus-negative", lambda x, y: x - -y, lambda x, y: x + y),
    Rule("times-minus-one", lambda x: x * -1, lambda x: -x),
    Rule("power-one", lambda x: x**1.0, lambda x: x, dtypes=("float32", "float64")),
    Rule("not-not", lambda x: ~~x, lambda x: x, dtypes=("bool",)),
    Rule("same-choice", lambda c, x: ops.where(c, x, x), lambda c, x: x),
    Rule("relu-relu", lambda x: ops.relu(ops.relu(x)), lambda x: ops.relu(x)),
    Rule("abs-abs", lambda x: ops.abs(ops.abs(x)), lambda x: ops.abs(x)),
    Rule("abs-negative", lambda x: ops.abs(-x), lambda x: ops.abs(x)),
]


def simplify(graph: Graph) -> Graph:
    """Apply the rules above, and drop movement that moves nothing.

    before:  y = multiply(multiply(x, 1.0), broadcast_to(2.0, shape=(batch, 10)))
    after:   y = multiply(x, 2.0)
    requires: nothing.
    preserves: types, and every bit of every value.
    """
    moved = graph.rewrite(_still)
    result = apply_rules(moved, RULES)
    result.fired.update(moved.fired)
    return result


def _still(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """Movement that changes nothing, or that its reader does anyway."""
    made = None
    if node.op.name == "transpose" and inputs[0].op.name == "transpose":
        made = _transposed_twice(graph, node, inputs[0])
    elif node.op.name == "reshape" and inputs[0].op.name == "reshape":
        made = graph.apply(node.op, (inputs[0].inputs[0],), {"shape": node.shape})
    elif node.op.name in ("reshape", "broadcast_to", "identity", "cast") and inputs[0].type == node.type:
        made = inputs[0]
    elif node.op.family == "elementwise" and len(inputs) > 1:
        made = _without_broadcasts(graph, node, inputs)
    elif node.op.name == "sum" and _sums_nothing(node):
        made = graph.apply(OPS["reshape"], (inputs[0],), {"shape": node.shape})
        made = inputs[0] if made.type == inputs[0].type else made
    if made is not None:
        graph.fired[f"still-{node.op.name}"] += 1
    return made


def _transposed_twice(graph: Graph, node: Node, inner: Node) -> Node:
    rank = node.ndim
    outer_axes = node.attrs["axes"] or tuple(reversed(range(rank)))
    inner_axes = inner.attrs["axes"] or tuple(reversed(range(rank)))
    axes = tuple(inner_axes[a] for a in outer_axes)
    base = inner.inputs[0]
    return base if axes == tuple(range(rank)) else graph.insert(OPS["transpose"], (base,), {"axes": axes})


def _sums_nothing(node: Node) -> bool:
    """A sum over axes of size 1 only; of floats, since a sum starts from 0 and -0.0 + 0 is 0."""
    axes = node.attrs["axis"]
    before = node.inputs[0].shape
    kept = range(len(before)) if axes is None else [axes] if isinstance(axes, int) else axes
    return node.dtype == node.inputs[0].dtype and node.dtype.startswith("int") and all(before[k] == 1 for k in kept)


def _without_broadcasts(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """An operand that is broadcast first: the element-wise op broadcasts it by itself."""
    plain = list(inputs)
    for k, operand in enumerate(inputs):
        while plain[k].op.name in ("broadcast_to", "expand_dims") and _may_skip(plain, k, node):
            plain[k] = plain[k].inputs[0]
        assert operand.dtype == plain[k].dtype
    if tuple(plain) == inputs:
        return None
    return graph.insert(node.op, tuple(plain), node.attrs)


def _may_skip(plain: list[Node], k: int, node: Node) -> bool:
    """Whether the result keeps its shape, and its elements, without one broadcast."""
    mover = plain[k]
    if mover.op.name == "expand_dims" and mover.inputs[0].shape != ():
        return False
    try:
        shape = broadcast(*(mover.inputs[0].shape if j == k else p.shape for j, p in enumerate(plain)))
    except ShapeError:
        return False
    return shape == node.shape


