"""Cells: one step of a recurrent network, with PyTorch's gates, formulas and first values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .. import ops
from ..dims import Dim, Size, differ
from ..dtype import Shape, promote, shape_text, storage
from ..errors import ArgumentError, OpenShape, ShapeError
from ..expr import Constant, Expr, Parameter, as_expr
from ..op import deferred
from ..ops.contraction import as_rows
from .layers import Module, floating_name

# The arrays of a state: one, or two.
State = tuple[Any, ...]


class Cell(Module):
    """What recurrent cells share: two products, whose sums the gates are made of.

    Attributes
    ----------
    weight_ih : Parameter of shape (input_size, gates * hidden_size)
    weight_hh : Parameter of shape (hidden_size, gates * hidden_size)
    bias_ih, bias_hh : Parameter of shape (gates * hidden_size,), or None
    """

    gates = 1
    state_names: tuple[str, ...] = ("h",)

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32", rng: Any = None
    ) -> None:
        name = type(self).__name__
        self.input_size = positive(f"{name}: input_size", input_size)
        self.hidden_size = positive(f"{name}: hidden_size", hidden_size)
        kind, rng, width = floating_name(name, dtype), np.random.default_rng(rng), self.gates * self.hidden_size
        bound = 1 / math.sqrt(self.hidden_size)

        def draw(name: str, *shape: int) -> Parameter:
            return Parameter(rng.uniform(-bound, bound, shape).astype(kind), name=name)

        self.weight_ih = draw("weight_ih", self.input_size, width)
        self.weight_hh = draw("weight_hh", self.hidden_size, width)
        self.bias_ih = draw("bias_ih", width) if bias else None
        self.bias_hh = draw("bias_hh", width) if bias else None

    def project(self, x: Any) -> Any:
        """What the input adds to the gates: of one step, or of all of them in one product."""
        # One product of a matrix, which has no rows left over at every step.
        product = ops.matmul(_rows(x), self.weight_ih)
        return _in_rows_of(product if self.bias_ih is None else product + self._offset(), x)

    def _offset(self) -> Any:
        return ops.add(self.bias_ih, self.bias_hh)

    def advance(self, projected: Any, state: State) -> State:
        """The next state, from what `project` makes of the input."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def forward(self, x: Any, state: Any = None) -> Any:
        value = as_expr(x)
        require_features(type(self).__name__, value, (Dim.named("batch"), self.input_size))
        projected = self.project(value)
        following = self.advance(projected, self.first(projected, 0, state))
        return following if len(following) > 1 else following[0]

    def first(self, projected: Any, n_steps: int, state: Any) -> State:
        """The state to begin with: as given, or zeros for each row of `projected`, behind its axis of steps."""
        if state is not None:
            return as_state(type(self).__name__, self.state_names, state)
        zero = Constant(np.zeros((), self.weight_hh.dtype))
        return tuple(_zeros(zero, projected, n_steps, self.hidden_size) for _ in self.state_names)


