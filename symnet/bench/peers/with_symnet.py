"""symnet."""

from __future__ import annotations

from typing import Any

from ... import nn, ops, optim
from ...compile import compile
from ...expr import Parameter, Variable
from ...gradient import grad
from ...scan import scan
from .. import by_hand
from ..workloads import ADAM, LEARNING_RATE, Workload
from . import Program


class F:
    exp, tanh, sigmoid, relu, softmax = ops.exp, ops.tanh, ops.sigmoid, ops.relu, ops.softmax
    cross_entropy, mse, layer_norm = nn.cross_entropy, nn.mse, ops.layer_norm

    @staticmethod
    def linear(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    @staticmethod
    def conv2d(x: Any, k: Any, b: Any) -> Any:
        return ops.conv2d(x, k, b, padding=1)

    @staticmethod
    def max_pool(x: Any) -> Any:
        return ops.max_pool2d(x, 2)

    @staticmethod
    def flatten(x: Any) -> Any:
        return x.reshape((x.shape[0], -1))

    @staticmethod
    def gelu(x: Any) -> Any:
        return ops.gelu(x, approximate="tanh")

    @staticmethod
    def attention(q: Any, k: Any, v: Any, heads: int) -> Any:
        batch, positions, width = q.shape
        q, k, v = (t.reshape((batch, positions, heads, width // heads)).transpose((0, 2, 1, 3)) for t in (q, k, v))
        found = ops.scaled_dot_product_attention(q, k, v)
        return found.transpose((0, 2, 1, 3)).reshape((batch, positions, width))

    @staticmethod
    def lstm(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        width = wh.shape[0]

        def cell(carry: Any, xt: Any) -> Any:
            h, c = carry
            z = xt @ wx + h @ wh + b
            i, f, g, o = (z[:, k * width : (k + 1) * width] for k in range(4))
            c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
            h = ops.sigmoid(o) * ops.tanh(c)
            return (h, c), h

        zero = ops.zeros((x.shape[1], width), dtype=wh.dtype)
        (h, _), _ = scan(cell, (zero, zero), x)
        return h


def build(workload: Workload, dtype: str = "float32", mode: str = "native") -> Program:
    p = {name: Parameter(v.astype(dtype), name=name) for name, v in workload.parameters.items()}
    arrays = workload.batches[0]
    if dtype != "float32":
        arrays = tuple(by_hand.in_dtype(a, dtype) for a in arrays)
    inputs = [Variable(f"x{k}", a.shape, str(a.dtype)) for k, a in enumerate(arrays)]
    value = workload.model(F, p, *inputs)
    outputs = [value, *grad(value, [inputs[k] for k in workload.wrt])] if workload.wrt else value
    updates = None
    if workload.optimizer:
        betas = (ADAM["beta1"], ADAM["beta2"])
        adam = optim.Adam(ADAM["lr"], betas=betas, eps=ADAM["eps"])
        rule: Any = adam if workload.optimizer == "adam" else optim.SGD(LEARNING_RATE)
        updates = rule(value, list(p.values()))
    function = compile(outputs, inputs, updates=updates, mode=mode)
    return Program(function, lambda: {name: v.value for name, v in p.items()})
