"""SSA values, and the bodies of the loops that are open while a kernel is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from symnet.errors import CompileError

from .llvm_text import LLVM_TYPE, splat_text, vector_type
from .targets import Target


class Value(NamedTuple):
    """An SSA value: its name (or a constant's text), its lanes, the depth of the loop it is made in."""

    ref: str
    lanes: int
    depth: int = 0


class Moving(NamedTuple):
    """A pointer that a loop moves on: its name, where it is for index 0, the elements it moves by with each index."""

    ref: str
    base: str
    element: str
    pace: Value


@dataclass
class Scope:
    """The body of one open loop: its text so far, and what was computed in it."""

    depth: int
    label: str
    lanes: int = 1
    index: str = ""
    mask: str | None = None
    moving: list[Moving] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)


class Bound(NamedTuple):
    """A loop index or a dim: the SSA name of its (first lane's) value, its depth, its lanes, a divisor of it."""

    ref: str
    depth: int
    lanes: int
    factor: int = 1


class Writer:
    """Text, scope by scope. What is known in a scope is known in those inside it.

    Attributes
    ----------
    target : Target
    scopes : list of Scope
        Those open, the function's own first.
    names : dict of str to Bound
        Loop indices and dims.
    memo : dict
        What is computed already, by key.
    """

    def __init__(self, dims: Sequence[str], target: Target) -> None:
        self.target = target
        self.scopes = [Scope(0, "entry")]
        self.dims = frozenset(dims)
        self.names = {d: Bound(f"%d{k}", 0, 1) for k, d in enumerate(dims)}
        self.memo: dict[Any, Value] = {}
        self.count = 0

    def fresh(self, stem: str = "v") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def emit(self, text: str, depth: int) -> str:
        """Add an instruction to the scope at `depth`; its result's name."""
        name = self.fresh()
        self.scopes[depth].lines.append(f"  {name} = {text}")
        return name

    def remember(self, key: Any, ref: str, lanes: int, depth: int) -> Value:
        value = self.memo[key] = Value(ref, lanes, depth)
        self.scopes[depth].keys.append(key)
        return value

    def forget(self, keys: Iterable[Any]) -> None:
        """Drop what was computed where it does not exist any more."""
        for key in keys:
            del self.memo[key]

    def widen(self, value: Value, dtype: str, lanes: int) -> Value:
        """The value with so many lanes, the same in each where it had one."""
        if value.lanes == lanes:
            return value
        if value.lanes != 1:
            raise CompileError(f"a vector of {value.lanes} lanes is used where {lanes} are expected")
        return Value(self.splat(value.ref, LLVM_TYPE[dtype], lanes, value.depth), lanes, value.depth)

    def splat(self, ref: str, element: str, lanes: int, depth: int) -> str:
        if not ref.startswith("%"):
            return splat_text(element, ref, lanes)
        key = ("splat", ref, lanes)
        if key in self.memo:
            return self.memo[key].ref
        type = vector_type(element, lanes)
        one = self.emit(f"insertelement {type} poison, {element} {ref}, i64 0", depth)
        zeros = f"<{lanes} x i32> zeroinitializer"
        all_lanes = self.emit(f"shufflevector {type} {one}, {type} poison, {zeros}", depth)
        return self.remember(key, all_lanes, lanes, depth).ref

    @property
    def lanes(self) -> int:
        """The lanes of the open vector loop; 1 without one."""
        return max(s.lanes for s in self.scopes)

    @property
    def mask(self) -> str | None:
        """The mask of the open vector loop, however many loops lie inside it."""
        return next((s.mask for s in self.scopes if s.mask), None)
