"""Scales and shifts behind a layer become part of it: how batch normalisation disappears in inference."""

from __future__ import annotations

import numpy as np

from symnet.dtype import FLOATS
from symnet.graph import CONSTANT, Graph, Node

CONVOLUTIONS = ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")
ARITHMETIC = ("add", "subtract", "multiply", "divide")


def fold_scales_into_layers(graph: Graph) -> Graph:
    """Scale and shift the constant weights of a layer, once, instead of everything that it gives.

    A layer is a convolution or the product with a matrix, perhaps with a bias. The constant is one number, or
    one for each channel: along axis 1 of what a convolution gives, along the last axis of a product.

    before:  y = add(multiply(subtract(conv2d(x, W), m), s), t)        W, m, s, t constant
    after:   y = conv2d(x, V, c)                                       V = W s, c = t - m s, computed now
    before:  y = multiply(add(matmul(x, W), b), s)                     W, b, s constant
    after:   y = add(matmul(x, V), c)                                  V = W s, c = b s, computed now
    requires: constants folded. (Parameters are none, unless they are frozen: ``compile(..., freeze=True)``.)
    preserves: types; values up to rounding; what is not finite stays not finite, unless it came of an overflow
               that the scale undoes.
    Terminates: one round; every op only goes into the layer before it.
    """
    alone = _alone(graph)

    def rule(new: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.op.name not in ARITHMETIC or node.dtype not in FLOATS:
            return None
        for place, old in enumerate(node.inputs):
            other = inputs[1 - place]
            if old in alone and other.literal is not None and inputs[place].type == node.type:
                return _folded(new, node, inputs[place], other.literal, place == 0)
        return None

    return graph.rewrite(rule)


def _alone(graph: Graph) -> set[Node]:
    """Layers, and arithmetic with constants behind them, of which a single node reads."""
    users, roots = graph.users(), set(graph.roots())
    found: set[Node] = set()
    for node in graph.nodes:
        if len(users[node]) == 1 and node not in roots:
            is_layer = node.op.name in (*CONVOLUTIONS, "matmul")
            is_behind = node.op.name in ARITHMETIC and any(i in found for i in node.inputs)
            if is_layer or (is_behind and any(i.op is CONSTANT for i in node.inputs)):
                found.add(node)
    return found


def _folded(graph: Graph, node: Node, layer: Node, numbers: np.ndarray, is_left: bool) -> Node | None:
    """The layer that gives what `node` gives of `layer` and the constant."""
    parts = _parts(layer)
    if parts is None:
        return None
    core, weight, bias = parts
    channels = _by_channel(core, numbers)
    change = None if channels is None else _scale_and_shift(node.op.name, channels, is_left)
    if change is None or (node.op.name == "add" and core.op.name == "matmul" and bias is None):
        return None  # A product has its bias in an addition behind it.
    scale, shift = change
    on_weight = _on_weight(core, scale)
    with np.errstate(all="ignore"):
        scaled = (weight * on_weight).astype(node.dtype)
        row = (shift if bias is None else bias * scale + shift).astype(node.dtype)
    if not np.isfinite(scaled).all() or not np.isfinite(row).all() or _loses_digits(weight, on_weight, scaled):
        return None
    graph.fired["into-layer"] += 1
    with graph.writing(*map(graph.origin, (layer, core, core.inputs[1])), node.graph.origin(node)):
        return _layer(graph, core, scaled, row if bias is not None or shift.any() else None)


def _loses_digits(weight: np.ndarray, scale: np.ndarray, scaled: np.ndarray) -> bool:
    """Whether a scaled weight is too small for its dtype to hold with all digits."""
    return bool(((weight != 0) & (scale != 0) & (np.abs(scaled) < np.finfo(scaled.dtype).tiny)).any())


def _parts(layer: Node) -> tuple[Node, np.ndarray, np.ndarray | None] | None:
    """The convolution or product of a layer, its weight, and its bias if it has one; None where one is no constant."""
    core, row = layer, None
    if layer.op.name == "add":
        core, row = layer.inputs if layer.inputs[0].op.name == "matmul" else layer.inputs[::-1]
    elif layer.op.name in CONVOLUTIONS and len(layer.inputs) > 2:
        row = layer.inputs[2]
    weight = core.inputs[1].literal if _is_core(core) else None
    if weight is None or (core is not layer and core.op.name != "matmul"):
        return None
    if row is None:
        return core, weight, None
    bias = row.literal
    if bias is not None and core is not layer:
        bias = _by_channel(core, bias)
    return None if bias is None else (core, weight, bias)


def _is_core(node: Node) -> bool:
    return node.op.name in CONVOLUTIONS or (node.op.name == "matmul" and node.inputs[1].ndim == 2)


def _channels(core: Node) -> int:
    """How many channels a layer with constant weights gives."""
    sizes = core.inputs[1].shape
    count = sizes[1] if core.op.name not in ("conv1d", "conv2d") else sizes[0]
    assert isinstance(count, int)
    return count * core.attrs["groups"] if "transpose" in core.op.name else count


def _by_channel(core: Node, numbers: np.ndarray) -> np.ndarray | None:
    """A constant that meets the layer's result as a number for each channel; None where it is something else."""
    axis = -1 if core.op.name == "matmul" else 1 - core.ndim
    count = _channels(core)
    sizes = dict(zip(range(-numbers.ndim, 0), numbers.shape, strict=True))
    if sizes.pop(axis, 1) not in (1, count) or any(size != 1 for size in sizes.values()):
        return None
    return np.broadcast_to(numbers.reshape(-1).astype(np.float64), count)


def _scale_and_shift(op: str, numbers: np.ndarray, is_left: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """An op on a layer and numbers as ``layer * scale + shift``; None where it is not of that form."""
    zeros, ones = np.zeros(len(numbers)), np.ones(len(numbers))
    if op == "add":
        return ones, numbers
    if op == "subtract":
        return (ones, -numbers) if is_left else (-ones, numbers)
    if op == "multiply":
        return numbers, zeros
    with np.errstate(all="ignore"):
        return (1.0 / numbers, zeros) if is_left else None


def _on_weight(core: Node, scale: np.ndarray) -> np.ndarray:
    """A number for each channel, such that it meets the weights that make the channel."""
    if core.op.name == "matmul":
        return scale
    shape, kernel = core.inputs[1].shape, (1,) * (core.ndim - 2)
    if "transpose" not in core.op.name:
        return scale.reshape(-1, 1, *kernel)
    # Weights (in, out / groups, ...): every group of what is read has channels of its own.
    parts = scale.reshape(core.attrs["groups"], -1)
    return np.repeat(parts, shape[0] // core.attrs["groups"], axis=0).reshape(*shape[:2], *kernel)  # type: ignore[operator]


def _layer(graph: Graph, core: Node, weight: np.ndarray, bias: np.ndarray | None) -> Node:
    operands = [core.inputs[0], graph.constant(weight, core.dtype)]
    if bias is None:
        return graph.insert(core.op, tuple(operands), core.attrs)
    row = graph.constant(bias, core.dtype)
    if core.op.name != "matmul":
        return graph.insert(core.op, (*operands, row), core.attrs)
    made: Node = graph.insert(core.op, tuple(operands), core.attrs) + row
    return made
