"""Products in bfloat16: what ``compile(..., precision="bf16")`` adds to the pipeline."""

from __future__ import annotations

from symnet.graph import Graph, Node
from symnet.ops.rounding import BFLOAT16

# Products with fewer rows or columns, where that is known, gain nothing by it.
FEWEST = 8


def round_products(graph: Graph) -> Graph:
    """Round the operands of float32 products of matrices to bfloat16; their sums stay float32.

    before:  h = linear(x, W, b)
    after:   h = linear(bfloat16(x), bfloat16(W), b)
    requires: composites expanded, gradients taken: their products are rounded like all others.
    preserves: types; values up to the rounding. Convolutions, products with a vector and those with fewer than 8
        rows or columns stay as they are.
    Terminates: one round.
    """

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if not _is_product(node):
            return None
        new.fired["precision bf16"] += 1
        rounded = (new.insert(BFLOAT16, (i,), {}) for i in inputs[:2])
        return new.insert(node.op, (*rounded, *inputs[2:]), node.attrs)

    return graph.rewrite(rule)


def rounded_products(graph: Graph) -> list[Node]:
    """The products whose operands are rounded, of loops' bodies too."""
    found = [n for n in graph.live() if any(i.op is BFLOAT16 for i in n.inputs)]
    bodies = dict.fromkeys(n.attrs["body"] for n in graph.live() if "body" in n.attrs)
    return found + [n for body in bodies for n in rounded_products(body.graph)]


def _is_product(node: Node) -> bool:
    if node.op.name not in ("matmul", "linear") or node.dtype != "float32":
        return False
    if any(i.ndim < 2 or i.op is BFLOAT16 for i in node.inputs[:2]):
        return False
    return all(not isinstance(n, int) or n >= FEWEST for n in node.shape[-2:])
