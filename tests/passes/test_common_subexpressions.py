"""eliminate_common_subexpressions: order of operands, and one node for what is equal."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.errors import GraphError
from symnet.op import OPS
from symnet.passes import common_subexpressions
from symnet.passes.common_subexpressions import eliminate_common_subexpressions

from .tools import new_graph, op, run, same_bits, special, text


def test_equal_nodes_are_one_by_construction() -> None:
    graph, (x,) = new_graph(x=("float64", (4,)))
    assert op("exp", x) is op("exp", x)
    assert op("sum", x, axis=0, keepdims=True) is not op("sum", x, axis=0, keepdims=False)
    assert graph.constant(0.0, "float64") is not graph.constant(-0.0, "float64")
    assert graph.constant(np.nan, "float64") is graph.constant(np.nan, "float64")


def test_what_becomes_equal_on_the_way_is_one_too() -> None:
    """Readers of two nodes that became one are one themselves, to the last."""
    graph, (x, y) = new_graph(x=("float64", (16,)), y=("float64", (16,)))
    left, right = op("exp", x + y) * y, y * op("exp", y + x)
    graph.outputs = [left - right]
    after = eliminate_common_subexpressions(graph)
    after.check()
    assert text(after) == [
        "%0 = add(x, y)",
        "%1 = exp(%0)",
        "%2 = multiply(y, %1)",
        "%3 = subtract(%2, %2)",
        "return %3",
    ]
    values = {"x": special("float64", 16, 0), "y": special("float64", 16, 1)}
    assert same_bits(run(graph, values)[0], run(after, values)[0])


def test_what_does_not_commute_keeps_its_order() -> None:
    graph, (x, y) = new_graph(x=("float64", (16,)), y=("float64", (16,)))
    graph.outputs = [op(n, *pair) for n in ("subtract", "divide", "power") for pair in ((x, y), (y, x))]
    after = eliminate_common_subexpressions(graph)
    assert not after.fired and text(after) == text(graph)


@pytest.mark.parametrize("name", ["add", "multiply", "equal", "not_equal", "maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_bit_for_bit(name: str, dtype: str) -> None:
    graph, (x, y) = new_graph(x=(dtype, (32,)), y=(dtype, (32,)))
    graph.outputs = [op(name, x, y), op(name, y, x)]
    after = eliminate_common_subexpressions(graph)
    after.check()
    assert text(after) == [f"%0 = {name}(x, y)", "return %0, %0"]
    assert after.fired == {"order-operands": 1}
    values = {"x": special(dtype, 32, 0), "y": special(dtype, 32, 1)}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(before, later)


def test_a_comparison_mirrored_wrongly_is_seen_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, (x, y) = new_graph(x=("float64", (16,)), y=("float64", (16,)))
    graph.outputs = [op("less", y, x)]
    values = {"x": np.arange(16.0), "y": np.full(16, 7.0)}
    assert same_bits(run(graph, values)[0], run(eliminate_common_subexpressions(graph), values)[0])
    monkeypatch.setitem(common_subexpressions._MIRRORED, "less", "greater_equal")
    assert not same_bits(run(graph, values)[0], run(eliminate_common_subexpressions(graph), values)[0])


def test_a_result_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, (x, y) = new_graph(x=("float64", (4,)), y=("float64", (4,)))
    graph.outputs = [op("less", y, x)]
    monkeypatch.setitem(common_subexpressions._MIRRORED, "less", OPS["add"].name)
    with pytest.raises(GraphError, match="another type"):
        eliminate_common_subexpressions(graph)
