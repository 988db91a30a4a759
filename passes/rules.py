"""Rewrite rules as data: left side, right side, when, and how exact.

Both sides are Python functions of pattern variables, written with ordinary operators and ops; a
rule can therefore be evaluated on numbers, and one test checks every rule on ordinary and special
values. A rule that names an unknown variable on its right fails when it is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symnet.graph import CONSTANT, Graph, Node
from symnet.op import Op
from symnet.operators import Operators

Condition = Callable[[Mapping[str, Node]], bool]


class Pattern(Operators):
    """A node of a rule's side: a variable, a number, or an op on patterns."""

    def __init__(self, op: Op | None, operands: tuple[Any, ...], attrs: dict[str, Any], name: str = "") -> None:
        self.op, self.operands, self.attrs, self.name = op, operands, attrs, name

    def __symnet_apply__(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Pattern:
        return Pattern(op, args, attrs)


@dataclass
class Rule:
    """left -> right where `condition` holds.

    Attributes
    ----------
    name : str
    left, right : callable
        The sides, as functions of the same pattern variables.
    condition : callable, optional
        Looks at the nodes the variables stand for.
    ulp : float
        How far the sides may differ; 0 for the same bits.
    domain : tuple of float
        Where the test evaluates the sides; special values are added if `special`.
    special : bool
        Whether the sides agree on NaN, infinities and signed zeros too.
    dtypes : tuple of str
        What the rule is tested in.
    """

    name: str
    left: Callable[..., Any]
    right: Callable[..., Any]
    condition: Condition | None = None
    ulp: float = 0.0
    domain: tuple[float, float] = (-4.0, 4.0)
    special: bool = True
    dtypes: tuple[str, ...] = ("float32", "float64", "int64")
    pattern: Pattern = field(init=False)

    def __post_init__(self) -> None:
        left, right = (tuple(inspect.signature(side).parameters) for side in (self.left, self.right))
        if not set(right) <= set(left):
            raise ValueError(f"rule {self.name}: the right side uses {set(right) - set(left)}, unbound on the left")
        self.variables = left
        self.pattern = self.left(*(Pattern(None, (), {}, name) for name in left))

    @property
    def op(self) -> Op:
        """The op at the root of the left side."""
        assert self.pattern.op is not None
        return self.pattern.op

    def build(self, bound: Mapping[str, Node]) -> Any:
        """The right side on nodes."""
        return self.right(*(bound[n] for n in inspect.signature(self.right).parameters))


def apply_rules(graph: Graph, rules: Sequence[Rule]) -> Graph:
    """Rewrite every node by the first rule that matches it, operands first, until none does."""

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        return None if node.op.family == "leaf" else rewrite_node(new, new.insert(node.op, inputs, node.attrs), rules)

    return graph.rewrite(rule)


def rewrite_node(graph: Graph, node: Node, rules: Sequence[Rule]) -> Node:
    """A node after every rule that matches it, one after the other."""
    # Each rule makes the expression smaller or moves it one way, so this ends; the bound is a seat belt.
    for _ in range(16):
        found = _first(graph, node, [r for r in rules if r.op is node.op])
        if found is None:
            break
        node = found
    return node


def _first(graph: Graph, node: Node, rules: Sequence[Rule]) -> Node | None:
    for rule in rules:
        bound: dict[str, Node] = {}
        if match(rule.pattern, node, bound) and (rule.condition is None or rule.condition(bound)):
            made = rule.build(bound)
            if isinstance(made, Node) and made.type == node.type and made is not node:
                graph.fired[rule.name] += 1
                return made
    return None


def match(pattern: Any, node: Node, bound: dict[str, Node]) -> bool:
    """Whether a node has the form of a pattern; binds its variables."""
    if not isinstance(pattern, Pattern):
        return node.op is CONSTANT and node.shape == () and _same_number(node.literal, pattern)
    if pattern.op is None:
        return bound.setdefault(pattern.name, node) is node
    if pattern.op is not node.op or len(pattern.operands) != len(node.inputs) or not _attrs_fit(pattern, node):
        return False
    return all(match(p, n, bound) for p, n in zip(pattern.operands, node.inputs, strict=True))


def _attrs_fit(pattern: Pattern, node: Node) -> bool:
    """Attributes that a pattern leaves at None match any."""
    return all(v is None or node.attrs.get(k) == v for k, v in pattern.attrs.items())


def _same_number(literal: Any, number: Any) -> bool:
    value = literal.item()
    # -0.0 == 0.0, but x + 0.0 is not x for x = -0.0: the sign counts.
    return bool(value == number) and str(float(value))[0] == str(float(number))[0]
