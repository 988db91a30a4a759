"""Symbolic sizes: integer polynomials over named dims, in one canonical form.

A size is a Python ``int`` where it is known and a :class:`Dim` where it is not. The same
polynomials serve as index expressions in the code generator, with loop indices as further names.

    >>> batch = Dim.named("batch")
    >>> (batch + 1) * 2 - batch
    batch + 2
    >>> floordiv(batch * 64, 64)
    batch

Atoms are names (str), :class:`Quotient`, :class:`Extremum`, or any other hashable object with a
text form (the code generator uses scalar expressions, for indices that are data).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Union

import numpy as np

from .errors import SymbolicUseError

Size = Union[int, "Dim"]
Monomial = tuple[Hashable, ...]
_NUMBERS = (float, np.number, np.ndarray)


@dataclass(frozen=True)
class Quotient:
    """The atom ``numerator // denominator``, where the division is not known to be exact."""

    numerator: Size
    denominator: Size

    def __str__(self) -> str:
        return f"({_operand(self.numerator)}//{_operand(self.denominator)})"


def _operand(size: Size) -> str:
    text = str(size)
    return f"({text})" if " " in text or "*" in text else text


@dataclass(frozen=True)
class Extremum:
    """The atom ``min(a, b)`` or ``max(a, b)``."""

    kind: str
    a: Size
    b: Size

    def __str__(self) -> str:
        return f"{self.kind}({self.a}, {self.b})"


