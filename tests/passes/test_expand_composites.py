"""expand_composites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.dims import Dim
from symnet.graph import Node
from symnet.op import OPS, Composite
from symnet.passes.expand_composites import expand_composites

from .tools import new_graph, op, run, same_bits, special, text

SHIFTED_EXP = [
    "%0 = max(x, axis=1, keepdims=True)",
    "%1 = subtract(x, %0)",
    "%2 = exp(%1)",
    "%3 = sum(%2, axis=1, keepdims=True)",
]
EXPANSIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "softmax": ({"axis": 1}, [*SHIFTED_EXP, "%4 = divide(1.0, %3)", "%5 = multiply(%2, %4)", "return %5"]),
    "log_softmax": ({"axis": 1}, [*SHIFTED_EXP, "%4 = log(%3)", "%5 = subtract(%1, %4)", "return %5"]),
    "mean": ({"axis": 1, "keepdims": False}, ["%0 = sum(x, axis=1)", "%1 = divide(%0, size(m))", "return %1"]),
}


@pytest.mark.parametrize("name", EXPANSIONS)
def test_text_and_numbers(name: str) -> None:
    attrs, lines = EXPANSIONS[name]
    graph, (x,) = new_graph(x=("float64", (Dim.named("n"), Dim.named("m"))))
    graph.outputs = [op(name, x, **attrs)]
    after = expand_composites(graph)
    after.check()
    assert text(after) == lines
    assert after.fired == {f"expand-{name}": 1}
    values = {"x": np.random.default_rng(0).normal(size=(4, 5))}
    found, wanted = (run(g, values, {"n": 4, "m": 5})[0] for g in (after, graph))
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert text(expand_composites(after)) == lines


def test_a_loss_keeps_its_check_of_labels() -> None:
    graph, (x, y) = new_graph(x=("float64", (4, 3)), y=("int64", (4,)))
    graph.outputs = [op("cross_entropy", x, y)]
    after = expand_composites(graph)
    after.check()
    lines = text(after)
    assert "%5 = check_index(y, size=3)" in lines and "%6 = one_hot(%5, size=3, dtype=bool)" in lines
    values = {"x": np.random.default_rng(0).normal(size=(4, 3)), "y": np.array([0, 2, 1, 2])}
    np.testing.assert_allclose(run(after, values)[0], run(graph, values)[0], rtol=1e-14)


def test_what_a_composite_is_made_of_expands_too() -> None:
    """A mean over places is a mean, and that a sum."""
    graph, (x,) = new_graph(x=("float64", (2, 3, 4)))
    graph.outputs = [op("global_avg_pool1d", x, rank=1), op("softmax", op("softmax", x, axis=2), axis=1)]
    after = expand_composites(graph)
    after.check()
    assert not any(isinstance(n.op, Composite) for n in after.nodes)
    assert after.fired == {"expand-global_avg_pool1d": 1, "expand-mean": 1, "expand-softmax": 2}
    values = {"x": np.random.default_rng(0).normal(size=(2, 3, 4))}
    for before, later in zip(run(graph, values), run(after, values), strict=True):
        np.testing.assert_allclose(later, before, rtol=1e-14)


def test_primitive_ops_stay_bit_for_bit() -> None:
    graph, (x,) = new_graph(x=("float64", (8,)))
    graph.outputs = [op("exp", x) * x]
    after = expand_composites(graph)
    assert after is graph
    values = {"x": special("float64", 8, 0)}
    assert same_bits(run(graph, values)[0], run(after, values)[0])


def test_an_expansion_without_the_shift_is_seen_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(x: Node, axis: int) -> Any:
        e = op("exp", x)
        return e / op("sum", e, axis=axis, keepdims=True)

    graph, (x,) = new_graph(x=("float64", (2, 3)))
    graph.outputs = [op("softmax", x, axis=1)]
    values = {"x": np.array([[1000.0, 999.0, 0.0], [0.0, 1.0, 2.0]])}
    np.testing.assert_allclose(run(expand_composites(graph), values)[0], run(graph, values)[0], rtol=1e-14)
    monkeypatch.setattr(OPS["softmax"], "expand", naive)
    assert np.isnan(run(expand_composites(graph), values)[0]).any()
