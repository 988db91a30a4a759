"""Formulas that overflow or cancel, replaced by the op that computes the same without.

The rules are not exact: they are better. Where the formula as written is finite both sides agree to
the ulp bound of the rule (relative to the formula's own rounding errors); where it overflows, only the
right side is right. One is not nan_safe: beside an inf, exp(x) / sum(exp(x)) gives 0 and softmax NaN.

Why it terminates: every rule removes an exp, a log or a subtraction, or replaces log by log1p.

A gradient has to be taken after this: the derivative of log(softmax(x)) is g / softmax(x) times a
sum, 0 / 0 at x = (1000, 0), and no rule finds the finite value in that graph with certainty. So
:func:`stabilize_node` serves as a node is inserted, before differentiation; the pass is for gradients that
were written by other gradients.
"""

from __future__ import annotations

from typing import Any

from symnet.dtype import normalize_axes
from symnet.graph import Graph, Node
from symnet.ops.reductions import count_of

from .rules import Rule, RuleSet, call, until_nothing_fires


def stabilize(graph: Graph) -> Graph:
    """Replace formulas of exp and log by ops that neither overflow nor cancel.

    before:  p = softmax(x, axis=-1); y = log(p)
    after:   y = log_softmax(x, axis=-1)
    requires: composites not expanded yet: a softmax is exp(x - max) / sum(exp(x - max)) inside.
    preserves: every value that was finite, to the bound of the rule; the types.
    """
    return until_nothing_fires(graph, _RULES.rewrite)


def stabilize_node(graph: Graph, node: Node) -> Node:
    """The stable form of a node just inserted, whose operands are in stable form; often the node itself."""
    return _RULES.at(graph, node.op, node.inputs, node.attrs, node.type, graph.origin(node)) or node


def _axis(x: Node, a: Any) -> int | None:
    """The one axis of a reduction, None if there are several."""
    axes = normalize_axes(a, x.ndim)
    return axes[0] if len(axes) == 1 else None


def _is_softmax(x: Node, a: Any) -> bool:
    return x.ndim > 0 and _axis(x, a) is not None


def _is_whole_vector(x: Node, a: Any) -> bool:
    return x.ndim == 1 and _axis(x, a) == 0


def _takes_out(x: Node, a: Any, b: Any) -> bool:
    """Whether axis `b` of an expansion brings the one summed axis `a` back."""
    axis = _axis(x, a)
    return axis is not None and normalize_axes(b, x.ndim) == (axis,)


def _log_mean(x: Node, a: Any, k: bool) -> Node:
    count = x.graph.extent(count_of(x, a), x.dtype)
    made: Node = call("logsumexp", x, axis=a, keepdims=k) - call("log", count)
    return made


def _has_elements(x: Node, a: Any) -> bool:
    """log(sum()) over no elements is -inf, logsumexp over none an error."""
    return 0 not in [x.shape[k] for k in normalize_axes(a, x.ndim)]


def _softmax(x: Node, a: Any) -> Node:
    made: Node = call("softmax", x, axis=_axis(x, a))
    return made


RULES: tuple[Rule, ...] = (
    # -- softmax
    Rule(
        "exp-over-sum",
        lambda x, a: call("exp", x) / call("sum", call("exp", x), axis=a, keepdims=True),
        _softmax,
        _is_softmax,
        exactness=8,
        nan_safe=False,
    ),
    Rule(
        "exp-over-whole-sum",
        lambda x, a: call("exp", x) / call("sum", call("exp", x), axis=a, keepdims=False),
        _softmax,
        _is_whole_vector,
        exactness=8,
        nan_safe=False,
    ),
    Rule(
        "exp-over-expanded-sum",
        lambda x, a, b: (
            call("exp", x) / call("expand_dims", call("sum", call("exp", x), axis=a, keepdims=False), axis=b)
        ),
        lambda x, a: _softmax(x, a),
        _takes_out,
        exactness=8,
        nan_safe=False,
    ),
    Rule(
        "log-softmax",
        lambda x, a: call("log", call("softmax", x, axis=a)),
        lambda x, a: call("log_softmax", x, axis=a),
        exactness=8,
    ),
    Rule(
        "log-sum-exp",
        lambda x, a, k: call("log", call("sum", call("exp", x), axis=a, keepdims=k)),
        lambda x, a, k: call("logsumexp", x, axis=a, keepdims=k),
        _has_elements,
        exactness=8,
    ),
    Rule(
        "log-mean-exp",
        lambda x, a, k: call("log", call("mean", call("exp", x), axis=a, keepdims=k)),
        _log_mean,
        _has_elements,
        exactness=8,
    ),
    Rule("log-exp", lambda x: call("log", call("exp", x)), lambda x: x, exactness=8),
    Rule(
        "log-of-two-exps",
        lambda x, y: call("log", call("exp", x) + call("exp", y)),
        lambda x, y: call("logaddexp", x, y),
        exactness=8,
    ),
    Rule(
        "log-of-three-exps",
        lambda x, y, z: call("log", call("exp", x) + call("exp", y) + call("exp", z)),
        lambda x, y, z: call("logaddexp", call("logaddexp", x, y), z),
        exactness=8,
    ),
    # -- sigmoid and softplus
    Rule("sigmoid", lambda x: 1 / (1 + call("exp", -x)), lambda x: call("sigmoid", x), exactness=4),
    Rule(
        "sigmoid-of-ratio",
        lambda x: call("exp", x) / (1 + call("exp", x)),
        lambda x: call("sigmoid", x),
        exactness=4,
    ),
    # Not 1 - sigmoid(x) -> sigmoid(-x): the gradient y * (1 - y) would read x again, and compute an exp more.
    Rule(
        "log-one-minus-sigmoid",
        lambda x: call("log", 1 - call("sigmoid", x)),
        lambda x: -call("softplus", x),
        exactness=4,
    ),
    Rule(
        "log-sigmoid-negative",
        lambda x: call("log", call("sigmoid", -x)),
        lambda x: -call("softplus", x),
        exactness=4,
    ),
    Rule("log-sigmoid", lambda x: call("log", call("sigmoid", x)), lambda x: -call("softplus", -x), exactness=4),
    Rule("softplus", lambda x: call("log", 1 + call("exp", x)), lambda x: call("softplus", x), exactness=4),
    Rule("softplus-log1p", lambda x: call("log1p", call("exp", x)), lambda x: call("softplus", x), exactness=4),
    # -- near 1 and near 0
    Rule("log1p", lambda x: call("log", 1 + x), lambda x: call("log1p", x), exactness=4),
    Rule("expm1", lambda x: call("exp", x) - 1, lambda x: call("expm1", x), exactness=4),
)
_RULES = RuleSet(RULES)
