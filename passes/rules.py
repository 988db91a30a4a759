"""Rewrite rules as data: a left side and a right side written with ordinary operators.

    >>> import symnet.ops
    >>> rule = Rule("double-negative", lambda x: -(-x), lambda x: x)
    >>> rule.name, rule.exactness
    ('double-negative', 'exact')

The left side is called once, on pattern variables, and gives a pattern. The right side is called on
the nodes that the variables met, so it builds graph by the same operators. A plain number in a
pattern stands for a constant all of whose elements are that number, bit for bit.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symnet.ops  # noqa: F401  (every op that a rule may name)
from symnet.dtype import FLOATS, Type
from symnet.errors import GraphError
from symnet.graph import CONSTANT, Attrs, Graph, Node
from symnet.op import OPS, Op, apply
from symnet.operators import Operators
from symnet.origin import Origin

# No sound set of rules rewrites one node so often: a set that does not end is reported.
LIMIT = 1000
Bindings = dict[str, Any]
# Among the bindings: the nodes inside the root that the pattern consumed.
MET = "(met)"


class Pattern(Operators):
    """A variable (no op), or an op on patterns and numbers. Attributes not named may be anything."""

    __slots__ = ("attrs", "inputs", "name", "op")

    def __init__(self, op: Op | None, inputs: tuple[Any, ...] = (), attrs: Attrs | None = None, name: str = "") -> None:
        self.op, self.inputs, self.attrs, self.name = op, inputs, attrs or {}, name

    def __symnet_apply__(self, op: Op, args: tuple[Any, ...], attrs: Attrs) -> Pattern:
        return Pattern(op, args, attrs)

    def __repr__(self) -> str:
        if self.op is None:
            return self.name
        shown = [*map(repr, self.inputs), *(f"{k}={v!r}" for k, v in self.attrs.items())]
        return f"{self.op.name}({', '.join(shown)})"

    def variables(self) -> set[str]:
        """The names of the variables in it."""
        if self.op is None:
            return {self.name}
        parts = [p for p in (*self.inputs, *self.attrs.values()) if isinstance(p, Pattern)]
        return {name for part in parts for name in part.variables()}


def call(name: str, *args: Any, **attrs: Any) -> Any:
    """The op `name` on patterns or on nodes: for what has no operator."""
    return apply(OPS[name], *args, **attrs)


@dataclass(frozen=True)
class Rule:
    """One rewrite: wherever `left` stands and `condition` holds, `right` is the same value.

    Attributes
    ----------
    name : str
        What a graph's `fired` counts it under.
    left : callable
        Pattern variables -> pattern; its parameters name the variables.
    right : callable
        Nodes (and attributes) -> node, by the same names. The result must have the type of what it stands
        for: where it has not, the rule does not fire.
    condition : callable
        Nodes (and attributes) -> bool, by the same names.
    exactness : "exact" or float
        "exact": bit for bit, the sign of zero included. A number: error in ulp on ordinary values.
    nan_safe : bool
        NaN and infinities come out as before.
    operand_ops : frozenset of Op
        Those that the operands must have among theirs, whatever stands below them.

    Raises
    ------
    ValueError
        The left side is no op, or a variable of the other sides does not occur in it.
    """

    name: str
    left: Callable[..., Any]
    right: Callable[..., Any]
    condition: Callable[..., bool] = field(default=lambda: True)
    exactness: str | float = "exact"
    nan_safe: bool = True
    pattern: Pattern = field(init=False, repr=False)
    operand_ops: frozenset[Op] = field(init=False, repr=False)
    _right_names: tuple[str, ...] = field(init=False, repr=False)
    _condition_names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = _parameters(self.left)
        pattern = self.left(*(Pattern(None, name=n) for n in names))
        if not isinstance(pattern, Pattern) or pattern.op is None:
            raise ValueError(f"rule {self.name}: the left side is {pattern!r}; expected an op on its variables")
        bound = pattern.variables()
        for side, used in (
            ("left", names),
            ("right", _parameters(self.right)),
            ("condition", _parameters(self.condition)),
        ):
            unbound = [n for n in used if n not in bound]
            if unbound:
                raise ValueError(f"rule {self.name}: {unbound[0]} of the {side} side is not bound by {pattern!r}")
        if self.exactness != "exact" and not isinstance(self.exactness, (int, float)):
            raise ValueError(f"rule {self.name}: exactness is {self.exactness!r}; expected 'exact' or a bound in ulp")
        object.__setattr__(self, "pattern", pattern)
        operands = [CONSTANT if not isinstance(p, Pattern) else p.op for p in pattern.inputs]
        object.__setattr__(self, "operand_ops", frozenset(op for op in operands if op is not None))
        object.__setattr__(self, "_right_names", _parameters(self.right))
        object.__setattr__(self, "_condition_names", _parameters(self.condition))

    def attempt(self, op: Op, inputs: tuple[Node, ...], attrs: Attrs) -> Iterator[Bindings]:
        """Every way in which the rule fits ``op(inputs, attrs)``."""
        for found in _match_call(self.pattern, op, inputs, attrs, {}):
            if self.condition(*(found[n] for n in self._condition_names)):
                yield found

    def build(self, found: Bindings) -> Node:
        """The right side, inserted."""
        made: Node = self.right(*(found[n] for n in self._right_names))
        return made


def _parameters(side: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(side).parameters)


# -- matching -------------------------------------------------------------------------------------


def _match(pattern: Any, node: Node, found: Bindings) -> Iterator[Bindings]:
    if not isinstance(pattern, Pattern):
        if is_number(node, pattern):
            yield found
    elif pattern.op is None:
        bound = found.get(pattern.name)
        if bound is None:
            yield {**found, pattern.name: node}
        elif bound is node:
            yield found
    elif pattern.op is node.op:
        yield from _match_call(pattern, node.op, node.inputs, node.attrs, found, node)


def _match_call(
    pattern: Pattern,
    op: Op,
    inputs: tuple[Node, ...],
    attrs: Attrs,
    found: Bindings,
    node: Node | None = None,
) -> Iterator[Bindings]:
    if len(inputs) != len(pattern.inputs):
        return
    found = dict(found)
    if node is not None:
        found[MET] = (*found.get(MET, ()), node)
    for key, wanted in pattern.attrs.items():
        bound = found.setdefault(wanted.name, attrs[key]) if isinstance(wanted, Pattern) else wanted
        if bound != attrs[key]:
            return
    orders = [inputs, inputs[::-1]] if op.is_commutative and inputs[0] is not inputs[1] else [inputs]
    for order in orders:
        yield from _match_all(pattern.inputs, order, found)


def _match_all(patterns: tuple[Any, ...], nodes: tuple[Node, ...], found: Bindings) -> Iterator[Bindings]:
    if not patterns:
        yield found
        return
    for first in _match(patterns[0], nodes[0], found):
        yield from _match_all(patterns[1:], nodes[1:], first)


def is_number(node: Node, number: float) -> bool:
    """Whether a node is a constant all of whose elements are `number`, bit for bit."""
    if node.op is not CONSTANT:
        return False
    array = node.attrs["value"].array
    if isinstance(number, float) and node.dtype not in FLOATS:
        return False
    wanted = np.asarray(number).astype(node.dtype)
    if wanted != number or array.size == 0 or array.flat[0] != wanted:
        return False
    signs = node.dtype not in FLOATS or (np.signbit(array) == np.signbit(wanted)).all()
    return bool(signs and (array == wanted).all())


# -- applying -------------------------------------------------------------------------------------


class RuleSet:
    """Rules, found by the op at the root of their left sides; of several that fit the first wins."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._by_op: dict[Op, list[Rule]] = {}
        for rule in self.rules:
            assert rule.pattern.op is not None
            self._by_op.setdefault(rule.pattern.op, []).append(rule)

    def rewrite(self, graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        """What the rules make of `node`, on `inputs` of the new graph; None where none fits."""
        if node.op not in self._by_op:
            return None
        return self.at(graph, node.op, inputs, node.attrs, node.type, node.graph.origin(node))

    def at(
        self, graph: Graph, op: Op, inputs: tuple[Node, ...], attrs: Attrs, type: Type, origin: Origin
    ) -> Node | None:
        """What the rules make of ``op(inputs, attrs)``, not inserted yet; None where none fits.

        Raises
        ------
        GraphError
            The rules do not come to an end.
        """
        made: Node | None = None
        for _ in range(LIMIT):
            step = self._step(graph, op, inputs, attrs, type, origin)
            if step is None:
                return made
            rule, made = step
            op, inputs, attrs = made.op, made.inputs, made.attrs
        raise GraphError(f"the rewrite rules do not come to an end at {made!r}; the last was {rule.name}")

    def _step(
        self, graph: Graph, op: Op, inputs: tuple[Node, ...], attrs: Attrs, type: Type, origin: Origin
    ) -> tuple[Rule, Node] | None:
        ops = {i.op for i in inputs}
        for rule in self._by_op.get(op, ()):
            if not rule.operand_ops <= ops:
                continue
            for found in rule.attempt(op, inputs, attrs):
                met = [graph.origin(n) for n in found.get(MET, ())]
                with graph.writing(origin, *met):
                    made = rule.build(found)
                    if made.type == type:
                        credit(made)
                        graph.fired[rule.name] += 1
                        return rule, made
        return None


def until_nothing_fires(graph: Graph, rule: Callable[[Graph, Node, tuple[Node, ...]], Node | None]) -> Graph:
    """The live nodes rewritten by `rule` until a whole round fires nothing; `fired` counts all rounds."""
    fired: Counter[str] = Counter()
    while True:
        graph = graph.rewrite(rule, graph.live())
        if not graph.fired:
            graph.fired = fired
            return graph
        fired.update(graph.fired)


def credit(node: Node) -> None:
    """Join the origins being written (see ``Graph.writing``) to a node that is there already."""
    if node.op.family == "leaf":
        node.graph.leaf(node.op, node.type, **node.attrs)
    else:
        node.graph.insert(node.op, node.inputs, node.attrs)
