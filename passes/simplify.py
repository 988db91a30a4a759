"""Algebraic rules that change no bit of any result: not for NaN, infinities, -0.0 or overflowing integers.

Why it terminates: every rule lowers (operations that compute, nodes of the expression, negatives and
broadcasts above it), in lexicographic order. What only removes nodes is obvious. A scaling or a
division by a constant becomes one multiplication, never the reverse. A `broadcast_to` is dropped, or
moves past an element-wise op towards the results, and none moves back.

Not here, because not exact: x * 0 (NaN), x - x (inf), exp(log(x)), (x * c) * d for floats, x + 0.0 (it
turns -0.0 to 0.0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.dtype import FLOATS, Shape, broadcast, normalize_axes, normalize_axis
from symnet.graph import Graph, Node

from .rules import Rule, RuleSet, call, until_nothing_fires


def simplify(graph: Graph) -> Graph:
    """Apply the rules of RULES, and drop broadcasts that the reader does anyway.

    before:  g = broadcast_to(1.0, shape=(3, 4)); y = multiply(g, negative(negative(x)))
    after:   y = x
    requires: nothing.
    preserves: every bit of every result, and the types. An operand that cannot matter (where(c, x, x)) goes,
               and with it a check on data that only it needed.
    """
    return until_nothing_fires(graph, _simplified)


def _simplified(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    made = _without_broadcasts(graph, node, inputs)
    if made is None:
        return _RULES.rewrite(graph, node, inputs)
    return _RULES.at(graph, made.op, made.inputs, made.attrs, made.type, graph.origin(made)) or made


# -- conditions and right sides that need more than an operator ------------------------------------


def _is_float(x: Node) -> bool:
    return x.dtype in FLOATS


def _is_exact(x: Node) -> bool:
    return x.dtype not in FLOATS


def _constants(c: Node, d: Node) -> bool:
    return c.literal is not None and d.literal is not None


def _order(x: Node, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes of a transpose, counted from the front."""
    return tuple(reversed(range(x.ndim))) if axes is None else tuple(normalize_axis(a, x.ndim) for a in axes)


def _transposed_twice(x: Node, p: Any, q: Any) -> Node:
    inner = _order(x, p)
    made: Node = call("transpose", x, axes=tuple(inner[k] for k in _order(x, q)))
    return made


def _ones(x: Node, a: Any) -> bool:
    """Whether every axis of `a` certainly has the size 1."""
    return all(x.shape[k] == 1 for k in normalize_axes(a, x.ndim))


def _without_axes(x: Node, a: Any, k: bool) -> Node:
    """A reduction's operand in the reduction's shape, where the reduced axes have the size 1."""
    axes = normalize_axes(a, x.ndim)
    made: Node = call("squeeze", x, axis=axes) if axes and not k else x
    return made


def _has_exact_reciprocal(c: Node) -> bool:
    """Whether a constant is a power of two whose reciprocal is a normal number."""
    if c.literal is None or c.dtype not in FLOATS:
        return False
    mantissa, exponent = np.frexp(np.abs(c.literal))
    return bool(((mantissa == 0.5) & (np.abs(exponent) < (100 if c.dtype == "float32" else 1000))).all())


def _reciprocal(c: Node) -> Node:
    assert c.literal is not None
    return c.graph.constant(1 / c.literal, c.dtype)


def _negated(c: Node) -> Node:
    assert c.literal is not None
    return c.graph.constant(-c.literal, c.dtype)


def _survives(x: Node, d: str) -> bool:
    """Whether a cast to `d` loses nothing, so that a cast back gives the same."""
    wider = {
        "bool": ("int32", "int64", "float32", "float64"),
        "int32": ("int64", "float64"),
        "float32": ("float64",),
    }
    return d in wider.get(x.dtype, ())


def _twice(name: str) -> Rule:
    """f(f(x)) -> f(x)."""
    return Rule(f"{name}-twice", lambda x: call(name, call(name, x)), lambda x: call(name, x))


def _both(name: str) -> Rule:
    """f(x, x) -> x."""
    return Rule(f"{name}-of-equals", lambda x: call(name, x, x), lambda x: x)


