"""Linear of linear is linear: the collapse of layers without an activation between them."""

from __future__ import annotations

from math import prod

import numpy as np

from symnet.graph import CONSTANT, Graph, Node


def fold_linear_of_linear(graph: Graph) -> Graph:
    """Multiply constant matrices with each other first, where that makes less work for each row.

    before:  y = matmul(add(matmul(x, W1), b1), W2)        W1, b1, W2 constant
    after:   y = add(matmul(x, A), c)                      A = W1 W2, c = b1 W2, computed now
    requires: constants folded.
    preserves: types; values up to rounding (the products are summed in another order); what is not finite
               stays not finite.
    Terminates: one round; every matmul only moves its constant into the one before it.
    Pays if the new matrix has fewer elements than those that need no longer be read.

    The next layer's own constant row is added to c, so that it too may stand before a third layer:

    before:  z = add(add(matmul(x, A), c), b2)             A, c, b2 constant
    after:   z = add(matmul(x, A), d)                      d = c + b2, computed now
    """
    users, roots = graph.users(), set(graph.roots())

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op.name == "add":
            alone = len(users[node.inputs[0]]) == 1 and node.inputs[0] not in roots
            return _one_shift(new, *inputs) if alone else None
        if node.op.name != "matmul" or not _is_matrix(inputs[1]) or inputs[0].ndim < 2:
            return None
        inner, shift = _affine(inputs[0])
        if inner is None:
            return None
        (x, first), second = inner.inputs, inputs[1]
        old = node.inputs[0]
        dropped = next(n for n in (old, *old.inputs) if n.op.name == "matmul")
        goes = all(len(users[n]) == 1 and n not in roots for n in {old, dropped})
        kept, columns = _sizes(first)[0], _sizes(second)[1]
        if kept * columns >= prod(_sizes(second)) + (prod(_sizes(first)) if goes else 0):
            return None
        new.fired["linear-of-linear"] += 1
        origins = [new.origin(n) for n in (inner, first, second, inputs[0])]
        with new.writing(node.graph.origin(node), *origins):
            made: Node = new.apply(node.op, (x, _product(new, first, second)), {})
            return made if shift is None else made + _product(new, shift, second)

    return graph.rewrite(rule)


def _sizes(constant: Node) -> tuple[int, ...]:
    assert constant.literal is not None
    return constant.literal.shape


def _is_matrix(node: Node) -> bool:
    value = node.literal
    return value is not None and value.ndim == 2 and node.dtype != "bool" and bool(np.isfinite(value).all())


def _affine(node: Node) -> tuple[Node | None, Node | None]:
    """The product and the constant row of ``x @ W`` or ``x @ W + b``; None where a node is neither."""
    shift = None
    if node.op.name == "add" and node.inputs[0].op.name == "matmul" and node.inputs[1].op is CONSTANT:
        node, shift = node.inputs
        if shift.shape != node.shape[-1:]:
            return None, None
    if node.op.name == "matmul" and _is_matrix(node.inputs[1]) and node.inputs[0].ndim >= 2:
        return node, shift
    return None, None


def _one_shift(graph: Graph, left: Node, right: Node) -> Node | None:
    """``(x @ A + c) + b`` as ``x @ A + (c + b)``."""
    product, shift = _affine(left)
    if product is None or shift is None or right.op is not CONSTANT or right.type != shift.type:
        return None
    assert shift.literal is not None and right.literal is not None
    with np.errstate(all="ignore"):
        total = shift.literal + right.literal
    if not np.isfinite(total).all():
        return None
    graph.fired["one-shift"] += 1
    with graph.writing(graph.origin(left), graph.origin(right)):
        made: Node = product + graph.constant(total, right.dtype)
    return made


def _product(graph: Graph, left: Node, right: Node) -> Node:
    assert left.literal is not None and right.literal is not None
    with np.errstate(all="ignore"):
        return graph.constant(left.literal @ right.literal, right.dtype)
