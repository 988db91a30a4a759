"""Attention layers. What they compute is in symnet/ops/attention.py."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..op import OPS, apply
from ..ops.attention import attention_weights, join_heads, split_heads
from ..random import Generator, probability
from .dropout import Dropout
from .layers import Linear, Module
from .normalization import LayerNorm


def _count(whose: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{whose} is {value!r}; expected a positive int")
    return int(value)


class MultiheadAttention(Module):
    """Attention of several heads, each on its part of the features, between linear layers.

    Call it with a query of shape (..., queries, embed_dim). Without a key it attends to itself; without a
    value the key is the value. A mask broadcasts to (..., heads, queries, keys) and is as that of
    :func:`symnet.scaled_dot_product_attention`: True, or 0.0, where a key takes part. (That of PyTorch's module
    has True where it does not.) For keys of shape (batch, keys) that are padding, pass
    ``~padding[:, None, None, :]``.

    Parameters
    ----------
    embed_dim : int
        The size of the last axis of query, key, value and result.
    num_heads : int
        They divide `embed_dim`.
    dropout : number from 0 to 1
        The probability with which a query leaves out a key while training. Of the attention's weights.
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        The weights are drawn as those of :class:`symnet.nn.Linear`; then the seed of the dropout.

    Attributes
    ----------
    query, key, value, out : Linear

    Raises
    ------
    ShapeError
        The heads do not divide the features; or, where the layer is called, shapes that do not fit.
    ArgumentError
        A size is no positive int, or there is a value without a key.
    DTypeError
        The dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("batch", "sequence", 16), "float32")
    >>> sn.nn.MultiheadAttention(16, 4)(x, is_causal=True).shape
    (batch, sequence, 16)

    References
    ----------
    Vaswani et al., Attention Is All You Need, 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        features = _count("MultiheadAttention: embed_dim", embed_dim)
        self.num_heads = _count("MultiheadAttention: num_heads", num_heads)
        if features % self.num_heads:
            raise ShapeError(
                f"MultiheadAttention: {num_heads} heads and {embed_dim} features; expected heads that divide them"
            )
        rng = np.random.default_rng(rng)
        self.query, self.key, self.value, self.out = (Linear(features, features, bias, dtype, rng) for _ in range(4))
        self.dropout = _dropout("MultiheadAttention", dropout, rng)

    def forward(self, query: Any, key: Any = None, value: Any = None, mask: Any = None, is_causal: bool = False) -> Any:
        if key is None and value is not None:
            raise ArgumentError("MultiheadAttention: a value without a key; expected both, or the key alone")
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (
            split_heads(layer(x), self.num_heads)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        weights = self.dropout(attention_weights(q, k, v, mask, is_causal))
        return self.out(join_heads(ops.matmul(weights, v)))


class TransformerEncoderLayer(Module):
    """Attention to itself, then two linear layers at each place, both beside the identity and normalised.

    Call it with a value of shape (..., sequence, d_model), and optionally a mask and `is_causal`, as
    :class:`MultiheadAttention`.

    Parameters
    ----------
    d_model, nhead : int
        The features, and the heads, which divide them.
    dim_feedforward : int
        The features between the two linear layers.
    dropout : number from 0 to 1
        While training: of the attention's weights, between the two linear layers, and of what is added to the value.
        (PyTorch's default is 0.1.)
    activation : str or callable
        Between the two linear layers: the name of an element-wise op of one operand, such as "relu" or
        "gelu", or a function.
    norm_first : bool
        Whether to normalise what goes into each part (Xiong et al., 2020), and not what comes out (Vaswani
        et al., 2017).
    eps : float
        Of the layer normalisation.
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    attention : MultiheadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm

    Raises
    ------
    ShapeError
        The heads do not divide the features; or, where the layer is called, shapes that do not fit.
    ArgumentError
        `dropout` is no number from 0 to 1, the activation is unknown, or a size is no positive int.
    DTypeError
        The dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("batch", "sequence", 16), "float32")
    >>> sn.nn.TransformerEncoderLayer(16, 4, 32, norm_first=True)(x, is_causal=True).shape
    (batch, sequence, 16)

    References
    ----------
    Vaswani et al., Attention Is All You Need, 2017. Xiong et al., On Layer Normalization in the Transformer
    Architecture, 2020.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.0,
        activation: str | Callable[[Any], Any] = "relu",
        norm_first: bool = False,
        eps: float = 1e-5,
        bias: bool = True,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        between = _count("TransformerEncoderLayer: dim_feedforward", dim_feedforward)
        rng = np.random.default_rng(rng)
        self.activation, self.norm_first = _activation(activation), norm_first
        self.attention = MultiheadAttention(d_model, nhead, 0.0, bias, dtype, rng)
        self.linear1 = Linear(d_model, between, bias, dtype, rng)
        self.linear2 = Linear(between, d_model, bias, dtype, rng)
        self.norm1, self.norm2 = LayerNorm(d_model, eps, bias, dtype), LayerNorm(d_model, eps, bias, dtype)
        self.dropout = self.attention.dropout = _dropout("TransformerEncoderLayer", dropout, rng)

    def forward(self, x: Any, mask: Any = None, is_causal: bool = False) -> Any:
        if self.norm_first:
            x = ops.add(x, self._attended(self.norm1(x), mask, is_causal))
            return ops.add(x, self._each_place(self.norm2(x)))
        x = self.norm1(ops.add(x, self._attended(x, mask, is_causal)))
        return self.norm2(ops.add(x, self._each_place(x)))

    def _attended(self, x: Any, mask: Any, is_causal: bool) -> Any:
        return self.dropout(self.attention(x, mask=mask, is_causal=is_causal))

    def _each_place(self, x: Any) -> Any:
        return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def _dropout(whose: str, p: Any, rng: np.random.Generator) -> Dropout:
    share = probability(f"{whose}: dropout", p)
    return Dropout(share, Generator(int(rng.integers(2**63)) if share else 0, name="dropout"))


def _activation(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if callable(activation):
        return activation
    op = OPS.get(activation)
    if op is None or op.family != "elementwise":
        raise ArgumentError(f"activation is {activation!r}; expected the name of an element-wise op, or a function")
    return lambda x: apply(op, x)
