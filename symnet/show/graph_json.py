"""A graph as JSON, for other programs to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..graph import Graph, Node, attr_text


def to_json(graph: Graph) -> str:
    """The graph as JSON text.

    ``nodes`` lists the live nodes in order of computation: ``id`` (which ``inputs``, ``outputs`` and
    ``updates`` refer to), ``name`` (as in the text form), ``op``, ``family``, ``inputs``, ``attrs`` (as the
    text form shows them), ``type``, ``dtype``, ``shape`` (numbers, and text for named sizes) and ``origin``.
    ``bodies`` holds, where there are loops, the graph of each one's body by the name that ``attrs`` has for it.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        The same for the same graph.

    Examples
    --------
    >>> import json, symnet as sn
    >>> x = sn.Variable("x", shape=("n",), dtype="float32")
    >>> json.loads(to_json(sn.compile(x * 2.0).graph))["nodes"][-1]["type"]
    'f32[n]'
    """
    return json.dumps(_graph(graph), indent=1, ensure_ascii=False) + "\n"


def _graph(graph: Graph) -> dict[str, Any]:
    bodies = graph.bodies()
    whole = {
        "nodes": [_node(graph, n, bodies) for n in graph.live()],
        "inputs": [n.index for n in graph.inputs],
        "outputs": [n.index for n in graph.outputs],
        "updates": [{"parameter": p.index, "value": v.index} for p, v in graph.updates],
        "checks": [[str(a), str(b)] for a, b in graph.checks],
    }
    return {**whole, "bodies": {name: _graph(body.graph) for body, name in bodies.items()}} if bodies else whole


def _node(graph: Graph, node: Node, bodies: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "id": node.index,
        "name": graph.name(node),
        "op": node.op.name,
        "family": node.op.family,
        "inputs": [i.index for i in node.inputs],
        "attrs": {k: bodies[v] if k == "body" else attr_text(v) for k, v in node.attrs.items() if v is not None},
        "type": str(node.type),
        "dtype": node.dtype,
        "shape": [n if isinstance(n, int) else str(n) for n in node.shape],
        "origin": [str(line) for line in graph.origin(node).lines],
    }
