"""Comparisons, logic, bits, and choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import FLOATS, promote
from ..errors import ArgumentError, DTypeError
from .elementwise import Rule, elementwise


def _integers(*dtypes: str) -> tuple[str, ...]:
    common = promote(*dtypes)
    if common in FLOATS or common == "float":
        raise DTypeError(f"not defined for {common}; expected bools or integers")
    return (common,) * len(dtypes)


def _bools(*dtypes: str) -> tuple[str, ...]:
    return ("bool",) * len(dtypes)


def _condition_first(condition: str, *dtypes: str) -> tuple[str, ...]:
    return ("bool", *(promote(*dtypes),) * len(dtypes))


def _comparison(
    name: str, meaning: str, numpy: Rule, element: Rule, is_commutative: bool = False
) -> Callable[..., Any]:
    return elementwise(name, meaning, result="bool", numpy=numpy, element=element, is_commutative=is_commutative)


def _bitwise(name: str, meaning: str, numpy: Rule, element: Rule) -> Callable[..., Any]:
    return elementwise(name, meaning, operands=_integers, numpy=numpy, element=element)


equal = _comparison("equal", "a == b", np.equal, s.eq, is_commutative=True)
not_equal = _comparison("not_equal", "a != b", np.not_equal, s.ne, is_commutative=True)
less = _comparison("less", "a < b", np.less, lambda a, b: a < b)
less_equal = _comparison("less_equal", "a <= b", np.less_equal, lambda a, b: a <= b)
greater = _comparison("greater", "a > b", np.greater, lambda a, b: a > b)
greater_equal = _comparison("greater_equal", "a >= b", np.greater_equal, lambda a, b: a >= b)
logical_and = elementwise(
    "logical_and",
    "Whether both are true",
    operands=_bools,
    numpy=np.logical_and,
    element=lambda a, b: a & b,
    is_commutative=True,
)
logical_or = elementwise(
    "logical_or",
    "Whether one is true",
    operands=_bools,
    numpy=np.logical_or,
    element=lambda a, b: a | b,
    is_commutative=True,
)
logical_not = elementwise(
    "logical_not", "Whether it is false", operands=_bools, numpy=np.logical_not, element=lambda x: ~x
)
bitwise_and = _bitwise("bitwise_and", "a & b, bit by bit", np.bitwise_and, lambda a, b: a & b)
bitwise_or = _bitwise("bitwise_or", "a | b, bit by bit", np.bitwise_or, lambda a, b: a | b)
bitwise_xor = _bitwise("bitwise_xor", "a ^ b, bit by bit", np.bitwise_xor, lambda a, b: a ^ b)
invert = _bitwise("invert", "~x, bit by bit", np.invert, lambda x: ~x)
where: Callable[..., Any] = elementwise(
    "where",
    "The first choice where the condition holds, else the second",
    operands=_condition_first,
    numpy=np.where,
    element=s.select,
    grad=lambda g, y, c, a, b: (None, where(c, g, 0.0), where(c, 0.0, g)),
)


def _shared(wins: Rule) -> Rule:
    """The gradient of maximum and minimum: all to the one that wins, half to each where they tie."""

    def grad(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        half = where(equal(a, b), g * 0.5, 0.0)
        return where(wins(a, b), g, half), where(wins(b, a), g, half)

    return grad


maximum = elementwise(
    "maximum", "The larger; NaN if one is", numpy=np.maximum, element=s.maximum, grad=_shared(greater)
)
minimum = elementwise("minimum", "The smaller; NaN if one is", numpy=np.minimum, element=s.minimum, grad=_shared(less))


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """`x` where it lies between `min` and `max`, else the nearer of the two; None is no bound.

    Raises
    ------
    ArgumentError
        There is no bound.
    """
    if min is None and max is None:
        raise ArgumentError("clip: expected min, max or both")
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)
