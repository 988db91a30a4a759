"""A graph as DOT and as JSON."""

from __future__ import annotations

import json

from symnet.graph import Graph, attr_text

from .svg import COLORS


def to_dot(graph: Graph) -> str:
    """The graph in graphviz' language."""
    lines = ["digraph symnet {", '  node [shape=box, style="rounded,filled", fontname="Helvetica"];']
    for node in graph.live():
        fill, line = COLORS.get(node.op.family, COLORS["movement"])
        label = f"{graph.name(node)}\\n{node.op.name} : {node.type}"
        tooltip = json.dumps(str(graph.origin(node)))
        lines.append(
            f'  n{node.index} [label={_quoted(label)}, fillcolor="{fill}", color="{line}", tooltip={tooltip}];'
        )
        lines += [f"  n{operand.index} -> n{node.index};" for operand in node.inputs]
    for k, output in enumerate(graph.outputs):
        lines += [f'  out{k} [label="output {k}", shape=plaintext];', f"  n{output.index} -> out{k};"]
    for parameter, value in graph.updates:
        lines.append(f"  n{value.index} -> n{parameter.index} [style=dashed, constraint=false];")
    return "\n".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def to_json(graph: Graph) -> str:
    """The graph as JSON: nodes in order of computation, then inputs, outputs and updates by name."""
    nodes = [
        {
            "name": graph.name(node),
            "op": node.op.name,
            "family": node.op.family,
            "inputs": [graph.name(i) for i in node.inputs],
            "attrs": {k: attr_text(v) for k, v in node.attrs.items() if v is not None},
            "dtype": node.dtype,
            "shape": [n if isinstance(n, int) else str(n) for n in node.shape],
            "origin": [str(line) for line in graph.origin(node).lines],
        }
        for node in graph.live()
    ]
    whole = {
        "nodes": nodes,
        "inputs": [graph.name(n) for n in graph.inputs],
        "outputs": [graph.name(n) for n in graph.outputs],
        "updates": {graph.name(p): graph.name(v) for p, v in graph.updates},
    }
    return json.dumps(whole, indent=1) + "\n"
