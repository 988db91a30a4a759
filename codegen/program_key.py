"""What decides a program, as text: programs of one text have the same machine code.

    text  ::= head  graph*                   the program's graph, then the bodies of loops as they are met
    graph ::= node*  inputs  outputs  updates  checks on data  checks of sizes     nodes as numbers
    node  ::= op  operands  attributes  dtype  shape

Every node counts, dead ones too, and the order in which they stand: names of buffers and the order of kernels follow
it. The lines of the user's program do not count, nor do the numbers and names of Parameters. Whatever has no certain
text, an op that a user added or an attribute of an unknown kind, raises :class:`Unnamed`: such a program is not looked
up.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from symnet.dims import Dim, Extremum, Quotient
from symnet.graph import PARAMETER, Graph, Literal, Node
from symnet.ops.scan import SCAN, Body
from symnet.untouched import fingerprint, is_known

from .processor import facts
from .targets import Target


class Unnamed(Exception):
    """Nothing certain names the program; the reason, in words."""


def program_key(graph: Graph, target: Target, max_bytes: int | None) -> tuple[str, ...]:
    """All that decides the machine code of a graph.

    Raises
    ------
    Unnamed
        Something that decides it has no certain text.
    """
    files = fingerprint()
    if not files:
        raise Unnamed("symnet's files are newer than this process, or none")
    versions = f"Python {sys.version}, numpy {np.__version__}, {facts().llvm}"
    writer = _Writer(bodies(graph))
    options = writer.value((*astuple(target), max_bytes))
    return ("program", files, versions, options, *map(writer.graph, graphs(graph)))


def bodies(graph: Graph) -> list[Body]:
    """The bodies of the loops, and of the loops in those, each once."""
    found: dict[Body, None] = {}
    waiting = [graph]
    for each in waiting:
        new = dict.fromkeys(n.attrs["body"] for n in each.nodes if n.op is SCAN and n.attrs["body"] not in found)
        found.update(new)
        waiting += [body.graph for body in new]
    return list(found)


def graphs(graph: Graph) -> list[Graph]:
    """The graph, and those of the bodies."""
    return [graph, *(body.graph for body in bodies(graph))]


class _Writer:
    def __init__(self, bodies: Sequence[Body]) -> None:
        self.numbers = {body: number for number, body in enumerate(bodies)}
        # By identity: of equal types one may hold 1 where the other holds True.
        self.types: dict[int, str] = {}

    def graph(self, graph: Graph) -> str:
        _require(type(graph) is Graph, graph)
        lines = []
        for place, node in enumerate(graph.nodes):
            _require(node.index == place and node.graph is graph, node)
            lines.append(self.node(node))
        updates = [node for pair in graph.updates for node in pair]
        for roots in (graph.inputs, graph.outputs, updates, graph.data_checks):
            lines.append(_places(roots, graph))
        return "\n".join([*lines, self.value(tuple(graph.checks))])

    def node(self, node: Node) -> str:
        op = node.op
        if not is_known(op):
            raise Unnamed(f"{op.name} is no op of symnet's own")
        # A Parameter's name is its number in the process where none was given; what is bound is found by its node.
        unnamed = {} if op is PARAMETER and node.attrs.keys() == {"name"} else node.attrs
        attrs = "".join([f" {name!r}={self.value(value)}" for name, value in unnamed.items()])
        made = self.types.get(id(node.type))
        if made is None:
            made = self.types[id(node.type)] = self.value((node.type.dtype, node.type.shape))
        return f"{op.name} {_places(node.inputs, node.graph)}{attrs} {made}"

    def value(self, value: Any) -> str:
        """An attribute, a size or an option; kinds are told apart, and numbers written to the bit."""
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            return repr(value)
        if kind is tuple:
            return f"({','.join([self.value(v) for v in value])})"
        if kind is float:
            return f"float {struct.pack('<d', value).hex()}"
        if kind is Dim:
            return f"<{'+'.join([f'{c!r}{self.value(m)}' for m, c in value.terms])}>"
        if kind is Quotient:
            return f"[{self.value(value.numerator)}//{self.value(value.denominator)}]"
        if kind is Extremum:
            return f"[{value.kind!r}{self.value(value.a)}{self.value(value.b)}]"
        if kind is Literal:
            return _array_text(value.array)
        if kind is Body:
            return f"body {self.numbers[value]} {value.n_carries!r} {value.n_slices!r} {value.is_segment!r}"
        raise Unnamed(f"{value!r} has no certain text")


def _places(nodes: Sequence[Node], graph: Graph) -> str:
    for node in nodes:
        _require(node.graph is graph, node)
    return ",".join([str(node.index) for node in nodes])


def _array_text(array: np.ndarray) -> str:
    """An array by dtype, shape and bits."""
    _require(type(array) is np.ndarray and array.dtype.kind in "biuf", array)
    return f"{array.dtype.str}{array.shape!r} {hashlib.sha256(array.tobytes()).hexdigest()}"


def _require(condition: bool, value: object) -> None:
    if not condition:
        raise Unnamed(f"{value!r} has no certain text")
