"""hoist_from_loops: what leaves a loop, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symnet.graph import Graph
from symnet.passes.hoist_from_loops import _Hoisting, hoist_from_loops

from .tools import body_texts, new_graph, op, run, same_bits, scan, text

RNG = np.random.default_rng(0)
SHAPES = {"h": (2, 3), "x": (4, 2, 3), "w": (3, 3), "v": (3, 3)}
VALUES = {n: RNG.normal(size=shape) for n, shape in SHAPES.items()}


def recurrent(step: Callable[..., Any]) -> Graph:
    """The last carry and the stack of a loop over x, from h, with w and v the same at every step."""
    graph, (h, x, w, v) = new_graph(**{n: ("float64", shape) for n, shape in SHAPES.items()})
    graph.outputs = scan(step, [h], [x], [w, v])
    return graph


def hoisted(graph: Graph) -> Graph:
    """The graph after the pass, checked; the numbers are the same."""
    after = hoist_from_loops(graph)
    after.check()
    for before, later in zip(run(graph, VALUES), run(after, VALUES), strict=True):
        np.testing.assert_allclose(later, before, rtol=1e-12, atol=1e-14)
    return after


def layer(c: Any, s: Any, w: Any, v: Any) -> Any:
    y = op("tanh", op("matmul", c, w) + op("matmul", s, op("exp", v)))
    return [y], [y]


def test_a_product_with_the_slices_leaves() -> None:
    graph = recurrent(layer)
    after = hoisted(graph)
    assert text(after) == [
        "%0 = exp(v)",
        "%1 = matmul(x, %0)",
        "%2 = scan(h, %1, w, body=body0, position=0, length=4)",
        "%3 = scan(h, %1, w, body=body0, position=1, length=4)",
        "return %2, %3",
    ]
    (body,) = body_texts(after)
    assert body[0].startswith("%0 = matmul(c0, ") and body[-2:] == ["%2 = tanh(%1)", "return %2, c0 <- %2"]
    assert after.fired == {"hoist": 1}


def test_what_depends_on_the_carry_stays() -> None:
    graph = recurrent(lambda c, s, w, v: ([(y := op("sin", op("matmul", c, w)) * s)], [y]))
    after = hoisted(graph)
    assert [line.count("matmul") for line in text(after)] == [0, 0, 0]
    assert not after.fired
    assert all(same_bits(a, b) for a, b in zip(run(graph, VALUES), run(after, VALUES), strict=True))


def test_element_wise_work_without_a_product_stays() -> None:
    """Outside it would only cost memory."""
    after = hoisted(recurrent(lambda c, s, w, v: ([c + op("exp", s)], [c])))
    assert len(text(after)) == 3 and not after.fired


def test_what_is_the_same_at_every_step_leaves() -> None:
    after = hoisted(recurrent(lambda c, s, w, v: ([op("matmul", c, op("exp", op("matmul", w, v))) + s], [c])))
    assert text(after)[:2] == ["%0 = matmul(w, v)", "%1 = exp(%0)"]
    assert sum("matmul" in line for line in body_texts(after)[0]) == 1


def test_a_sum_of_products_is_one_product() -> None:
    """The gradient of a matrix: rows of all steps, turned, times columns of all steps; no loop is left."""
    graph, (a, x, y) = new_graph(a=("float64", (3, 3)), x=("float64", (4, 2, 3)), y=("float64", (4, 2, 3)))
    graph.outputs = scan(lambda c, s, t: ([op("matmul", op("transpose", s, axes=(1, 0)), t) + c], []), [a], [x, y])
    after = hoist_from_loops(graph)
    after.check()
    assert text(after) == [
        "%0 = reshape(x, shape=(8, 3))",
        "%1 = reshape(y, shape=(8, 3))",
        "%2 = transpose(%0, axes=(1, 0))",
        "%3 = matmul(%2, %1)",
        "%4 = add(a, %3)",
        "return %4",
    ]
    values = {"a": VALUES["w"], "x": VALUES["x"], "y": RNG.normal(size=(4, 2, 3))}
    np.testing.assert_allclose(run(after, values)[0], run(graph, values)[0], rtol=1e-12)


def test_a_check_on_data_stays_inside() -> None:
    def step(c: Any, s: Any) -> Any:
        return [c + op("cast", op("check_index", s, size=5), dtype="float64")], []

    graph, (c, i) = new_graph(c=("float64", (2,)), i=("int64", (4, 2)))
    graph.outputs = scan(step, [c], [i])
    after = hoist_from_loops(graph)
    assert text(after) == text(graph) and "check_index" in body_texts(after)[0][0]


def test_one_round_is_enough() -> None:
    after = hoist_from_loops(recurrent(layer))
    again = hoist_from_loops(after)
    assert text(again) == text(after) and not again.fired


def test_a_carry_taken_for_a_slice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what the carry is before the first step stands for all steps."""

    def classes(self: Any) -> Any:
        varying, same = found(self)
        self.outside[self.body.carries[0]] = self.firsts[0]
        same |= {self.body.carries[0], *(n for n in self.graph.nodes if n.op.name == "matmul")}
        return varying - same, same

    found = _Hoisting._classes
    monkeypatch.setattr(_Hoisting, "_classes", classes)
    graph = recurrent(lambda c, s, w, v: ([op("matmul", c, w) + s], [c]))
    with pytest.raises(AssertionError):
        hoisted(graph)
