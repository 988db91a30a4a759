"""FC + bias + activation: a fully connected layer becomes one node, and one kernel."""

from __future__ import annotations

from symnet.graph import Graph, Node
from symnet.op import OPS

ACTIVATIONS = {"relu", "sigmoid", "tanh", "softplus"}


def fuse_linear(graph: Graph) -> Graph:
    """Fuse matmul, the addition of a bias, and an activation.

    before:  p = matmul(x, W); a = add(p, b); h = relu(a)
    after:   h = linear(x, W, b, activation=relu)
    requires: dead nodes gone: a value that something else reads is not fused away.
    preserves: types and values.
    """
    with_bias = _fused(graph, _bias)
    result = _fused(with_bias, _activation)
    result.fired.update(with_bias.fired)
    return result


def _fused(graph: Graph, rule: object) -> Graph:
    users = graph.users()
    needed = set(graph.roots())
    alone = {n for n, readers in users.items() if len(readers) == 1 and n not in needed}

    def rewrite(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        # Whether a value has one reader only is a question about the old graph.
        only = tuple(i in alone for i in node.inputs)
        made: Node | None = rule(new, node, inputs, only)  # type: ignore[operator]
        return made

    return graph.rewrite(rewrite)


def _bias(graph: Graph, node: Node, inputs: tuple[Node, ...], alone: tuple[bool, ...]) -> Node | None:
    if node.op.name != "add":
        return None
    for k in (0, 1):
        product, bias = inputs[k], inputs[1 - k]
        plain = product.op.name == "matmul" and alone[k] and product.shape == node.shape
        if plain and product.inputs[1].ndim == 2 and product.inputs[0].ndim >= 2 and bias.shape == product.shape[-1:]:
            graph.fired["bias"] += 1
            return graph.insert(OPS["linear"], (*product.inputs, bias), {"activation": None})
    return None


def _activation(graph: Graph, node: Node, inputs: tuple[Node, ...], alone: tuple[bool, ...]) -> Node | None:
    if node.op.name not in ACTIVATIONS or inputs[0].op.name != "linear" or not alone[0]:
        return None
    if inputs[0].attrs["activation"] is not None:
        return None
    graph.fired[node.op.name] += 1
    return graph.insert(OPS["linear"], inputs[0].inputs, {"activation": node.op.name})
