"""Recurrent layers: cells along the steps of a sequence, as one native loop of any length.

Gates, formulas, first values and results are PyTorch's; weights are (in, out), as everywhere here. A PyTorch
state is this one with its matrices transposed: ``weight_ih_l0`` is ``cells.0.weight_ih.T``, and with two directions
``weight_ih_l0_reverse`` is ``cells.1.weight_ih.T``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..dims import Dim, differ
from ..dtype import Shape, shape_text
from ..errors import ShapeError
from ..expr import Expr, as_expr
from ..op import deferred
from ..scan import scan
from .cells import Cell, GRUCell, LSTMCell, RNNCell, State, as_state, positive, require_features
from .layers import Module


class Recurrent(Module):
    """What recurrent layers share: cells stacked `num_layers` high, in one direction or both.

    Attributes
    ----------
    cells : list of Cell
        Layer by layer; with two directions forwards, then backwards.
    """

    cell: type[Cell]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        bidirectional: bool = False,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = positive(f"{name}: input_size", input_size)
        self.hidden_size = positive(f"{name}: hidden_size", hidden_size)
        self.num_layers = positive(f"{name}: num_layers", num_layers)
        self.batch_first, self.bidirectional = batch_first, bidirectional
        ways, rng = 2 if bidirectional else 1, np.random.default_rng(rng)
        sizes = [self.input_size] + [ways * self.hidden_size] * (self.num_layers - 1)
        self.cells = [self._cell(size, bias, dtype, rng) for size in sizes for _ in range(ways)]

    def _cell(self, input_size: int, bias: bool, dtype: Any, rng: Any) -> Cell:
        return self.cell(input_size, self.hidden_size, bias=bias, dtype=dtype, rng=rng)

    def forward(self, x: Any, state: Any = None) -> Any:
        ys = as_expr(x)
        rows = ("batch", "steps") if self.batch_first else ("steps", "batch")
        require_features(type(self).__name__, ys, (*map(Dim.named, rows), self.input_size))
        given = self._given(ys, state)
        ys, lasts = _turned(ys) if self.batch_first else ys, []
        ways = 2 if self.bidirectional else 1
        for k in range(0, len(self.cells), ways):
            found = [self._run(way, ys, given[k + way], is_reversed=way == 1, layer=k) for way in range(ways)]
            ys = found[0][0] if ways == 1 else ops.concatenate([y for y, _ in found], -1)
            lasts += [last for _, last in found]
        columns = tuple(ops.stack(column) for column in zip(*lasts, strict=True))
        return _turned(ys) if self.batch_first else ys, columns if len(columns) > 1 else columns[0]

    def _run(self, way: int, x: Any, state: Any, is_reversed: bool, layer: int) -> tuple[Any, State]:
        """One cell along all steps: its outputs and its last state."""
        cell = self.cells[layer + way]
        projected = cell.project(x)

        def step(state: State, each: Any) -> tuple[State, Any]:
            following = cell.advance(each, state)
            return following, following[0]

        last, ys = scan(step, cell.first(projected, 1, state), projected, reverse=is_reversed)
        return ys, last

    def _given(self, x: Expr, state: Any) -> Sequence[Any]:
        """The first state of each cell; None where none is given."""
        if state is None:
            return [None] * len(self.cells)
        names = self.cell.state_names
        values = as_state(type(self).__name__, names, state)
        for name, value in zip(names, values, strict=True):
            self._require_state(name, value, x.known_shape)
        return [tuple(v[k] for v in values) for k in range(len(self.cells))]

    def _require_state(self, name: str, value: Expr, x: Shape | None) -> None:
        if x is None or value.known_shape is None:
            return
        rows: Shape = x[1:-1] if len(x) == 2 or not self.batch_first else x[:1]
        expected = (len(self.cells), *rows, self.hidden_size)
        if len(value.known_shape) != len(expected) or any(map(differ, value.known_shape, expected)):
            raise ShapeError(
                f"{type(self).__name__}: the first {name} has shape {shape_text(value.known_shape)}; "
                f"expected {shape_text(expected)}: layers * directions, batch, hidden_size"
            )


class RNN(Recurrent):
    """A simple recurrent network along the steps of a sequence.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        Each reads the outputs of the one below.
    nonlinearity : {"tanh", "relu"}
    bias : bool
    batch_first : bool
        Whether `x` and the outputs are (batch, steps, features) and not (steps, batch, features); of a sequence
        without a batch (steps, features) either way. A state is never turned.
    bidirectional : bool
        Whether a second cell reads from the last step to the first; the outputs stand side by side.
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        Weights and biases are drawn uniformly within ±1/sqrt(hidden_size).

    Raises
    ------
    ArgumentError, DTypeError, ShapeError

    Examples
    --------
    Called on a value, and on a first state of shape (layers * directions, batch, hidden_size) if it is not zeros,
    it gives the outputs of all steps and the last state. The numbers of steps and sequences stay open:

    >>> import symnet as sn
    >>> x = sn.Variable("x", ("steps", "batch", 4), "float32")
    >>> ys, last = sn.nn.RNN(4, 8, num_layers=2, bidirectional=True)(x)
    >>> ys.shape, last.shape
    ((steps, batch, 16), (4, batch, 8))

    References
    ----------
    Elman, Finding Structure in Time, 1990; Schuster and Paliwal, Bidirectional Recurrent Neural Networks, 1997.
    """

    cell = RNNCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        bidirectional: bool = False,
        dtype: Any = "float32",
        rng: Any = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, bidirectional, dtype, rng)

    def _cell(self, input_size: int, bias: bool, dtype: Any, rng: Any) -> Cell:
        return RNNCell(input_size, self.hidden_size, bias, self.nonlinearity, dtype, rng)


class GRU(Recurrent):
    """Gated recurrent units along the steps of a sequence: :class:`GRUCell`, with the arguments of :class:`RNN`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", ("batch", "steps", 4), "float32")
    >>> ys, last = sn.nn.GRU(4, 8, batch_first=True, rng=0)(x)
    >>> f = sn.compile([ys, last])
    >>> [tuple(v.shape) for v in f(np.ones((2, 5, 4))) + f(np.ones((3, 9, 4)))], f.n_compiles
    ([(2, 5, 8), (1, 2, 8), (3, 9, 8), (1, 3, 8)], 1)

    References
    ----------
    Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.
    """

    cell = GRUCell


class LSTM(Recurrent):
    """Long short-term memories along the steps of a sequence: :class:`LSTMCell`, with the arguments of :class:`RNN`.

    Its state is a pair (h, c).

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", ("steps", "batch", 4), "float32")
    >>> ys, (h, c) = sn.nn.LSTM(4, 8)(x)
    >>> ys.shape, h.shape, c.shape
    ((steps, batch, 8), (1, batch, 8), (1, batch, 8))

    References
    ----------
    Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; the forget gate: Gers et al., 2000.
    """

    cell = LSTMCell


@deferred("x")
def _turned(x: Any) -> Any:
    """Steps and batch exchanged; a sequence without a batch as it is."""
    return ops.swapaxes(x, 0, 1) if len(x.shape) == 3 else x
