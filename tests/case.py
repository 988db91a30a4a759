"""One call of an op, with operands in every dtype it allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
INTS = ("int32", "int64")
NUMBERS = (*INTS, *FLOATS)
ALL = ("bool", *NUMBERS)


@dataclass(frozen=True)
class Case:
    """One use of an op.

    Attributes
    ----------
    op : str
        The registered op that the call is about.
    call : callable
        From operands to the result.
    shapes : tuple
        Of the operands.
    dtypes : tuple of str
        Each is tried for all operands (unless `fixed` says otherwise).
    ulp : float
        Units in the last place that native code may differ from numpy's answer computed in float64.
    relative : float
        Error allowed beside, relative to the largest element: for sums, whose order is free.
    domain : pair of float
        Ordinary values lie here.
    special : bool
        Whether NaN, infinities, signed zeros, subnormals and extremes are mixed in.
    gradient : bool
        Whether the gradient and the second gradient are compared with finite differences.
    fixed : dict
        Operand position to an array or dtype of its own.
    """

    op: str
    call: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: Sequence[str] = FLOATS
    ulp: float = 0.0
    relative: float = 0.0
    domain: tuple[float, float] = (-3.0, 3.0)
    special: bool = True
    gradient: bool = True
    fixed: tuple[tuple[int, Any], ...] = ()
    label: str = ""

    def __str__(self) -> str:
        return self.label or self.op

    def operands(self, dtype: str, seed: int = 0) -> list[np.ndarray]:
        """Arrays for one dtype."""
        rng = np.random.default_rng([seed, len(self.op)])
        own = dict(self.fixed)
        return [
            own[k] if isinstance(own.get(k), np.ndarray) else self._array(rng, shape, own.get(k, dtype))
            for k, shape in enumerate(self.shapes)
        ]

    def _array(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        low, high = self.domain
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if dtype in INTS:
            values = rng.integers(int(low), int(high) + 1, shape).astype(dtype)
            extremes = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, -1, 1]
        else:
            values = rng.uniform(low, high, shape).astype(dtype)
            info = np.finfo(dtype)
            extremes = [
                np.nan,
                np.inf,
                -np.inf,
                0.0,
                -0.0,
                info.smallest_subnormal,
                info.max,
                -info.max,
                info.tiny,
                1.0,
            ]
        if self.special and values.size:
            flat = values.reshape(-1)
            chosen = rng.permutation(values.size)[: min(len(extremes) * 2, values.size // 2 + 1)]
            flat[chosen] = rng.permutation(np.array(extremes * 2, dtype))[: len(chosen)]
        return values
