"""The interpreter: a Graph computed node by node with the ops' numpy answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .errors import SymnetError
from .graph import CONSTANT, EXTENT, Graph, Node, bind_sizes, located


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
    with np.errstate(all="ignore"):
        for node in nodes:
            if node not in found:
                found[node] = _answer(node, found, sizes)
    return found


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
