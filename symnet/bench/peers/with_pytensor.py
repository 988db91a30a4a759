"""pytensor with its default linker, numba; weights are shared variables.

It has no convolution over channels, so rows with one are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from .. import workloads as w
from ..workloads import ADAM, EPSILON, LEARNING_RATE, Workload
from . import Program

pytensor.config.floatX = "float32"  # Python's numbers in formulas; the rows in float64 have arrays of their own.


class F:
    exp, tanh, sigmoid = pt.exp, pt.tanh, pt.sigmoid

    @staticmethod
    def relu(x: Any) -> Any:
        return pt.maximum(x, 0)

    @staticmethod
    def softmax(z: Any) -> Any:
        return pt.special.softmax(z, axis=-1)

    @staticmethod
    def linear(x: Any, w: Any, b: Any) -> Any:
        """As one product of matrices."""
        *outer, width = x.type.shape
        out = pt.dot(x.reshape((math.prod(outer), width)), w) + b
        return out.reshape((*outer, w.type.shape[1]))

    @staticmethod
    def cross_entropy(z: Any, y: Any) -> Any:
        return -pt.special.log_softmax(z, axis=-1)[pt.arange(z.type.shape[0]), y].mean()

    @staticmethod
    def mse(out: Any, y: Any) -> Any:
        return ((out - y) ** 2).mean()

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        return x / pt.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * gain + bias

    @staticmethod
    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + pt.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    @staticmethod
    def attention(q: Any, k: Any, v: Any, heads: int) -> Any:
        batch, positions, width = q.type.shape
        size = width // heads
        q, k, v = (t.reshape((batch, positions, heads, size)).transpose(0, 2, 1, 3) for t in (q, k, v))
        scores = pt.matmul(q, k.transpose(0, 1, 3, 2)) * (1 / math.sqrt(size))
        found = pt.matmul(F.softmax(scores), v)
        return found.transpose(0, 2, 1, 3).reshape((batch, positions, width))

    @staticmethod
    def lstm(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        batch, width = x.type.shape[1], wh.type.shape[0]

        def cell(gates: Any, h: Any, c: Any, wh: Any) -> Any:
            z = gates + pt.dot(h, wh)
            i, f, g, o = (z[:, k * width : (k + 1) * width] for k in range(4))
            c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
            return pt.sigmoid(o) * pt.tanh(c), c

        zero = pt.zeros((batch, width), dtype=wh.dtype)
        states, _ = pytensor.scan(cell, F.linear(x, wx, b), [zero, zero], non_sequences=[wh], return_updates=False)
        return states[-1]


def _shared(array: np.ndarray) -> Any:
    return pytensor.shared(array.copy(), shape=array.shape)


def _sgd(p: dict[str, Any], gradients: list[Any]) -> list[tuple[Any, Any]]:
    return [(v, v - LEARNING_RATE * g) for v, g in zip(p.values(), gradients, strict=True)]


def _adam(p: dict[str, Any], gradients: list[Any]) -> list[tuple[Any, Any]]:
    beta1, beta2 = ADAM["beta1"], ADAM["beta2"]
    before = _shared(np.zeros((), np.float32))
    steps = before + 1
    updates = [(before, steps)]
    for v, g in zip(p.values(), gradients, strict=True):
        first, second = (_shared(np.zeros(v.type.shape, np.float32)) for _ in range(2))
        m = beta1 * first + (1 - beta1) * g
        s = beta2 * second + (1 - beta2) * g * g
        below = pt.sqrt(s / (1 - beta2**steps)) + ADAM["eps"]
        updates += [(first, m), (second, s), (v, v - ADAM["lr"] * (m / (1 - beta1**steps)) / below)]
    return updates


def build(workload: Workload) -> Program | None:
    if workload.model in (w.cnn, w.cnn_loss):
        return None
    p = {name: _shared(v) for name, v in workload.parameters.items()}
    inputs = [pt.tensor(f"x{k}", dtype=str(a.dtype), shape=a.shape) for k, a in enumerate(workload.batches[0])]
    value = workload.model(F, p, *inputs)
    outputs = [value, *pt.grad(value, [inputs[k] for k in workload.wrt])] if workload.wrt else value
    updates = []
    if workload.optimizer:
        rule = {"sgd": _sgd, "adam": _adam}[workload.optimizer]
        updates = rule(p, pt.grad(value, list(p.values())))
    function = pytensor.function(inputs, outputs, updates=updates)
    function.trust_input = True  # Arrays are what they are declared to be.
    return Program(function, lambda: {name: v.get_value() for name, v in p.items()})
