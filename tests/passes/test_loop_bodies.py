"""loop_bodies: passes inside loops, and loops without what nobody needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.errors import GraphError, IndexOutOfBounds
from symnet.graph import Graph
from symnet.op import OPS
from symnet.ops.scan import Body
from symnet.passes import loop_bodies
from symnet.passes.common_subexpressions import eliminate_common_subexpressions
from symnet.passes.loop_bodies import eliminate_dead_loop_parts, everywhere

from .tools import body_texts, new_graph, op, run, same_bits, scan, text

RNG = np.random.default_rng(0)
SHAPES = {"h": (3,), "g": (3,), "x": (4, 3), "y": (4, 3), "w": (3,)}
VALUES = {n: RNG.normal(size=shape) for n, shape in SHAPES.items()}


def two_carries(*wanted: int) -> Graph:
    """h <- tanh(h + x), g <- g * h + y; h * w and g are stacked. The results at some positions."""

    def step(h: Any, g: Any, x: Any, y: Any, w: Any) -> Any:
        return [op("tanh", h + x), g * h + y], [h * w, op("exp", g)]

    graph, (h, g, x, y, w) = new_graph(**{n: ("float64", shape) for n, shape in SHAPES.items()})
    results = scan(step, [h, g], [x, y], [w])
    graph.outputs = [results[k] for k in wanted]
    return graph


def smaller(graph: Graph) -> Graph:
    """The graph after the pass, checked; the numbers are the same, bit for bit."""
    after = eliminate_dead_loop_parts(graph)
    after.check()
    for before, later in zip(run(graph, VALUES), run(after, VALUES), strict=True):
        assert same_bits(before, later)
    return after


def test_carries_slices_and_stacks_that_nobody_needs_go() -> None:
    after = smaller(two_carries(0))
    assert text(after) == ["%0 = scan(h, x, body=body0, position=0, length=4)", "return %0"]
    assert body_texts(after) == [["%0 = add(c0, s0)", "%1 = tanh(%0)", "return c0 <- %1"]]
    assert after.fired == {"drop-loop-part": 6}


def test_a_carry_that_another_needs_stays() -> None:
    after = smaller(two_carries(1))
    assert text(after) == ["%0 = scan(h, g, x, y, body=body0, position=1, length=4)", "return %0"]
    assert body_texts(after) == [
        ["%0 = add(c0, s0)", "%1 = tanh(%0)", "%2 = multiply(c1, c0)", "%3 = add(%2, s1)", "return c0 <- %1, c1 <- %3"]
    ]


def test_what_is_stacked_moves_to_its_new_position() -> None:
    after = smaller(two_carries(2))
    assert text(after) == ["%0 = scan(h, x, w, body=body0, position=1, length=4)", "return %0"]
    assert body_texts(after) == [["%0 = add(c0, s0)", "%1 = tanh(%0)", "%2 = multiply(c0, w0)", "return %2, c0 <- %1"]]


def test_a_loop_that_is_needed_whole_stays() -> None:
    graph = two_carries(0, 1, 2, 3)
    after = smaller(graph)
    assert not after.fired and (text(after), body_texts(after)) == (text(graph), body_texts(graph))


def test_a_check_on_data_inside_stays() -> None:
    def step(h: Any, x: Any, i: Any) -> Any:
        return [h + x], [op("cast", op("check_index", i, size=5), dtype="float64")]

    graph, (h, x, i) = new_graph(h=("float64", (3,)), x=("float64", (4, 3)), i=("int64", (4,)))
    last, _ = scan(step, [h], [x, i])
    body = last.attrs["body"]
    body.graph.data_checks = [n for n in body.graph.nodes if n.op.checks_data]
    graph.outputs = [last]
    after = eliminate_dead_loop_parts(graph)
    after.check()
    assert text(after)[0] == "%0 = scan(h, x, i, body=body0, position=0, length=4)"
    assert "check_index" in str(after) and "cast" not in str(after)
    with pytest.raises(IndexOutOfBounds):
        run(after, {**VALUES, "i": np.array([0, 9, 1, 2])})
    body.graph.data_checks = []
    assert text(eliminate_dead_loop_parts(graph))[0] == "%0 = scan(h, x, body=body0, position=0, length=4)"


def test_a_pass_runs_in_loops_inside_loops() -> None:
    def inside(c: Any, s: Any) -> Any:
        return [s * c + c * s], []

    def outside(c: Any, s: Any) -> Any:
        return scan(inside, [c + s], [op("broadcast_to", c, shape=(2, 3))]), []

    graph, (h, x) = new_graph(h=("float64", (3,)), x=("float64", (4, 3)))
    graph.outputs = scan(outside, [h], [x])
    after = everywhere(eliminate_common_subexpressions, graph)
    after.check()
    (body,) = after.bodies()
    assert text(body.graph) == [
        "%0 = add(c0, s0)",
        "%1 = broadcast_to(c0, shape=(2, 3))",
        "%2 = scan(%0, %1, body=body0, position=0, length=2)",
        "return c0 <- %2",
    ]
    assert body_texts(body.graph) == [["%0 = multiply(c0, s0)", "%1 = add(%0, %0)", "return c0 <- %1"]]
    assert same_bits(run(graph, VALUES)[0], run(after, VALUES)[0])


def test_a_needed_slice_that_is_dropped_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the walk below a result does not see its operands; what is left reads an input that is gone."""
    monkeypatch.setattr(loop_bodies, "_below", lambda graph, roots: set(roots))
    with pytest.raises(NotImplementedError, match="input"):
        smaller(two_carries(0))


def lose_a_line(body: Body) -> None:
    body.graph._origins.pop(body.graph.nodes[-1])


def swap_nodes(body: Body) -> None:
    body.graph.nodes.reverse()


def forget_a_carry(body: Body) -> None:
    body.graph.updates.pop()


def swap_carries(body: Body) -> None:
    body.graph.updates.reverse()


def change_a_type(body: Body) -> None:
    carry, value = body.graph.updates[0]
    body.graph.updates[0] = (carry, body.graph.apply(OPS["cast"], (value,), {"dtype": "float32"}))


def stack_a_stranger(body: Body) -> None:
    body.graph.outputs.append(new_graph(z=("float64", (3,)))[1][0])


@pytest.mark.parametrize("in_loop", [False, True])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lose_a_line, "has lost its source line"),
        (swap_nodes, "is out of place"),
        (forget_a_carry, "the body of a loop has next values of"),
        (swap_carries, "the body of a loop has next values of"),
        (change_a_type, "does not fit"),
        (stack_a_stranger, "a root is not a node of this graph"),
    ],
)
def test_a_fault_inside_a_loop_is_found(fault: Any, message: str, in_loop: bool) -> None:
    def outer(h: Any, x: Any, g: Any) -> Any:
        return [scan(lambda c, d, s: ([op("tanh", c + s), c * d], [c]), [h, g], [x])[0]], []

    if in_loop:
        graph, (h, x, g) = new_graph(h=("float64", (3,)), x=("float64", (2, 4, 3)), g=("float64", (3,)))
        (loop,) = scan(outer, [h], [x], [g])
        (body,) = loop.attrs["body"].graph.bodies()
    else:
        graph = two_carries(0, 1, 2)
        (body,) = graph.bodies()
        loop = graph.outputs[0]
    graph.outputs = [loop]
    graph.check()
    fault(body)
    with pytest.raises(GraphError, match=message):
        graph.check()
