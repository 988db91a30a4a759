"""form_kernels: which ops are computed together, and the numbers of both modes for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.graph import Graph
from symnet.passes.form_kernels import LIMIT, Group, _Former, form_kernels

from .tools import new_graph, op

RNG = np.random.default_rng(0)
POINT = {"x": RNG.normal(size=(3, 5)), "y": np.array([0, 4, 2]), "i": RNG.integers(0, 4, (3, 5))}
W, B = RNG.normal(size=(5, 4)), RNG.normal(size=4)

Kinds = list[tuple[str, list[str]]]


def variables() -> tuple[Any, Any, Any]:
    return sn.Variable("x", ("n", 5), "float64"), sn.Variable("y", ("n",), "int64"), sn.Variable("i", ("n", 5), "int64")


def kinds(outputs: Any) -> Kinds:
    """The groups, each of which reads earlier ones only; native numbers are those of the interpreter."""
    native, interpreted = (sn.compile(outputs, mode=mode) for mode in ("native", "interpret"))
    given = {v.name: POINT[v.name] for v in native.inputs}
    results = zip(_leaves(native(**given)), _leaves(interpreted(**given)), strict=True)
    for found, wanted in results:
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    groups = form_kernels(native.graph)
    check_order(native.graph, groups)
    return [(g.kind, [n.op.name for n in g.nodes]) for g in groups]


def _leaves(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


def check_order(graph: Graph, groups: Sequence[Group]) -> None:
    """Every node of a group reads what stands before it; every root is computed."""
    computed = {n for n in graph.nodes if n.op.family == "leaf"}
    grouped = {n for g in groups for n in g.nodes}

    def is_computed(operand: Any) -> bool:
        if operand in computed:
            return True
        # What no group computes is read through its operands.
        free = operand not in grouped and (operand.op.is_lazy or operand.op.is_view)
        return free and all(is_computed(i) for i in operand.inputs)

    for group in groups:
        for node in group.nodes:
            assert all(is_computed(i) for i in node.inputs), f"{node!r} is computed too early"
            computed.add(node)
    assert all(is_computed(n) for n in graph.roots())


def test_an_element_wise_chain_is_one_map() -> None:
    x, _, _ = variables()
    assert kinds(sn.exp(x * 2.0 + 1.0) - x) == [("map", ["multiply", "add", "exp", "subtract"])]


def test_softmax_is_one_rows() -> None:
    x, _, _ = variables()
    assert kinds(sn.softmax(x, axis=1)) == [("rows", ["max", "subtract", "exp", "sum", "divide", "multiply"])]


def test_cross_entropy_and_its_gradient_are_one_rows() -> None:
    """Besides the check of labels and 1/n; the logarithms of the rows' sums and their mean follow, in vectors of rows."""
    x, y, _ = variables()
    loss = sn.nn.cross_entropy(x, y)
    forwards = ["max", "subtract", "exp", "sum", "where", "sum"]
    backwards = ["divide", "multiply", "subtract", "multiply"]
    assert kinds([loss, sn.grad(loss, x)]) == [
        ("map", ["check_index"]),
        ("map", ["divide"]),
        ("rows", forwards + backwards),
        ("fold", ["log", "subtract", "sum", "divide"]),
    ]


def test_a_costly_value_of_each_row_is_computed_behind_the_rows_unless_they_need_it() -> None:
    x, _, _ = variables()
    sums = sn.sum(x * x, axis=1)
    assert kinds(sn.exp(sums) + 1.0) == [("rows", ["multiply", "sum"]), ("map", ["exp", "add"])]
    assert kinds(x * sn.exp(sums[:, None])) == [("rows", ["multiply", "sum", "exp", "multiply"])]
    assert kinds(sums * 3.0 + 1.0) == [("rows", ["multiply", "sum", "multiply", "add"])]


def test_a_dense_layer_is_one_fold() -> None:
    x, _, _ = variables()
    w, b = sn.Parameter(W, name="w"), sn.Parameter(B, name="b")
    assert kinds(sn.relu(x @ w + b)) == [("fold", ["linear"])]
    assert kinds(sn.relu(x @ w) * 2.0) == [("fold", ["matmul", "relu", "multiply"])]


