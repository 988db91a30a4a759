"""Rules as data: what matches, what is refused, and that sets which do not end are reported."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from symnet.errors import GraphError
from symnet.graph import Graph
from symnet.passes.rules import Rule, RuleSet, call, until_nothing_fires

from .tools import new_graph, op, text


def rewritten(graph: Graph, rules: Sequence[Rule]) -> Graph:
    result = until_nothing_fires(graph, RuleSet(rules).rewrite)
    result.check()
    return result


def test_a_variable_of_the_right_side_must_be_bound() -> None:
    with pytest.raises(ValueError, match="rule lost: y of the right side is not bound by add"):
        Rule("lost", lambda x: x + 1, lambda y: y)
    with pytest.raises(ValueError, match="y of the left side"):
        Rule("lost", lambda x, y: x + 1, lambda x: x)
    with pytest.raises(ValueError, match="y of the condition side"):
        Rule("lost", lambda x: x + 1, lambda x: x, lambda y: True)


def test_the_left_side_is_an_op() -> None:
    with pytest.raises(ValueError, match="the left side is x; expected an op"):
        Rule("everything", lambda x: x, lambda x: x)


def test_exactness_is_stated() -> None:
    with pytest.raises(ValueError, match="exactness is 'nearly'"):
        Rule("vague", lambda x: -x, lambda x: x, exactness="nearly")


def test_commutative_operands_match_in_any_order_even_deep_inside() -> None:
    graph, (x, y) = new_graph(x=("float64", (3,)), y=("float64", (3,)))
    graph.outputs = [(y * x) + x, x + (x * y), x + (y + x)]
    rule = Rule("factor", lambda a, b: a + a * b, lambda a, b: a * (b + 1))
    assert text(rewritten(graph, [rule]))[-1] == "return %1, %1, %3"


def test_a_repeated_variable_is_one_node() -> None:
    graph, (x, y) = new_graph(x=("float64", ()), y=("float64", ()))
    graph.outputs = [op("maximum", x, x), op("maximum", x, y)]
    rule = Rule("same", lambda a: call("maximum", a, a), lambda a: a)
    assert text(rewritten(graph, [rule])) == ["%0 = maximum(x, y)", "return x, %0"]


@pytest.mark.parametrize(
    ("dtype", "constant", "pattern", "fits"),
    [
        ("float64", 0.0, 0, True),
        ("float64", -0.0, 0, False),
        ("float64", -0.0, -0.0, True),
        ("float64", 0.0, -0.0, False),
        ("int64", 0, 0, True),
        ("int64", 0, -0.0, False),
        ("bool", True, 1, True),
        ("bool", True, -1, False),
        ("int32", 1, 1, True),
        ("float32", 1.0, 2, False),
        ("float64", [1.0, 1.0], 1, True),
        ("float64", [1.0, 2.0], 1, False),
    ],
)
def test_numbers_match_by_their_bits(dtype: str, constant: object, pattern: float, fits: bool) -> None:
    graph, (x,) = new_graph(x=(dtype, (2,)))
    graph.outputs = [x + graph.constant(constant, dtype)]
    rule = Rule("number", lambda a: a + pattern, lambda a: a)
    assert (rewritten(graph, [rule]).outputs[0].op.name == "input") is fits


def test_a_right_side_of_another_type_does_not_fire() -> None:
    graph, (x,) = new_graph(x=("float64", ()))
    graph.outputs = [x * graph.constant([1.0, 1.0], "float64")]
    assert rewritten(graph, [Rule("one", lambda a: a * 1, lambda a: a)]).outputs[0].op.name == "multiply"


def test_rules_that_do_not_end_are_reported() -> None:
    graph, (x, y) = new_graph(x=("float64", ()), y=("float64", ()))
    graph.outputs = [x - y]
    with pytest.raises(GraphError, match=r"do not come to an end .* the last was turn"):
        rewritten(graph, [Rule("turn", lambda a, b: a - b, lambda a, b: b - a)])


def test_every_line_of_what_matched_is_kept() -> None:
    graph, (x,) = new_graph(x=("float64", ()))
    inner = -x
    graph.outputs = [-inner]
    wanted = {*graph.origin(inner).lines, *graph.origin(graph.outputs[0]).lines}
    result = rewritten(graph, [Rule("double", lambda a: call("negative", -a), lambda a: a)])
    assert wanted <= set(result.origin(result.outputs[0]).lines)
