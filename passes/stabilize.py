"""Formulas that overflow or cancel, replaced by the op that computes the same without.

The rules are not exact: they are better. Where the formula as written is finite both sides agree to
the ulp bound of the rule (relative to the formula's own rounding errors); where it overflows, only the
right side is right. One is not nan_safe: beside an inf, exp(x) / sum(exp(x)) gives 0 and softmax NaN.

Between a logarithm and what a rule looks for, elements may be moved: log(move(x)) is move(log(x)), written so
where log(x) has a stable form. A sum with one-hot rows picks elements, and counts as a move.

Why it terminates: every rule removes an exp, a log or a subtraction, or replaces log by log1p.

A gradient has to be taken after this: the derivative of log(softmax(x)) is g / softmax(x) times a
sum, 0 / 0 at x = (1000, 0), and no rule finds the finite value in that graph with certainty. So
:func:`stabilize_node` serves as a node is inserted, before differentiation; the pass is for gradients that
were written by other gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symnet.dims import Size
from symnet.dtype import FLOATS, Type, normalize_axes
from symnet.graph import CONSTANT, Attrs, Graph, Node
from symnet.op import OPS, Op
from symnet.ops.reductions import count_of
from symnet.origin import Origin

from .rules import Rule, RuleSet, call, until_nothing_fires


def stabilize(graph: Graph) -> Graph:
    """Replace formulas of exp and log by ops that neither overflow nor cancel.

    before:  p = softmax(x, axis=-1); y = log(p)
    after:   y = log_softmax(x, axis=-1)
    requires: composites not expanded yet: a softmax is exp(x - max) / sum(exp(x - max)) inside.
    preserves: every value that was finite, to the bound of the rule; the types.
    """

    def rewrite(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        return _stable(new, node.op, inputs, node.attrs, node.type, node.graph.origin(node))

    return until_nothing_fires(graph, rewrite)


def stabilize_node(graph: Graph, node: Node) -> Node:
    """The stable form of a node just inserted, whose operands are in stable form; often the node itself."""
    return _stable(graph, node.op, node.inputs, node.attrs, node.type, graph.origin(node)) or node


def _stable(graph: Graph, op: Op, inputs: tuple[Node, ...], attrs: Attrs, type: Type, origin: Origin) -> Node | None:
    if op in _LOGARITHMS:
        return _stable_logarithm(graph, op, inputs[0], origin)
    return _RULES.at(graph, op, inputs, attrs, type, origin)


# -- logarithms of what is moved ------------------------------------------------------------------
_LOGARITHMS = (OPS["log"], OPS["log1p"])
# Every element of the result is one of the first operand.
_MOVES = frozenset(
    OPS[name] for name in ("reshape", "transpose", "broadcast_to", "expand_dims", "squeeze", "getitem", "gather")
)
# Computed before a move as well as after it, if all other operands are single numbers.
_BEFORE_MOVES = frozenset(OPS[name] for name in ("negative", "add", "subtract"))


def _stable_logarithm(graph: Graph, op: Op, x: Node, origin: Origin, joins: bool = True) -> Node | None:
    """The stable form of a logarithm of `x`, under the moves between the two; None if it has none.

    Parameters
    ----------
    joins : bool
        Whether to look into the parts of a concatenation too.
    """
    moves: list[Node] = []
    made: Node | None = None
    while True:
        step = _RULES.at(graph, op, (x,), {}, x.type, origin)
        if step is None and joins:
            step = _of_parts(graph, op, x, origin)
        if step is not None:
            made = _moved(graph, moves, step, origin)
            if step.op not in _LOGARITHMS:
                return made
            op, x = step.op, step.inputs[0]
        found = _taken_out(graph, x, origin)
        if found is None:
            return made
        moves.append(found[0])
        x = found[1]


def _taken_out(graph: Graph, x: Node, origin: Origin) -> tuple[Node, Node] | None:
    """The outermost move in `x`, and what it moves; None if there is none."""
    if x.op in _MOVES or (x.op is OPS["cast"] and x.inputs[0].dtype in FLOATS):
        return x, x.inputs[0]
    if x.op not in _BEFORE_MOVES:
        return None
    wide = [i for i in x.inputs if i.op is not CONSTANT or i.shape != ()]
    if len(wide) != 1 or wide[0].op not in _MOVES:
        return None
    (move,) = wide
    with graph.writing(origin, graph.origin(x)):
        return move, graph.insert(x.op, tuple(move.inputs[0] if i is move else i for i in x.inputs), x.attrs)


def _moved(graph: Graph, moves: Sequence[Node], x: Node, origin: Origin) -> Node:
    """`x` under the moves, the last of which is the first to move it."""
    for move in reversed(moves):
        with graph.writing(origin, graph.origin(move)):
            x = graph.insert(move.op, (x, *move.inputs[1:]), move.attrs)
    return x


def _of_parts(graph: Graph, op: Op, x: Node, origin: Origin) -> Node | None:
    """The logarithm of joined parts, or of a sum that picks elements, where one of a part has a stable form."""
    picked = _picked(x)
    if picked is None and x.op is not OPS["concatenate"]:
        return None
    mask, parts = picked or (None, x.inputs)
    stable = [_stable_logarithm(graph, op, part, origin, joins=False) for part in parts]
    if not any(stable):
        return None
    with graph.writing(origin, graph.origin(x)):
        logs = [s or graph.apply(op, (part,), {}) for s, part in zip(stable, parts, strict=True)]
        if mask is None:
            return graph.insert(x.op, tuple(logs), x.attrs)
        return _pick(op, mask, logs[0], **x.attrs)


def _picked(x: Node) -> tuple[Node, tuple[Node]] | None:
    """The one-hot rows of a sum of their product with a value, and the value."""
    if x.op is not OPS["sum"] or x.inputs[0].op is not OPS["multiply"]:
        return None
    product = x.inputs[0]
    axis = _axis(product, x.attrs["axis"])
    if axis is None:
        return None
    for rows, value in (product.inputs, product.inputs[::-1]):
        mask = rows.inputs[0] if rows.op is OPS["cast"] else rows
        if _is_one_hot(mask, axis - product.ndim, product.shape[axis]):
            return mask, (value,)
    return None


def _is_one_hot(rows: Node, axis: int, size: Size) -> bool:
    """Whether every row along an axis, counted from the end, is one-hot and of that size."""
    if rows.ndim < -axis or rows.shape[axis] != size:
        return False
    if rows.literal is None:
        return rows.op is OPS["one_hot"] and axis == -1
    ones = rows.literal == 1
    return bool(((rows.literal == 0) | ones).all() and (ones.sum(axis) == 1).all())


def _pick(op: Op, rows: Node, x: Node, axis: Any, keepdims: bool) -> Node:
    """The elements of `x`, a logarithm, where one-hot rows are one; the logarithm of the sum 0 where none is."""
    if rows.literal is not None:
        mask = rows.graph.constant(rows.literal, "bool")
    else:
        mask = call("one_hot", *rows.inputs, size=rows.attrs["size"], dtype="bool")
    chosen: Node = call("sum", call("where", mask, x, 0.0), axis=axis, keepdims=keepdims)
    if rows.literal is not None:
        return chosen
    inside = call("any", mask, axis=-1, keepdims=keepdims)
    found: Node = call("where", inside, chosen, -math.inf if op is OPS["log"] else 0.0)
    return found


# -- the rules ------------------------------------------------------------------------------------


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
    Rule(
        "log1p-minus-sigmoid",
        lambda x: call("log1p", -call("sigmoid", x)),
        lambda x: -call("softplus", x),
        exactness=4,
    ),
    Rule("softplus", lambda x: call("log", 1 + call("exp", x)), lambda x: call("softplus", x), exactness=4),
    Rule("softplus-log1p", lambda x: call("log1p", call("exp", x)), lambda x: call("softplus", x), exactness=4),
    # -- near 1 and near 0
    Rule("log1p", lambda x: call("log", 1 + x), lambda x: call("log1p", x), exactness=4),
    Rule("expm1", lambda x: call("exp", x) - 1, lambda x: call("expm1", x), exactness=4),
)
_RULES = RuleSet(RULES)
