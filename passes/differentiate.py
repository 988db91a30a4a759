"""Symbolic differentiation, in both directions, as new nodes of the same graph.

It answers what `symnet/gradient.py` and `symnet/derivatives.py` ask for; `differentiate_scan.py` has loops backwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.dtype import FLOATS
from symnet.errors import GradientError
from symnet.graph import INPUT, Graph, Node
from symnet.op import OPS, Composite, Op
from symnet.ops.arithmetic import cast
from symnet.ops.movement import broadcast_to, sum_to
from symnet.ops.scan import siblings
from symnet.origin import Origin

from .differentiate_scan import loop_pullback


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
    with graph.writing(origin or graph.origin(y)):
        seed = seed if seed is not None else graph.constant(1.0, y.dtype)
    return pullback(graph, [y], [seed], wrt, origin)


def pullback(
    graph: Graph, ys: Sequence[Node], seeds: Sequence[Node], wrt: Sequence[Node], origin: Origin | None = None
) -> list[Node | None]:
    """Insert the gradient of sum(y * seed), over all of `ys` in one sweep, with respect to each node of `wrt`.

    Parameters and result as :func:`differentiate`'s; a seed has its y's type, and is not differentiated.
    """
    path = _between(ys, wrt)
    gradients: dict[Node, Node] = {}
    for y, seed in zip(ys, seeds, strict=True):
        with graph.writing(origin or graph.origin(y)):
            _add(gradients, y, seed)
    _accumulate(graph, gradients, path, origin)
    results: list[Node | None] = []
    for node in wrt:
        gradient = gradients.get(node) if node in path else None
        if gradient is None and node in path:
            with graph.writing(origin or graph.origin(node)):
                gradient = broadcast_to(graph.constant(0.0, node.dtype), node.shape)
        results.append(gradient)
    return results


def pushforward(
    graph: Graph, ys: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node], origin: Origin | None = None
) -> list[Node | None]:
    """Insert the derivative of each of `ys` when every node of `wrt` moves along its tangent.

    The pullback of v is linear in v, and its own pullback is the derivative wanted: two sweeps backward
    make one forward (Townsend, A new trick for calculating Jacobian vector products, 2017). v is a leaf
    that nothing computes; a rule that is linear in the gradient it is given leaves none of it.

    before:  y = sin(x), with the tangent t of x
    after:   dx = multiply(v, cos(x));  dy = multiply(t, cos(x))
    requires: every gradient rule on the way is linear in the gradient it is given.
    preserves: every node that was there.

    Returns
    -------
    list of Node or None
        None where no path of floating values leads to the y.

    Raises
    ------
    GradientError
        A rule is not linear.
    """
    path = _between(ys, wrt)
    with graph.writing(*(origin or graph.origin(y) for y in ys)):
        vs = [graph.leaf(INPUT, y.type, name=f"cotangent {k} of %{y.index}") for k, y in enumerate(ys)]
    back = pullback(graph, ys, vs, wrt, origin)
    pairs = [(g, t) for g, t in zip(back, tangents, strict=True) if g is not None]
    found = pullback(graph, [g for g, _ in pairs], [t for _, t in pairs], vs, origin)
    _check_gone(graph, vs, [d for d in found if d is not None])
    with graph.writing(*(origin or graph.origin(y) for y in ys)):
        return [
            broadcast_to(graph.constant(0.0, y.dtype), y.shape) if d is None and y in path else d
            for y, d in zip(ys, found, strict=True)
        ]


def _check_gone(graph: Graph, vs: Sequence[Node], found: Sequence[Node]) -> None:
    left = _ancestors(found).intersection(vs)
    if left:
        reader = next(n for n in graph.nodes if left.intersection(n.inputs))
        raise GradientError(
            f"no forward derivative: a gradient rule is not linear in the gradient it is given ({graph.origin(reader)})"
        )


def derivatives(
    graph: Graph, ys: Sequence[Node], wrt: Sequence[Node], seeds: Sequence[Node], is_forward: bool, origin: Origin
) -> list[Node | None]:
    """Answer a request of either direction: :func:`pushforward` or :func:`pullback`."""
    if is_forward:
        return pushforward(graph, ys, wrt, seeds, origin)
    return pullback(graph, ys, seeds, wrt, origin)


def _add(gradients: dict[Node, Node], node: Node, contribution: Node) -> None:
    before = gradients.get(node)
    gradients[node] = contribution if before is None else before + contribution


def _ancestors(nodes: Sequence[Node]) -> set[Node]:
    """The nodes and all that they are computed from."""
    found = set(nodes)
    stack = list(found)
    while stack:
        for operand in stack.pop().inputs:
            if operand not in found:
                found.add(operand)
                stack.append(operand)
    return found


def _between(ys: Sequence[Node], wrt: Sequence[Node]) -> set[Node]:
    """The floating nodes on any path from `wrt` to `ys`."""
    path: set[Node] = set()
    targets = set(wrt)
    for node in sorted(_ancestors(ys), key=lambda n: n.index):
        if node.dtype in FLOATS and (node in targets or any(i in path for i in node.inputs)):
            path.add(node)
    return set() if path.isdisjoint(ys) else path


def _accumulate(graph: Graph, gradients: dict[Node, Node], path: set[Node], origin: Origin | None) -> None:
    """Fill in the gradient at every node of `path`, from those given backwards."""
    loops = {nodes[0]: nodes for nodes in siblings(sorted(path, key=lambda n: n.index)).values()}
    for node in sorted(path, key=lambda n: n.index, reverse=True):
        if node in loops:
            # The first of a loop's results: whoever reads one of them has been visited.
            for operand, share in loop_pullback(graph, loops[node], gradients, path, pullback, origin):
                if operand in path:
                    _add(gradients, operand, share)
        g = gradients.get(node)
        if g is None or node.op.family in ("leaf", "scan"):
            continue
        with graph.writing(graph.origin(node), *([origin] if origin else [])):
            for operand, contribution in zip(node.inputs, _contributions(graph, node, g), strict=True):
                if contribution is not None and operand in path:
                    _add(gradients, operand, _as(operand, contribution))


def _as(operand: Node, contribution: Node) -> Node:
    """What a rule gives to an operand, with the operand's shape and dtype: loops keep it in memory of that type."""
    summed: Node = sum_to(contribution, operand.shape)
    return summed if summed.dtype == operand.dtype else cast(summed, operand.dtype)


def _contributions(graph: Graph, node: Node, g: Node) -> Sequence[Node | None]:
    if isinstance(node.op, Composite) and type(node.op).grad is Op.grad:
        return _through_expansion(graph, node, node.op, g)
    return node.op.grad(g, node, *node.inputs, **node.attrs)


def _through_expansion(graph: Graph, node: Node, op: Composite, g: Node) -> Sequence[Node | None]:
    """The contributions of a composite that has no rule of its own.

    Its operands are independent there, also where one is computed from another or given twice: each stands
    behind a mark of its own, which simplification takes out again.
    """
    operands = [
        graph.insert(OPS["identity"], (x,), {"mark": f"operand {k} of %{node.index}"})
        for k, x in enumerate(node.inputs)
    ]
    return differentiate(graph, op.expand(*operands, **node.attrs), operands, g)
