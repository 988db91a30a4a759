"""Constants computed once, by the compiler."""

from __future__ import annotations

from math import prod

import numpy as np

from symnet.errors import SymnetError
from symnet.graph import CONSTANT, Graph, Literal, Node
from symnet.origin import Origin

# A folded result may have this many bytes, or as many as the operands it replaces.
LIMIT = 1 << 20


def fold_constants(graph: Graph) -> Graph:
    """Evaluate what depends on constants alone, with the ops' numpy answers.

    A broadcast stays: its readers broadcast for free, and many equal numbers are no better than one. So do
    positions: they are cheaper to count than to read. An
    op that refuses its operands (an index out of bounds) stays, to be refused at the call.

    before:  y = multiply(x, add(2.0, 3.0))
    after:   y = multiply(x, 5.0)
    requires: nothing.
    preserves: the values as numpy computes them, and the types.
    Terminates: one round.
    """
    return graph.rewrite(_Folder(graph).rewrite)


class _Folder:
    """Which nodes fold, and their values where somebody else reads them."""

    def __init__(self, graph: Graph) -> None:
        self.values: dict[Node, np.ndarray] = {}
        self.origins: dict[Node, Origin] = {}
        folded: set[Node] = set()
        needed = {*graph.roots(), *graph.inputs, *(p for p, _ in graph.updates)}
        waiting = {node: len(users) for node, users in graph.users().items()}
        for node in graph.nodes:
            if node.op is CONSTANT:
                self.values[node] = node.attrs["value"].array
                continue
            if self._folds(node, graph):
                folded.add(node)
            else:
                needed.update(node.inputs)
            for operand in dict.fromkeys(node.inputs):
                waiting[operand] -= 1
                # Intermediate values go at once: a chain of them must not pile up.
                if not waiting[operand] and operand not in needed:
                    self.values.pop(operand, None)
        self.replaced = folded & needed

    def _folds(self, node: Node, graph: Graph) -> bool:
        if not node.inputs or not all(i in self.values for i in node.inputs) or not _is_small(node):
            return False
        try:
            with np.errstate(all="ignore"):
                result = node.op.numpy(*(self.values[i] for i in node.inputs), **node.attrs)
        except (SymnetError, NotImplementedError, TypeError, ValueError):
            return False
        result = np.asarray(result).astype(node.dtype, copy=False)
        if result.shape != node.shape:
            return False
        self.values[node] = result
        self.origins[node] = Origin.union(
            graph.origin(node), *(self.origins.get(i) or graph.origin(i) for i in node.inputs)
        )
        return True

    def rewrite(self, graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        """The constant that stands for a node that folds; those only folded ones read are left to die."""
        if node not in self.replaced:
            return None
        graph.fired["fold"] += 1
        with graph.writing(self.origins[node]):
            return graph.leaf(CONSTANT, node.type, value=Literal(self.values[node]))


def _is_small(node: Node) -> bool:
    if node.op.name in ("broadcast_to", "counters", "positions") or not all(isinstance(n, int) for n in node.shape):
        return False
    return _bytes(node) <= max(LIMIT, sum(_bytes(i) for i in node.inputs))


def _bytes(node: Node) -> int:
    return int(prod(n for n in node.shape if isinstance(n, int))) * np.dtype(node.dtype).itemsize
