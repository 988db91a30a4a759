"""differentiate_scan: the derivative of a loop is a loop backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.graph import Graph, Node
from symnet.ops.segments import insert_segments
from symnet.passes import differentiate_scan
from symnet.passes.dead_nodes import eliminate_dead_nodes
from symnet.passes.differentiate import differentiate

from .tools import body_texts, new_graph, op, run, scan, text

RNG = np.random.default_rng(0)
VALUES = {"h": RNG.normal(size=(2, 3)), "x": RNG.normal(size=(4, 2, 3)), "w": RNG.normal(size=(3, 3))}


def recurrent(c: Any, s: Any, w: Any) -> Any:
    y = op("tanh", op("matmul", c, w) + s)
    return [y], [y * 2.0]


def with_gradients(is_stacked: bool = False) -> Graph:
    """The sum of the last carry, or of what is stacked, and its gradients by h, x and w."""
    graph, wrt = new_graph(h=("float64", (2, 3)), x=("float64", (4, 2, 3)), w=("float64", (3, 3)))
    h, x, w = wrt
    last, ys = scan(recurrent, [h], [x], [w])
    z = op("sum", ys if is_stacked else last, axis=None, keepdims=False)
    gradients = differentiate(graph, z, wrt)
    graph.outputs = [z, *(g for g in gradients if g is not None)]
    graph.check()
    return eliminate_dead_nodes(graph)


def check_numbers(graph: Graph, step: float = 1e-6) -> None:
    _, *gradients = run(graph, VALUES)
    for (name, point), found in zip(VALUES.items(), gradients, strict=True):
        wanted = np.empty_like(point)
        for place in np.ndindex(point.shape):
            moved = np.zeros_like(point)
            moved[place] = step
            above, below = (run(graph, {**VALUES, name: point + s * moved})[0] for s in (1, -1))
            wanted[place] = (above - below) / (2 * step)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8)


def test_text_and_numbers() -> None:
    """The loop forwards stacks its carry and its tanh: what the tanh is of is not needed."""
    graph = with_gradients()
    assert text(graph) == [
        "%0 = scan(h, x, w, body=body0, position=0, length=4)",
        "%1 = sum(%0)",
        "%2 = expand_dims(1.0, axis=(0, 1))",
        "%3 = broadcast_to(%2, shape=(2, 3))",
        "%4 = broadcast_to(0.0, shape=(3, 3))",
        "%5 = scan(h, x, w, body=body0, position=2, length=4)",
        "%6 = scan(h, x, w, body=body0, position=3, length=4)",
        "%7 = scan(%3, %4, %5, %6, w, body=body1, position=0, length=4, is_reversed=True)",
        "%8 = scan(%3, %4, %5, %6, w, body=body1, position=1, length=4, is_reversed=True)",
        "%9 = scan(%3, %4, %5, %6, w, body=body1, position=2, length=4, is_reversed=True)",
        "return %1, %7, %9, %8",
    ]
    forwards, backwards = body_texts(graph)
    assert forwards == [
        "%0 = matmul(c0, w0)",
        "%1 = add(%0, s0)",
        "%2 = tanh(%1)",
        "%3 = multiply(%2, 2.0)",
        "return %3, c0, %2, c0 <- %2",
    ]
    assert backwards == [
        "%0 = multiply(kept5, kept5)",
        "%1 = subtract(1.0, %0)",
        "%2 = multiply(seed8, %1)",
        "%3 = transpose(w2, axes=(1, 0))",
        "%4 = matmul(%2, %3)",
        "%5 = transpose(c0, axes=(1, 0))",
        "%6 = matmul(%5, %2)",
        "%7 = add(%6, sum17)",
        "return %2, seed8 <- %4, sum17 <- %7",
    ]
    check_numbers(graph)


def kept_of(step: Any) -> list[str]:
    """The ops whose results a loop stacks for its derivative, beside the carry."""
    graph, (h, x, w) = new_graph(h=("float64", (2, 3)), x=("float64", (4, 2, 3)), w=("float64", (3, 3)))
    last, *_ = scan(step, [h], [x], [w])
    gradients = differentiate(graph, op("sum", last, axis=None, keepdims=False), [h, x, w])
    graph.outputs = [g for g in gradients if g is not None]
    eliminate_dead_nodes(graph).check()
    return [n.op.name for n in last.attrs["body"].results[1:] if n.inputs]


def test_what_is_kept() -> None:
    """A sum with a product rather than the product; costly results beside products, and beside nothing else."""
    assert kept_of(lambda c, s, w: ([op("relu", op("matmul", c, w) + s)], [])) == ["add"]
    assert kept_of(lambda c, s, w: ([op("tanh", op("matmul", c, w) + s)], [])) == ["tanh"]
    assert kept_of(lambda c, s, w: ([op("matmul", c, w) * c], [])) == ["matmul"]
    assert kept_of(lambda c, s, w: ([op("tanh", op("sin", c) + s)], [])) == []


def test_the_gradient_of_what_is_stacked_comes_in_step_by_step() -> None:
    graph = with_gradients(is_stacked=True)
    lines = body_texts(graph)[1]
    assert lines[0:2] == ["%0 = multiply(seed9, 2.0)", "%1 = add(seed8, %0)"]
    check_numbers(graph)


def test_only_what_is_asked_for_is_carried() -> None:
    """By the slices alone: no sum over the steps, and the products are not needed for h either."""
    graph, (h, x) = new_graph(h=("float64", (2, 3)), x=("float64", (4, 2, 3)))
    last, _ = scan(lambda c, s: ([c * 0.5 + s], [s]), [h], [x])
    (dx,) = differentiate(graph, op("sum", last, axis=None, keepdims=False), [x])
    assert dx is not None
    graph.outputs = [dx]
    after = eliminate_dead_nodes(graph)
    assert body_texts(after) == [["%0 = multiply(seed5, 0.5)", "return seed5, seed5 <- %0"]]
    wanted = np.broadcast_to(0.5 ** np.arange(3, -1, -1)[:, None, None], (4, 2, 3))
    np.testing.assert_array_equal(run(after, VALUES)[0], wanted)


def test_a_carry_stacked_after_the_step_is_seen_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Any, node: Node) -> Node:
        return stacked(self, self.body.results[0] if node in self.body.carries else node)

    stacked = differentiate_scan._Backwards._stacked
    monkeypatch.setattr(differentiate_scan._Backwards, "_stacked", late)
    with pytest.raises(AssertionError):
        check_numbers(with_gradients())


def stacking_its_product(c: Any, s: Any, w: Any) -> Any:
    product = op("matmul", c, w)
    return [op("tanh", product + s)], [product]


def in_segments() -> Graph:
    """The last carry of a loop in segments of two steps, and its gradient."""
    graph, wrt = new_graph(h=("float64", (2, 3)), x=("float64", (4, 2, 3)), w=("float64", (3, 3)))
    plain = scan(stacking_its_product, wrt[:1], wrt[1:2], wrt[2:])[0]
    last, _ = insert_segments(graph, plain.attrs["body"], plain.inputs, 4, False, 2)
    z = op("sum", op("sin", last), axis=None, keepdims=False)
    graph.outputs = [z, *(g for g in differentiate(graph, z, wrt) if g is not None)]
    graph.check()
    return eliminate_dead_nodes(graph)


def stacked_forwards(graph: Graph) -> list[tuple[object, ...]]:
    """The shapes of what the loop forwards stacks."""
    loops = [n for n in graph.nodes if n.op.name == "scan" and not n.attrs["is_reversed"]]
    return [n.shape for n in loops if n.attrs["position"] >= n.attrs["body"].n_carries]


def test_a_loop_of_segments_keeps_its_carries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = in_segments()
    assert stacked_forwards(graph) == [(2, 2, 3)]
    check_numbers(graph)
    backwards = next(n.attrs["body"] for n in graph.nodes if n.op.name == "scan" and n.attrs["is_reversed"])
    assert sum("= scan(" in line for line in text(backwards.graph)) == 5  # a segment again, and its derivative
    # What the loops inside keep would be as large as what segments are to save.
    families = differentiate_scan.KEPT
    monkeypatch.setattr(differentiate_scan, "_kept", lambda b: {n for n in b.graph.nodes if n.op.family in families})
    assert (2, 2, 2, 3) in stacked_forwards(in_segments())
