"""Symbolic differentiation: reverse mode, as new nodes of the same graph."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.dtype import FLOATS
from symnet.graph import Graph, Node
from symnet.op import Composite, Op
from symnet.ops.movement import broadcast_to, sum_to
from symnet.origin import Origin


def differentiate(
    graph: Graph, y: Node, wrt: Sequence[Node], seed: Node | None = None, origin: Origin | None = None
) -> list[Node | None]:
    """Insert the gradient of `y` (contracted with `seed`) with respect to each node of `wrt`.

    Every node between is visited once, last first, and its op's own gradient rule is asked for the
    operands' contributions; those of a node used many times are added (the accumulation of
    Griewank & Walther, Evaluating Derivatives, 2008, ch. 3).

    before:  y = sum(multiply(x, x))
    after:   dx = add(multiply(g, x), multiply(g, x)),  g = broadcast_to(1.0, shape of x)
    requires: nothing.
    preserves: every node that was there.

    Parameters
    ----------
    graph : Graph
        Grows by the gradient's nodes.
    y : Node
    wrt : sequence of Node
    seed : Node, optional
        The gradient of the final result by `y`; 1 for a scalar `y`.
    origin : Origin, optional
        The line that asked for the gradient; joined to that of each differentiated node.

    Returns
    -------
    list of Node or None
        None where no path of floating values leads from the node to `y`.
    """
    path = _between(y, wrt)
    with graph.writing(origin or graph.origin(y)):
        seed = seed if seed is not None else graph.constant(1.0, y.dtype)
    gradients = _accumulate(graph, y, seed, path, origin)
    results: list[Node | None] = []
    for node in wrt:
        gradient = gradients.get(node)
        if gradient is None and node in path:
            with graph.writing(origin or graph.origin(node)):
                gradient = broadcast_to(graph.constant(0.0, node.dtype), node.shape)
        results.append(gradient)
    return results


def _between(y: Node, wrt: Sequence[Node]) -> set[Node]:
    """The floating nodes on any path from `wrt` to `y`."""
    ancestors = {y}
    stack = [y]
    while stack:
        for operand in stack.pop().inputs:
            if operand not in ancestors:
                ancestors.add(operand)
                stack.append(operand)
    path: set[Node] = set()
    targets = set(wrt)
    for node in sorted(ancestors, key=lambda n: n.index):
        if node.dtype in FLOATS and (node in targets or any(i in path for i in node.inputs)):
            path.add(node)
    return path if y in path else set()


def _accumulate(graph: Graph, y: Node, seed: Node, path: set[Node], origin: Origin | None) -> dict[Node, Node]:
    """The gradient at every node of `path`, from `y` backwards."""
    gradients = {y: seed} if y in path else {}
    for node in sorted(path, key=lambda n: n.index, reverse=True):
        g = gradients.get(node)
        if g is None or node.op.family == "leaf":
            continue
        with graph.writing(graph.origin(node), *([origin] if origin else [])):
            for operand, contribution in zip(node.inputs, _contributions(graph, node, g), strict=True):
                if contribution is None or operand not in path:
                    continue
                contribution = sum_to(contribution, operand.shape)
                before = gradients.get(operand)
                gradients[operand] = contribution if before is None else before + contribution
    return gradients


def _contributions(graph: Graph, node: Node, g: Node) -> Sequence[Node | None]:
    if isinstance(node.op, Composite) and type(node.op).grad is Op.grad:
        return differentiate(graph, node.op.expand(*node.inputs, **node.attrs), node.inputs, g)
    return node.op.grad(g, node, *node.inputs, **node.attrs)
