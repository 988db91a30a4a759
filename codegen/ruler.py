"""Sizes as vectors of whole numbers, so that arenas are planned without the arithmetic of formulas."""

from __future__ import annotations

from collections.abc import Iterable
from operator import mul

from symnet.dims import Dim, Size, at_most, evaluate, names, product, whole_quotient

Vector = tuple[int, ...]
ALIGNMENT = 64
# What an open size is taken to be when arenas are compared.
REPRESENTATIVE = (61, 1000)


class Ruler:
    """Vectors for sizes: where no component is larger, a size is certainly no larger, whatever the dims are.

    A size is a sum of units, as 64 bytes, or 64 bytes a row. Where one unit is certainly no larger than
    another, the other stands on top of it, and a component counts how often the difference occurs: a step,
    never negative.

    Attributes
    ----------
    steps : list of sizes
        What each component counts.
    zero : Vector
    """

    def __init__(self, sizes: Iterable[Size]) -> None:
        units_of = {size: _units(size) for size in sizes}
        units = dict.fromkeys(unit for parts in units_of.values() for unit in parts)
        self.steps: list[Size] = []
        below: dict[Size, list[int]] = {0: []}
        tops: list[Size] = []
        for unit in sorted(units, key=lambda unit: _number(unit, REPRESENTATIVE[0])):
            under = next((top for top in tops if at_most(top, unit)), 0)
            tops = [*(top for top in tops if top != under), unit]
            below[unit] = [*below[under], len(self.steps)]
            self.steps.append(unit - under)
        self._weights = [[_number(step, n) for step in self.steps] for n in REPRESENTATIVE]
        self.zero: Vector = (0,) * len(self.steps)
        self._vectors = {size: self._sum(parts, below) for size, parts in units_of.items()}

    def _sum(self, parts: dict[Size, int], below: dict[Size, list[int]]) -> Vector:
        found = list(self.zero)
        for unit, times in parts.items():
            for step in below[unit]:
                found[step] += times
        return tuple(found)

    def vector(self, size: Size) -> Vector:
        """The vector of one of the sizes given."""
        return self._vectors[size]

    def size(self, vector: Vector) -> Size:
        """The formula that a vector stands for."""
        total: Size = 0
        for times, step in zip(vector, self.steps, strict=True):
            total = total + step * times
        return total

    def number(self, vector: Vector, which: int = 0) -> int:
        """The number a vector stands for, at a representative size."""
        return sum(map(mul, vector, self._weights[which]))


def join(vectors: Iterable[Vector]) -> Vector:
    """The largest of each component: no smaller than any of the vectors."""
    return tuple(map(max, zip(*vectors, strict=True)))


def meet(vectors: Iterable[Vector]) -> Vector:
    """The smallest of each component: no larger than any of the vectors."""
    return tuple(map(min, zip(*vectors, strict=True)))


def _number(size: Size, open_size: int) -> int:
    return evaluate(size, dict.fromkeys(names(size), open_size))


def _units(size: Size) -> dict[Size, int]:
    """How often each unit occurs in a size: one unit for each of its terms, or the size itself is the unit.

    Units are never negative, and multiples of ALIGNMENT, as all sizes are.
    """
    terms = size.terms if isinstance(size, Dim) else (((), size),) if size else ()
    units: dict[Size, int] = {}
    for monomial, c in terms:
        # p // d counts as p // d * d where it can, which is no larger than p.
        quotient = whole_quotient(monomial, c // ALIGNMENT)
        times = ALIGNMENT * (quotient.denominator if quotient else 1)
        units[product(map(Dim.named, monomial)) * times] = c // times
    whole = all(c % ALIGNMENT == 0 for _, c in terms) and all(at_most(0, unit) for unit in units)
    return units if whole else {size: 1}
