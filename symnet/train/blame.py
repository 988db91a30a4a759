"""Where a loss that is not finite comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..compile import compile
from ..errors import SymnetError
from ..expr import Expr, Parameter, Variable
from ..graph import INPUT, PARAMETER, Node
from ..reference import run_nodes
from ..specialize import leaves


def source_of(loss: Expr, inputs: Sequence[Variable], batch: Sequence[np.ndarray]) -> str:
    """What made a loss NaN or infinite, in words that follow "it comes from"; empty where that cannot be told.

    The interpreter computes the loss as it is written, with the Parameters as they are, and what is not finite is
    followed from the loss to the first op that makes it of finite numbers.

    Parameters
    ----------
    loss : Expr
        A scalar.
    inputs : sequence of Variable
    batch : sequence of arrays
        For each input, along the named size "batch".
    """
    try:
        graph = compile(loss, inputs, mode="interpret", pipeline=[]).graph
        numbers = {p.name: p.storage for p in leaves([loss]) if isinstance(p, Parameter)}
        given = dict(zip(graph.inputs, batch, strict=True))
        given.update({n: numbers[n.attrs["name"]] for n in graph.nodes if n.op is PARAMETER})
        values = run_nodes(graph.live(), given, {"batch": len(batch[0])})
    except (SymnetError, MemoryError):
        return ""
    (root,) = graph.outputs
    # A NaN may come of infinities that belong there, such as those of a mask.
    is_bad = np.isnan if np.isnan(values[root]) else np.isinf
    if not is_bad(values[root]):
        return ""
    node = _followed(root, {n for n in graph.live() if values[n].dtype.kind == "f" and is_bad(values[n]).any()})
    word = "NaN" if is_bad is np.isnan else "an infinity"
    if node.op in (INPUT, PARAMETER):
        kind = "the data" if node.op is INPUT else "the Parameter"
        return f"{kind} {node.attrs['name']!r}, which holds {word}"
    return f"{node.op.name} at {graph.origin(node)}, the first to give {word}"


def _followed(node: Node, bad: set[Node]) -> Node:
    """The first bad node on the way that leads to `node`."""
    while operands := [i for i in node.inputs if i in bad]:
        node = operands[0]
    return node
