"""Long random permutations, without sorting: every number goes its own way through rounds of additions."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np

from . import ops
from .expr import Constant
from .ops.random import counters
from .scan import scan

ROUNDS = 8


def tables_shape(n: int) -> tuple[int, int, int]:
    """The shape of the random words that a permutation of `n` numbers is made of."""
    return ROUNDS, 2, max(_grid(n))


def _grid(n: int) -> tuple[int, int]:
    rows = max(isqrt(n), 1)
    return rows, -(-n // rows)


def permuted(words: Any, n: int) -> Any:
    """The integers from 0 up to `n`, in an order that follows from random words of 32 bits.

    The integers stand in a grid. In each round every column is turned by a random number of places, and then every
    row: a Feistel network with random tables for functions (Luby & Rackoff, How to construct pseudorandom
    permutations from pseudorandom functions, 1988), in which no number waits for another one.

    Parameters
    ----------
    words : value of int64, of shape ``tables_shape(n)``
    n : int
    """
    rows, columns = _grid(n)
    row, column = (counters((size,), Constant(np.int64(0))) for size in (rows, columns))
    places = [ops.broadcast_to(v, (rows, columns)) for v in (ops.expand_dims(row, 1), ops.expand_dims(column, 0))]

    def turned(places: list[Any], tables: Any) -> tuple[list[Any], None]:
        row, column = places
        row = _turned(row, tables[0], column, rows)
        return [row, _turned(column, tables[1], row, columns)], None

    (row, column), _ = scan(turned, places, words)
    return _within(ops.reshape(row * columns + column, (-1,)), n)


def _turned(place: Any, table: Any, line: Any, size: int) -> Any:
    """Places in lines of `size`, all of one line further on by one random number."""
    moved = place + ops.take(table * size // 2**32, line)
    return ops.where(moved >= size, moved - size, moved)


def _within(order: Any, n: int) -> Any:
    """A permutation of at least `n` numbers as one of `n`: who meets one that is too large goes on from there."""
    total = order.shape[0]
    if total == n:
        return order
    # Twice as far with every look, until as far as there are such numbers.
    looks = (total - n).bit_length()
    onward, _ = scan(lambda onward, _: (_gone_on(onward, onward, n), None), order[n:], length=looks)
    return _gone_on(order[:n], onward, n)


def _gone_on(order: Any, onward: Any, n: int) -> Any:
    is_large = order >= n
    return ops.where(is_large, ops.take(onward, ops.where(is_large, order - n, 0)), order)