class Dim:
    """An integer polynomial that is not a constant. Immutable; equal polynomials are equal and hash alike."""

    __slots__ = ("_hash", "terms")

    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    @staticmethod
    def named(name: Hashable) -> Dim:
        """The dim that is just one name."""
        return Dim((((name,), 1),))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self._hash == other._hash and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Any) -> Any:
        if isinstance(other, (int, Dim)):
            return _combine(self, other, 1)
        return self.as_value() + other if isinstance(other, _NUMBERS) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, (int, Dim)):
            return _combine(self, other, -1)
        return self.as_value() - other if isinstance(other, _NUMBERS) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        if isinstance(other, (int, Dim)):
            return _combine(-self, other, 1)
        return other - self.as_value() if isinstance(other, _NUMBERS) else NotImplemented

    def __neg__(self) -> Dim:
        return Dim(tuple((m, -c) for m, c in self.terms))

    # ndarray * dim is answered here, not by an array of objects.
    __array_ufunc__ = None
    # What a size is beside a float or an array: a number of the graph. Set by symnet.expr.
    as_value: ClassVar[Callable[[Any], Any]]

    def __truediv__(self, other: Any) -> Any:
        return self.as_value() / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.as_value()

    def __pow__(self, other: Any) -> Any:
        return self.as_value() ** other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, int):
            return 0 if other == 0 else self if other == 1 else Dim(tuple((m, c * other) for m, c in self.terms))
        if not isinstance(other, Dim):
            return self.as_value() * other if isinstance(other, _NUMBERS) else NotImplemented
        product: dict[Monomial, int] = {}
        for m, c in self.terms:
            for n, d in other.terms:
                key = tuple(sorted(m + n, key=str))
                product[key] = product.get(key, 0) + c * d
        return _canonical(product)

    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        return floordiv(self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return floordiv(other, self)

    def __mod__(self, other: Size) -> Size:
        return self - floordiv(self, other) * other

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = "*".join(str(a) for a in monomial)
            size = abs(coefficient)
            term = str(size) if not factors else factors if size == 1 else f"{size}*{factors}"
            if not text:
                text = term if coefficient > 0 else "-" + term
            else:
                text += (" + " if coefficient > 0 else " - ") + term
        return text

    __repr__ = __str__

    def __bool__(self) -> bool:
        return True

    def __index__(self) -> int:
        raise SymbolicUseError(f"the size {self} is a symbol: its number is known only at the call")

    def _refuse_order(self, other: Any) -> bool:
        raise SymbolicUseError(
            f"the size {self} is a symbol, and larger or smaller than {other} only at the call: choose inside the "
            "graph, with sn.where, sn.minimum or sn.maximum"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _refuse_order


def _canonical(terms: dict[Monomial, int]) -> Size:
    """The polynomial of `terms`, as an int where it is constant; names first, the constant last."""
    kept = [(m, c) for m, c in terms.items() if c != 0]
    if not kept:
        return 0
    if len(kept) == 1:
        return kept[0][1] if kept[0][0] == () else Dim(tuple(kept))
    kept.sort(key=lambda term: _rank(term[0]))
    return Dim(tuple(kept))


@lru_cache(maxsize=4096)
def _rank(monomial: Monomial) -> tuple[bool, tuple[str, ...]]:
    return monomial == (), tuple(map(str, monomial))


def _as_terms(size: Size) -> dict[Monomial, int]:
    return dict(size.terms) if isinstance(size, Dim) else {(): size} if size else {}


def _combine(a: Dim, b: Size, sign: int) -> Size:
    if isinstance(b, int):
        return _shifted(a, sign * b)
    terms = dict(a.terms)
    for monomial, coefficient in b.terms:
        terms[monomial] = terms.get(monomial, 0) + sign * coefficient
    return _canonical(terms)


def _shifted(a: Dim, number: int) -> Dim:
    """The sum with a number, which is the last term."""
    has_constant = a.terms[-1][0] == ()
    terms = a.terms[:-1] if has_constant else a.terms
    total = number + (a.terms[-1][1] if has_constant else 0)
    return Dim((*terms, ((), total)) if total else terms)


def _exact_quotient(numerator: Dim, denominator: Size) -> Size | None:
    """`numerator / denominator` where every term divides, else None."""
    if isinstance(denominator, int):
        if all(c % denominator == 0 for _, c in numerator.terms):
            return _canonical({m: c // denominator for m, c in numerator.terms})
        return None
    if numerator == denominator:
        return 1
    if len(denominator.terms) != 1:
        return None
    divisor, scale = denominator.terms[0]
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in numerator.terms:
        rest = list(monomial)
        for atom in divisor:
            if atom not in rest:
                return None
            rest.remove(atom)
        if coefficient % scale:
            return None
        quotient[tuple(rest)] = coefficient // scale
    return _canonical(quotient)


def floordiv(a: Size, b: Size) -> Size:
    """`a // b`, exact where the polynomial divides, else a :class:`Quotient` atom.

    >>> n = Dim.named("n")
    >>> floordiv(2 * n - 1, 2), floordiv(n - 1, 2)
    (n - 1, ((n - 1)//2))
    """
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    if isinstance(a, int):
        return 0 if a == 0 else Dim.named(Quotient(a, b))
    exact = _exact_quotient(a, b)
    if exact is None and isinstance(b, int) and a.terms[-1][0] == ():
        # (2n + 1) // 2 is n: a constant beside a multiple is divided on its own.
        constant = a.terms[-1][1]
        rest = _exact_quotient(a - constant, b)
        exact = None if rest is None else rest + constant // b
    return exact if exact is not None else Dim.named(Quotient(a, b))


def split(size: Size, divisor: int) -> tuple[Size, Size]:
    """A size as the sum of a multiple of `divisor` and a rest, of coefficients that are smaller.

    >>> split(Dim.named("n") * 100 + 70, 64)
    (64*n + 64, 36*n + 6)
    """
    rest = _canonical({m: c % divisor for m, c in _as_terms(size).items()})
    return size - rest, rest


def minimum(a: Size, b: Size) -> Size:
    """The smaller of two sizes."""
    return _extremum("min", min, a, b)


def maximum(a: Size, b: Size) -> Size:
    """The larger of two sizes."""
    return _extremum("max", max, a, b)


def _extremum(kind: str, choose: Callable[[int, int], int], a: Size, b: Size) -> Size:
    difference = a - b
    if isinstance(difference, int):
        return a if choose(difference, 0) == difference else b
    if at_most(b, a):
        return a if kind == "max" else b
    if at_most(a, b):
        return b if kind == "max" else a
    if kind == "max" and b == 0 and isinstance(a, Dim):
        return Dim.named(Extremum(kind, _without_inner_zero(a), 0))
    return Dim.named(Extremum(kind, a, b))


def _never_negative(size: Size) -> bool:
    """Whether a size cannot be below 0: names stand for sizes and indices, which never are."""
    if isinstance(size, int):
        return size >= 0
    return all(c > 0 and all(map(_atom_never_negative, m)) for m, c in size.terms)


def at_most(a: Size, b: Size) -> bool:
    """Whether `a` is certainly no larger than `b`, whatever the names stand for.

    >>> at_most(Dim.named("n"), Dim.named("n") * 2 + 1)
    True
    >>> at_most(4, Dim.named("n"))
    False
    >>> at_most(Dim.named("n") // 4 * 4, Dim.named("n"))
    True
    """
    difference = _without_multiples(b - a)
    if isinstance(difference, int):
        return difference >= 0
    terms = dict(difference.terms)
    for monomial, coefficient in difference.terms:
        if coefficient < 0:
            larger = _larger_quotient(monomial, -coefficient, terms)
            if larger is None:
                return False
            terms[larger] += coefficient
            del terms[monomial]
    return _never_negative(_canonical(terms))


def _without_multiples(size: Size) -> Size:
    """A size that is no larger: with p instead of p // d * d where that is taken away."""
    for monomial, coefficient in _as_terms(size).items():
        quotient = whole_quotient(monomial, coefficient) if coefficient < 0 else None
        if quotient is not None:
            rest = [Dim.named(atom) for atom in monomial if atom != quotient]
            if all(map(_never_negative, rest)):
                numerator = product([quotient.numerator, *rest])
                size = size - _canonical({monomial: coefficient}) + numerator * (coefficient // quotient.denominator)
    return size


def whole_quotient(monomial: Monomial, coefficient: int) -> Any:
    """The quotient in a monomial, if it occurs once and the coefficient is a multiple of its divisor; else None."""
    for atom in monomial:
        if isinstance(atom, Quotient) and isinstance(atom.denominator, int) and atom.denominator > 0:
            return atom if coefficient % atom.denominator == 0 and monomial.count(atom) == 1 else None
    return None


def _larger_quotient(monomial: Monomial, coefficient: int, terms: Mapping[Monomial, int]) -> Monomial | None:
    """A term that outweighs `coefficient` times a quotient: one of the same divisor, with a numerator no smaller."""
    if len(monomial) != 1 or not isinstance(monomial[0], Quotient):
        return None
    small = monomial[0]
    for candidate, weight in terms.items():
        if weight >= coefficient:
            numerator = _numerator(candidate, small.denominator)
            if numerator is not None and _never_negative(numerator - small.numerator):
                return candidate
    return None


def _numerator(monomial: Monomial, denominator: Size) -> Size | None:
    """The largest numerator of which `monomial` is the quotient."""
    if len(monomial) == 1 and isinstance(monomial[0], Quotient):
        return monomial[0].numerator if monomial[0].denominator == denominator else None
    whole = isinstance(denominator, int) and denominator > 0
    return _canonical({monomial: 1}) * denominator + denominator - 1 if whole else None


def _atom_never_negative(atom: Hashable) -> bool:
    if isinstance(atom, Extremum):
        either = any if atom.kind == "max" else all
        return either(map(_never_negative, (atom.a, atom.b)))
    if isinstance(atom, Quotient):
        return _never_negative(atom.numerator) and _never_negative(atom.denominator)
    return isinstance(atom, str)


def _without_inner_zero(a: Dim) -> Size:
    """In max(a, 0): max(x, 0) - n, n >= 0, may as well be x - n, so that repeated slices do not nest."""
    (monomial, coefficient), *rest = a.terms
    inner = monomial[0] if len(monomial) == 1 else None
    constant = rest[0][1] if rest and rest[0][0] == () else 0
    alone = coefficient == 1 and len(rest) == (constant != 0) and constant <= 0
    if alone and isinstance(inner, Extremum) and (inner.kind, inner.b) == ("max", 0):
        return inner.a + constant
    return a


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def differ(a: Size, b: Size) -> bool:
    """Whether the two sizes are certainly different, whatever the names stand for."""
    difference = a - b
    return isinstance(difference, int) and difference != 0


def names(size: Size) -> Iterator[str]:
    """The names that occur in a size, in order, with repeats."""
    if isinstance(size, Dim):
        for monomial, _ in size.terms:
            for atom in monomial:
                if isinstance(atom, str):
                    yield atom
                elif isinstance(atom, Quotient):
                    yield from names(atom.numerator)
                    yield from names(atom.denominator)
                elif isinstance(atom, Extremum):
                    yield from names(atom.a)
                    yield from names(atom.b)


def substitute(size: Size, values: Mapping[Any, Size]) -> Size:
    """The size with atoms replaced by sizes; atoms that `values` lacks stay.

    >>> substitute(Dim.named("n") * 2 + 1, {"n": 5})
    11
    """
    if not isinstance(size, Dim):
        return size
    total: dict[Monomial, int] = {}
    for monomial, coefficient in size.terms:
        if all([type(atom) is str and atom not in values for atom in monomial]):
            total[monomial] = total.get(monomial, 0) + coefficient
            continue
        factor = _substitute_atom(monomial[0], values)
        for atom in monomial[1:]:
            factor = factor * _substitute_atom(atom, values)
        for m, c in factor.terms if isinstance(factor, Dim) else (((), factor),):
            total[m] = total.get(m, 0) + c * coefficient
    return _canonical(total)


def _substitute_atom(atom: Hashable, values: Mapping[Any, Size]) -> Size:
    if atom in values:
        return values[atom]
    if isinstance(atom, Quotient):
        return floordiv(substitute(atom.numerator, values), substitute(atom.denominator, values))
    if isinstance(atom, Extremum):
        a, b = substitute(atom.a, values), substitute(atom.b, values)
        return minimum(a, b) if atom.kind == "min" else maximum(a, b)
    return Dim.named(atom)


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The number a size stands for when every name has a value.

    Raises
    ------
    KeyError
        A name has no value.
    """
    result = substitute(size, values)
    if isinstance(result, Dim):
        raise KeyError(next(names(result), str(result)))
    return result
