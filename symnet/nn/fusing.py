"""`fuse`: batch normalisation folded into the layer before it, for inference."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from ..dtype import shape_text
from ..errors import ArgumentError, ShapeError
from ..expr import Parameter
from ..op import deferred
from .batch_norm import BatchNorm1d, BatchNorm2d, _BatchNorm
from .convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, _Convolution
from .layers import Linear, Module, Sequential


def fuse(model: Module) -> Module:
    """A copy of a model for inference, in which batch normalisation is part of the layers before it.

    In every :class:`Sequential` a `BatchNorm1d` or `BatchNorm2d` directly behind a convolution or a `Linear` goes
    into that layer's weight and bias; anywhere else it stays. The numbers are folded as they are now: the copy has
    Parameters of its own, and later training of the model does not reach it. It is in inference, as after
    ``eval()``.

    This is a function on modules and no pass of the compiler. To a pass, Parameters are no constants: a compiled
    function must compute with the numbers that they have at the call, so it would have to scale the weights again
    at each one.

    Parameters
    ----------
    model : Module
        In training or not: the running statistics are what is folded.

    Returns
    -------
    Module
        Of the same classes, but a `Linear` that took in a BatchNorm accepts values of two axes only: with three,
        the features of the one are not the channels of the other.

    Raises
    ------
    ArgumentError
        The model is no Module, or a BatchNorm has another number of features than the layer before it gives.

    Examples
    --------
    >>> import symnet as sn
    >>> net = sn.nn.Sequential(sn.nn.Conv2d(1, 8, 3), sn.nn.BatchNorm2d(8), sn.nn.ReLU())
    >>> len(net), len(sn.nn.fuse(net))
    (3, 2)

    References
    ----------
    Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018,
    section 3.2.
    """
    if not isinstance(model, Module):
        raise ArgumentError(f"fuse takes a Module, not {type(model).__name__}")
    fused: Module = _copied(model, {})
    return fused.eval()


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A copy with Parameters of its own; what is shared in the model is shared in the copy."""
    if isinstance(value, (list, tuple)):
        held = [_copied(v, memo) for v in value]
        return type(value)(held) if type(value) in (list, tuple) else value
    if not isinstance(value, (Module, Parameter)):
        return value
    if id(value) not in memo:
        if isinstance(value, Parameter):
            memo[id(value)] = Parameter(value.value, name=value.name, trainable=value.trainable)
        else:
            memo[id(value)] = copied = copy(value)
            for name, attribute in vars(value).items():
                setattr(copied, name, _copied(attribute, memo))
            if isinstance(copied, Sequential):
                copied.layers = _joined(copied.layers)
    return memo[id(value)]


def _joined(layers: list[Module]) -> list[Module]:
    found: list[Module] = []
    for layer in layers:
        folded = _folded(found[-1], layer) if found else None
        if folded is None:
            found.append(layer)
        else:
            found[-1] = folded
    return found


def _folded(before: Module, norm: Module) -> Module | None:
    """One layer that does what two do; None where they are no such pair."""
    # Subclasses may compute something else.
    kinds = FOLDED.get(type(norm), ())
    if type(before) not in kinds:
        return None
    assert isinstance(norm, _BatchNorm) and isinstance(before, (Linear, _Convolution))
    bias = before.bias.value if before.bias is not None else np.zeros(_features(before))
    if len(bias) != norm.num_features:
        name = type(norm).__name__
        raise ArgumentError(f"fuse: {name} of {norm.num_features} features behind a layer that gives {len(bias)}")
    scale = 1.0 / np.sqrt(norm.running_var.value.astype(np.float64) + norm.eps)
    shift = -norm.running_mean.value * scale
    if norm.weight is not None and norm.bias is not None:
        scale, shift = scale * norm.weight.value, shift * norm.weight.value + norm.bias.value
    weight = _scaled(before, scale)
    fused = copy(before)
    if isinstance(before, Linear):
        fused.__class__ = _FusedLinear
    dtype = before.weight.dtype
    fused.weight = Parameter(weight.astype(dtype), name="weight", trainable=before.weight.trainable)
    fused.bias = Parameter((bias * scale + shift).astype(dtype), name="bias", trainable=before.weight.trainable)
    return fused


def _features(layer: Linear | _Convolution) -> int:
    """The channels that a layer without bias gives."""
    shape = layer.weight.value.shape
    if isinstance(layer, Linear):
        return shape[1]
    return shape[1] * layer.settings["groups"] if layer.is_transposed else shape[0]


def _scaled(layer: Linear | _Convolution, scale: np.ndarray) -> np.ndarray:
    """The weight times one number for each channel that it gives."""
    weight = layer.weight.value
    if isinstance(layer, Linear):
        return weight * scale
    if not layer.is_transposed:
        return weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    # (in, out / groups, ...): each group of the channels read gives its own part of the others.
    groups = layer.settings["groups"]
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    return (parts * scale.reshape(groups, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)


class _FusedLinear(Linear):
    def forward(self, x: Any) -> Any:
        return super().forward(_with_two_axes(x))


@deferred("x")
def _with_two_axes(x: Any) -> Any:
    if len(x.shape) != 2:
        raise ShapeError(
            f"a Linear fused with BatchNorm1d, of a value of shape {shape_text(x.shape)}; expected (samples, features)"
        )
    return x


# Behind which layers a BatchNorm disappears.
FOLDED: dict[type[Module], tuple[type[Module], ...]] = {
    BatchNorm1d: (Conv1d, ConvTranspose1d, Linear, _FusedLinear),
    BatchNorm2d: (Conv2d, ConvTranspose2d),
}
