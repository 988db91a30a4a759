"""numpy by hand, with the gradients worked out on paper: a peer in float32, the reference in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import workloads as w
from .workloads import ADAM, EPSILON, LEARNING_RATE, Arrays, Workload

Call = Callable[..., Any]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    return e


def cross_entropy(z: np.ndarray, y: np.ndarray, with_gradient: bool = True) -> tuple[Any, np.ndarray]:
    """The loss, and its gradient to the logits (else the shifted logits' exponentials)."""
    rows = np.arange(len(y))
    z = z - z.max(-1, keepdims=True)
    e = np.exp(z)
    sums = e.sum(-1, keepdims=True)
    loss = (np.log(sums[:, 0]) - z[rows, y]).mean()
    if with_gradient:
        e /= sums
        e[rows, y] -= 1
        e /= len(y)
    return loss, e


def squared_error(out: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
    """The mean squared error, and its gradient to the outputs."""
    d = out - y
    loss = (d * d).mean()
    d *= d.dtype.type(2 / d.size)
    return loss, d


def layer_norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    x *= 1 / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(EPSILON))
    return x * gain + bias


def chain(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    t = np.tanh(x * a + b)
    e = np.exp(t * t * -0.5)
    t *= sigmoid(x)
    t += e
    t -= a
    np.maximum(t, 0, out=t)
    t *= 1.7
    return t


def forward(p: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """The input and what each layer makes of it."""
    values = [x]
    layers = len(p) // 2
    for k in range(layers):
        x = x @ p[f"w{k}"]
        x += p[f"b{k}"]
        if k < layers - 1:
            np.maximum(x, 0, out=x)
        values.append(x)
    return values


def backward(p: Arrays, values: list[np.ndarray], d: np.ndarray) -> Arrays:
    found = {}
    for k in reversed(range(len(values) - 1)):
        found[f"w{k}"] = values[k].T @ d
        found[f"b{k}"] = d.sum(0)
        if k:
            d = d @ p[f"w{k}"].T
            d *= values[k] > 0
    return found


def sgd(p: Arrays) -> Callable[[Arrays], None]:
    def update(gradients: Arrays) -> None:
        for name, g in gradients.items():
            g *= g.dtype.type(LEARNING_RATE)
            p[name] -= g

    return update


def adam(p: Arrays) -> Callable[[Arrays], None]:
    first, second = ({name: np.zeros_like(v) for name, v in p.items()} for _ in range(2))
    steps = 0
    beta1, beta2 = ADAM["beta1"], ADAM["beta2"]

    def update(gradients: Arrays) -> None:
        nonlocal steps
        steps += 1
        for name, g in gradients.items():
            m, v, number = first[name], second[name], g.dtype.type
            m *= number(beta1)
            m += number(1 - beta1) * g
            g *= g
            g *= number(1 - beta2)
            v *= number(beta2)
            v += g
            below = np.sqrt(v)
            below *= number(1 / math.sqrt(1 - beta2**steps))
            below += number(ADAM["eps"])
            np.divide(m, below, out=below)
            below *= number(ADAM["lr"] / (1 - beta1**steps))
            p[name] -= below

    return update


def build(workload: Workload, dtype: str = "float32") -> tuple[Call, Arrays] | None:
    """The call, and the Parameters it updates; None where the row is not written by hand.

    Inputs are expected in `dtype` already (`in_dtype`).
    """
    p: Arrays = {name: v.astype(dtype) for name, v in workload.parameters.items()}
    simple: dict[Any, Call] = {
        w.lecture: lambda a, b: b * a + 1.0,
        w.scalars: lambda x, y, z: ((2 * x + y) * z, 2 * z, z, 2 * x + y),
        w.chain: chain,
        w.classes: lambda x: softmax(forward(p, x)[-1]),
        w.mlp: lambda x: forward(p, x)[-1],
        w.layer_norm: lambda x: layer_norm(x, p["g"], p["e"]),
        w.cross_entropy: cross_entropy if workload.wrt else lambda z, y: cross_entropy(z, y, False)[0],
    }
    if workload.model in simple:
        return simple[workload.model], p
    losses: dict[Any, Call] = {w.mlp_loss: cross_entropy, w.mlp_error: squared_error}
    if workload.model not in losses:
        return None
    loss_of = losses[workload.model]
    update = {"sgd": sgd, "adam": adam}[workload.optimizer](p)

    def step(x: np.ndarray, y: np.ndarray) -> Any:
        values = forward(p, x)
        loss, d = loss_of(values[-1], y)
        update(backward(p, values, d))
        return loss

    return step, p


def in_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    """Floats in `dtype`; integers as they are."""
    return array.astype(dtype) if array.dtype.kind == "f" else array
