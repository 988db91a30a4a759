"""Random words as ops: the counter-based generator Philox, and the counters it is given.

A counter-based generator has no state of its own: it is a function from a key and a counter to random words, so
every element of a draw is computed by itself, in any order. :mod:`symnet.random` keeps keys and counters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Size
from ..dtype import Shape, promote
from ..errors import DTypeError
from ..op import IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar
from .arithmetic import cast
from .elementwise import Elementwise, aligned
from .logic import bitwise_and
from .real_functions import cos, log, sqrt

# The constants of Philox4x32-10: two multipliers, and two steps of the key (the golden ratio, and sqrt(3) - 1).
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MASK = 0xFFFFFFFF

# A draw counts its elements in the low bits of a counter, and has its own number above them.
ELEMENT_BITS = 40


def _halves(x: Scalar) -> tuple[Scalar, Scalar]:
    """The low and the high 32 bits of an int64, both as numbers from 0."""
    return x & MASK, s.lshr(x, 32)


def _block(key: Scalar, low: Scalar, high: Scalar) -> tuple[Scalar, ...]:
    """The four words of one block, in scalar words."""
    (k0, k1), (c0, c1), (c2, c3) = _halves(key), _halves(low), _halves(high)
    for _ in range(ROUNDS):
        # int64 products wrap, which leaves the 64 bits of the unsigned ones.
        low0, high0 = _halves(c0 * MULTIPLIERS[0])
        low1, high1 = _halves(c2 * MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + KEY_STEPS[0]) & MASK, (k1 + KEY_STEPS[1]) & MASK
    return c0, c1, c2, c3


def _words(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An int64 array as two arrays of uint32: the low and the high words."""
    words = np.atleast_1d(np.ascontiguousarray(x, "<i8")).view("<u4").reshape(*np.shape(x), 2)
    return words[..., 0], words[..., 1]


def _multiplied(words: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """The high and the low words of 64-bit products."""
    wide = words.astype(np.uint64) * np.uint64(factor)
    return (wide >> np.uint64(32)).astype(np.uint32), wide.astype(np.uint32)


def _numpy_block(key: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
    """The four words of every block, as the paper states a round: on uint32, with the keys of all rounds at hand."""
    x0, x1 = _words(low)
    x2, x3 = _words(high)
    steps = np.arange(ROUNDS, dtype=np.uint32)
    first, second = (k[..., None] + steps * np.uint32(w) for k, w in zip(_words(key), KEY_STEPS, strict=True))
    for number in range(ROUNDS):
        (h0, l0), (h1, l1) = _multiplied(x0, MULTIPLIERS[0]), _multiplied(x2, MULTIPLIERS[1])
        x0, x1, x2, x3 = h1 ^ x1 ^ first[..., number], l1, h0 ^ x3 ^ second[..., number], l0
    return x0, x1, x2, x3


class Philox(Elementwise):
    """One 32-bit word of a block of Philox4x32-10. Attribute `word`: which of the four."""

    def __init__(self) -> None:
        super().__init__("philox", numpy=_numpy_block, element=_block, is_costly=True)

    def operand_dtypes(self, key: str, low: str, high: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        for name, dtype in {"key": key, "low": low, "high": high}.items():
            _must_be_integers(f"the {name} of philox", dtype)
        return ("int64",) * 3

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        # A word of the later rounds depends on all operands, so its shape is the broadcast one.
        return self._numpy(*arrays)[attrs["word"]].astype(np.int64)

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        return self._element(*(x[aligned(i, x.shape)] for x in operands))[attrs["word"]]


class Counters(Op):
    """A number, counted up along the elements of `shape` in C order. Attribute `shape`."""

    is_lazy = True

    def __init__(self) -> None:
        super().__init__("counters", "movement")

    def operand_dtypes(self, start: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        _must_be_integers("the start of counters", start)
        return ("int64",)

    def result_shape(self, start: Shape, *, shape: Shape) -> Shape:  # type: ignore[override]
        return shape

    def numpy(self, start: np.ndarray, *, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        return start + np.arange(math.prod(shape), dtype=np.int64).reshape(shape)

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, start: Operand, *, shape: Shape) -> Scalar:  # type: ignore[override]
        place: Size = 0
        for k, size in zip(i, shape, strict=True):
            place = place * size + (s.as_size(k) if isinstance(k, Scalar) else k)
        return start[()] + s.index(place)


def _must_be_integers(what: str, dtype: str) -> None:
    if dtype == "bool" or promote(dtype, "int64") != "int64":
        raise DTypeError(f"{what} has dtype {dtype}; expected integers")


_philox, _counters = register(Philox()), register(Counters())


def philox(key: Any, low: Any, high: Any) -> tuple[Any, Any, Any, Any]:
    """A block of Philox4x32-10: four random words for every key and counter.

    Parameters
    ----------
    key, low, high : integers
        64 bits each, in an int64: the key, and the low and the high half of the counter. In a word of 64 bits
        the paper's first word of 32 is the low one. They broadcast as numpy's.

    Returns
    -------
    four values of int64
        From 0 to 2**32 - 1.

    Raises
    ------
    DTypeError
        An operand is of no integer dtype.

    References
    ----------
    Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.

    Examples
    --------
    >>> from symnet.random import philox
    >>> [f"{int(word):08x}" for word in philox(0, 0, 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    a, b, c, d = (apply(_philox, key, low, high, word=word) for word in range(4))
    return a, b, c, d


def counters(shape: Shape, start: Any = 0) -> Any:
    """Integers counted up from `start` along the elements of `shape`, in C order."""
    return apply(_counters, start, shape=shape)


def random_words(state: Any, draw: int, shape: Shape) -> tuple[Any, Any, Any, Any]:
    """Four random words for every element of a draw.

    Parameters
    ----------
    state : value of shape (3,) or (4,)
        The key, and the low and the high half of the counter; inside of a loop the number of the step too.
    draw : int
        The number of the draw.
    shape : tuple of sizes

    Returns
    -------
    four values of `shape`, int64
        The steps of a loop have the rows of one draw of all steps.
    """
    # The start is made of the state, so that it is no constant: positions are cheaper to count than to read.
    start = state[1] + (draw << ELEMENT_BITS)
    if state.shape == (4,):
        start = start + state[3] * math.prod(shape)
    return philox(state[0], counters(shape, start), state[2])


def fraction(words: tuple[Any, ...], dtype: str) -> Any:
    """Numbers from 0 up to, but not including, 1: of 24 random bits in float32, of 53 in float64. Exact."""
    first, second = words[:2]
    if dtype == "float32":
        return cast(bitwise_and(first, MASK ^ 0xFF), dtype) * 2.0**-32
    return cast(first, dtype) * 2.0**-32 + cast(bitwise_and(second, MASK ^ 0x7FF), dtype) * 2.0**-64


def normal(words: tuple[Any, ...], dtype: str) -> Any:
    """Standard normal numbers of four words, by the cosine half of Box and Muller's transform."""
    first, second = words[:2]
    # From 0 (excluded) to 1, with all bits near 0, where the logarithm is steep: the tails depend on them.
    if dtype == "float32":
        radius = cast(first + 1, dtype) * 2.0**-32
    else:
        radius = cast(first, dtype) * 2.0**-32 + cast(second + 1, dtype) * 2.0**-64
    return sqrt(log(radius) * -2.0) * cos(fraction(words[2:], dtype) * (2.0 * math.pi))


__all__ = ["counters", "philox"]
