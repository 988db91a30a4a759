"""Attention: each query a mean of values, weighted by how well their keys fit it."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ..dims import Dim
from ..dtype import FLOATS, Shape, floating, normalize_axis, require_equal, shape_text
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import OPS, Composite, apply, deferred, register
from .arithmetic import add, cast, divide, multiply
from .contraction import matmul, swap_last
from .creation import as_value, known_dtype
from .logic import equal, maximum, where
from .movement import reshape, swapaxes
from .network import softmax
from .real_functions import exp, rsqrt
from .reductions import max, sum
from .triangles import below


class MaskedSoftmax(Composite):
    """softmax along `axis`, with zeros where all is -inf: a query that no key is open to takes nothing."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        e = np.exp(x - np.where(top == -np.inf, 0, top).astype(x.dtype))
        total = np.sum(e, axis=axis, keepdims=True)
        return e / np.where(total == 0, 1, total).astype(x.dtype)

    def expand(self, x: Any, *, axis: int) -> Any:  # type: ignore[override]
        top = max(x, axis, True)
        e = exp(x - where(equal(top, -math.inf), 0.0, top))
        # The largest element gives a 1, so that a smaller sum is 0.
        return e * divide(1.0, maximum(sum(e, axis, True), 1.0))

    def grad(self, g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (y * (g - sum(g * y, axis, True)),)


_masked_softmax = register(MaskedSoftmax("masked_softmax"))


def scaled_dot_product_attention(
    q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    """``softmax(q @ k.T * scale) @ v`` for each leading index.

    Parameters
    ----------
    q : value of shape (..., queries, features)
    k : value of shape (..., keys, features)
    v : value of shape (..., keys, values)
        The leading axes, such as batch and heads, broadcast.
    mask : value that broadcasts to (..., queries, keys), optional
        Of bools: True where the key takes part. Of floats: added to the scores, in their dtype.
    is_causal : bool
        Whether a query sees the keys up to its own place only; beside a mask, both hold.
    scale : float, optional
        1 / sqrt(features) without.

    Returns
    -------
    value of shape (..., queries, values)
        Zeros for a query that the mask leaves no key (all False, or all -inf), and zero gradients.

    Raises
    ------
    ShapeError
        The shapes do not fit together, or the mask does not broadcast to the scores.
    DTypeError
        The mask holds integers.
    ArgumentError
        `scale` is no number.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> q, v = np.zeros((2, 4)), np.array([[1.0], [3.0]])
    >>> sn.scaled_dot_product_attention(q, q, v, is_causal=True)
    array([[1.],
           [2.]])

    References
    ----------
    Vaswani et al., Attention Is All You Need, 2017.
    """
    weights = attention_weights(q, k, v, mask, is_causal, scale)
    return matmul(weights, as_value(v))


def attention_weights(
    q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    """How much each query takes of each key's value, (..., queries, keys): what the values are multiplied with.

    Parameters and exceptions are those of :func:`scaled_dot_product_attention`.
    """
    if scale is not None and not isinstance(scale, Real):
        raise ArgumentError(f"attention: scale is {scale!r}; expected a number")
    number = None if scale is None else float(scale)
    masks = () if mask is None else (as_value(mask),)
    return _weights(*map(as_value, (q, k, v)), *masks, is_causal=bool(is_causal), scale=number)


@deferred("q", "k", "v", "mask")
def _weights(q: Any, k: Any, v: Any, *mask: Any, is_causal: bool, scale: float | None) -> Any:
    _check_shapes(q.shape, k.shape, v.shape)
    scores = matmul(q, swap_last(k))
    scores = multiply(scores, _inverse_root(scores, q.shape[-1]) if scale is None else scale)
    if is_causal:
        scores = where(below(scores), scores, -math.inf)
    if not mask:
        # A causal query has a key always: its own or an earlier one.
        return softmax(scores, -1)
    return apply(_masked_softmax, _masked(scores, *mask), axis=-1)


def _check_shapes(q: Shape, k: Shape, v: Shape) -> None:
    complaint = f"attention: queries of shape {shape_text(q)}, keys {shape_text(k)} and values {shape_text(v)}"
    expected = "expected (..., queries, features), (..., keys, features) and (..., keys, values)"
    if min(len(q), len(k), len(v)) < 2:
        raise ShapeError(f"{complaint}; {expected}")
    require_equal(q[-1], k[-1], f"{complaint}: features {q[-1]} and {k[-1]}; {expected}")
    require_equal(k[-2], v[-2], f"{complaint}: {k[-2]} keys and {v[-2]} values; {expected}")


def _inverse_root(scores: Any, features: Any) -> Any:
    """1 / sqrt(features), for a size that may be named."""
    if not isinstance(features, Dim):
        return 1 / math.sqrt(features or 1)
    dtype = known_dtype(scores)
    size = scores.__symnet_apply__(OPS["cast"], (features,), {"dtype": dtype if dtype in FLOATS else "float64"})
    return rsqrt(size)


def _masked(scores: Any, mask: Any) -> Any:
    complaint = (
        f"attention: the mask has shape {shape_text(mask.shape)}; "
        f"expected one that broadcasts to {shape_text(scores.shape)}, (..., queries, keys)"
    )
    if len(mask.shape) > len(scores.shape):
        raise ShapeError(complaint)
    for n, m in zip(reversed(scores.shape), reversed(mask.shape), strict=False):
        if not isinstance(m, int) or m != 1:
            require_equal(n, m, complaint)
    dtype = known_dtype(mask)
    if dtype == "bool":
        return where(mask, scores, -math.inf)
    if dtype not in FLOATS:
        raise DTypeError(
            f"attention: the mask has dtype {dtype}; expected bools, True where a key takes part, or floats"
        )
    return add(scores, cast(mask, known_dtype(scores)))


@deferred("x")
def split_heads(x: Any, heads: int) -> Any:
    """(..., sequence, features) as (..., heads, sequence, features of a head).

    Raises
    ------
    ShapeError
        The features are no multiple of the heads.
    """
    *batch, sequence, features = x.shape
    if isinstance(features, Dim) or features % heads:
        raise ShapeError(f"{heads} heads of a value of shape {shape_text(x.shape)}; expected features they divide")
    return swapaxes(reshape(x, (*batch, sequence, heads, features // heads)), -2, -3)


@deferred("x")
def join_heads(x: Any) -> Any:
    """(..., heads, sequence, features of a head) as (..., sequence, features): back from :func:`split_heads`."""
    *batch, heads, sequence, features = x.shape
    return reshape(swapaxes(x, -2, -3), (*batch, sequence, heads * features))


__all__ = ["scaled_dot_product_attention"]
