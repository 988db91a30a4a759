"""Regions of a domain: in each it is known what padding and concatenation test, where an index lies.

before:  y[j] = select(lt(j, 64), a[j] if lt(j, 64), b[j - 64] if ge(j, 64))       for j in 0 .. 128
after:   y[j] = a[j] for j in 0 .. 64;  y[j + 64] = b[j] for j in 0 .. 64
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as changed
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

from symnet import scalar as s
from symnet.dims import Dim, Size
from symnet.scalar import Scalar

from .loops import Output, moved, postorder
from .schedule import Axes

# Each region has loops of its own.
MOST = 8


class Test(NamedTuple):
    """A comparison of an index with a number: true below `place` and false from there on, or the other way."""

    name: str
    place: int
    is_true_below: bool


def regions(domain: Axes, outputs: Sequence[Output], shortest: int) -> Iterator[tuple[Axes, Sequence[Output]]]:
    """The domain in parts with their outputs; in one part if some were short along an axis, or they were many."""
    values = [o.value for o in outputs]
    tests = {x: test for x in postorder(values) if (test := _test(x)) is not None}
    ranges = {
        name: _ranges(size, {t.place for t in tests.values() if t.name == name}, shortest) for name, size in domain
    }
    if prod(map(len, ranges.values())) > MOST:
        ranges = {name: _ranges(size, set(), shortest) for name, size in domain}
    for chosen in product(*ranges.values()):
        within = dict(zip(ranges, chosen, strict=True))
        known = {x: outcome for x, test in tests.items() if (outcome := _outcome(test, within)) is not None}
        own = [changed(o, value=v) for o, v in zip(outputs, _simplified(values, known), strict=True)]
        starts = {name: Dim.named(name) + start for name, (start, _) in within.items() if start}
        yield [(name, end - start) for name, (start, end) in within.items()], moved(own, starts)


def _test(x: Scalar) -> Test | None:
    """What a scalar tests, if that is where one index lies."""
    if x.op not in ("lt", "le", "gt", "ge") or x.args[0].op != "index" or x.args[1].op != "const":
        return None
    (monomial, step), *constant = x.args[0].payload.terms
    if step != 1 or len(monomial) != 1 or not isinstance(monomial[0], str) or any(m for m, _ in constant):
        return None
    place = int(x.args[1].payload) - sum(c for _, c in constant) + (x.op in ("le", "gt"))
    return Test(monomial[0], place, x.op in ("lt", "le"))


def _ranges(size: Size, places: set[int], shortest: int) -> list[tuple[int, Size]]:
    """An axis cut at some places, if no part is too short."""
    if not isinstance(size, int):
        return [(0, size)]
    ends = [0, *sorted(p for p in places if 0 < p < size), size]
    is_cut = all(end - start >= shortest for start, end in pairwise(ends))
    return list(pairwise(ends if is_cut else [0, size]))


def _outcome(test: Test, within: Mapping[str, tuple[int, Size]]) -> Scalar | None:
    """What a test gives everywhere in a region; None if that differs, or is not known."""
    if test.name not in within:
        return None
    start, end = within[test.name]
    if test.place <= start:
        return s.const(not test.is_true_below, "bool")
    if isinstance(end, int) and end <= test.place:
        return s.const(test.is_true_below, "bool")
    return None


def _simplified(values: Sequence[Scalar], known: Mapping[Scalar, Scalar]) -> list[Scalar]:
    """The values where some conditions are known."""
    image = dict(known)
    for x in postorder(values, known):
        args = tuple(image[a] for a in x.args)
        decided = [a for a in args if a.op == "const" and a.dtype == "bool"]
        if x.op == "and" and decided:
            (other,) = [a for a in args if a is not decided[0]] or decided[:1]
            image[x] = other if decided[0].payload else decided[0]
        elif x.op == "select" and args[0] in decided:
            image[x] = args[1] if args[0].payload else args[2]
        elif x.op == "load" and decided and decided[0].payload:
            image[x] = s.make("load", (), x.dtype, x.payload)
        else:
            image[x] = x if args == x.args else s.make(x.op, args, x.dtype, x.payload)
    return [image[v] for v in values]
