"""Dropout: numbers left out at random while a network is trained."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..dtype import FLOATS
from ..errors import ArgumentError, DTypeError, SymbolicUseError
from ..expr import Expr, as_expr
from ..op import deferred
from ..ops.random import fraction, random_words
from ..random import Generator, probability
from .layers import Module


def dropout(x: Any, p: float, generator: Generator) -> Expr:
    """Each element 0 with probability `p`, else scaled by 1 / (1 - p), so that the mean stays (inverted dropout).

    Parameters
    ----------
    x : value
        Floating, of any shape, named dims and open shapes included.
    p : number from 0 to 1
    generator : Generator
        A call is one draw of it: two calls leave out different elements, and so do two steps of a loop. The
        gradient sees the elements that the value sees.

    Raises
    ------
    ArgumentError
        `p` is no such number, or `generator` no Generator.
    DTypeError
        `x` is not floating.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout: a simple way to prevent neural networks from
    overfitting. JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", ("n",), "float32")
    >>> f = sn.compile(sn.nn.dropout(x, 0.5, sn.random.Generator(seed=0)))
    >>> f(np.ones(8))
    array([0., 2., 0., 2., 2., 0., 2., 2.], dtype=float32)
    >>> f(np.ones(8))
    array([2., 2., 2., 0., 2., 2., 0., 0.], dtype=float32)
    """
    share = probability("dropout: p", p)
    if not isinstance(generator, Generator):
        raise ArgumentError(f"dropout: generator is {generator!r}; expected a symnet.random.Generator")
    value = as_expr(x)
    _require_floating(value)
    return value if share == 0 else drop(value, generator.state_here(), share, generator.next_draw())


def _require_floating(x: Any) -> None:
    try:
        dtype = str(x.dtype)
    except SymbolicUseError:  # known at the call, where this is asked again
        return
    if dtype not in FLOATS:
        raise DTypeError(f"dropout: the value is {dtype}; expected one of {', '.join(FLOATS)}")


@deferred("x", "state")
def drop(x: Any, state: Any, p: float, draw: int) -> Any:
    """`dropout` with the state of a generator and the number of a draw."""
    _require_floating(x)
    stays = fraction(random_words(state, draw, x.shape), "float64") >= p
    return ops.where(stays, x * (1.0 / (1.0 - p) if p < 1 else 0.0), 0.0)


class Dropout(Module):
    """`dropout` while training; nothing after ``eval()``.

    What a network does is decided when it is called on Variables: build the function to train before ``eval()``,
    the one to predict after it.

    Parameters
    ----------
    p : number from 0 to 1
        The probability of an element to be left out.
    generator : Generator or int, optional
        Where the draws come from, or the seed of a Generator of its own; layers that share one have different
        draws of it. Default: a seed from the operating system.

    Raises
    ------
    ArgumentError
        `p` or `generator` is none of these.

    Examples
    --------
    >>> import symnet as sn
    >>> net = sn.nn.Sequential(sn.nn.Linear(8, 4), sn.nn.ReLU(), sn.nn.Dropout(0.2, generator=0), sn.nn.Linear(4, 2))
    >>> x = sn.Variable("x", ("batch", 8), "float32")
    >>> train, predict = sn.compile(net(x)), sn.compile(net.eval()(x))
    >>> len(train.graph.updates), len(predict.graph.updates)
    (1, 0)
    """

    def __init__(self, p: float = 0.5, generator: Generator | int | None = None) -> None:
        self.p = probability("Dropout: p", p)
        self.generator = generator if isinstance(generator, Generator) else Generator(generator, name="dropout")

    def forward(self, x: Any) -> Any:
        return dropout(x, self.p, self.generator) if self.training and self.p else x
