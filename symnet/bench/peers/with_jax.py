"""jax: the whole call under ``jit``, weights given up to the step (donated) where it updates them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..workloads import ADAM, EPSILON, LEARNING_RATE, Workload
from . import Program

jax.config.update("jax_enable_x64", True)  # For the rows in float64; the others stay in float32.


class F:
    exp, tanh, sigmoid, relu, softmax = jnp.exp, jnp.tanh, jax.nn.sigmoid, jax.nn.relu, jax.nn.softmax

    @staticmethod
    def linear(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    @staticmethod
    def cross_entropy(z: Any, y: Any) -> Any:
        return (jax.nn.logsumexp(z, -1) - jnp.take_along_axis(z, y[:, None], -1)[:, 0]).mean()

    @staticmethod
    def mse(out: Any, y: Any) -> Any:
        return ((out - y) ** 2).mean()

    @staticmethod
    def conv2d(x: Any, k: Any, b: Any) -> Any:
        """Channels last, which is faster here on a CPU; pictures of one channel only change their shape."""
        if x.shape[1] == 1:
            x = x.reshape(x.shape[0], x.shape[2], x.shape[3], 1)
        names = ("NHWC", "OIHW", "NHWC")
        return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=names) + b

    @staticmethod
    def max_pool(x: Any) -> Any:
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))

    @staticmethod
    def flatten(x: Any) -> Any:
        return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPSILON) * gain + bias

    @staticmethod
    def gelu(x: Any) -> Any:
        return jax.nn.gelu(x, approximate=True)

    @staticmethod
    def attention(q: Any, k: Any, v: Any, heads: int) -> Any:
        batch, positions, width = q.shape
        q, k, v = (t.reshape(batch, positions, heads, width // heads) for t in (q, k, v))
        return jax.nn.dot_product_attention(q, k, v).reshape(batch, positions, width)

    @staticmethod
    def lstm(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        def cell(carry: Any, gates: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(gates + h @ wh, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zero = jnp.zeros((x.shape[1], wh.shape[0]), x.dtype)
        return jax.lax.scan(cell, (zero, zero), x @ wx + b)[0][0]


def build(workload: Workload) -> Program:
    p = {name: jnp.array(v) for name, v in workload.parameters.items()}
    model = workload.model
    if workload.optimizer:
        return _training(workload, p)
    if workload.wrt:
        both = jax.jit(jax.value_and_grad(lambda *inputs: model(F, p, *inputs), argnums=workload.wrt))

        def differentiate(*inputs: Any) -> Any:
            value, gradients = jax.block_until_ready(both(*inputs))
            return [value, *gradients]

        return Program(differentiate, native=jnp.asarray)
    compiled = jax.jit(lambda *inputs: model(F, p, *inputs))  # Weights are constants of the program.
    return Program(lambda *inputs: compiled(*inputs).block_until_ready(), native=jnp.asarray)


def _training(workload: Workload, p: dict[str, Any]) -> Program:
    both = jax.value_and_grad(lambda weights, *inputs: workload.model(F, weights, *inputs))
    beta1, beta2 = ADAM["beta1"], ADAM["beta2"]

    def sgd(state: Any, *inputs: Any) -> Any:
        (p,) = state
        loss, gradients = both(p, *inputs)
        return ({name: p[name] - LEARNING_RATE * g for name, g in gradients.items()},), loss

    def adam(state: Any, *inputs: Any) -> Any:
        p, first, second, steps = state
        loss, gradients = both(p, *inputs)
        steps = steps + 1
        first = {name: beta1 * first[name] + (1 - beta1) * g for name, g in gradients.items()}
        second = {name: beta2 * second[name] + (1 - beta2) * g**2 for name, g in gradients.items()}
        new = {}
        for name in p:
            below = jnp.sqrt(second[name] / (1 - beta2**steps)) + ADAM["eps"]
            new[name] = p[name] - ADAM["lr"] * (first[name] / (1 - beta1**steps)) / below
        return (new, first, second, steps), loss

    state: Any = (p,)
    if workload.optimizer == "adam":
        zeros = [{name: jnp.zeros_like(v) for name, v in p.items()} for _ in range(2)]
        state = (p, *zeros, jnp.zeros((), jnp.float32))
    compiled = jax.jit(adam if workload.optimizer == "adam" else sgd, donate_argnums=0)

    def step(*inputs: Any) -> Any:
        nonlocal state
        state, loss = jax.block_until_ready(compiled(state, *inputs))
        return loss

    return Program(step, lambda: state[0], jnp.asarray)
