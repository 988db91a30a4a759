"""PyTorch, eager: its fused kernels and optimizers, ``inference_mode`` where nothing is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as tf

from ..workloads import ADAM, EPSILON, LEARNING_RATE, Workload
from . import Program, thread_count


class F:
    exp, tanh, sigmoid, relu = torch.exp, torch.tanh, torch.sigmoid, torch.relu
    cross_entropy, mse = tf.cross_entropy, tf.mse_loss

    @staticmethod
    def linear(x: Any, w: Any, b: Any) -> Any:
        return torch.addmm(b, x, w) if x.ndim == 2 else tf.linear(x, w.t(), b)

    @staticmethod
    def softmax(z: Any) -> Any:
        return torch.softmax(z, -1)

    @staticmethod
    def conv2d(x: Any, k: Any, b: Any) -> Any:
        return tf.conv2d(x, k, b, padding=1)

    @staticmethod
    def max_pool(x: Any) -> Any:
        return tf.max_pool2d(x, 2)

    @staticmethod
    def flatten(x: Any) -> Any:
        return x.flatten(1)

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
        return tf.layer_norm(x, x.shape[-1:], gain, bias, EPSILON)

    @staticmethod
    def gelu(x: Any) -> Any:
        return tf.gelu(x, approximate="tanh")

    @staticmethod
    def attention(q: Any, k: Any, v: Any, heads: int) -> Any:
        batch, positions, width = q.shape
        q, k, v = (t.view(batch, positions, heads, width // heads).transpose(1, 2) for t in (q, k, v))
        found = tf.scaled_dot_product_attention(q, k, v)
        return found.transpose(1, 2).reshape(batch, positions, width)

    @staticmethod
    def lstm(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        zero = x.new_zeros(1, x.shape[1], wh.shape[0])
        weights = [wx.t().contiguous(), wh.t().contiguous(), b, torch.zeros_like(b)]
        # The library's own kernel, as torch.nn.LSTM calls it.
        found = torch._VF.lstm(x, (zero, zero), weights, True, 1, 0.0, torch.is_grad_enabled(), False, False)
        return found[1][0]


def native(array: np.ndarray) -> Any:
    return torch.from_numpy(np.asarray(array))


def build(workload: Workload) -> Program:
    torch.set_num_threads(thread_count())
    p = {name: torch.tensor(v) for name, v in workload.parameters.items()}
    model, wrt = workload.model, workload.wrt

    def infer(*inputs: Any) -> Any:
        with torch.inference_mode():
            return model(F, p, *inputs)

    def differentiate(*inputs: Any) -> Any:
        asked = [x.detach().requires_grad_(k in wrt) for k, x in enumerate(inputs)]
        value = model(F, p, *asked)
        return [value.detach(), *torch.autograd.grad(value, [asked[k] for k in wrt])]

    if not workload.optimizer:
        return Program(differentiate if wrt else infer, native=native)
    weights = [v.requires_grad_() for v in p.values()]
    optimizer: Any = torch.optim.SGD(weights, lr=LEARNING_RATE, fused=True)
    if workload.optimizer == "adam":
        betas = (ADAM["beta1"], ADAM["beta2"])
        optimizer = torch.optim.Adam(weights, lr=ADAM["lr"], betas=betas, eps=ADAM["eps"], fused=True)

    def step(*inputs: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = model(F, p, *inputs)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Program(step, lambda: {name: v.detach().numpy() for name, v in p.items()}, native)
