"""numba: loops by hand around ``np.dot``, where they are short enough to write."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .. import workloads as w
from ..workloads import EPSILON, LEARNING_RATE, Workload
from . import Program

f4 = np.float32
njit = numba.njit(fastmath=True)
RATE, EPS, HALF, SCALE = f4(LEARNING_RATE), f4(EPSILON), f4(-0.5), f4(1.7)
ZERO, ONE = f4(0), f4(1)


@njit
def lecture(a: Any, b: Any) -> Any:
    return b * a + 1.0


@njit
def _scalars(x: Any, y: Any, z: Any) -> Any:
    return (2 * x + y) * z, 2 * z, z, 2 * x + y


def scalars(x: Any, y: Any, z: Any) -> Any:
    return _scalars(x[()], y[()], z[()])


@njit
def chain(x: Any, a: Any, b: Any) -> Any:
    out = np.empty_like(x)
    for k in range(x.size):
        t = np.tanh(x[k] * a[k] + b[k])
        t = t * (ONE / (ONE + np.exp(-x[k]))) + np.exp(t * t * HALF) - a[k]
        out[k] = max(t, ZERO) * SCALE
    return out


@njit
def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    out = np.empty_like(x)
    rows, columns = x.shape
    for r in range(rows):
        mean = ZERO
        for c in range(columns):
            mean += x[r, c]
        mean /= f4(columns)
        square = ZERO
        for c in range(columns):
            square += (x[r, c] - mean) ** 2
        scale = ONE / np.sqrt(square / f4(columns) + EPS)
        for c in range(columns):
            out[r, c] = (x[r, c] - mean) * scale * gain[c] + bias[c]
    return out


@njit
def cross_entropy(z: Any, y: Any) -> Any:
    loss = ZERO
    rows, columns = z.shape
    for r in range(rows):
        largest = z[r, 0]
        for c in range(columns):
            largest = max(largest, z[r, c])
        total = ZERO
        for c in range(columns):
            total += np.exp(z[r, c] - largest)
        loss += np.log(total) + largest - z[r, y[r]]
    return loss / f4(rows)


@njit
def with_gradient(z: Any, y: Any) -> Any:
    d = np.empty_like(z)
    loss = ZERO
    rows, columns = z.shape
    for r in range(rows):
        largest = z[r, 0]
        for c in range(columns):
            largest = max(largest, z[r, c])
        total = ZERO
        for c in range(columns):
            d[r, c] = np.exp(z[r, c] - largest)
            total += d[r, c]
        loss += np.log(total) + largest - z[r, y[r]]
        scale = ONE / (total * f4(rows))
        for c in range(columns):
            d[r, c] *= scale
        d[r, y[r]] -= ONE / f4(rows)
    return loss / f4(rows), d


@njit
def squared_error(out: Any, y: Any) -> Any:
    d = np.empty_like(out)
    loss = ZERO
    scale = f4(2 / out.size)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            difference = out[r, c] - y[r, c]
            loss += difference * difference
            d[r, c] = scale * difference
    return loss / f4(out.size), d


@njit
def layer(x: Any, weight: Any, bias: Any, has_relu: bool) -> Any:
    out = np.dot(x, weight)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            t = out[r, c] + bias[c]
            out[r, c] = max(t, ZERO) if has_relu else t
    return out


@njit
def back(d: Any, x: Any, weight: Any, bias: Any) -> None:
    g = np.dot(x.T, d)
    for r in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            weight[r, c] -= RATE * g[r, c]
    for r in range(d.shape[0]):
        for c in range(d.shape[1]):
            bias[c] -= RATE * d[r, c]


@njit
def through(d: Any, x: Any, weight: Any) -> Any:
    """The gradient before a layer whose input came from a relu."""
    out = np.dot(d, weight.T)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            if x[r, c] <= ZERO:
                out[r, c] = ZERO
    return out


@njit
def two(x: Any, w0: Any, b0: Any, w1: Any, b1: Any) -> Any:
    return layer(layer(x, w0, b0, True), w1, b1, False)


@njit
def three(x: Any, w0: Any, b0: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    z = layer(layer(layer(x, w0, b0, True), w1, b1, True), w2, b2, False)
    for r in range(z.shape[0]):
        largest = z[r].max()
        total = ZERO
        for c in range(z.shape[1]):
            z[r, c] = np.exp(z[r, c] - largest)
            total += z[r, c]
        for c in range(z.shape[1]):
            z[r, c] /= total
    return z


@njit
def step_of_two(x: Any, y: Any, w0: Any, b0: Any, w1: Any, b1: Any) -> Any:
    h = layer(x, w0, b0, True)
    loss, d = with_gradient(layer(h, w1, b1, False), y)
    before = through(d, h, w1)
    back(d, h, w1, b1)
    back(before, x, w0, b0)
    return loss


def step_of_three(loss_of: Any) -> Any:
    """The step for a loss that comes with its gradient."""

    @njit
    def step(x: Any, y: Any, w0: Any, b0: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        h = layer(x, w0, b0, True)
        k = layer(h, w1, b1, True)
        loss, d = loss_of(layer(k, w2, b2, False), y)
        before = through(d, k, w2)
        back(d, k, w2, b2)
        first = through(before, h, w1)
        back(before, h, w1, b1)
        back(first, x, w0, b0)
        return loss

    return step


def build(workload: Workload) -> Program | None:
    if workload.optimizer == "adam":
        return None
    p = {name: v.copy() for name, v in workload.parameters.items()}
    weights = tuple(p.values())
    simple: dict[Any, Any] = {
        w.lecture: lecture,
        w.scalars: scalars,
        w.chain: chain,
        w.cross_entropy: with_gradient if workload.wrt else cross_entropy,
    }
    if workload.model in simple:
        return Program(simple[workload.model])
    with_weights: dict[Any, Any] = {
        w.layer_norm: layer_norm,
        w.mlp: two,
        w.classes: three,
        w.mlp_loss: step_of_two if len(p) == 4 else step_of_three(with_gradient),
        w.mlp_error: step_of_three(squared_error),
    }
    function = with_weights.get(workload.model)
    return None if function is None else Program(lambda *inputs: function(*inputs, *weights), lambda: p)
