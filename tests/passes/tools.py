"""Small graphs for testing passes: built by hand, printed without origins, run before and after."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import symnet.ops  # noqa: F401  (registers every op)
from symnet.dtype import Type
from symnet.graph import INPUT, PARAMETER, Graph, Node
from symnet.op import OPS, apply
from symnet.ops.scan import Body, insert_scan
from symnet.reference import interpret


def new_graph(**types: tuple[str, tuple[Any, ...]]) -> tuple[Graph, list[Node]]:
    """A graph with inputs of the given (dtype, shape)."""
    graph = Graph()
    graph.inputs = [graph.leaf(INPUT, Type(d, s), name=n) for n, (d, s) in types.items()]
    return graph, graph.inputs


def parameter(graph: Graph, name: str, dtype: str, shape: tuple[int, ...]) -> Node:
    """A parameter of the graph."""
    return graph.leaf(PARAMETER, Type(dtype, shape), name=name)


def op(name: str, *args: Any, **attrs: Any) -> Any:
    """An op by its name."""
    return apply(OPS[name], *args, **attrs)


def scan(
    step: Callable[..., tuple[Sequence[Node], Sequence[Node]]],
    carries: Sequence[Node],
    slices: Sequence[Node],
    captured: Sequence[Node] = (),
) -> list[Node]:
    """A loop; its step is called with the carries c0, .., the slices s0, .. and what is the same, w0, .."""
    inner = Graph()
    inner.inputs = [
        inner.leaf(INPUT, Type(n.dtype, n.shape[1:] if letter == "s" else n.shape), name=f"{letter}{k}")
        for letter, nodes in (("c", carries), ("s", slices), ("w", captured))
        for k, n in enumerate(nodes)
    ]
    nexts, ys = step(*inner.inputs)
    inner.updates = list(zip(inner.inputs, nexts, strict=False))
    inner.outputs = list(ys)
    body = Body(inner, len(carries), len(slices))
    return insert_scan(carries[0].graph, body, [*carries, *slices, *captured], slices[0].shape[0], False)


def work_of(function: Callable[[Graph], Any], graph: Graph) -> int:
    """How many calls of functions it takes: what is counted of time, so that other programs change nothing."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function(graph)
    finally:
        sys.setprofile(None)
    return count


def text(graph: Graph) -> list[str]:
    """The lines of the graph's text, without origins, types and bodies of loops; live nodes numbered from 0."""
    lines = [line.split("  #")[0].strip() for line in str(graph).splitlines()[1:]]
    lines = lines[: 1 + next(k for k, line in enumerate(lines) if line.startswith("return "))]
    body = [re.sub(r" : [^:]*$", "", line) for line in lines if not re.search(r" = (input|parameter) : ", line)]
    names: dict[str, str] = {}
    for line in body:
        if constant := re.match(r"(%\d+) = constant\((.*)\)$", line):
            names[constant[1]] = constant[2]
    body = [line for line in body if " = constant(" not in line]
    for line in body:
        if line.startswith("%"):
            names[line.split(" ")[0]] = f"%{sum(name.startswith('%') for name in names.values())}"
    return [re.sub(r"%\d+", lambda m: names.get(m[0], m[0]), line) for line in body]


def body_texts(graph: Graph) -> list[list[str]]:
    """The lines of the body of each loop, in order."""
    return [text(body.graph) for body in graph.bodies()]


def run(graph: Graph, values: Mapping[str, np.ndarray], sizes: Mapping[str, int] | None = None) -> list[np.ndarray]:
    """The results and new parameter values, for inputs and parameters by name."""
    given = {n: values[n.attrs["name"]] for n in graph.nodes if n.op in (INPUT, PARAMETER)}
    outputs, updates = interpret(graph, given, sizes or {})
    return [*outputs, *updates]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree in dtype, shape and every bit, all NaN being alike."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    nan = np.isnan(a)
    return bool(
        np.array_equal(nan, np.isnan(b))
        and np.array_equal(a[~nan], b[~nan])
        and np.array_equal(np.signbit(a[~nan]), np.signbit(b[~nan]))
    )


def special(dtype: str, size: int, seed: int) -> np.ndarray:
    """Numbers that break rules: NaN, inf, zeros of both signs, subnormals, the largest, random ones."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, size).astype(bool)
    if dtype in ("int32", "int64"):
        info = np.iinfo(dtype)
        odd: Sequence[Any] = [0, 1, -1, 2, 3, -7, info.max, info.min, info.max - 1, info.min + 1, 1 << 20]
        return rng.choice(np.array(odd, dtype), size)
    kind = np.finfo(dtype)
    odd = [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        3.3,
        kind.max,
        -kind.max,
        kind.tiny,
        kind.smallest_subnormal,
        -kind.smallest_subnormal,
        kind.eps,
        1e-3,
        1000.0,
        -1000.0,
    ]
    picked = rng.choice(np.array(odd, dtype), size)
    return np.where(rng.random(size) < 0.3, rng.normal(size=size).astype(dtype), picked)
