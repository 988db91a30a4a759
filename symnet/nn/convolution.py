"""Layers of convolutional networks, with PyTorch's argument names and initial weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..dtype import FLOATS, dtype_name
from ..errors import ArgumentError, DTypeError
from ..expr import Parameter
from .layers import Module

Numbers = int | tuple[int, ...]


class _Convolution(Module):
    """The Parameters of a convolution and its settings."""

    rank: int
    is_transposed = False
    settings: dict[str, Any]

    def _prepare(
        self, channels: tuple[int, int], kernel_size: Numbers, groups: int, bias: bool, dtype: Any, rng: Any
    ) -> None:
        name = type(self).__name__
        if dtype_name(dtype) not in FLOATS:
            raise DTypeError(f"{name} with dtype {dtype}: expected one of {', '.join(FLOATS)}")
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * self.rank
        if len(sizes) != self.rank or min(*sizes, *channels, groups) < 1 or any(n % groups for n in channels):
            text = f"{channels[0]} to {channels[1]} channels in {groups} groups, kernel_size {kernel_size!r}"
            raise ArgumentError(f"{name} from {text}: expected {self.rank} sizes, and groups that divide both channels")
        first, second = channels if self.is_transposed else channels[::-1]
        shape = (first, second // groups, *sizes)
        rng, bound = np.random.default_rng(rng), 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(dtype), name="weight")
        offset = rng.uniform(-bound, bound, channels[1]).astype(dtype)
        self.bias = Parameter(offset, name="bias") if bias else None


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers | str = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        self._prepare((in_channels, out_channels), kernel_size, groups, bias, dtype, rng)
        self.settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


class Conv2d(_Conv):
    """A convolution of pictures; see :func:`symnet.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
    padding : int, pair of int, "valid" or "same"
    groups : int
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        Weights and bias are drawn uniformly within ±1/sqrt(n), for n weights to a result, as PyTorch's.

    Attributes
    ----------
    weight : Parameter of shape (out, in / groups, kernel height, kernel width)
    bias : Parameter of shape (out,), or None

    Raises
    ------
    ArgumentError
        The groups do not divide the channels, or a size is below 1.
    DTypeError
        The dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("batch", 1, 28, 28), dtype="float32")
    >>> sn.nn.Conv2d(1, 8, 3, padding=1)(x).shape
    (batch, 8, 28, 28)
    """

    rank = 2

    def forward(self, x: Any) -> Any:
        return ops.conv2d(x, self.weight, self.bias, **self.settings)


class Conv1d(_Conv):
    """A convolution of sequences (samples, channels, length); arguments as :class:`Conv2d`'s."""

    rank = 1

    def forward(self, x: Any) -> Any:
        return ops.conv1d(x, self.weight, self.bias, **self.settings)


class _ConvTranspose(_Convolution):
    is_transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Numbers = 1,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        self._prepare((in_channels, out_channels), kernel_size, groups, bias, dtype, rng)
        self.settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.output_padding = output_padding


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a convolution; see :func:`symnet.conv_transpose2d`. Arguments as :class:`Conv2d`'s.

    Attributes
    ----------
    weight : Parameter of shape (in, out / groups, kernel height, kernel width)
    bias : Parameter of shape (out,), or None

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("batch", 4, 7, 7), dtype="float32")
    >>> sn.nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)(x).shape
    (batch, 2, 14, 14)
    """

    rank = 2

    def forward(self, x: Any) -> Any:
        return ops.conv_transpose2d(x, self.weight, self.bias, output_padding=self.output_padding, **self.settings)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a convolution of sequences; see :func:`symnet.conv_transpose1d`."""

    rank = 1

    def forward(self, x: Any) -> Any:
        return ops.conv_transpose1d(x, self.weight, self.bias, output_padding=self.output_padding, **self.settings)


class _Pool(Module):
    def __init__(self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding


class MaxPool1d(_Pool):
    """The largest element of each window; see :func:`symnet.max_pool1d`."""

    def forward(self, x: Any) -> Any:
        return ops.max_pool1d(x, self.kernel_size, self.stride, self.padding)


class MaxPool2d(_Pool):
    """The largest element of each window; see :func:`symnet.max_pool2d`."""

    def forward(self, x: Any) -> Any:
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool1d(_Pool):
    """The mean of each window; see :func:`symnet.avg_pool1d`."""

    def forward(self, x: Any) -> Any:
        return ops.avg_pool1d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool):
    """The mean of each window; see :func:`symnet.avg_pool2d`."""

    def forward(self, x: Any) -> Any:
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool1d(Module):
    """The mean of every channel of sequences, of shape (samples, channels)."""

    def forward(self, x: Any) -> Any:
        return ops.global_avg_pool1d(x)


class GlobalAvgPool2d(Module):
    """The mean of every channel, of shape (samples, channels)."""

    def forward(self, x: Any) -> Any:
        return ops.global_avg_pool2d(x)


class Upsample(Module):
    """Every element repeated `scale_factor` times along the spatial axes; see :func:`symnet.upsample`."""

    def __init__(self, scale_factor: Numbers) -> None:
        self.scale_factor = scale_factor

    def forward(self, x: Any) -> Any:
        return ops.upsample(x, self.scale_factor)
