"""Random numbers inside compiled functions: drawn anew at every call, by the same native code as everything else.

A draw is an expression like any other. Its numbers come from Philox4x32-10, a function from a key (the seed) and a
counter to random words; one element uses one block of it. So draws need no order, no two of them share a block, and
the interpreter gives what native code gives: integers, bools and uniform numbers to the bit, normal ones within 8
units in the last place (before a mean is added).

    >>> import symnet as sn
    >>> generator = sn.random.Generator(seed=0)
    >>> f = sn.compile(generator.randint(1, 7, shape=(8,)))
    >>> f(), f()
    (array([3, 6, 1, 5, 6, 3, 5, 4]), array([4, 5, 5, 1, 5, 6, 1, 1]))
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from . import ops
from .dims import Dim, Size
from .dtype import FLOATS, Shape, dtype_name
from .errors import ArgumentError, DTypeError, OverflowInArgument, ShapeError
from .expr import Constant, Expr, Parameter
from .ops.random import ELEMENT_BITS, counters, fraction, normal, philox, random_words
from .permutations import permuted, tables_shape
from .scan import step_number

# What a permutation may have; and up to where the places are the ranks of random keys, counted.
LONGEST_PERMUTATION = 1 << 30
RANKED = 1024
# What a range of random integers may have: a word of 32 bits times it fits an int64.
WIDEST_RANGE = 1 << 31


class Generator:
    """A source of random numbers for compiled functions.

    Its state is a Parameter, and it cannot be forgotten: every compiled function that holds draws of a generator
    advances it by one step a call, all its draws together, in the same native call as everything else. To draw the
    same numbers at every call, give the state itself: ``compile(..., updates={generator.state: generator.state})``.

    Draws are told apart by their number on the generator. So two draws are independent, whether or not in one
    function, and a program that makes the same draws in the same order from the same seed gets the same numbers.

    A draw made in the body of a loop (:func:`symnet.scan`, :func:`symnet.while_loop`) is made anew at every step:
    the steps get the rows of one draw of all steps, in the order in which they are made. A draw made outside that
    the body reads is the same at every step.

    Parameters
    ----------
    seed : int, optional
        From 0 to 2**64 - 1; different ones never give the same stream. Default: one from the operating system.
    name : str
        Of the state.

    Attributes
    ----------
    state : Parameter of shape (3,), int64
        Philox's key, and the low and the high half of its counter. Save and restore ``state.value`` to continue
        a stream.

    Raises
    ------
    ArgumentError
        The seed is no such integer.

    References
    ----------
    Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", ("batch", 3), "float32")
    >>> generator = sn.random.Generator(seed=1)
    >>> noisy = sn.compile(x + generator.normal(x.shape, std=0.1))
    >>> first = noisy(np.zeros((2, 3)))
    >>> bool((noisy(np.zeros((2, 3))) == first).any())
    False
    >>> generator.reseed(1)
    >>> bool((noisy(np.zeros((2, 3))) == first).all())
    True
    """

    def __init__(self, seed: int | None = None, name: str = "generator") -> None:
        self.state = Parameter(_first_state(seed), name=name, trainable=False)
        self.state.default_update = self.state + Constant(np.array([0, 0, 1]))
        self._draws = 0

    @property
    def seed(self) -> int:
        """The seed in use."""
        return int(self.state.value[0]) % 2**64

    def reseed(self, seed: int | None = None) -> None:
        """Start the stream of another seed, in every function that holds draws of this generator."""
        self.state.value = _first_state(seed)

    def updates(self) -> dict[Parameter, Expr]:
        """What `compile` adds to its updates by itself: the state, one step on. For programs that say it openly."""
        assert self.state.default_update is not None
        return {self.state: self.state.default_update}

    def next_draw(self) -> int:
        """The number of a new draw, for ops that make their own random words of the state."""
        if self._draws >= 1 << (63 - ELEMENT_BITS):
            raise ArgumentError(f"{self} has made {self._draws} draws, as many as it can: make another Generator")
        self._draws += 1
        return self._draws - 1

    def state_here(self) -> Expr:
        """The state as a draw made here reads it: in the body of a loop the number of the step stands behind it."""
        step = step_number()
        return self.state if step is None else ops.concatenate([self.state, ops.reshape(step, (1,))])

    def uniform(self, shape: Any = (), low: float = 0.0, high: float = 1.0, dtype: Any = "float32") -> Expr:
        """Numbers from `low` up to, but not including, `high`; each as likely as the others.

        Parameters
        ----------
        shape : size or tuple of sizes
            Ints, and named sizes as ``x.shape`` of a Variable has them.
        low, high : number
            `low` itself where they are equal.
        dtype : dtype
            A floating one. float32 has 24 random bits, float64 53.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
        """
        sizes, kind = _shape("uniform", shape), _floating("uniform", dtype)
        bottom, top = _number("uniform: low", low, kind), _number("uniform: high", high, kind)
        if bottom > top or not math.isfinite(np.dtype(kind).type(top - bottom)):
            raise ArgumentError(f"uniform: low is {low} and high is {high}; expected low <= high, finitely far apart")
        found = fraction(self._words(sizes), kind)
        if (bottom, top) == (0.0, 1.0):
            return found
        # The sum may round up to `high`.
        last = np.nextafter(*np.array([top, bottom], kind)).item()
        return ops.minimum(found * (top - bottom) + bottom, last)

    def normal(self, shape: Any = (), mean: Any = 0.0, std: Any = 1.0, dtype: Any = "float32") -> Expr:
        """Normal (Gaussian) numbers, by the transform of Box and Muller.

        Parameters
        ----------
        shape : size or tuple of sizes
        mean, std : number or Expr
            An Expr broadcasts to `shape`, and gets gradients.
        dtype : dtype
            A floating one. float32 reaches 6.6 standard deviations, float64 9.4.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError

        References
        ----------
        Box, Muller: A note on the generation of random normal deviates. Ann. Math. Statist. 29, 1958.
        """
        sizes, kind = _shape("normal", shape), _floating("normal", dtype)
        center = _value("normal: mean", mean, sizes, kind)
        spread = _value("normal: std", std, sizes, kind)
        if isinstance(spread, float) and spread < 0:
            raise ArgumentError(f"normal: std is {std}; expected a number >= 0")
        found = normal(self._words(sizes), kind)
        found = found if type(spread) is float and spread == 1.0 else found * spread
        return found if type(center) is float and center == 0.0 else found + center

    def bernoulli(self, p: Any, shape: Any = (), dtype: Any = "bool") -> Expr:
        """True (or 1) with probability `p`.

        Parameters
        ----------
        p : number from 0 to 1, or Expr
            Kept to 53 bits. An Expr broadcasts to `shape`; its numbers are not checked.
        shape : size or tuple of sizes
        dtype : dtype

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
        """
        sizes = _shape("bernoulli", shape)
        chance = p if isinstance(p, Expr) else probability("bernoulli: p", p)
        chance = _value("bernoulli: p", chance, sizes, "float64")
        hit = fraction(self._words(sizes), "float64") < chance
        return ops.cast(hit, dtype) if dtype_name(dtype) != "bool" else hit

    def randint(self, low: int, high: int, shape: Any = (), dtype: Any = "int64") -> Expr:
        """Integers from `low` up to, but not including, `high`.

        Parameters
        ----------
        low, high : int
            At most 2**31 apart. None of them is likelier than another by more than one part in 2**33.
        shape : size or tuple of sizes
        dtype : dtype
            int32 or int64.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError, OverflowInArgument
        """
        sizes, first, end = _shape("randint", shape), _whole("randint: low", low), _whole("randint: high", high)
        kind = dtype_name(dtype)
        if kind not in ("int32", "int64"):
            raise DTypeError(f"randint: dtype is {kind}; expected int32 or int64")
        if not 0 < end - first <= WIDEST_RANGE:
            raise ArgumentError(f"randint: low is {low} and high is {high}; expected low < high <= low + 2**31")
        if first < np.iinfo(kind).min or end - 1 > np.iinfo(kind).max:
            raise OverflowInArgument(f"randint: the integers from {low} up to {high} do not fit {kind}")
        a, b, _, _ = self._words(sizes)
        # The words as a fraction of 64 bits, times the range, rounded down.
        width = end - first
        return ops.cast(ops.floor_divide(a * width + ops.floor_divide(b * width, 2**32), 2**32) + first, kind)

    def permutation(self, n: int) -> Expr:
        """The integers from 0 up to `n` in random order, int64.

        Up to 1024 numbers are ordered by random keys. The places of more follow from 8 rounds of a Feistel network
        with tables of random numbers: the work grows with n.

        Parameters
        ----------
        n : int
            At most 2**30.

        Raises
        ------
        ArgumentError
        """
        length = _whole("permutation: n", n)
        if not 0 <= length <= LONGEST_PERMUTATION:
            raise ArgumentError(f"permutation: n is {n}; expected an int from 0 to {LONGEST_PERMUTATION}")
        if length > RANKED:
            words = self._words(tables_shape(length))[0]
            return permuted(words, length)
        a, b, _, _ = self._words((length,))
        # 46 random bits; the position behind them, so that no two keys are equal.
        random_bits = a * 2**14 + ops.floor_divide(b, 2**18)
        key = random_bits * 2**16 + counters((length,), Constant(np.array(0)))
        return ops.sum(ops.expand_dims(key, 0) < ops.expand_dims(key, 1), axis=1)

    def _words(self, shape: Shape) -> tuple[Any, Any, Any, Any]:
        return random_words(self.state_here(), self.next_draw(), shape)

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, name={self.state.name!r})"


def _first_state(seed: int | None) -> np.ndarray:
    number = secrets.randbits(64) if seed is None else _whole("the seed", seed)
    if not 0 <= number < 2**64:
        raise ArgumentError(f"the seed is {seed}; expected an int from 0 to 2**64 - 1")
    return np.array([number, 0, 0], np.uint64).astype(np.int64)


def _whole(whose: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ArgumentError(f"{whose} is {value!r}; expected an int")
    return int(value)


def _number(whose: str, value: Any, dtype: str) -> float:
    """A finite number, rounded to the dtype."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentError(f"{whose} is {value!r}; expected a number")
    with np.errstate(over="ignore"):
        rounded = float(np.dtype(dtype).type(value))
    if not math.isfinite(rounded):
        raise ArgumentError(f"{whose} is {value!r}; expected a finite number of {dtype}")
    return rounded


