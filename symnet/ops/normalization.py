"""Normalisation: values shifted and scaled to mean 0 and variance 1, or to mean square 1."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..dims import Dim, product
from ..dtype import as_number, as_numbers, broadcast, shape_text
from ..errors import ArgumentError, OpenShape, ShapeError
from .arithmetic import add, multiply, subtract
from .movement import expand_dims, reshape
from .real_functions import rsqrt
from .reductions import mean


def _inverse_root(name: str, square: Any, eps: float) -> Any:
    eps = as_number(f"{name}: eps", eps, "a number from 0 up", lambda e: e >= 0)
    return rsqrt(add(square, eps))


def _standardized(name: str, x: Any, eps: float) -> Any:
    """Mean 0 and variance 1 over the last axis; the variance is that of the centered values, so none cancels."""
    centered = subtract(x, mean(x, -1, True))
    return multiply(centered, _inverse_root(name, mean(multiply(centered, centered), -1, True), eps))


def _affine(name: str, x: Any, gain: Any, bias: Any) -> Any:
    for what, given in {"gain": gain, "bias": bias}.items():
        _require_fit(name, what, given, x)
    x = x if gain is None else multiply(x, gain)
    return x if bias is None else add(x, bias)


def _require_fit(name: str, what: str, given: Any, x: Any) -> None:
    """Refuse a gain or bias that certainly does not fit; what is open until the call the op itself refuses there."""
    if given is None:
        return
    try:
        shapes = [v.shape if hasattr(type(v), "shape") else np.shape(v) for v in (given, x)]
        broadcast(*shapes)
    except OpenShape:
        return
    except ShapeError:
        own, wanted = map(shape_text, shapes)
        complaint = f"{name}: the {what} has shape {own}; expected one that broadcasts to {wanted}, that of the value"
        raise ShapeError(complaint) from None


def layer_norm(x: Any, gain: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each row with mean 0 and variance 1, times `gain` plus `bias`.

    Parameters
    ----------
    x : value of shape (..., features)
    gain, bias : values that broadcast, such as of shape (features,); optional
    eps : float
        Added to the variance.

    Raises
    ------
    ShapeError
        `x` has no axis, or the gain or the bias does not fit it.
    ArgumentError
        `eps` is no number, or negative.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.layer_norm([[1.0, 2.0, 3.0]], bias=[0.0, 5.0, 0.0]).round(3)
    array([[-1.225,  5.   ,  1.225]])

    References
    ----------
    Ba, Kiros and Hinton, Layer Normalization, 2016.
    """
    return _affine("layer_norm", _standardized("layer_norm", x, eps), gain, bias)


def rms_norm(x: Any, gain: Any = None, eps: float = 1e-5) -> Any:
    """Each row divided by the root of its mean square (plus `eps`), times `gain`.

    Raises
    ------
    ShapeError
        `x` has no axis, or the gain does not fit it.
    ArgumentError
        `eps` is no number, or negative.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.rms_norm([[3.0, 4.0]], gain=[1.0, 10.0]).round(3)
    array([[ 0.849, 11.314]])

    References
    ----------
    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
    """
    return _affine("rms_norm", multiply(x, _inverse_root("rms_norm", mean(multiply(x, x), -1, True), eps)), gain, None)


def group_norm(x: Any, groups: int, gain: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Mean 0 and variance 1 over each group of channels of each example, times `gain` plus `bias`.

    Parameters
    ----------
    x : value of shape (batch, channels, ...)
        Its shape must be declared.
    groups : int
        How many; they divide the channels.
    gain, bias : values of shape (channels,); optional
    eps : float
        Added to the variance.

    Raises
    ------
    ShapeError
        `x` has fewer than two axes, or the groups do not divide the channels.
    ArgumentError
        `groups` or `eps` is no such number.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.group_norm([[1.0, 3.0, 10.0, 30.0]], 2).round(3)
    array([[-1.,  1., -1.,  1.]])

    References
    ----------
    Wu and He, Group Normalization, 2018.
    """
    x = x if hasattr(x, "shape") else as_numbers(x, "group_norm")
    shape = x.shape
    if not isinstance(groups, Integral) or groups < 1:
        raise ArgumentError(f"group_norm: groups is {groups!r}; expected a positive int")
    groups = int(groups)
    complaint = f"group_norm: {groups} groups of a value of shape {shape_text(shape)}"
    if len(shape) < 2:
        raise ShapeError(f"{complaint}; expected (batch, channels, ...)")
    channels = shape[1]
    if isinstance(channels, Dim) or channels % groups:
        raise ShapeError(f"{complaint}; expected a number of channels that they divide")
    grouped = reshape(x, (shape[0], groups, channels // groups * product(shape[2:])))
    y = reshape(_standardized("group_norm", grouped, eps), shape)
    behind = tuple(range(1, len(shape) - 1))
    gain, bias = (v if v is None or not behind else expand_dims(v, behind) for v in (gain, bias))
    return _affine("group_norm", y, gain, bias)


__all__ = ["group_norm", "layer_norm", "rms_norm"]
