"""torch.compile of the whole call: gradients and updates in one graph, weights frozen for inference."""

from __future__ import annotations

from typing import Any

import torch
import torch._inductor.config

from ..workloads import ADAM, LEARNING_RATE, Workload
from . import Program, thread_count, with_torch


class F(with_torch.F):
    @staticmethod
    def lstm(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        """Unrolled, so that the cells are fused."""
        gates = x @ wx + b
        h = c = x.new_zeros(x.shape[1], wh.shape[0])
        for xt in gates:
            i, f, g, o = (xt + h @ wh).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class Net(torch.nn.Module):
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.workload = workload
        for name, v in workload.parameters.items():
            self.register_parameter("p_" + name, torch.nn.Parameter(torch.tensor(v), requires_grad=False))

    def forward(self, *inputs: Any) -> Any:
        p = {name: getattr(self, "p_" + name) for name in self.workload.parameters}
        return self.workload.model(F, p, *inputs)


def build(workload: Workload) -> Program:
    torch.set_num_threads(thread_count())
    torch._dynamo.reset()
    torch._inductor.config.freezing = not (workload.optimizer or workload.wrt)
    p = {name: torch.tensor(v) for name, v in workload.parameters.items()}
    model, wrt = workload.model, workload.wrt

    def without_tape(function: Any) -> Any:
        compiled = torch.compile(function, fullgraph=True)

        def run(*inputs: Any) -> Any:
            with torch.no_grad():
                return compiled(*inputs)

        return run

    if wrt:
        both = torch.func.grad_and_value(lambda *inputs: model(F, p, *inputs), argnums=wrt)

        def differentiate(*inputs: Any) -> Any:
            gradients, value = both(*inputs)
            return [value, *gradients]

        return Program(without_tape(differentiate), native=with_torch.native)
    if not workload.optimizer:
        return Program(without_tape(Net(workload).eval()), native=with_torch.native)
    of_loss = torch.func.grad_and_value(lambda weights, *inputs: model(F, weights, *inputs))
    first, second = ({name: torch.zeros_like(v) for name, v in p.items()} for _ in range(2))
    steps = torch.zeros(())
    beta1, beta2 = ADAM["beta1"], ADAM["beta2"]

    def sgd(*inputs: Any) -> Any:
        gradients, loss = of_loss(p, *inputs)
        for name, g in gradients.items():
            p[name].sub_(g * LEARNING_RATE)
        return loss

    def adam(*inputs: Any) -> Any:
        gradients, loss = of_loss(p, *inputs)
        steps.add_(1.0)
        for name, g in gradients.items():
            m, v = first[name], second[name]
            m.copy_(beta1 * m + (1 - beta1) * g)
            v.copy_(beta2 * v + (1 - beta2) * g * g)
            below = torch.sqrt(v / (1 - beta2**steps)) + ADAM["eps"]
            p[name].sub_(ADAM["lr"] * (m / (1 - beta1**steps)) / below)
        return loss

    step = without_tape(adam if workload.optimizer == "adam" else sgd)
    return Program(step, lambda: {name: v.numpy() for name, v in p.items()}, with_torch.native)