def _value(whose: str, value: Any, shape: Shape, dtype: str) -> Any:
    """A number of the dtype, or an Expr of dtype and shape."""
    if isinstance(value, Expr):
        return ops.broadcast_to(ops.cast(value, dtype), shape)
    return _number(whose, value, dtype)


def probability(whose: str, value: Any) -> float:
    """A number from 0 to 1.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise ArgumentError(f"{whose} is {value!r}; expected a number from 0 to 1")
    return float(value)


def _floating(whose: str, dtype: Any) -> str:
    name = dtype_name(dtype)
    if name not in FLOATS:
        raise DTypeError(f"{whose}: dtype is {name}; expected one of {', '.join(FLOATS)}")
    return name


def _shape(whose: str, shape: Any) -> Shape:
    if isinstance(shape, (Integral, Dim)):
        shape = (shape,)
    if not isinstance(shape, Iterable) or isinstance(shape, (str, Expr)):
        raise ArgumentError(f"{whose}: shape is {shape!r}; expected a size or a tuple of sizes")
    return tuple(_size(whose, axis, size) for axis, size in enumerate(shape))


def _size(whose: str, axis: int, size: Any) -> Size:
    if isinstance(size, Dim):
        return size
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 0:
        raise ShapeError(
            f"{whose}: axis {axis} of shape has {size!r}; expected an int >= 0 or a size of a Variable's shape"
        )
    return int(size)


__all__ = ["Generator", "philox"]
