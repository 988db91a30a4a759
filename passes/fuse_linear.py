"""FC + bias + activation: a fully connected layer becomes one node, and one kernel."""

from __future__ import annotations

from symnet.graph import Graph, Node
from symnet.op import OPS


def fuse_linear(graph: Graph) -> Graph:
    """Fuse matmul, the addition of a bias, and an activation, where nothing else reads what lies between.

    A gradient that needs the activation's result (relu, sigmoid, tanh) leaves the layer whole; one that
    needs its operand (softplus) keeps the activation apart.

    before:  p = matmul(x, W); a = add(p, b); h = relu(a)
    after:   h = linear(x, W, b, activation=relu)
    requires: dead nodes gone, so that readers are true ones.
    preserves: types and values.
    Terminates: one round.
    """
    users, roots = graph.users(), set(graph.roots())

    def is_alone(node: Node) -> bool:
        return len(users[node]) == 1 and node not in roots

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op.name == "add":
            for product, bias, before in ((*inputs, node.inputs[0]), (*inputs[::-1], node.inputs[1])):
                if _is_layer(product, bias, node) and is_alone(before):
                    return _fused(new, node, product, (*product.inputs, bias), None)
        if node.op.is_activation and inputs[0].op.name == "linear" and is_alone(node.inputs[0]):
            layer = inputs[0]
            if layer.attrs["activation"] is None:
                return _fused(new, node, layer, layer.inputs, node.op.name)
        return None

    return graph.rewrite(rule)


def _is_layer(product: Node, bias: Node, node: Node) -> bool:
    """x (..., K) @ w (K, N) + b (N,)."""
    if product.op.name != "matmul" or product.type != node.type or node.dtype == "bool":
        return False
    x, w = product.inputs
    return x.ndim >= 2 and w.ndim == 2 and bias.shape == w.shape[1:]


def _fused(graph: Graph, node: Node, inside: Node, operands: tuple[Node, ...], activation: str | None) -> Node:
    graph.fired["bias" if activation is None else activation] += 1
    with graph.writing(node.graph.origin(node), graph.origin(inside)):
        return graph.insert(OPS["linear"], operands, {"activation": activation})
