"""Every rule of simplify changes no bit; the text before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.dims import Dim
from symnet.errors import GraphError, SymnetError
from symnet.graph import Graph, Literal, Node
from symnet.passes.rules import Rule, RuleSet, call, until_nothing_fires
from symnet.passes.simplify import RULES, simplify

from .tools import new_graph, op, run, same_bits, special, text, work_of

DTYPES = ("bool", "int32", "int64", "float32", "float64")
SIZE = 4096
# What the variables of a rule stand for, where it is not an input of shape (SIZE,).
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "cast-and-back": {"d": ["int32", "int64", "float64"]},
    "broadcast-twice": {"s": [(2, 3, SIZE)]},
    "reshape-twice": {"s": [(SIZE // 2, 2), (-1,)]},
    "same-order": {"p": [(0,), (-1,)]},
    "transpose-twice": {"p": [None, (0,)], "q": [None]},
    "no-padding": {"w": [((0, 0),)]},
    **{name: {"a": [1, (1,), ()], "k": [True, False]} for name in ("sum-one", "sum-one-float", "max-one", "min-one")},
}
REQUIRED: dict[str, dict[str, Any]] = {
    "same-cast": {},
    "same-broadcast": {"shape": (SIZE,)},
    "broadcast-twice": {"shape": (3, SIZE)},
    "same-reshape": {"shape": (SIZE,)},
    "reshape-twice": {"shape": (2, SIZE // 2)},
    "squeeze-expanded": {"axis": 0},
    "expand-squeezed": {"axis": 0},
    "no-padding": {"value": Literal(np.asarray(0))},
    "concatenate-one": {"axis": 0},
    "identity": {},
}
CONSTANTS = {"c": (-2.0, 0.25, 3.0, 0.0), "d": (5.0, -1.0)}


def complete(rule: Rule, graph: Graph, pattern: Any, bound: dict[str, Any], dtype: str) -> Any:
    """The left side of a rule on real nodes; attributes that the pattern leaves open are filled in."""
    if not hasattr(pattern, "op"):
        return pattern
    if pattern.op is None:
        return bound[pattern.name]
    inputs = [complete(rule, graph, p, bound, dtype) for p in pattern.inputs]
    attrs = {k: bound[v.name] if hasattr(v, "op") else v for k, v in pattern.attrs.items()}
    for key, value in REQUIRED.get(rule.name, {}).items():
        attrs.setdefault(key, value)
    if pattern.op.name == "cast":
        attrs.setdefault("dtype", dtype)
    if pattern.op.name == "where" and isinstance(inputs[0], bool):
        inputs[0] = graph.constant(inputs[0], "bool")
    return graph.apply(pattern.op, inputs, attrs)


def bindings(rule: Rule, dtype: str) -> list[dict[str, Any]]:
    """Every choice of attributes and constants the rule is tried with."""
    choices: list[dict[str, Any]] = [{}]
    options = {**ATTRIBUTES.get(rule.name, {})}
    for name in ("c", "d"):
        if name in rule.pattern.variables() and name not in options and not rule.name.startswith("where"):
            options[name] = [np.array(v).astype(dtype) for v in CONSTANTS[name]]
    for name, values in options.items():
        choices = [{**c, name: v} for c in choices for v in values]
    return choices


def differences(rule: Rule) -> tuple[int, list[str]]:
    """How often a rule fired over all dtypes and choices, and where it changed a bit."""
    fired, wrong = 0, []
    shape = (SIZE, 1) if "-one" in rule.name and "a" in rule.pattern.variables() else (SIZE,)
    if rule.name == "expand-squeezed":
        shape = (1, SIZE)
    for dtype in DTYPES:
        for choice in bindings(rule, dtype):
            types = {n: ("bool" if n == "c" else dtype, shape) for n in sorted(rule.pattern.variables() - set(choice))}
            graph, inputs = new_graph(**types)
            bound = {**choice, **{n.attrs["name"]: n for n in inputs}}
            bound = {n: graph.constant(v, dtype) if isinstance(v, np.ndarray) else v for n, v in bound.items()}
            try:
                left = complete(rule, graph, rule.pattern, bound, dtype)
            except (SymnetError, ValueError):
                continue
            if not isinstance(left, Node) or (
                left.op.name != "cast" and any(i.dtype not in (dtype, "bool") for i in left.inputs)
            ):
                continue
            graph.outputs = [left]
            after = until_nothing_fires(graph, RuleSet([rule]).rewrite)
            after.check()
            fired += after.fired[rule.name]
            values = {
                n: special(d, int(np.prod(shape)), k).reshape(shape) for k, (n, (d, _)) in enumerate(types.items())
            }
            if not same_bits(run(graph, values)[0], run(after, values)[0]):
                wrong.append(f"{dtype} {choice}")
    return fired, wrong


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_rule_changes_no_bit(rule: Rule) -> None:
    assert rule.exactness == "exact" and rule.nan_safe
    fired, wrong = differences(rule)
    assert fired and not wrong


@pytest.mark.parametrize(
    "rule",
    [
        Rule("x+0", lambda x: x + 0.0, lambda x: x),
        Rule("0-x", lambda x: 0 - x, lambda x: -x),
        Rule("x-x", lambda x, y: (x + y) - y, lambda x: x),
        Rule("max", lambda x, y: call("maximum", x, y), lambda x, y: call("maximum", y, x)),
        Rule("not-less", lambda x, y: ~call("less", x, y), lambda x, y: call("greater_equal", x, y)),
        Rule("back", lambda x: call("negative", call("abs", x)), lambda x: -x),
    ],
    ids=lambda r: r.name,
)
def test_the_harness_catches_wrong_rules(rule: Rule) -> None:
    if rule.name == "max":
        with pytest.raises(GraphError, match="do not come to an end"):
            differences(rule)
    else:
        assert differences(rule)[1]


def test_names_are_unique() -> None:
    assert len({r.name for r in RULES}) == len(RULES)


def test_text_before_and_after() -> None:
    graph, (x, y) = new_graph(x=("float64", (3, 4)), y=("float64", (4,)))
    one = op("broadcast_to", graph.constant(1.0, "float64"), shape=(3, 4))
    graph.outputs = [
        one * op("negative", -x),
        x / 4.0,
        op("transpose", op("transpose", x, axes=None), axes=(1, 0)),
        -x * 2.0 + y,
        op("exp", op("broadcast_to", y, shape=(3, 4))) * 2.0,
    ]
    assert text(graph) == [
        "%0 = broadcast_to(1.0, shape=(3, 4))",
        "%1 = negative(x)",
        "%2 = negative(%1)",
        "%3 = multiply(%0, %2)",
        "%4 = divide(x, 4.0)",
        "%5 = transpose(x)",
        "%6 = transpose(%5, axes=(1, 0))",
        "%7 = multiply(%1, 2.0)",
        "%8 = add(%7, y)",
        "%9 = broadcast_to(y, shape=(3, 4))",
        "%10 = exp(%9)",
        "%11 = multiply(%10, 2.0)",
        "return %3, %4, %6, %8, %11",
    ]
    after = simplify(graph)
    assert text(after) == [
        "%0 = multiply(x, 0.25)",
        "%1 = multiply(x, -2.0)",
        "%2 = add(%1, y)",
        "%3 = exp(y)",
        "%4 = multiply(%3, 2.0)",
        "%5 = broadcast_to(%4, shape=(3, 4))",
        "return x, %0, x, %2, %5",
    ]
    assert after.fired == {
        "multiply-one": 1,
        "double-negative": 1,
        "divide-power-of-two": 1,
        "transpose-twice": 1,
        "same-order": 1,
        "scale-negative": 1,
        "broadcast-result": 2,
        "drop-broadcast": 1,
    }
    values = {"x": special("float64", 12, 0).reshape(3, 4), "y": special("float64", 4, 1)}
    for a, b in zip(run(graph, values), run(after, values), strict=True):
        assert same_bits(a, b)


def test_symbolic_sizes() -> None:
    n = Dim.named("n")
    graph, (x, b) = new_graph(x=("float32", (n, 4)), b=("float32", (4,)))
    wide = op("broadcast_to", b, shape=(n, 4))
    graph.outputs = [x * wide, op("sum", op("broadcast_to", b, shape=(n, 4)) * 2.0, axis=0, keepdims=False)]
    after = simplify(graph)
    assert text(after)[:3] == [
        "%0 = multiply(x, b)",
        "%1 = multiply(b, 2.0)",
        "%2 = broadcast_to(%1, shape=(n, 4))",
    ]
    assert after.checks == graph.checks


def test_a_second_run_changes_nothing() -> None:
    graph, (x, y) = new_graph(x=("int64", (3,)), y=("int64", (3,)))
    graph.outputs = [(((x * 3) * 5) + 1) + 2 - -y, x * -1 * y]
    once = simplify(graph)
    assert text(simplify(once)) == text(once) and not simplify(once).fired
    assert text(once)[:2] == ["%0 = multiply(3, 5)", "%1 = multiply(x, %0)"]


@pytest.mark.parametrize("step", [lambda x: -x, lambda x: x * 1.0, lambda x: x * 0.5 + 1.0, lambda x: op("exp", x)])
def test_the_work_grows_with_the_length_of_a_chain(step: Any) -> None:
    def chain(length: int) -> Graph:
        graph, (y,) = new_graph(x=("float64", (8,)))
        for _ in range(length):
            y = step(y)
        graph.outputs = [y]
        return graph

    short, long = (work_of(simplify, chain(n)) for n in (1_000, 8_000))
    assert long < 9 * short
    simplify(chain(50_000))  # No recursion.
