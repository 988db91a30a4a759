"""Activations as modules, under PyTorch's names. What they compute is in symnet/ops/activations.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..expr import Parameter
from .layers import Module, floating_name


class LeakyReLU(Module):
    """`x` above zero, ``negative_slope * x`` elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return ops.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """`x` above zero, ``weight * x`` elsewhere.

    Parameters
    ----------
    num_parameters : int
        1, or the size of axis 1: a slope for each channel.
    init : float
        The slopes at first.
    dtype : dtype
        A floating one.

    Attributes
    ----------
    weight : Parameter of shape (num_parameters,)

    Raises
    ------
    DTypeError
        The dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> layer = sn.nn.PReLU(3)
    >>> layer(sn.Variable("x", ("batch", 3, 8, 8), "float32")).shape
    (batch, 3, 8, 8)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = "float32") -> None:
        self.weight = Parameter(np.full(num_parameters, init, floating_name("PReLU", dtype)), name="weight")

    def forward(self, x: Any) -> Any:
        channels = self.weight.shape[0]
        if channels == 1:
            return ops.prelu(x, self.weight)
        return ops.prelu(x, ops.reshape(self.weight, (channels,) + (1,) * (x.ndim - 2)))


class ELU(Module):
    """`x` above zero, ``alpha * (exp(x) - 1)`` elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return ops.elu(x, self.alpha)


class GELU(Module):
    """x times the normal distribution's cumulative probability; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return ops.gelu(x, self.approximate)


class Hardtanh(Module):
    """`x` limited to `min_val`..`max_val`."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Any:
        return ops.hardtanh(x, self.min_val, self.max_val)


class Softmin(Module):
    """softmax of ``-x`` along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return ops.softmin(x, self.axis)


class LogSoftmax(Module):
    """The logarithm of softmax along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return ops.log_softmax(x, self.axis)


class SELU(Module):
    """elu scaled so that layers keep mean 0 and variance 1."""

    def forward(self, x: Any) -> Any:
        return ops.selu(x)


class SiLU(Module):
    """x * sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        return ops.silu(x)


class Mish(Module):
    """x * tanh(softplus(x))."""

    def forward(self, x: Any) -> Any:
        return ops.mish(x)


class Hardsigmoid(Module):
    """x / 6 + 1 / 2 limited to 0..1."""

    def forward(self, x: Any) -> Any:
        return ops.hard_sigmoid(x)


class LogSigmoid(Module):
    """log(sigmoid(x))."""

    def forward(self, x: Any) -> Any:
        return ops.log_sigmoid(x)


class Softplus(Module):
    """log(1 + exp(x))."""

    def forward(self, x: Any) -> Any:
        return ops.softplus(x)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, x: Any) -> Any:
        return ops.softsign(x)
