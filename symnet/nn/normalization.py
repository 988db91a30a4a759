"""Normalising layers. What they compute is in symnet/ops/normalization.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..expr import Parameter
from .layers import Module, floating_name


class LayerNorm(Module):
    """Each row with mean 0 and variance 1, times `weight` plus `bias`.

    Parameters
    ----------
    features : int
        The size of the last axis.
    eps : float
        Added to the variance.
    bias : bool
    dtype : dtype
        A floating one.

    Attributes
    ----------
    weight : Parameter of shape (features,)
        Ones at first.
    bias : Parameter of shape (features,), or None
        Zeros at first.

    Raises
    ------
    DTypeError
        The dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.nn.LayerNorm(4)(sn.Variable("x", ("batch", 4), "float32")).shape
    (batch, 4)

    References
    ----------
    Ba, Kiros and Hinton, Layer Normalization, 2016.
    """

    def __init__(self, features: int, eps: float = 1e-5, bias: bool = True, dtype: Any = "float32") -> None:
        dtype = floating_name("LayerNorm", dtype)
        self.eps = eps
        self.weight = Parameter(np.ones(features, dtype), name="weight")
        self.bias = Parameter(np.zeros(features, dtype), name="bias") if bias else None

    def forward(self, x: Any) -> Any:
        return ops.layer_norm(x, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """Each row divided by the root of its mean square, times `weight`.

    Parameters
    ----------
    features : int
        The size of the last axis.
    eps : float
        Added to the mean square.
    dtype : dtype
        A floating one.

    Attributes
    ----------
    weight : Parameter of shape (features,)
        Ones at first.

    Raises
    ------
    DTypeError
        The dtype is not floating.

    References
    ----------
    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
    """

    def __init__(self, features: int, eps: float = 1e-5, dtype: Any = "float32") -> None:
        self.eps = eps
        self.weight = Parameter(np.ones(features, floating_name("RMSNorm", dtype)), name="weight")

    def forward(self, x: Any) -> Any:
        return ops.rms_norm(x, self.weight, self.eps)


class GroupNorm(Module):
    """Mean 0 and variance 1 over each group of channels of each example, times `weight` plus `bias`.

    Parameters
    ----------
    num_groups, num_channels : int
        The channels are axis 1; the groups divide them.
    eps : float
        Added to the variance.
    dtype : dtype
        A floating one.

    Attributes
    ----------
    weight, bias : Parameter of shape (num_channels,)
        Ones and zeros at first.

    Raises
    ------
    DTypeError
        The dtype is not floating.

    References
    ----------
    Wu and He, Group Normalization, 2018.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, dtype: Any = "float32") -> None:
        dtype = floating_name("GroupNorm", dtype)
        self.num_groups, self.eps = num_groups, eps
        self.weight = Parameter(np.ones(num_channels, dtype), name="weight")
        self.bias = Parameter(np.zeros(num_channels, dtype), name="bias")

    def forward(self, x: Any) -> Any:
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
