"""Batch normalisation, with running statistics that a training step updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..dims import maximum, product
from ..dtype import as_number, require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..expr import Parameter, as_expr
from ..op import deferred
from ..random import probability
from ..updating import updating
from .layers import Module, floating_name

# What stands behind samples and channels, for each number of axes.
SPATIAL = {2: "", 3: ", length", 4: ", height, width"}


def _axes(x: Any) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, len(x.shape)))


def _on_channels(x: Any, numbers: Any) -> Any:
    """One number for each channel, such that it broadcasts against `x`."""
    behind = tuple(range(1, len(x.shape) - 1))
    return ops.expand_dims(numbers, behind) if behind else numbers


@deferred("x")
def _checked(x: Any, name: str, ranks: tuple[int, ...], features: int) -> Any:
    shape = x.shape
    wanted = " or ".join(f"(samples, {features}{SPATIAL[r]})" for r in ranks)
    complaint = f"{name} of a value of shape {shape_text(shape)}; expected {wanted}"
    if len(shape) not in ranks:
        raise ShapeError(complaint)
    require_equal(shape[1], features, complaint)
    return x


@deferred("x")
def _mean(x: Any) -> Any:
    return ops.sum(x, _axes(x)) / maximum(product(x.shape[k] for k in _axes(x)), 1)


@deferred("x", "mean")
def _variance(x: Any, mean: Any) -> Any:
    centered = x - _on_channels(x, mean)
    return _mean(centered * centered)


@deferred("x", "old", "new")
def _unless_empty(x: Any, old: Any, new: Any) -> Any:
    """What is kept after a batch; one without elements leaves it as it is."""
    count = product(x.shape[k] for k in _axes(x))
    if isinstance(count, int):
        return new if count else old
    return ops.where(ops.greater(ops.ones_like(new) * count, 0), new, old)


@deferred("x", "variance")
def _unbiased(x: Any, variance: Any) -> Any:
    """PyTorch keeps the unbiased variance, and divides by the biased one."""
    count = product(x.shape[k] for k in _axes(x))
    return variance * count / maximum(count - 1, 1)


@deferred("x", "mean", "variance", "affine")
def _normalized(x: Any, mean: Any, variance: Any, *affine: Any, eps: float) -> Any:
    scale = ops.rsqrt(variance + eps)
    if not affine:
        return (x - _on_channels(x, mean)) * _on_channels(x, scale)
    weight, bias = affine
    return (x - _on_channels(x, mean)) * _on_channels(x, scale * weight) + _on_channels(x, bias)


class _BatchNorm(Module):
    ranks: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = "float32",
    ) -> None:
        name = type(self).__name__
        dtype = floating_name(name, dtype)
        if not isinstance(num_features, (int, np.integer)) or isinstance(num_features, bool) or num_features < 1:
            raise ArgumentError(f"{name}: num_features is {num_features!r}; expected a positive int")
        self.num_features = int(num_features)
        self.momentum = None if momentum is None else probability(f"{name}: momentum", momentum)
        self.eps = as_number(f"{name}: eps", eps, "a number from 0 up", lambda e: e >= 0)
        zeros, ones = np.zeros(self.num_features, dtype), np.ones(self.num_features, dtype)
        self.weight = Parameter(ones, name="weight") if affine else None
        self.bias = Parameter(zeros, name="bias") if affine else None
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = Parameter(zeros, name="running_mean", trainable=False)
            self.running_var = Parameter(ones, name="running_var", trainable=False)
            if momentum is None:
                self.num_batches_tracked = Parameter(np.int64(0), name="num_batches_tracked", trainable=False)

    def forward(self, x: Any) -> Any:
        x = _checked(as_expr(x), type(self).__name__, self.ranks, self.num_features)
        affine = () if self.weight is None or self.bias is None else (self.weight, self.bias)
        if self.running_mean is not None and not self.training:
            return _normalized(x, self.running_mean, self.running_var, *affine, eps=self.eps)
        mean = _mean(x)
        variance = _variance(x, mean)
        y = _normalized(x, mean, variance, *affine, eps=self.eps)
        kept = [p for p in (self.running_mean, self.running_var, self.num_batches_tracked) if p is not None]
        return updating(y, {tuple(kept): lambda *olds: self._followed(x, mean, variance, *olds)}) if kept else y

    def _followed(self, x: Any, mean: Any, variance: Any, *olds: Any) -> tuple[Any, ...]:
        """What is kept of all batches, after another one."""
        share: Any = self.momentum
        counted = [] if share is not None else [olds[-1] + 1]
        if counted:
            share = 1.0 / counted[0].astype(olds[0].dtype)
        statistics = zip(olds, (mean, _unbiased(x, variance)), strict=False)
        news = [*((1.0 - share) * old + share * found for old, found in statistics), *counted]
        return tuple(_unless_empty(x, old, new) for old, new in zip(olds, news, strict=True))


class BatchNorm1d(_BatchNorm):
    """Every feature with mean 0 and variance 1 over the batch, times `weight` plus `bias`.

    In training the batch's own mean and variance are used, and a call of the compiled function moves the running
    statistics towards them: ``(1 - momentum) * running + momentum * of the batch`` (of the unbiased variance; a
    batch without elements moves nothing, one with a single element has the variance 0). After ``eval()`` the
    running statistics are used, and nothing is updated. What a network does is decided when it is called on
    Variables: build the function to train before ``eval()``, the one to predict after it. With
    ``compile(..., freeze=True)`` the latter has no normalisation left: it is part of the layer before.

    Parameters
    ----------
    num_features : int
        The size of axis 1, of a value of shape (samples, features) or (samples, features, length).
    eps : float
        Added to the variance.
    momentum : number from 0 to 1, or None
        The weight of a batch in the running statistics. None weighs all batches alike: the n-th has the weight 1/n.
    affine : bool
        Whether there are `weight` and `bias`.
    track_running_stats : bool
        Without them a batch's own mean and variance are used after ``eval()`` too, and nothing is updated.
    dtype : dtype
        A floating one.

    Attributes
    ----------
    weight, bias : Parameter of shape (num_features,), or None
        Ones and zeros at first.
    running_mean, running_var : Parameter of shape (num_features,), or None
        Not trainable; zeros and ones at first.
    num_batches_tracked : Parameter of int64, or None
        With ``momentum=None``: how many batches there were.

    Raises
    ------
    ArgumentError
        An argument is not what it must be.
    DTypeError
        The dtype is not floating.
    ShapeError
        The value has other axes.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> layer = sn.nn.BatchNorm1d(2)
    >>> x = sn.Variable("x", ("batch", 2), "float32")
    >>> train, predict = sn.compile(layer(x)), sn.compile(layer.eval()(x))
    >>> train(np.array([[1.0, 10.0], [3.0, 30.0]])).round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.running_mean.value, layer.running_var.value
    (array([0.2, 2. ], dtype=float32), array([ 1.1, 20.9], dtype=float32))
    >>> predict(np.array([[0.2, 2.0]]))
    array([[0., 0.]], dtype=float32)

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015.
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Every channel with mean 0 and variance 1 over the batch and the picture; otherwise as :class:`BatchNorm1d`.

    For values of shape (samples, channels, height, width).

    Examples
    --------
    >>> import symnet as sn
    >>> net = sn.nn.Sequential(sn.nn.Conv2d(1, 8, 3, bias=False), sn.nn.BatchNorm2d(8), sn.nn.ReLU())
    >>> net(sn.Variable("x", ("batch", 1, 8, 8), "float32")).shape
    (batch, 8, 6, 6)
    """

    ranks = (4,)
