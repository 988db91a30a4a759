"""In-place safety: which memory a group reads, and whether it may store into it meanwhile.

The rule: a kernel may store a new value over the old one if every element of the old value is read for
the same element of the new one, and for nothing else. What the group computes on the way counts as what
it is computed from: it has no memory, its readers compute it where they need it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from symnet.graph import Node

from .elements import Group


def sources(node: Node, grouped: Container[Node]) -> list[Node]:
    """The grouped nodes and leaves whose elements an operand is read from."""
    found: list[Node] = []
    stack = [node]
    while stack:
        n = stack.pop()
        if n in grouped or n.op.family == "leaf":
            found.append(n)
        else:
            stack.extend(n.inputs)
    return found


def reads(node: Node, grouped: Container[Node]) -> Iterator[tuple[Node, bool]]:
    """The grouped nodes and leaves that a node reads, and whether at the very element that it computes."""
    for operand in node.inputs:
        in_step = node.op.family == "elementwise" and operand.shape == node.shape
        for source in sources(operand, grouped):
            yield source, in_step and source is operand


def reads_in_step(group: Group, leaf: Node, grouped: Container[Node]) -> bool:
    """Whether a group reads a leaf, if at all, only at the elements that it stores."""
    # Rows are read several times, once a sweep.
    elsewhere = set(group.nodes) if group.kind == "rows" else set()
    for node in reversed(group.nodes):
        elsewhere.update(source for source, same in reads(node, grouped) if not same or node in elsewhere)
    return leaf not in elsewhere
