"""Fully connected networks of any depth, trained as modules and run with their weights as arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from ..compile import compile
from ..expr import Parameter, Variable
from ..function import Function
from ..nn import Linear, Module


def _same(x: Any) -> Any:
    return x


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": _same,
    "logistic": ops.sigmoid,
    "tanh": ops.tanh,
    "relu": ops.relu,
}
OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "identity": _same,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
}


class Layers(Module):
    """Fully connected layers, an activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Of the inputs, the hidden layers and the outputs.
    activation : str
        A key of ACTIVATIONS.
    dtype : dtype
    rng : numpy.random.Generator

    Examples
    --------
    >>> import numpy as np
    >>> net = Layers([4, 3, 2], "tanh", "float32", np.random.default_rng(0))
    >>> [w.shape for w in net.weights]
    [(4, 3), (3, 2)]
    """

    def __init__(self, sizes: Sequence[int], activation: str, dtype: Any, rng: np.random.Generator) -> None:
        self.layers = [Linear(n, m, dtype=dtype, rng=rng) for n, m in pairwise(sizes)]
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return _forward(x, [(layer.weight, layer.bias) for layer in self.layers], self.activation)

    @property
    def weights(self) -> list[Parameter]:
        """The matrices, without the biases."""
        return [layer.weight for layer in self.layers]


def _forward(x: Any, layers: Sequence[tuple[Any, Any]], activation: str) -> Any:
    for k, (weight, bias) in enumerate(layers):
        x = ops.matmul(ACTIVATIONS[activation](x) if k else x, weight) + bias
    return x


@cache
def program(depth: int, activation: str, output: str, dtype: str) -> Function:
    """The outputs of every network of so many layers: one function, called with the weights and biases.

    Parameters
    ----------
    depth : int
    activation, output : str
        Keys of ACTIVATIONS and OUTPUTS.
    dtype : str

    Returns
    -------
    Function
        Of x, all weights, all biases.

    Examples
    --------
    >>> import numpy as np
    >>> program(1, "relu", "identity", "float64")(np.ones((2, 3)), np.ones((3, 1)), np.ones(1)).tolist()
    [[4.0], [4.0]]
    """
    x = Variable("x", ("batch", "width0"), dtype)
    weights = [Variable(f"weight{k}", (f"width{k}", f"width{k + 1}"), dtype) for k in range(depth)]
    biases = [Variable(f"bias{k}", (f"width{k + 1}",), dtype) for k in range(depth)]
    found = OUTPUTS[output](_forward(x, list(zip(weights, biases, strict=True)), activation))
    return compile(found, [x, *weights, *biases])
