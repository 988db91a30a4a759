"""fold_linear and fuse_linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.dims import Dim
from symnet.graph import Graph, Node
from symnet.passes import PIPELINE
from symnet.passes.dead_nodes import eliminate_dead_nodes
from symnet.passes.fold_constants import fold_constants
from symnet.passes.fold_linear import fold_linear_of_linear
from symnet.passes.fuse_linear import fuse_linear
from symnet.passes.stabilize import stabilize

from .tools import new_graph, op, run, text


def constants(graph: Graph, *shapes: tuple[int, ...]) -> list[Node]:
    rng = np.random.default_rng(0)
    return [graph.constant(rng.normal(size=s), "float64") for s in shapes]


@pytest.mark.parametrize("bias", [False, True])
def test_two_layers_become_one(bias: bool) -> None:
    graph, (x,) = new_graph(x=("float64", (Dim.named("n"), 6)))
    w1, w2, b = constants(graph, (6, 8), (8, 5), (8,))
    graph.outputs = [op("matmul", op("matmul", x, w1) + b if bias else op("matmul", x, w1), w2)]
    after = fold_linear_of_linear(graph)
    after.check()
    assert text(eliminate_dead_nodes(after)) == (
        ["%0 = matmul(x, <30 numbers>)", "%1 = add(%0, <5 numbers>)", "return %1"]
        if bias
        else ["%0 = matmul(x, <30 numbers>)", "return %0"]
    )
    assert after.fired == {"linear-of-linear": 1}
    values = {"x": np.random.default_rng(1).normal(size=(7, 6))}
    np.testing.assert_allclose(run(graph, values, {"n": 7})[0], run(after, values, {"n": 7})[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "shared", "pays"),
    [
        ((64, 2), (2, 64), False, False),
        ((8, 8), (8, 8), False, True),
        ((8, 8), (8, 8), True, False),
        ((4, 8), (8, 8), True, True),
    ],
)
def test_folds_only_where_it_pays(first: tuple[int, int], second: tuple[int, int], shared: bool, pays: bool) -> None:
    graph, (x,) = new_graph(x=("float64", (3, first[0])))
    w1, w2 = constants(graph, first, second)
    hidden = op("matmul", x, w1)
    graph.outputs = [op("matmul", hidden, w2), *([op("exp", hidden)] if shared else [])]
    assert bool(fold_linear_of_linear(graph).fired) is pays


def test_a_deep_chain_of_constants_becomes_one() -> None:
    graph, (x,) = new_graph(x=("float64", (3, 4)))
    y: Any = x
    for w in constants(graph, *[(4, 4)] * 20):
        y = op("matmul", y, w * 0.5)
    graph.outputs = [y]
    after = eliminate_dead_nodes(fold_linear_of_linear(fold_constants(graph)))
    assert sum(n.op.name == "matmul" for n in after.nodes) == 1


def test_a_deep_chain_of_layers_with_biases_becomes_one() -> None:
    graph, (x,) = new_graph(x=("float64", (Dim.named("n"), 5)))
    y: Any = x
    for w, b in zip(constants(graph, *[(5, 5)] * 4), constants(graph, *[(5,)] * 4), strict=True):
        y = op("matmul", y, w) + b
    graph.outputs = [y]
    after = eliminate_dead_nodes(fold_linear_of_linear(graph))
    after.check()
    assert text(after) == ["%0 = matmul(x, <25 numbers>)", "%1 = add(%0, <5 numbers>)", "return %1"]
    values = {"x": np.random.default_rng(1).normal(size=(7, 5))}
    np.testing.assert_allclose(run(graph, values, {"n": 7})[0], run(after, values, {"n": 7})[0], rtol=1e-10)


def test_constant_rows_whose_sum_overflows_stay_apart() -> None:
    graph, (x,) = new_graph(x=("float64", (3, 4)))
    (w,) = constants(graph, (4, 4))
    row = graph.constant(np.full(4, 1e308), "float64")
    graph.outputs = [(op("matmul", x, w) + row) + row]
    assert not fold_linear_of_linear(graph).fired


def test_a_shifted_product_that_is_read_elsewhere_stays() -> None:
    graph, (x,) = new_graph(x=("float64", (3, 4)))
    w, b, c = constants(graph, (4, 4), (4,), (4,))
    shifted = op("matmul", x, w) + b
    graph.outputs = [shifted + c, shifted]
    assert not fold_linear_of_linear(graph).fired


def layer(activation: str | None, swapped: bool = False) -> tuple[Graph, Node, Node]:
    graph, (x, w, b) = new_graph(x=("float64", (Dim.named("n"), 3)), w=("float64", (3, 4)), b=("float64", (4,)))
    product = op("matmul", x, w)
    total = b + product if swapped else product + b
    graph.outputs = [op(activation, total) if activation else total]
    return graph, product, total


@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh", "softplus"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_layer_is_one_node(activation: str | None, swapped: bool) -> None:
    graph, _, _ = layer(activation, swapped)
    after = eliminate_dead_nodes(fuse_linear(graph))
    after.check()
    shown = f", activation={activation}" if activation else ""
    assert text(after) == [f"%0 = linear(x, w, b{shown})", "return %0"]
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    values["x"][0, 0] = np.nan
    np.testing.assert_allclose(run(graph, values, {"n": 5})[0], run(after, values, {"n": 5})[0], rtol=1e-15)
    assert not fuse_linear(after).fired


def test_what_somebody_else_reads_is_not_computed_twice() -> None:
    graph, product, _ = layer("relu")
    graph.outputs.append(product)
    assert not fuse_linear(graph).fired
    graph, _, total = layer("relu")
    graph.outputs.append(total)
    assert fuse_linear(graph).fired == {"bias": 1}


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_a_trained_layer_is_one_node_too(activation: str) -> None:
    x = sn.Variable("x", shape=("n", 3), dtype="float64")
    w, b = sn.Parameter(np.ones((3, 4)), name="w"), sn.Parameter(np.zeros(4), name="b")
    loss = (getattr(sn, activation)(x @ w + b)).sum()
    f = sn.compile([loss, *sn.grad(loss, [w, b])], mode="interpret", check=True)
    f(x=np.ones((2, 3)))
    assert f"activation={activation}" in str(f.graph)


def test_an_outside_pass_in_a_few_lines() -> None:
    def exp_is_log(graph: Graph) -> Graph:
        def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
            return op("log", *inputs) if node.op.name == "exp" else None

        return graph.rewrite(rule)

    x = sn.Variable("x", shape=(2,), dtype="float64")
    f = sn.compile(sn.exp(x), pipeline=[*PIPELINE, exp_is_log], mode="interpret", check=True)
    np.testing.assert_allclose(f(x=np.array([1.0, 2.0])), np.log([1.0, 2.0]))


def test_the_pipeline_is_done_after_one_run() -> None:
    x = sn.Variable("x", shape=("n", 3), dtype="float64")
    y = sn.Variable("y", shape=("n",), dtype="int64")
    w, b = sn.Parameter(np.ones((3, 4)), name="w"), sn.Parameter(np.zeros(4), name="b")
    loss = sn.cross_entropy(sn.relu(x @ w + b), y)
    f = sn.compile([loss], updates={w: w - 0.1 * sn.grad(loss, w)}, mode="interpret", check=True)
    f(x=np.ones((2, 3)), y=np.array([0, 1]))
    graph = f.graph
    again = graph
    for step in PIPELINE:
        if step is stabilize:
            continue  # It knows a softmax from its formula, which is what the pipeline has made of it.
        again = step(again)
        again.check()
    assert text(again) == text(graph)
