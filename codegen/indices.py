"""Indices and sizes as i64: each term computed in the outermost loop where all it depends on is known."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from symnet.dims import Dim, Extremum, Quotient, Size, names
from symnet.errors import CompileError
from symnet.scalar import Scalar, scalars_in

from .llvm_text import iota, is_number, numbers_in, vector_text, vector_type
from .targets import LARGEST_STRIDE, Target
from .writer import Bound, Value, Writer

Terms = tuple[tuple[tuple[Any, ...], int], ...]
# What is known of a vector is not left to LLVM, which would not see it through a loop.
_FOLDED = {"add": operator.add, "mul": operator.mul, "sdiv": operator.floordiv}
_NEUTRAL = {"add": "0", "mul": "1", "sdiv": "1"}


class IndexWriter(Writer):
    """Writes sizes. An index may hold scalars (positions that are data): `value` writes them."""

    def __init__(self, dims: Sequence[str], target: Target) -> None:
        super().__init__(dims, target)
        self.analysed: dict[Terms, tuple[tuple[str, int], list[tuple[int, Dim]]]] = {}

    def forget(self, keys: Iterable[Any]) -> None:
        super().forget(keys)
        self.analysed.clear()

    def value(self, root: Scalar) -> Value:
        """Compute a scalar."""
        raise NotImplementedError

    def stride(self, address: Size) -> tuple[str, int]:
        """How an address moves with the lanes, and by how much.

        ("uniform", 0): not at all; ("contiguous", 1); ("strided", n): n at each lane, for a small n;
        ("repeated", n): one at every n lanes; ("scattered", 0): in another way.
        """
        return self._analysed(address)[0]

    def _analysed(self, size: Size) -> tuple[tuple[str, int], list[tuple[int, Dim]]]:
        """The stride of an index, and its non-constant terms grouped by depth, outermost first.

        Neighbouring places of a tile differ in the constant alone, so this is looked up until a loop ends.
        """
        if not isinstance(size, Dim):
            return ("uniform", 0), []
        terms = size.terms if size.terms[-1][0] else size.terms[:-1]
        if terms not in self.analysed:
            self.analysed[terms] = self._stride(terms), self._by_depth(terms)
        return self.analysed[terms]

    def _stride(self, terms: Terms) -> tuple[str, int]:
        varying = [(m, c) for m, c in terms if any([self._atom_lanes(a) > 1 for a in m])]
        if not varying:
            return "uniform", 0
        (monomial, step), *more = varying
        if not more and len(monomial) == 1:
            lanes = self._atom_lanes(monomial[0])
            if isinstance(monomial[0], str) and step == 1:
                return "contiguous", 1
            if isinstance(monomial[0], str) and 1 < step <= min(LARGEST_STRIDE, lanes):
                return "strided", step
            repeats = self._repeats(monomial[0])
            if step == 1 and repeats > 1 and lanes % repeats == 0 and lanes > repeats:
                return "repeated", repeats
        return "scattered", 0

    def _repeats(self, atom: Any) -> int:
        """The divisor of a vector index that begins a new quotient at its first lane; 0 if it is none such."""
        if not isinstance(atom, Quotient) or not isinstance(atom.denominator, int):
            return 0
        assert isinstance(atom.numerator, Dim)
        moving = 0
        for monomial, step in atom.numerator.terms:
            factor = step
            for inner in monomial:
                factor *= self._bound(inner).factor if isinstance(inner, str) else 1
            if factor % atom.denominator:
                return 0
            if any(self._atom_lanes(a) > 1 for a in monomial):
                moving += step if len(monomial) == 1 and isinstance(monomial[0], str) else 2
        return atom.denominator if moving == 1 else 0

    def _by_depth(self, terms: Terms) -> list[tuple[int, Dim]]:
        groups: dict[int, list[Any]] = {}
        for term in terms:
            groups.setdefault(max([self._atom_depth(a) for a in term[0]]), []).append(term)
        return [(depth, Dim(tuple(groups[depth]))) for depth in sorted(groups)]

    def _atom_lanes(self, atom: Any) -> int:
        if isinstance(atom, str):
            return self._bound(atom).lanes
        if isinstance(atom, Scalar):
            return self.value(atom).lanes
        parts = (atom.numerator, atom.denominator) if isinstance(atom, Quotient) else (atom.a, atom.b)
        return max((self._atom_lanes(a) for p in parts if isinstance(p, Dim) for m, _ in p.terms for a in m), default=1)

    def _bound(self, name: str) -> Bound:
        if name not in self.names:
            raise CompileError(f"the index {name} is not bound here")
        return self.names[name]

    def _atom_depth(self, atom: Any) -> int:
        if isinstance(atom, str):
            return self._bound(atom).depth
        if isinstance(atom, Scalar):
            return self.value(atom).depth
        parts = (atom.numerator, atom.denominator) if isinstance(atom, Quotient) else (atom.a, atom.b)
        return max(map(self.size_depth, parts))

    def size_depth(self, size: Size) -> int:
        """The depth of the innermost loop an index depends on."""
        groups = self._analysed(size)[1]
        return groups[-1][0] if groups else 0

    def pace(self, part: Dim) -> Size | None:
        """How far a part of an address moves as the innermost index grows by one.

        None where it moves in another way, or by one: an address can be so far from another at no cost.
        """
        (monomial, coefficient), here = part.terms[0], len(self.scopes) - 1
        index = self.scopes[-1].index
        others = tuple(a for a in monomial if a != index)
        if len(part.terms) > 1 or len(others) != len(monomial) - 1 or (not others and coefficient == 1):
            return None
        if any(self._atom_depth(a) >= here for a in others):
            return None
        return Dim(((others, coefficient),)) if others else coefficient

    def size(self, size: Size, base: bool = False) -> Value:
        """An index as an i64; with `base`, a vector index counts as its first lane."""
        if isinstance(size, int):
            return Value(str(size), 1)
        key = ("size", size, base)
        if key in self.memo:
            return self.memo[key]
        total: Value | None = None
        depth = 0
        for depth, part in self._analysed(size)[1]:
            for monomial, coefficient in part.terms:
                term = self._term(monomial, coefficient, base, depth)
                total = term if total is None else self._integer("add", total, term, depth)
        constant = constant_part(size)
        assert total is not None
        if constant:
            total = self._integer("add", total, Value(str(constant), 1), depth)
        return self.remember(key, total.ref, total.lanes, depth)

    def size_in_32_bits(self, size: Size) -> Value:
        """The low 32 bits of an index: of neighbours they are those of the first lane, counted on."""
        if self.stride(size)[0] != "contiguous":
            value = self.size(size)
            types = [vector_type(element, value.lanes) for element in ("i64", "i32")]
            return Value(
                self.emit(f"trunc {types[0]} {value.ref} to {types[1]}", value.depth), value.lanes, value.depth
            )
        first, lanes = self.size(size, base=True), self.lanes
        low = self.emit(f"trunc i64 {first.ref} to i32", first.depth)
        every = self.splat(low, "i32", lanes, first.depth)
        counted = vector_text("i32", list(range(lanes)))
        found = self.emit(f"add {vector_type('i32', lanes)} {every}, {counted}", first.depth)
        return Value(found, lanes, first.depth)

    def _term(self, monomial: tuple[Any, ...], coefficient: int, base: bool, depth: int) -> Value:
        term = self._atom(monomial[0], base)
        for atom in monomial[1:]:
            term = self._integer("mul", term, self._atom(atom, base), depth)
        return term if coefficient == 1 else self._integer("mul", term, Value(str(coefficient), 1), depth)

    def _integer(self, op: str, a: Value, b: Value, depth: int) -> Value:
        lanes = max(a.lanes, b.lanes)
        if is_number(a.ref) and is_number(b.ref):
            return Value(str(_FOLDED[op](int(a.ref), int(b.ref))), 1, depth)
        if b.ref == _NEUTRAL[op]:
            return a
        a, b = self.widen(a, "int64", lanes), self.widen(b, "int64", lanes)
        some, other = numbers_in(a.ref), numbers_in(b.ref)
        if some is not None and other is not None:
            found = [_FOLDED[op](x, y) for x, y in zip(some, other, strict=True)]
            return Value(vector_text("i64", found), lanes, depth)
        return Value(self.emit(f"{op} {vector_type('i64', lanes)} {a.ref}, {b.ref}", depth), lanes, depth)

    def _atom(self, atom: Any, base: bool) -> Value:
        if isinstance(atom, str):
            bound = self._bound(atom)
            if bound.lanes == 1 or base:
                return Value(bound.ref, 1, bound.depth)
            key = ("lanes", atom)
            if key not in self.memo:
                first = Value(bound.ref, 1, bound.depth)
                every = self._integer("add", first, Value(iota(bound.lanes), bound.lanes), bound.depth)
                self.remember(key, every.ref, bound.lanes, bound.depth)
            return self.memo[key]
        if isinstance(atom, Scalar):
            return self.value(atom)
        depth = self._atom_depth(atom)
        if isinstance(atom, Quotient):
            a, b = self.size(atom.numerator, base), self.size(atom.denominator, base)
            if self._is_of_dims(atom.numerator) and _may_be_negative(atom.numerator):
                return self._floor_divided(a, b)
            # Indices that are divided are never negative, so rounding down is rounding to zero.
            return self._integer("sdiv", a, b, depth)
        a, b = self.size(atom.a, base), self.size(atom.b, base)
        return self._choose(atom, a, b, depth)

    def _is_of_dims(self, size: Size) -> bool:
        return self.dims.issuperset(names(size)) and not any(scalars_in(size))

    def _floor_divided(self, a: Value, b: Value) -> Value:
        """A size divided by another, which is above 0, rounded down."""
        quotient, rest = (self.emit(f"{op} i64 {a.ref}, {b.ref}", 0) for op in ("sdiv", "srem"))
        less = self.emit(f"sext i1 {self.emit(f'icmp slt i64 {rest}, 0', 0)} to i64", 0)
        return Value(self.emit(f"add i64 {quotient}, {less}", 0), 1, 0)

    def _choose(self, atom: Extremum, a: Value, b: Value, depth: int) -> Value:
        lanes = max(a.lanes, b.lanes)
        a, b = self.widen(a, "int64", lanes), self.widen(b, "int64", lanes)
        type = vector_type("i64", lanes)
        test = self.emit(f"icmp {'slt' if atom.kind == 'min' else 'sgt'} {type} {a.ref}, {b.ref}", depth)
        chosen = self.emit(f"select {vector_type('i1', lanes)} {test}, {type} {a.ref}, {type} {b.ref}", depth)
        return Value(chosen, lanes, depth)


def constant_part(size: Size) -> int:
    """The term of an index without names."""
    if isinstance(size, int):
        return size
    monomial, coefficient = size.terms[-1]
    return coefficient if monomial == () else 0


def _may_be_negative(size: Size) -> bool:
    return any(k < 0 for _, k in size.terms) if isinstance(size, Dim) else size < 0
