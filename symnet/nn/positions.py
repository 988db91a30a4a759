"""Where in a sequence an element is, added to its features."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..dtype import require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..expr import Constant, Parameter
from ..op import deferred
from .layers import Module, floating_name


@deferred("x", "table")
def _add_rows(x: Any, table: Any) -> Any:
    """`x` plus the first rows of a table, one for each place in the sequence."""
    longest, features = table.shape
    complaint = f"positions of a value of shape {shape_text(x.shape)}; expected (..., sequence, {features})"
    if len(x.shape) < 2:
        raise ShapeError(complaint)
    length = x.shape[-2]
    require_equal(x.shape[-1], features, complaint)
    if isinstance(length, int) and length > longest:
        raise ShapeError(f"{complaint} with a sequence of at most {longest}")
    # A named length cuts the table to at most what it has; the call refuses a longer one.
    return ops.add(x, ops.broadcast_to(table[:length], (length, features)))


def _table_shape(whose: str, max_length: Any, features: Any) -> tuple[int, int]:
    for name, value in (("max_length", max_length), ("features", features)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise ArgumentError(f"{whose}: {name} is {value!r}; expected a positive int")
    return int(max_length), int(features)


class SinusoidalEncoding(Module):
    """Sines and cosines of the place, of wavelengths from 2 pi to 10000 * 2 pi, added to the features.

    Feature 2 i gets ``sin(place / 10000 ** (2 i / features))``, feature 2 i + 1 the cosine.

    Parameters
    ----------
    features : int
        The size of the last axis.
    max_length : int
        The longest sequence.
    dtype : dtype
        A floating one.

    Attributes
    ----------
    table : Constant of shape (max_length, features)

    Raises
    ------
    ArgumentError
        A size is no positive int.
    DTypeError
        The dtype is not floating.
    ShapeError
        The value is not of shape (..., sequence, features), or the sequence is too long.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", ("batch", "sequence", 4), "float32")
    >>> f = sn.compile(sn.nn.SinusoidalEncoding(4)(x))
    >>> f(np.zeros((1, 2, 4))).round(3)
    array([[[0.   , 1.   , 0.   , 1.   ],
            [0.841, 0.54 , 0.01 , 1.   ]]], dtype=float32)

    References
    ----------
    Vaswani et al., Attention Is All You Need, 2017.
    """

    def __init__(self, features: int, max_length: int = 2048, dtype: Any = "float32") -> None:
        dtype = floating_name("SinusoidalEncoding", dtype)
        rows, columns = _table_shape("SinusoidalEncoding", max_length, features)
        even = np.arange(columns) // 2 * 2
        angle = np.arange(rows)[:, None] / 10000.0 ** (even / columns)
        table = np.where(np.arange(columns) % 2, np.cos(angle), np.sin(angle))
        self.table = Constant(table.astype(dtype))

    def forward(self, x: Any) -> Any:
        return _add_rows(x, self.table)


class PositionalEmbedding(Module):
    """Learned numbers for each place, added to the features.

    Parameters
    ----------
    max_length : int
        The longest sequence.
    features : int
        The size of the last axis.
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        The table is drawn from a normal distribution of standard deviation 0.02.

    Attributes
    ----------
    weight : Parameter of shape (max_length, features)

    Raises
    ------
    ArgumentError
        A size is no positive int.
    DTypeError
        The dtype is not floating.
    ShapeError
        The value is not of shape (..., sequence, features), or the sequence is too long.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("batch", "sequence", 16), "float32")
    >>> sn.nn.PositionalEmbedding(128, 16)(x).shape
    (batch, sequence, 16)

    References
    ----------
    Gehring et al., Convolutional Sequence to Sequence Learning, 2017.
    """

    def __init__(self, max_length: int, features: int, dtype: Any = "float32", rng: Any = None) -> None:
        dtype = floating_name("PositionalEmbedding", dtype)
        shape = _table_shape("PositionalEmbedding", max_length, features)
        draw = 0.02 * np.random.default_rng(rng).standard_normal(shape)
        self.weight = Parameter(draw.astype(dtype), name="weight")

    def forward(self, x: Any) -> Any:
        return _add_rows(x, self.weight)
