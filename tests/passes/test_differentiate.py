"""differentiate: pullback and pushforward as new nodes of the same graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symnet.errors import GradientError
from symnet.graph import Graph, Node
from symnet.op import OPS
from symnet.passes import differentiate as module
from symnet.passes.dead_nodes import eliminate_dead_nodes
from symnet.passes.differentiate import differentiate, pushforward

from .tools import new_graph, op, run, text

POINT = {"x": np.array([0.3, -1.2, 2.0]), "y": np.array([1.5, 0.4, -0.7])}


def total(x: Any) -> Any:
    return op("sum", x, axis=None, keepdims=False)


def only(gradients: list[Node | None]) -> Node:
    """The one gradient."""
    (g,) = gradients
    assert g is not None
    return g


def with_gradients(formula: Callable[..., Any]) -> Graph:
    """The sum of a formula of x and y, and its gradients by both."""
    graph, (x, y) = new_graph(x=("float64", (3,)), y=("float64", (3,)))
    z = total(formula(x, y))
    before = list(graph.nodes)
    gradients = differentiate(graph, z, [x, y])
    assert graph.nodes[: len(before)] == before
    graph.outputs = [z, *(g for g in gradients if g is not None)]
    graph.check()
    return graph


def by_differences(graph: Graph, name: str, step: float = 1e-6) -> np.ndarray:
    """The gradient of the first result, from differences."""
    slopes = []
    for k in range(POINT[name].size):
        moved = step * np.eye(POINT[name].size)[k]
        above, below = (run(graph, {**POINT, name: POINT[name] + s * moved})[0] for s in (1, -1))
        slopes.append((above - below) / (2 * step))
    return np.array(slopes)


def check_numbers(graph: Graph) -> None:
    _, dx, dy = run(graph, POINT)
    np.testing.assert_allclose(dx, by_differences(graph, "x"), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dy, by_differences(graph, "y"), rtol=1e-6, atol=1e-8)


def test_text_and_numbers() -> None:
    graph = with_gradients(lambda x, y: x * x * y)
    assert text(graph) == [
        "%0 = multiply(x, x)",
        "%1 = multiply(%0, y)",
        "%2 = sum(%1)",
        "%3 = expand_dims(1.0, axis=(0,))",
        "%4 = broadcast_to(%3, shape=(3,))",
        "%5 = multiply(%4, y)",
        "%6 = multiply(%4, %0)",
        "%7 = multiply(%5, x)",
        "%8 = add(%7, %7)",
        "return %2, %8, %6",
    ]
    check_numbers(graph)


def test_a_node_used_many_times_is_one_sum() -> None:
    """The contributions of four readers are added, last first, and the product behind x + y is read once."""
    graph = with_gradients(
        lambda x, y: op("sin", s := x + y) + op("exp", s) + op("tanh", s) + s * 2.0,
    )
    lines = text(graph)
    assert lines[lines.index("%9 = expand_dims(1.0, axis=(0,))") :] == [
        "%9 = expand_dims(1.0, axis=(0,))",
        "%10 = broadcast_to(%9, shape=(3,))",
        "%11 = multiply(%10, 2.0)",
        "%12 = multiply(%4, %4)",
        "%13 = subtract(1.0, %12)",
        "%14 = multiply(%10, %13)",
        "%15 = add(%11, %14)",
        "%16 = multiply(%10, %2)",
        "%17 = add(%15, %16)",
        "%18 = cos(%0)",
        "%19 = multiply(%10, %18)",
        "%20 = add(%17, %19)",
        "return %8, %20, %20",
    ]
    check_numbers(graph)


def test_a_chain_of_doublings_is_visited_once_a_node() -> None:
    graph, (x,) = new_graph(x=("float64", (3,)))
    y: Any = x
    for _ in range(60):
        y = y + y
    z = total(y)
    before = len(graph.nodes)
    graph.outputs = [only(differentiate(graph, z, [x]))]
    assert len(graph.nodes) - before < 70
    np.testing.assert_array_equal(run(graph, POINT)[0], np.full(3, 2.0**60))


def test_broadcast_operands_get_sums() -> None:
    graph, (x, w) = new_graph(x=("float64", (2, 3)), w=("float64", (3,)))
    z = total(x * w)
    graph.outputs = [only(differentiate(graph, z, [w]))]
    assert text(graph)[-2:] == ["%3 = sum(%2, axis=(0,))", "return %3"]
    values = {"x": np.arange(6.0).reshape(2, 3), "w": np.ones(3)}
    np.testing.assert_array_equal(run(graph, values)[0], values["x"].sum(0))


def test_a_seed_is_contracted() -> None:
    graph, (x, v) = new_graph(x=("float64", (3,)), v=("float64", (3,)))
    graph.outputs = [only(differentiate(graph, op("exp", x), [x], v))]
    assert text(graph) == ["%0 = exp(x)", "%1 = multiply(v, %0)", "return %1"]
    np.testing.assert_array_equal(run(graph, {"x": POINT["x"], "v": POINT["y"]})[0], POINT["y"] * np.exp(POINT["x"]))


def test_no_path_and_a_path_that_carries_nothing() -> None:
    """None where no path leads; zeros where one leads through an op without a slope."""
    graph, (x, y, i) = new_graph(x=("float64", (3,)), y=("float64", (3,)), i=("int64", (3,)))
    z = total(op("floor", x) + op("cast", i, dtype="float64"))
    dx, dy, di = differentiate(graph, z, [x, y, i])
    assert dy is None and di is None and dx is not None
    graph.outputs = [dx]
    values = {**POINT, "i": np.arange(3)}
    np.testing.assert_array_equal(run(graph, values)[0], np.zeros(3))


def test_forward_text_and_numbers() -> None:
    graph, (x, t) = new_graph(x=("float64", (3,)), t=("float64", (3,)))
    graph.outputs = [only(pushforward(graph, [op("sin", x)], [x], [t]))]
    graph.check()
    assert text(graph) == ["%0 = cos(x)", "%1 = multiply(t, %0)", "return %1"]
    after = eliminate_dead_nodes(graph)
    np.testing.assert_array_equal(run(after, {"x": POINT["x"], "t": POINT["y"]})[0], POINT["y"] * np.cos(POINT["x"]))


def test_a_rule_that_is_not_linear_has_no_forward_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, (x, t) = new_graph(x=("float64", (3,)), t=("float64", (3,)))
    monkeypatch.setattr(OPS["sin"], "grad", lambda g, out, x: [g * g * op("cos", x)])
    with pytest.raises(GradientError, match="not linear"):
        pushforward(graph, [op("sin", x)], [x], [t])


def overwrite(gradients: dict[Node, Node], node: Node, contribution: Node) -> None:
    gradients[node] = contribution


def test_contributions_that_are_not_added_are_seen_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_add", overwrite)
    with pytest.raises(AssertionError):
        check_numbers(with_gradients(lambda x, y: x * x * y))


def test_a_wrong_rule_is_seen_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPS["sin"], "grad", lambda g, out, x: [g * op("sin", x)])
    with pytest.raises(AssertionError):
        check_numbers(with_gradients(lambda x, y: op("sin", x) * y))
