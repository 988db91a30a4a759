"""Where a node was written: lines of the user's program, kept through every pass.

A node made from others (merged, fused, a gradient) carries the union of their lines. Unions are
kept as a small graph and flattened only when somebody reads them: joining sets eagerly would be
quadratic on a chain of 50,000 nodes.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_HERE = os.path.dirname(os.path.abspath(__file__))
_OURS = tuple(
    folder + os.sep
    for folder in (
        _HERE,
        *(os.path.realpath(os.path.join(_HERE, part)) for part in ("passes", "codegen")),
        os.path.dirname(os.path.abspath(np.__file__)),
    )
)
# Programs that come with the library: their lines are a user's.
_PROGRAMS = tuple(os.path.join(_HERE, program) for program in ("demo.py", os.path.join("bench", "")))
# Code between the library and itself: of dataclasses, imports, cached properties.
_MACHINERY = ("<string>", "<frozen importlib._bootstrap>", functools.__file__)
_is_ours: dict[str, bool] = {}


@dataclass(frozen=True, order=True)
class Line:
    """One line of the user's program."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.number}"


def here() -> Line:
    """The innermost line on the stack that belongs neither to symnet nor to numpy."""
    frame = sys._getframe(1)
    while True:
        name = frame.f_code.co_filename
        ours = _is_ours.get(name)
        if ours is None:
            # dataclass and namedtuple code has names like "<string>"; a doctest's is "<doctest ...>".
            library = name.startswith(_OURS) and not name.startswith(_PROGRAMS)
            ours = _is_ours[name] = library or name in _MACHINERY
        if not ours or frame.f_back is None:
            return Line(name, frame.f_lineno)
        frame = frame.f_back


class Origin:
    """The set of lines a node comes from; the first line is the one that names it in messages."""

    __slots__ = ("_flat", "_parents")

    def __init__(self, lines: Iterable[Line] = (), parents: tuple[Origin, ...] = ()) -> None:
        self._flat: tuple[Line, ...] | None = tuple(lines) if not parents else None
        self._parents = parents

    @staticmethod
    def union(*origins: Origin) -> Origin:
        """The origin that holds every line of the given ones, in order of first appearance."""
        distinct = tuple(dict.fromkeys(origins))
        return distinct[0] if len(distinct) == 1 else Origin(parents=distinct)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, without repeats."""
        if self._flat is None:
            found: dict[Line, None] = {}
            seen: set[int] = set()
            stack: list[Origin] = [self]
            while stack:
                origin = stack.pop()
                if id(origin) in seen:
                    continue
                seen.add(id(origin))
                if origin._flat is not None:
                    found.update(dict.fromkeys(origin._flat))
                else:
                    stack.extend(reversed(origin._parents))
            self._flat, self._parents = tuple(found), ()
        return self._flat

    def __str__(self) -> str:
        lines = self.lines
        more = f" +{len(lines) - 2}" if len(lines) > 2 else ""
        return ", ".join(map(str, lines[:2])) + more
