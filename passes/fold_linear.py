"""Linear of linear is linear: the collapse of layers without an activation between them."""

from __future__ import annotations

from symnet.dims import Dim
from symnet.graph import CONSTANT, Graph, Node


def fold_linear_of_linear(graph: Graph) -> Graph:
    """Multiply constant matrices with each other first, where that makes less work for each row.

    before:  y = matmul(matmul(x, W1), W2)        W1, W2 constant
    after:   y = matmul(x, A)                     A = W1 W2, computed now
    requires: nothing.
    preserves: types; values up to rounding (the products are summed in another order).
    Pays if A has no more elements than W1 and W2 together.
    """
    return graph.rewrite(_collapsed)


def _collapsed(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    if node.op.name != "matmul" or inputs[0].op.name != "matmul":
        return None
    (x, first), second = inputs[0].inputs, inputs[1]
    if any(w.op is not CONSTANT or w.ndim != 2 for w in (first, second)) or x.ndim < 2:
        return None
    (k, inner), (_, n) = first.shape, second.shape
    if any(isinstance(size, Dim) for size in (k, inner, n)) or k * n > inner * (k + n):  # type: ignore[operator]
        return None
    graph.fired["linear-of-linear"] += 1
    product = graph.constant(first.attrs["value"].array @ second.attrs["value"].array, node.dtype)
    return graph.insert(node.op, (x, product), {})
