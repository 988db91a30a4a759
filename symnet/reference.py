"""The interpreter: a Graph computed node by node with the ops' numpy answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .dims import evaluate
from .errors import SymnetError
from .graph import CONSTANT, EXTENT, Graph, Node, bind_sizes, located
from .ops.scan import SCAN, Body


def run_nodes(
    nodes: Iterable[Node], values: Mapping[Node, np.ndarray], sizes: Mapping[str, int] | None = None
) -> dict[Node, np.ndarray]:
    """Compute nodes in the order given.

    Parameters
    ----------
    nodes : iterable of Node
        Operands before their readers.
    values : mapping of Node to ndarray
        The inputs and parameters.
    sizes : mapping of str to int, optional
        What the named dims stand for.

    Returns
    -------
    dict of Node to ndarray
        Every value, the given ones included.
    """
    sizes = sizes or {}
    found = dict(values)
    loops: dict[tuple[Body, tuple[Node, ...]], list[np.ndarray]] = {}
    with np.errstate(all="ignore"):
        for node in nodes:
            if node in found:
                continue
            if node.op is SCAN:
                loop = (node.attrs["body"], node.inputs)
                if loop not in loops:
                    loops[loop] = _run_scan(node, [found[i] for i in node.inputs], sizes)
                found[node] = loops[loop][node.attrs["position"]]
            else:
                found[node] = _answer(node, found, sizes)
    return found


def _run_scan(node: Node, arrays: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Every result of a loop."""
    body: Body = node.attrs["body"]
    length = evaluate(node.attrs["length"], sizes)
    carries, rest = list(arrays[: body.n_carries]), arrays[body.n_carries :]
    stacks = [np.empty((length, *(evaluate(n, sizes) for n in y.shape)), y.dtype) for y in body.graph.outputs]
    for step in reversed(range(length)) if node.attrs["is_reversed"] else range(length):
        values = [*carries, *(x[step] for x in rest[: body.n_slices]), *rest[body.n_slices :]]
        ys, carries = interpret(body.graph, dict(zip(body.graph.inputs, values, strict=True)), sizes)
        for stack, y in zip(stacks, ys, strict=True):
            stack[step] = y
    return [*carries, *stacks]


def _answer(node: Node, found: Mapping[Node, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    if node.op is CONSTANT:
        return node.attrs["value"].array
    if node.op is EXTENT:
        return np.asarray(bind_sizes(node.attrs["size"], sizes), node.dtype)
    attrs = {k: bind_sizes(v, sizes) for k, v in node.attrs.items()}
    try:
        result = node.op.numpy(*(found[i] for i in node.inputs), **attrs)
    except SymnetError as error:
        raise located(error, node.op, node.graph.origin(node)) from None
    return np.asarray(result).astype(node.dtype, copy=False)


def interpret(
    graph: Graph, values: Mapping[Node, np.ndarray], sizes: Mapping[str, int]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The results and the new parameter values of a graph.

    Parameters
    ----------
    graph : Graph
    values : mapping of Node to ndarray
        Every input and parameter.
    sizes : mapping of str to int

    Returns
    -------
    (list of ndarray, list of ndarray)
    """
    found = run_nodes(graph.live(), values, sizes)
    return [found[n] for n in graph.outputs], [found[v] for _, v in graph.updates]
