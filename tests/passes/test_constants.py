"""fold_constants and common_subexpressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.dims import Dim
from symnet.passes.common_subexpressions import eliminate_common_subexpressions
from symnet.passes.fold_constants import LIMIT, fold_constants

from .tools import new_graph, op, run, same_bits, special, text


def test_fold_text_and_numbers() -> None:
    graph, (x,) = new_graph(x=("float64", (2, 2)))
    two = graph.constant(2.0, "float64")
    a = two + 3.0
    w = graph.constant([[1.0, 2.0], [3.0, 4.0]], "float64")
    graph.outputs = [x * (a * a), op("matmul", x, op("matmul", w, w)), op("sum", w, axis=0, keepdims=False)]
    after = fold_constants(graph)
    after.check()
    assert text(after) == [
        "%0 = multiply(x, 25.0)",
        "%1 = matmul(x, [[7.0, 10.0], [15.0, 22.0]])",
        "return %0, %1, [4.0, 6.0]",
    ]
    assert after.fired == {"fold": 3}
    values = {"x": special("float64", 4, 0).reshape(2, 2)}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(before, later)
    assert not fold_constants(after).fired


def test_the_folded_constant_knows_every_line() -> None:
    graph, _ = new_graph()
    a = graph.constant(2.0, "float64")
    b = a + 1.0
    c = b * 2.0
    graph.outputs = [c]
    after = fold_constants(graph)
    assert {*graph.origin(b).lines, *graph.origin(c).lines} <= set(after.origin(after.outputs[0]).lines)


def test_what_stays() -> None:
    graph, (x,) = new_graph(x=("float64", (Dim.named("n"),)))
    wide = op("broadcast_to", graph.constant(1.0, "float64"), shape=(LIMIT,))
    sized = op("broadcast_to", graph.constant(1.0, "float64"), shape=(Dim.named("n"),)) + 1.0
    outside = op("check_index", graph.constant([5], "int64"), size=3)
    graph.outputs = [wide + 1.0, sized + x, outside]
    after = fold_constants(graph)
    assert not after.fired and text(after) == text(graph)


def test_a_chain_over_a_large_constant_keeps_no_copies() -> None:
    graph, _ = new_graph()
    y: Any = graph.constant(np.zeros(1 << 12), "float64")
    for _ in range(20_000):
        y = y + 1.0
    graph.outputs = [y]
    after = fold_constants(graph)
    held = sum(n.attrs["value"].array.nbytes for n in after.nodes if n.literal is not None)
    assert held < 1 << 17 and after.outputs[0].literal is not None


def test_order_text_and_numbers() -> None:
    graph, (x, y) = new_graph(x=("float64", (8,)), y=("float64", (8,)))
    graph.outputs = [x * y + y * x, op("less", y, x), op("greater", x, y), op("less", 0.0, x), 2.0 * x]
    after = eliminate_common_subexpressions(graph)
    after.check()
    assert text(after) == [
        "%0 = multiply(x, y)",
        "%1 = add(%0, %0)",
        "%2 = greater(x, y)",
        "%3 = greater(x, 0.0)",
        "%4 = multiply(x, 2.0)",
        "return %1, %2, %2, %3, %4",
    ]
    values = {"x": special("float64", 8, 0), "y": special("float64", 8, 1)}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(before, later)
    assert not eliminate_common_subexpressions(after).fired


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_maximum_of_floats_is_not_turned(name: str, dtype: str) -> None:
    graph, (x, y) = new_graph(x=(dtype, (64,)), y=(dtype, (64,)))
    graph.outputs = [op(name, x, y), op(name, y, x), op(name, 0, x), op(name, 3, x)]
    after = eliminate_common_subexpressions(graph)
    assert (after.outputs[0] is after.outputs[1]) is (dtype == "int64")
    assert after.outputs[3].inputs[0].op.name == "input"
    values = {"x": special(dtype, 64, 0), "y": special(dtype, 64, 1)}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(before, later)


def test_sizes_that_the_call_proves_equal_keep_their_names() -> None:
    graph, (x, y) = new_graph(x=("float64", (Dim.named("m"),)), y=("float64", (Dim.named("n"),)))
    graph.outputs = [y + x]
    after = eliminate_common_subexpressions(graph)
    after.check()
    assert after.outputs[0].type == graph.outputs[0].type