RULES: tuple[Rule, ...] = (
    # -- neutral elements
    Rule("multiply-one", lambda x: x * 1, lambda x: x),
    Rule("divide-one", lambda x: x / 1, lambda x: x),
    Rule("power-one", lambda x: x**1, lambda x: x),
    Rule("subtract-zero", lambda x: x - 0, lambda x: x),
    Rule("add-zero", lambda x: x + 0, lambda x: x, _is_exact),
    Rule("add-negative-zero", lambda x: x + -0.0, lambda x: x),
    # -- signs
    Rule("double-negative", lambda x: call("negative", -x), lambda x: x),
    Rule("multiply-minus-one", lambda x: x * -1, lambda x: -x),
    Rule("divide-minus-one", lambda x: x / -1, lambda x: -x),
    Rule("subtract-from-zero", lambda x: 0 - x, lambda x: -x, _is_exact),
    Rule("subtract-from-negative-zero", lambda x: -0.0 - x, lambda x: -x),
    Rule("add-negative", lambda x, y: x + -y, lambda x, y: x - y),
    Rule("subtract-negative", lambda x, y: x - -y, lambda x, y: x + y),
    Rule("multiply-negatives", lambda x, y: -x * -y, lambda x, y: x * y),
    Rule("divide-negatives", lambda x, y: -x / -y, lambda x, y: x / y),
    Rule("scale-negative", lambda x, c: -x * c, lambda x, c: x * _negated(c), lambda c: c.literal is not None),
    Rule("negative-scale", lambda x, c: -(x * c), lambda x, c: x * _negated(c), lambda c: c.literal is not None),
    Rule("abs-negative", lambda x: abs(-x), lambda x: abs(x)),
    # -- constants meet
    Rule(
        "scale-twice",
        lambda x, c, d: x * c * d,
        lambda x, c, d: x * (c * d),
        lambda x, c, d: _is_exact(x) and x.literal is None and _constants(c, d),
    ),
    Rule(
        "shift-twice",
        lambda x, c, d: x + c + d,
        lambda x, c, d: x + (c + d),
        lambda x, c, d: _is_exact(x) and x.literal is None and _constants(c, d),
    ),
    Rule("divide-power-of-two", lambda x, c: x / c, lambda x, c: x * _reciprocal(c), _has_exact_reciprocal),
    # -- choice and logic
    Rule("where-same", lambda c, x: call("where", c, x, x), lambda x: x),
    Rule("where-not", lambda c, x, y: call("where", ~c, x, y), lambda c, x, y: call("where", c, y, x)),
    Rule("where-true", lambda x, y: call("where", True, x, y), lambda x: x),
    Rule("where-false", lambda x, y: call("where", False, x, y), lambda y: y),
    Rule("double-not", lambda x: ~~x, lambda x: x),
    Rule("not-equal", lambda x, y: ~call("equal", x, y), lambda x, y: call("not_equal", x, y)),
    Rule("not-not-equal", lambda x, y: ~call("not_equal", x, y), lambda x, y: call("equal", x, y)),
    Rule("and-true", lambda x: x & True, lambda x: x, lambda x: x.dtype == "bool"),
    Rule("or-false", lambda x: x | False, lambda x: x),
    _both("logical_and"),
    _both("logical_or"),
    _both("maximum"),
    _both("minimum"),
    Rule(
        "maximum-zero",
        lambda x: call("maximum", x, 0),
        lambda x: call("relu", x),
        lambda x: x.dtype != "bool",
    ),
    _twice("relu"),
    _twice("abs"),
    _twice("floor"),
    _twice("ceil"),
    _twice("sign"),
    # -- nothing moves
    Rule("identity", lambda x: call("identity", x), lambda x: x),
    Rule("same-cast", lambda x: call("cast", x), lambda x: x),
    Rule("cast-and-back", lambda x, d: call("cast", call("cast", x, dtype=d)), lambda x: x, _survives),
    Rule("same-broadcast", lambda x: call("broadcast_to", x), lambda x: x),
    Rule(
        "broadcast-twice",
        lambda x, s: call("broadcast_to", call("broadcast_to", x), shape=s),
        lambda x, s: call("broadcast_to", x, shape=s),
    ),
    Rule("same-reshape", lambda x: call("reshape", x), lambda x: x),
    Rule(
        "reshape-twice",
        lambda x, s: call("reshape", call("reshape", x), shape=s),
        lambda x, s: call("reshape", x, shape=s),
    ),
    Rule(
        "same-order",
        lambda x, p: call("transpose", x, axes=p),
        lambda x: x,
        lambda x, p: _order(x, p) == tuple(range(x.ndim)),
    ),
    Rule(
        "transpose-twice",
        lambda x, p, q: call("transpose", call("transpose", x, axes=p), axes=q),
        _transposed_twice,
    ),
    Rule("squeeze-expanded", lambda x: call("squeeze", call("expand_dims", x)), lambda x: x),
    Rule("expand-squeezed", lambda x: call("expand_dims", call("squeeze", x)), lambda x: x),
    Rule(
        "no-padding",
        lambda x, w: call("pad", x, widths=w),
        lambda x: x,
        lambda w: not any(n for pair in w for n in pair),
    ),
    Rule("concatenate-one", lambda x: call("concatenate", x), lambda x: x),
    # -- reductions of one element; numpy's sum starts at 0.0, which turns -0.0 to 0.0
    Rule(
        "sum-one",
        lambda x, a, k: call("sum", x, axis=a, keepdims=k),
        _without_axes,
        lambda x, a: _is_exact(x) and _ones(x, a),
    ),
    Rule(
        "sum-one-float",
        lambda x, a, k: call("sum", x, axis=a, keepdims=k),
        lambda x, a, k: _without_axes(x, a, k) + 0.0,
        lambda x, a: _is_float(x) and _ones(x, a),
    ),
    Rule("max-one", lambda x, a, k: call("max", x, axis=a, keepdims=k), _without_axes, _ones),
    Rule("min-one", lambda x, a, k: call("min", x, axis=a, keepdims=k), _without_axes, _ones),
)
_RULES = RuleSet(RULES)


# -- broadcasts -----------------------------------------------------------------------------------


def _without_broadcasts(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """An element-wise op broadcasts by itself: it reads past a broadcast_to, and its result is stretched."""
    if node.op.family != "elementwise" or not any(i.op.name == "broadcast_to" for i in inputs):
        return None
    read = tuple(i.inputs[0] if i.op.name == "broadcast_to" else i for i in inputs)
    shape = broadcast(*(i.shape for i in read))
    if not _stretches(shape, node.shape):
        return None
    with graph.writing(node.graph.origin(node), *(graph.origin(i) for i in inputs if i.op.name == "broadcast_to")):
        made = graph.insert(node.op, read, node.attrs)
        graph.fired["drop-broadcast" if shape == node.shape else "broadcast-result"] += 1
        return made if shape == node.shape else call("broadcast_to", made, shape=node.shape)


def _stretches(shape: Shape, wide: Shape) -> bool:
    """Whether `shape` broadcasts to `wide` without an equality having to be assumed."""
    if len(shape) > len(wide):
        return False
    return all(n in (1, m) for n, m in zip(shape, wide[len(wide) - len(shape) :], strict=True))
