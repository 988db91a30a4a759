"""What an option may be: each function returns the option ready for use, or says what it expected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from ..errors import ArgumentError


def refusal(whose: str, met: Any, expected: str) -> ArgumentError:
    """The complaint about an option."""
    return ArgumentError(f"{whose} is {met!r}; expected {expected}")


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def not_negative(whose: str, value: Any, expected: str = "a number >= 0") -> float:
    """A finite number >= 0, as Python's float: it takes the dtype of the Parameter it meets.

    Raises
    ------
    ArgumentError
    """
    if not _is_number(value) or value < 0:
        raise refusal(whose, value, expected)
    return float(value)


def positive(whose: str, value: Any) -> float:
    """A finite number > 0.

    Raises
    ------
    ArgumentError
    """
    if not _is_number(value) or value <= 0:
        raise refusal(whose, value, "a number > 0")
    return float(value)


def share(whose: str, value: Any) -> float:
    """A number from 0 up to, but not including, 1: what a moving average keeps of the past.

    Raises
    ------
    ArgumentError
    """
    if not _is_number(value) or not 0 <= value < 1:
        raise refusal(whose, value, "a number >= 0 and < 1")
    return float(value)


def shares(whose: str, value: Any) -> tuple[float, float]:
    """Two of them.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise refusal(whose, value, "two numbers >= 0 and < 1")
    return share(f"{whose}[0]", value[0]), share(f"{whose}[1]", value[1])


def flag(whose: str, value: Any) -> bool:
    """True or False.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, bool):
        raise refusal(whose, value, "True or False")
    return value


def rate(whose: str, value: Any) -> Any:
    """A learning rate: a number >= 0, or a schedule (a function of the step) as it is.

    Raises
    ------
    ArgumentError
    """
    if callable(value) and not isinstance(value, type):
        return value
    return not_negative(whose, value, "a number >= 0 or a schedule")


def count(whose: str, value: Any, least: int = 1) -> int:
    """A whole number, at least `least`.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise refusal(whose, value, f"a whole number >= {least}")
    return int(value)


def known(whose: str, names: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse names that are not among the expected ones.

    Raises
    ------
    ArgumentError
    """
    expected = list(expected)
    for name in names:
        if name not in expected:
            raise ArgumentError(f"{whose} has no option {name!r}; expected one of {', '.join(expected)}")
