"""Folds: what they start from, and how they go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symnet import scalar as s
from symnet.dims import Size
from symnet.scalar import FLOATS, Scalar

from .loops import postorder, replace


def folds_in(values: Sequence[Scalar]) -> list[Scalar]:
    """Every fold, those inside others first."""
    return [x for x in postorder(list(values)) if x.op == "fold"]


@dataclass
class Instance:
    """One fold at one place of the tile."""

    kind: str
    body: Scalar
    place: Scalar

    def at(self, indices: Mapping[str, Size]) -> Instance:
        """The fold with some of its indices replaced."""
        return Instance(self.kind, *replace([self.body, self.place], indices, {}))

    def firsts(self) -> list[Scalar]:
        """The state before the first iteration; the last one is the fold's result."""
        if self.kind.startswith("arg"):
            return [identity(self.kind[3:], self.body.dtype), s.const(0, self.place.dtype)]
        return [identity(self.kind, self.body.dtype)]

    def nexts(self, state: Sequence[Scalar]) -> list[Scalar]:
        """The state after an iteration."""
        if not self.kind.startswith("arg"):
            return [combine(self.kind, state[0], self.body)]
        best, position = state
        if self.body.dtype in FLOATS:
            # True for a NaN too; and no NaN is found before.
            better = ~(self.body <= best if self.kind == "argmax" else self.body >= best) & s.eq(best, best)
        else:
            better = self.body > best if self.kind == "argmax" else self.body < best
        return [s.select(better, self.body, best), s.select(better, self.place, position)]


def identity(kind: str, dtype: str) -> Scalar:
    """What a fold starts from."""
    if kind in ("add", "or"):
        return s.const(0, dtype)
    if kind in ("mul", "and"):
        return s.const(1, dtype)
    if dtype == "bool":
        return s.const(kind == "min", dtype)
    if dtype in FLOATS:
        return s.const(float("-inf") if kind == "max" else float("inf"), dtype)
    info = np.iinfo(dtype)
    return s.const(int(info.min if kind == "max" else info.max), dtype)


def combine(kind: str, total: Scalar, x: Scalar) -> Scalar:
    """One step of a fold. A product is added with one rounding: FMA is used inside folds only."""
    if kind == "add":
        if x.op == "mul" and x.dtype in FLOATS:
            return s.fma(x.args[0], x.args[1], total)
        if x.op == "dot":
            return s.dot(x.args[0], x.args[1], total)
        return total + x
    if kind == "mul":
        return total * x
    if kind == "max":
        return s.maximum(total, x)
    if kind == "min":
        return s.minimum(total, x)
    return total & x if kind == "and" else total | x


def together(kind: str, parts: Sequence[Scalar]) -> Scalar:
    """Partial results as one, by halves."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return combine(kind, together(kind, parts[:half]), together(kind, parts[half:]))
