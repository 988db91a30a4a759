"""Optimisers: update rules. Called on a loss and its Parameters, each gives `updates` for `compile`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import ops
from .expr import Expr, Parameter
from .gradient import grad

Updates = dict[Parameter, Expr]


def _trainable(parameters: Sequence[Parameter]) -> list[Parameter]:
    return [p for p in parameters if p.trainable]


def _state(parameter: Parameter, what: str) -> Parameter:
    """Zeros like a Parameter, kept between steps."""
    return Parameter(np.zeros_like(parameter.value), name=f"{parameter.name}_{what}", trainable=False)


class SGD:
    """Stochastic gradient descent, with momentum (Polyak, 1964) and weight decay as PyTorch's.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter(1.0)
    >>> step = sn.compile(None, updates=sn.optim.SGD(lr=0.25)(w * w, [w]))
    >>> step()
    >>> w.value
    array(0.5)
    """

    def __init__(self, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay

    def __call__(self, loss: Expr, parameters: Sequence[Parameter]) -> Updates:
        """The new value of every trainable Parameter (and of its velocity)."""
        trained = _trainable(parameters)
        updates: Updates = {}
        for parameter, g in zip(trained, grad(loss, trained), strict=True):
            if self.weight_decay:
                g = g + self.weight_decay * parameter
            if self.momentum:
                velocity = _state(parameter, "velocity")
                g = updates[velocity] = self.momentum * velocity + g
            updates[parameter] = parameter - self.lr * g
        return updates


class Adam:
    """Adam (Kingma & Ba, 2015), with the bias corrected."""

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.lr, self.betas, self.eps = lr, betas, eps

    def __call__(self, loss: Expr, parameters: Sequence[Parameter]) -> Updates:
        """The new value of every trainable Parameter, of its moments, and of the step counter."""
        trained = _trainable(parameters)
        steps = Parameter(np.zeros((), np.float64), name="adam_steps", trainable=False)
        first, second = self.betas
        now = steps + 1.0
        updates: Updates = {steps: now}
        # The corrections are computed in float64 once, then applied in each Parameter's dtype.
        size = self.lr * ops.sqrt(1.0 - second**now) / (1.0 - first**now)
        epsilon = self.eps * ops.sqrt(1.0 - second**now)
        for parameter, g in zip(trained, grad(loss, trained), strict=True):
            mean, square = _state(parameter, "mean"), _state(parameter, "square")
            updates[mean] = first * mean + (1.0 - first) * g
            updates[square] = second * square + (1.0 - second) * (g * g)
            updates[parameter] = parameter - self._cast(size, parameter) * updates[mean] / (
                ops.sqrt(updates[square]) + self._cast(epsilon, parameter)
            )
        return updates

    @staticmethod
    def _cast(x: Any, parameter: Parameter) -> Any:
        return ops.cast(x, parameter.dtype)