def test_a_sum_over_rows_takes_in_what_it_adds_up() -> None:
    x, _, _ = variables()
    assert kinds(sn.exp(x).sum(axis=0) * 2.0) == [("fold", ["exp", "sum", "multiply"])]


def test_a_value_read_by_two_kernels_is_computed_once() -> None:
    x, _, _ = variables()
    e = sn.exp(x)
    assert kinds([e.sum(axis=0), e @ W]) == [("map", ["exp"]), ("fold", ["sum"]), ("fold", ["matmul"])]


def square(name: str) -> sn.Parameter:
    return sn.Parameter(RNG.uniform(1, 2, (5, 5)), name=name)


def test_moments_and_weights_change_where_their_gradient_is_computed() -> None:
    x, _, _ = variables()
    gradient = sn.transpose(x) @ x
    m = square("m") * 0.9 + gradient * 0.1
    v = square("v") * 0.99 + gradient * gradient * 0.01
    ((kind, names),) = kinds([m, v, square("w") - m / sn.sqrt(v)])
    assert (kind, names.count("matmul"), names.count("sqrt")) == ("fold", 1, 1)


def test_what_a_product_reads_along_its_sum_is_computed_before() -> None:
    e = sn.exp(square("e"))
    x, _, _ = variables()
    assert kinds([e @ e + e, x * 2.0]) == [("map", ["exp"]), ("fold", ["matmul", "add"]), ("map", ["multiply"])]


def test_maps_of_parts_of_a_value_are_one() -> None:
    x, _, _ = variables()
    z = x @ W
    left, right = sn.sigmoid(z[:, :2]), sn.tanh(z[:, 2:])
    assert kinds([left, right, left * right]) == [("fold", ["matmul"]), ("map", ["sigmoid", "tanh", "multiply"])]


def test_a_check_on_computed_data_keeps_groups_apart() -> None:
    _, _, i = variables()
    assert kinds((i * 2 + 1) ** (i * i)) == [
        ("map", ["multiply"]),
        ("map", ["check_exponent"]),
        ("map", ["multiply", "add", "power"]),
    ]


def test_a_check_of_an_argument_comes_first_and_parts_nothing() -> None:
    x, _, i = variables()
    powers = sn.exp(x) + sn.cast(2**i, "float64")
    assert kinds(powers) == [("map", ["check_exponent"]), ("map", ["exp", "power", "cast", "add"])]


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 2 * LIMIT + 1])
def test_no_group_is_larger_than_the_limit(length: int) -> None:
    y, _, _ = variables()
    for _ in range(length):
        y = sn.sin(y)
    sizes = [len(names) for _, names in kinds(y)]
    assert sizes == [LIMIT] * (length // LIMIT) + [length % LIMIT] * (length % LIMIT > 0)


def test_two_branches_in_order_of_computation() -> None:
    x, _, _ = variables()
    left, right = sn.relu(x @ W).sum(axis=0) * 2.0, sn.tanh(x).sum(axis=1)
    assert kinds(left + right.sum()) == [
        ("fold", ["matmul", "relu"]),
        ("fold", ["sum", "multiply"]),
        ("rows", ["tanh", "sum"]),
        ("rows", ["sum"]),
        ("map", ["add"]),
    ]


def two_branches() -> Graph:
    graph, (x, w) = new_graph(x=("float64", (3, 5)), w=("float64", (5, 5)))
    product = op("matmul", op("exp", x), w)
    graph.outputs = [op("sum", product, axis=0, keepdims=False) * op("sum", x, axis=None, keepdims=False)]
    return graph


def test_groups_in_a_wrong_order_or_lost_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = two_branches()
    groups = form_kernels(graph)
    check_order(graph, groups)
    with pytest.raises(AssertionError, match="too early"):
        check_order(graph, groups[::-1])
    with pytest.raises(AssertionError):
        check_order(graph, groups[:-1])
    # Planted: a group sinks into a reader and is lost on the way.
    monkeypatch.setattr(_Former, "_sink", lambda self: self.groups[0].nodes.clear())
    with pytest.raises(AssertionError, match="too early"):
        check_order(graph, form_kernels(graph))
