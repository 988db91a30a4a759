"""eliminate_dead_nodes."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.errors import GraphError, IndexOutOfBounds
from symnet.graph import Graph
from symnet.passes.dead_nodes import eliminate_dead_nodes

from .tools import new_graph, op, parameter, run, same_bits, special, text


def with_dead_nodes() -> Graph:
    """An output and an update are needed, and so is what they read; a chain of two nodes is not."""
    graph, (x, _) = new_graph(x=("float64", (8,)), unread=("float64", (2,)))
    w = parameter(graph, "w", "float64", (8,))
    op("log", op("exp", x))
    graph.outputs = [x + 1.0]
    graph.updates = [(w, w - op("sin", x))]
    return graph


def test_text_and_numbers() -> None:
    graph = with_dead_nodes()
    after = eliminate_dead_nodes(graph)
    after.check()
    assert [n.op.name for n in graph.nodes if n.op.family == "elementwise"] == ["exp", "log", "add", "sin", "subtract"]
    assert [n.op.name for n in after.nodes if n.op.family == "elementwise"] == ["add", "sin", "subtract"]
    assert text(after) == ["%0 = add(x, 1.0)", "%1 = sin(x)", "%2 = subtract(w, %1)", "return %0, w <- %2"]
    values = {"x": special("float64", 8, 0), "unread": np.zeros(2), "w": special("float64", 8, 1)}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(before, later)


def test_inputs_stay_and_a_graph_without_dead_nodes_is_itself() -> None:
    after = eliminate_dead_nodes(with_dead_nodes())
    assert [n.attrs["name"] for n in after.inputs] == ["x", "unread"]
    assert eliminate_dead_nodes(after) is after


def test_a_check_on_data_stays_when_its_reader_goes() -> None:
    graph, (x, i) = new_graph(x=("float64", (5,)), i=("int64", (3,)))
    checked = op("check_index", i, size=5)
    op("exp", op("cast", checked, dtype="float64"))
    graph.outputs = [x * 2.0]
    graph.data_checks = [checked]
    after = eliminate_dead_nodes(graph)
    after.check()
    assert text(after) == ["%0 = check_index(i, size=5)", "%1 = multiply(x, 2.0)", "return %1"]
    assert [n.op.name for n in after.data_checks] == ["check_index"]
    assert same_bits(run(after, {"x": np.ones(5), "i": np.array([0, 4, 2])})[0], np.full(5, 2.0))
    with pytest.raises(IndexOutOfBounds):
        run(after, {"x": np.ones(5), "i": np.array([0, 9, 2])})
    graph.data_checks = []
    assert text(eliminate_dead_nodes(graph)) == ["%0 = multiply(x, 2.0)", "return %0"]


@pytest.mark.parametrize("root", ["outputs", "updates", "data_checks"])
def test_a_walk_that_forgets_a_root_is_caught(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = with_dead_nodes()
    graph.data_checks = [op("check_index", op("cast", graph.inputs[0], dtype="int64"), size=5)]
    kept = graph.live()
    lost = {"outputs": graph.outputs, "updates": [v for _, v in graph.updates], "data_checks": graph.data_checks}[root]
    monkeypatch.setattr(graph, "live", lambda: [n for n in kept if n not in lost])
    with pytest.raises(KeyError):
        eliminate_dead_nodes(graph)


def test_a_root_of_another_graph_is_caught() -> None:
    graph = with_dead_nodes()
    after = eliminate_dead_nodes(graph)
    after.outputs = graph.outputs
    with pytest.raises(GraphError, match="root"):
        after.check()