class RNNCell(Cell):
    """One step of a simple recurrent network: ``tanh(x @ weight_ih + bias_ih + h @ weight_hh + bias_hh)``.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : {"tanh", "relu"}
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        Weights and biases are drawn uniformly within ±1/sqrt(hidden_size).

    Raises
    ------
    ArgumentError, DTypeError
        A size is no positive integer, the nonlinearity is unknown, or the dtype is not floating.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("batch", 4), "float32")
    >>> sn.nn.RNNCell(4, 8)(x).shape
    (batch, 8)

    References
    ----------
    Elman, Finding Structure in Time, 1990.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"{type(self).__name__}: nonlinearity is {nonlinearity!r}; expected 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, bias, dtype, rng)
        self.nonlinearity = nonlinearity

    def advance(self, projected: Any, state: State) -> State:
        total = projected + ops.matmul(state[0], self.weight_hh)
        return (ops.tanh(total) if self.nonlinearity == "tanh" else ops.relu(total),)


class GRUCell(Cell):
    """One step of a gated recurrent unit.

    With the gates reset r, update z and new n, each a third of what the two products make::

        r = sigmoid(x_r + h_r)      z = sigmoid(x_z + h_z)
        n = tanh(x_n + r * h_n)     h' = (1 - z) * n + z * h

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        Weights and biases are drawn uniformly within ±1/sqrt(hidden_size).

    Raises
    ------
    ArgumentError, DTypeError

    Examples
    --------
    >>> import symnet as sn
    >>> x, h = (sn.Variable(name, ("batch", size), "float32") for name, size in [("x", 4), ("h", 8)])
    >>> sn.nn.GRUCell(4, 8)(x, h).shape
    (batch, 8)

    References
    ----------
    Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; the reset gate after the product.
    """

    gates = 3

    def _offset(self) -> Any:
        return self.bias_ih  # the other one stands inside the reset gate's product

    def advance(self, projected: Any, state: State) -> State:
        (h,) = state
        fed = ops.matmul(h, self.weight_hh)
        fed = fed if self.bias_hh is None else fed + self.bias_hh
        (x_r, x_z, x_n), (h_r, h_z, h_n) = (_parts(v, 3, self.hidden_size) for v in (projected, fed))
        update = ops.sigmoid(x_z + h_z)
        new = ops.tanh(x_n + ops.sigmoid(x_r + h_r) * h_n)
        return (new + update * (h - new),)


class LSTMCell(Cell):
    """One step of a long short-term memory, with a state of two: h, what it tells, and c, what it keeps.

    With the gates input i, forget f, cell g and output o, each a quarter of the sum of the two products::

        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)      h' = sigmoid(o) * tanh(c')

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        Weights and biases are drawn uniformly within ±1/sqrt(hidden_size).

    Raises
    ------
    ArgumentError, DTypeError

    Examples
    --------
    >>> import symnet as sn
    >>> h, c = sn.nn.LSTMCell(4, 8)(sn.Variable("x", ("batch", 4), "float32"))
    >>> h.shape, c.shape
    ((batch, 8), (batch, 8))

    References
    ----------
    Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; the forget gate: Gers et al., 2000.
    """

    gates = 4
    state_names = ("h", "c")

    def advance(self, projected: Any, state: State) -> State:
        h, c = state
        i, f, g, o = _parts(projected + ops.matmul(h, self.weight_hh), 4, self.hidden_size)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c


def as_state(whose: str, names: Sequence[str], state: Any) -> tuple[Expr, ...]:
    """A given state as one expression for each of its names.

    Raises
    ------
    ArgumentError
        It has another number of parts.
    """
    parts = tuple(state) if isinstance(state, (tuple, list)) else (state,)
    if len(parts) != len(names):
        raise ArgumentError(f"{whose}: a state of {len(parts)} values; expected {len(names)}: {', '.join(names)}")
    return tuple(as_expr(p) for p in parts)


def positive(whose: str, value: Any) -> int:
    """A size.

    Raises
    ------
    ArgumentError
        It is no integer, or less than 1.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{whose} is {value!r}; expected an integer, at least 1")
    return int(value)


def require_features(whose: str, x: Expr, expected: Shape) -> None:
    """Refuse a value whose last axis is not the features; the axis before them may be missing.

    Raises
    ------
    ShapeError
    """
    shape = x.known_shape
    if shape is None:
        return
    if len(shape) not in (len(expected) - 1, len(expected)) or differ(shape[-1], expected[-1]):
        raise ShapeError(f"{whose}: the input has shape {shape_text(shape)}; expected {shape_text(expected)}")


@deferred("zero", "projected")
def _zeros(zero: Any, projected: Any, n_steps: int, size: int) -> Any:
    """A first state of zeros, in the shape and dtype that the steps will make of it."""
    rows: Shape = projected.shape[n_steps:-1]
    shape: tuple[Size, ...] = (*rows, size)
    return ops.broadcast_to(ops.cast(zero, _dtype_of(projected)), shape)


@deferred("x")
def _rows(x: Any) -> Any:
    return as_rows(x) if len(x.shape) > 2 else x


@deferred("product", "x")
def _in_rows_of(product: Any, x: Any) -> Any:
    """A product of `_rows` with the axes of `x` back."""
    return ops.reshape(product, (*x.shape[:-1], product.shape[-1])) if len(x.shape) > 2 else product


def _dtype_of(value: Any) -> str:
    if not isinstance(value, Expr):
        return str(value.dtype)
    if value.known_dtype is None:
        raise OpenShape(f"the dtype of {value} is not known before the call")
    return storage(promote(value.known_dtype))


def _parts(value: Any, n: int, size: int) -> list[Any]:
    """The last axis in `n` pieces."""
    return [value[..., k * size : (k + 1) * size] for k in range(n)]
