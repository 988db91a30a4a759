"""The work of each row as data: models written once over a namespace of ops `F`, first weights, inputs.

A peer supplies `F` (`linear`, `relu`, `conv2d`, ...) with its own best functions; values have `+ - *` and
`.shape`. Weights of linear layers are (inputs, outputs).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError

LEARNING_RATE = 0.05
ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
EPSILON = 1e-5  # of layer norm
Arrays = dict[str, np.ndarray]
Model = Callable[..., Any]


@dataclass(frozen=True)
class Workload:
    """What one row computes.

    Attributes
    ----------
    model : callable
        ``model(F, parameters, *inputs)``: the value, or the loss where there is an optimizer.
    batches : sequence of tuple of array
        Inputs, taken in turns.
    parameters : dict of str to array
        Weights before the first call.
    wrt : tuple of int
        Inputs whose gradients are asked for beside the value.
    optimizer : {"", "sgd", "adam"}
        Where given, a call is a training step.
    tolerance : float
        The largest relative error against float64.
    flops : float
        Of a call's products; where there are none, of its element-wise ops, 22 for an exponential.
    """

    name: str
    title: str
    model: Model
    batches: Sequence[tuple[np.ndarray, ...]]
    parameters: Arrays = field(default_factory=dict)
    wrt: tuple[int, ...] = ()
    optimizer: str = ""
    tolerance: float = 5e-5
    flops: float = 0.0


def lecture(F: Any, p: Any, a: Any, b: Any) -> Any:
    return b * a + 1.0


def scalars(F: Any, p: Any, x: Any, y: Any, z: Any) -> Any:
    return (2.0 * x + y) * z


def chain(F: Any, p: Any, x: Any, a: Any, b: Any) -> Any:
    """Twelve element-wise ops."""
    t = F.tanh(x * a + b)
    e = F.exp(t * t * -0.5)
    t = t * F.sigmoid(x) + e - a
    return F.relu(t) * 1.7


def mlp(F: Any, p: Any, x: Any) -> Any:
    layers = len(p) // 2
    for k in range(layers):
        x = F.linear(x, p[f"w{k}"], p[f"b{k}"])
        x = F.relu(x) if k < layers - 1 else x
    return x


def classes(F: Any, p: Any, x: Any) -> Any:
    return F.softmax(mlp(F, p, x))


def cnn(F: Any, p: Any, x: Any) -> Any:
    x = F.max_pool(F.relu(F.conv2d(x, p["k0"], p["c0"])))
    x = F.max_pool(F.relu(F.conv2d(x, p["k1"], p["c1"])))
    return F.linear(F.flatten(x), p["w"], p["b"])


def lstm(F: Any, p: Any, x: Any) -> Any:
    """`x` is (steps, batch, inputs); the last hidden state decides. Gates: input, forget, cell, output."""
    return F.linear(F.lstm(x, p["wx"], p["wh"], p["b"]), p["wo"], p["bo"])


def block(F: Any, p: Any, x: Any) -> Any:
    """A transformer block that normalises first, with 4 heads. `x` is (batch, positions, width)."""
    h = F.layer_norm(x, p["g1"], p["e1"])
    q, k, v = (F.linear(h, p["w" + n], p["b" + n]) for n in "qkv")
    x = x + F.linear(F.attention(q, k, v, 4), p["wo"], p["bo"])
    h = F.gelu(F.linear(F.layer_norm(x, p["g2"], p["e2"]), p["w1"], p["b1"]))
    return x + F.linear(h, p["w2"], p["b2"])


def cross_entropy(F: Any, p: Any, z: Any, y: Any) -> Any:
    return F.cross_entropy(z, y)


def layer_norm(F: Any, p: Any, x: Any) -> Any:
    return F.layer_norm(x, p["g"], p["e"])


def classified(model: Model) -> Model:
    """The cross entropy of a model that gives logits."""

    def loss(F: Any, p: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(model(F, p, x), y)

    return loss


def regressed(model: Model) -> Model:
    """The mean squared error of a model."""

    def loss(F: Any, p: Any, x: Any, y: Any) -> Any:
        return F.mse(model(F, p, x), y)

    return loss


mlp_loss, cnn_loss, lstm_loss = classified(mlp), classified(cnn), classified(lstm)
mlp_error, block_loss = regressed(mlp), regressed(block)


def _floats(rng: np.random.Generator, *shape: int, std: float = 1.0, mean: float = 0.0) -> np.ndarray:
    return (rng.standard_normal(shape) * std + mean).astype(np.float32)


def _labels(rng: np.random.Generator, count: int, classes: int) -> np.ndarray:
    return rng.integers(0, classes, count)


def _mlp(name: str, title: str, sizes: Sequence[int], batch: int, model: Model, optimizer: str = "") -> Workload:
    rng = np.random.default_rng(5)
    p: Arrays = {}
    for k, (before, after) in enumerate(itertools.pairwise(sizes)):
        p[f"w{k}"] = _floats(rng, before, after, std=math.sqrt(2 / before))
        p[f"b{k}"] = _floats(rng, after, std=0.01)
    batches: Sequence[tuple[np.ndarray, ...]] = [(_floats(rng, batch, sizes[0]),) for _ in range(4)]
    flops = 2.0 * batch * sum(before * after for before, after in itertools.pairwise(sizes))
    if optimizer:
        targets = _floats if model is mlp_error else _labels
        batches = [(x, targets(rng, batch, sizes[-1])) for (x,) in batches]
        flops = 3 * flops - 2.0 * batch * sizes[0] * sizes[1]  # the input's gradient is not asked for
    tolerance = 2e-3 if optimizer else 5e-5
    return Workload(name, title, model, batches, p, (), optimizer, tolerance, flops)


def _lecture() -> Workload:
    rng = np.random.default_rng(1)
    batches = [(rng.standard_normal(10), rng.standard_normal(10))]
    return Workload("W1", "the lectures' B * A + 1, 10 numbers", lecture, batches, tolerance=1e-12, flops=20)


def _scalars() -> Workload:
    batches = [tuple(np.asarray(v) for v in (10.0, -2.0, -4.0))]
    title = "(2x + y) z and three gradients"
    return Workload("W2", title, scalars, batches, wrt=(0, 1, 2), tolerance=1e-12, flops=8)


def _chain(name: str, count: int) -> Workload:
    rng = np.random.default_rng(3)
    batches = [tuple(_floats(rng, count) for _ in range(3))]
    # About: an exponential of its own, one in each of tanh and sigmoid, and the rest.
    return Workload(name, f"12 element-wise ops, {count:,}", chain, batches, tolerance=2e-5, flops=80.0 * count)


def _cnn(name: str, title: str, batch: int, trains: bool) -> Workload:
    rng = np.random.default_rng(7)
    p = {
        "k0": _floats(rng, 8, 1, 3, 3, std=math.sqrt(2 / 9)),
        "c0": _floats(rng, 8, std=0.01),
        "k1": _floats(rng, 16, 8, 3, 3, std=math.sqrt(2 / 72)),
        "c1": _floats(rng, 16, std=0.01),
        "w": _floats(rng, 784, 10, std=math.sqrt(2 / 784)),
        "b": _floats(rng, 10, std=0.01),
    }
    first = 2.0 * batch * 784 * 8 * 9
    flops = first + 2.0 * batch * (196 * 16 * 72 + 784 * 10)
    pictures = [_floats(rng, batch, 1, 28, 28) for _ in range(4)]
    if not trains:
        return Workload(name, title, cnn, [(x,) for x in pictures], p, flops=flops)
    batches = [(x, _labels(rng, batch, 10)) for x in pictures]
    return Workload(name, title, cnn_loss, batches, p, (), "sgd", 2e-3, 3 * flops - first)


def _lstm(name: str, title: str, trains: bool, steps: int = 32, batch: int = 16, width: int = 64) -> Workload:
    rng = np.random.default_rng(8)
    std = 1 / math.sqrt(width)
    p = {
        "wx": _floats(rng, width, 4 * width, std=std),
        "wh": _floats(rng, width, 4 * width, std=std),
        "b": _floats(rng, 4 * width, std=0.01),
        "wo": _floats(rng, width, 10, std=std),
        "bo": _floats(rng, 10, std=0.01),
    }
    flops = 2.0 * steps * batch * (2 * width) * 4 * width
    inputs = [_floats(rng, steps, batch, width) for _ in range(4)]
    if not trains:
        return Workload(name, title, lstm, [(x,) for x in inputs], p, flops=flops)
    batches = [(x, _labels(rng, batch, 10)) for x in inputs]
    # The inputs' gradient is not asked for.
    return Workload(name, title, lstm_loss, batches, p, (), "sgd", 2e-3, 2.5 * flops)


def _block(name: str, title: str, trains: bool, batch: int = 4, positions: int = 64, width: int = 128) -> Workload:
    rng = np.random.default_rng(9)
    std = 1 / math.sqrt(width)
    p: Arrays = {}
    for n in "qkvo":
        p["w" + n], p["b" + n] = _floats(rng, width, width, std=std), _floats(rng, width, std=0.01)
    p["w1"], p["b1"] = _floats(rng, width, 4 * width, std=std), _floats(rng, 4 * width, std=0.01)
    p["w2"], p["b2"] = _floats(rng, 4 * width, width, std=std / 2), _floats(rng, width, std=0.01)
    for n in "12":
        p["g" + n], p["e" + n] = _floats(rng, width, std=0.1, mean=1.0), _floats(rng, width, std=0.1)
    flops = 2.0 * batch * positions * 12 * width**2 + 4.0 * batch * positions**2 * width
    inputs = [_floats(rng, batch, positions, width) for _ in range(4)]
    if not trains:
        return Workload(name, title, block, [(x,) for x in inputs], p, flops=flops)
    batches = [(x, _floats(rng, *x.shape)) for x in inputs]
    return Workload(name, title, block_loss, batches, p, (), "sgd", 2e-3, 3 * flops)


def _cross_entropy(name: str, title: str, wrt: tuple[int, ...]) -> Workload:
    rng = np.random.default_rng(10)
    batches = [(_floats(rng, 256, 1000, std=3.0), _labels(rng, 256, 1000))]
    flops = (28.0 if wrt else 25.0) * 256 * 1000
    return Workload(name, title, cross_entropy, batches, wrt=wrt, tolerance=2e-5, flops=flops)


def _layer_norm() -> Workload:
    rng = np.random.default_rng(11)
    p = {"g": _floats(rng, 1024, std=0.1, mean=1.0), "e": _floats(rng, 1024, std=0.1)}
    batches = [(_floats(rng, 256, 1024),)]
    return Workload("W10-ln", "layer norm (256, 1024)", layer_norm, batches, p, flops=8.0 * 256 * 1024)


NET = (784, 256, 128, 10)
ROWS: Mapping[str, Callable[[], Workload]] = {
    "W1": _lecture,
    "W2": _scalars,
    "W3-1e3": lambda: _chain("W3-1e3", 1_000),
    "W3-1e6": lambda: _chain("W3-1e6", 1_000_000),
    "W4-b1": lambda: _mlp("W4-b1", "784-256-128-10, batch 1", NET, 1, classes),
    "W4-b32": lambda: _mlp("W4-b32", "784-256-128-10, batch 32", NET, 32, classes),
    "W4-b256": lambda: _mlp("W4-b256", "784-256-128-10, batch 256", NET, 256, classes),
    "W5-b32": lambda: _mlp("W5-b32", "its SGD step, batch 32", NET, 32, mlp_loss, "sgd"),
    "W5-b128": lambda: _mlp("W5-b128", "its SGD step, batch 128", NET, 128, mlp_loss, "sgd"),
    "W5-digits": lambda: _mlp("W5-digits", "64-32-10 SGD step, batch 32", (64, 32, 10), 32, mlp_loss, "sgd"),
    "W5-regression": lambda: _mlp(
        "W5-regression", "10-512-256-1 regression SGD step, batch 64", (10, 512, 256, 1), 64, mlp_error, "sgd"
    ),
    "W6": lambda: _mlp("W6", "784-256-128-10 Adam step, batch 128", NET, 128, mlp_loss, "adam"),
    "W7-b1": lambda: _cnn("W7-b1", "small CNN, batch 1", 1, False),
    "W7-train": lambda: _cnn("W7-train", "its SGD step, batch 32", 32, True),
    "W8-infer": lambda: _lstm("W8-infer", "LSTM, 32 steps, 64 wide, batch 16", False),
    "W8-train": lambda: _lstm("W8-train", "its SGD step", True),
    "W9-infer": lambda: _block("W9-infer", "transformer block, 128 wide, 4 x 64", False),
    "W9-train": lambda: _block("W9-train", "its SGD step", True),
    "W10-xe": lambda: _cross_entropy("W10-xe", "softmax cross entropy (256, 1000)", ()),
    "W10-xeg": lambda: _cross_entropy("W10-xeg", "and its gradient", (0,)),
    "W10-ln": _layer_norm,
    "W11": lambda: _mlp("W11", "1024-4096-1024, batch 256", (1024, 4096, 1024), 256, mlp),
}


def row_names(asked: str | None) -> list[str]:
    """The rows of a comma-separated list, where ``W5`` stands for all that begin with ``W5-``.

    Raises
    ------
    ArgumentError
        There is no such row.
    """
    if asked is None:
        return list(ROWS)
    wanted = [word.strip() for word in asked.split(",")]
    for word in wanted:
        if not any(name == word or name.startswith(word + "-") for name in ROWS):
            raise ArgumentError(f"no row {word!r}; the rows are {', '.join(ROWS)}")
    return [name for name in ROWS if any(name == word or name.startswith(word + "-") for word in wanted)]
