"""A graph in graphviz' language."""

from __future__ import annotations

from ..graph import Graph
from .roles import Role, roles
from .svg import FAMILIES, tooltip

_SHAPES = {"leaf": "ellipse", "reduction": "octagon"}


def to_dot(graph: Graph) -> str:
    """The graph as a digraph; every live node is drawn, and the name tells nodes apart.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        The same for the same graph.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("n",), dtype="float32")
    >>> "n0 -> n2;" in to_dot(sn.compile(x * 2.0).graph)
    True
    """
    lines = ["digraph symnet {", '  node [style="filled", fontname="Helvetica"];']
    role = roles(graph)
    for node in graph.live():
        family = "update" if role[node] == Role.UPDATE else node.op.family
        fill, outline = FAMILIES.get(family, FAMILIES["movement"])[0]
        name = graph.name(node) if node.op.family == "leaf" else f"{graph.name(node)} {node.op.name}"
        label = f"{name}\n{node.type}"
        lines.append(
            f"  n{node.index} [label={_quoted(label)}, tooltip={_quoted(tooltip(graph, node))}, "
            f'shape={_SHAPES.get(family, "box")}, fillcolor="{fill}", color="{outline}"];'
        )
        lines += [f"  n{operand.index} -> n{node.index};" for operand in node.inputs]
    for place, node in enumerate(graph.outputs):
        lines.append(f'  out{place} [label="output {place}", shape=plaintext];')
        lines.append(f"  n{node.index} -> out{place};")
    for parameter, value in graph.updates:
        lines.append(f"  n{value.index} -> n{parameter.index} [style=dashed, constraint=false];")
    return "\n".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
