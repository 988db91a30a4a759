"""The closed vocabulary in which every op says what one element of its result is.

An element rule is a small expression over scalars. New ops are written in these words and never
touch the code generator; a new target implements these words and never sees an op.

Scalars are immutable and interned (equal expressions are one object), so the code generator
computes a shared subexpression once. dtypes are the names "bool", "int32", "int64", "float32", "float64"; and, inside
kernels, "pair": two bfloat16 numbers in 32 bits.

    >>> x = load("x", (Dim.named("i"),), "float32")
    >>> 1 / (1 + exp(-x))
    div(1.0, add(1.0, exp(neg(x[i]))))
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from .dims import Dim, Extremum, Quotient, Size

Number: TypeAlias = int | float | bool

FLOATS = ("float32", "float64")
INTS = ("int32", "int64")
BITS = {"bool": 1, "int32": 32, "int64": 64, "float32": 32, "float64": 64, "pair": 32}

ARITHMETIC = {
    "add",
    "sub",
    "mul",
    "div",
    "fma",
    "neg",
    "abs",
    "sqrt",
    "floor",
    "ceil",
    "rint",
    "min",
    "max",
    "scale",
    "limit",
}
INTEGER = {"floordiv", "mod", "shl", "lshr", "ashr", "and", "or", "xor", "not"}
COMPARE = {"eq", "ne", "lt", "le", "gt", "ge"}
# Written as polynomials over the words above by codegen/vector_math.
TRANSCENDENTAL = {"exp", "log", "log1p", "expm1", "sin", "cos", "tanh", "erf", "pow", "fmod"}
FOLDS = ("add", "mul", "max", "min", "and", "or", "argmax", "argmin")


class Scalar:
    """One scalar expression: a word, its arguments, its dtype and, for some words, a payload.

    Attributes
    ----------
    op : str
        A word of the vocabulary: one of the sets above, or "const" (payload: the number), "load"
        (payload: buffer and index), "index" (payload: a size), "variable" (payload: a name bound by
        a loop), "lookup" (payload: 16 numbers), "select", "cast", "bitcast", "fold" (payload: :class:`FoldAxes`).
    args : tuple of Scalar
    dtype : str
    children : tuple of Scalar
        Everything it is computed from: arguments, then scalars inside its indices.
    """

    __slots__ = ("__weakref__", "args", "children", "dtype", "op", "payload")

    op: str
    args: tuple[Scalar, ...]
    dtype: str
    payload: Any
    children: tuple[Scalar, ...]

    def __add__(self, other: Scalar | Number) -> Scalar:
        return _binary("add", self, other)

    def __radd__(self, other: Number) -> Scalar:
        return _binary("add", other, self)

    def __sub__(self, other: Scalar | Number) -> Scalar:
        return _binary("sub", self, other)

    def __rsub__(self, other: Number) -> Scalar:
        return _binary("sub", other, self)

    def __mul__(self, other: Scalar | Number) -> Scalar:
        return _binary("mul", self, other)

    def __rmul__(self, other: Number) -> Scalar:
        return _binary("mul", other, self)

    def __truediv__(self, other: Scalar | Number) -> Scalar:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Number) -> Scalar:
        return _binary("div", other, self)

    def __and__(self, other: Scalar | Number) -> Scalar:
        return _binary("and", self, other)

    def __or__(self, other: Scalar | Number) -> Scalar:
        return _binary("or", self, other)

    def __xor__(self, other: Scalar | Number) -> Scalar:
        return _binary("xor", self, other)

    def __lt__(self, other: Scalar | Number) -> Scalar:
        return _binary("lt", self, other)

    def __le__(self, other: Scalar | Number) -> Scalar:
        return _binary("le", self, other)

    def __gt__(self, other: Scalar | Number) -> Scalar:
        return _binary("gt", self, other)

    def __ge__(self, other: Scalar | Number) -> Scalar:
        return _binary("ge", self, other)

    def __neg__(self) -> Scalar:
        return make("neg", (self,), self.dtype)

    def __invert__(self) -> Scalar:
        return make("not", (self,), self.dtype)

    def __repr__(self) -> str:
        if self.op == "const":
            return repr(self.payload)
        if self.op == "load":
            return f"{self.payload[0]}[{', '.join(map(str, self.payload[1]))}]" + (
                f" if {self.args[0]}" if self.args else ""
            )
        if self.op in ("index", "variable"):
            return str(self.payload)
        name = f"{self.op}.{self.dtype}" if self.op in ("cast", "bitcast") else self.op
        if self.op == "fold":
            name = f"fold.{self.payload.kind}[{', '.join(f'{i} < {n}' for i, n in self.payload.axes)}]"
        return f"{name}({', '.join(map(repr, self.args))})"


class FoldAxes:
    """What a "fold" scalar folds with, and over which indices."""

    __slots__ = ("axes", "kind")

    def __init__(self, kind: str, axes: tuple[tuple[str, Size], ...]) -> None:
        self.kind = kind
        self.axes = axes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FoldAxes) and (self.kind, self.axes) == (other.kind, other.axes)

    def __hash__(self) -> int:
        return hash((self.kind, self.axes))


_interned: WeakValueDictionary[Any, Scalar] = WeakValueDictionary()


def make(op: str, args: tuple[Scalar, ...], dtype: str, payload: Any = None) -> Scalar:
    """The one Scalar with these parts."""
    # A float payload is keyed by its bits: -0.0 is not 0.0, and NaN equals itself.
    payload_key = struct.pack("d", payload) if isinstance(payload, float) else payload
    key = (op, args, dtype, payload_key)
    found = _interned.get(key)
    if found is None:
        found = object.__new__(Scalar)
        found.op, found.args, found.dtype, found.payload = op, args, dtype, payload
        sizes = payload[1] if op == "load" else (payload,) if op == "index" else ()
        found.children = (*args, *(inner for size in sizes for inner in scalars_in(size)))
        _interned[key] = found
    return found


def scalars_in(size: Size) -> Iterator[Scalar]:
    """The scalar expressions that occur as atoms of an index."""
    if isinstance(size, Dim):
        for monomial, _ in size.terms:
            for atom in monomial:
                if isinstance(atom, Scalar):
                    yield atom
                elif isinstance(atom, Quotient):
                    yield from scalars_in(atom.numerator)
                    yield from scalars_in(atom.denominator)
                elif isinstance(atom, Extremum):
                    yield from scalars_in(atom.a)
                    yield from scalars_in(atom.b)


def const(value: Number, dtype: str) -> Scalar:
    """A number, as an element of `dtype`."""
    convert: Callable[[Any], Number] = float if dtype in FLOATS else bool if dtype == "bool" else int
    return make("const", (), dtype, convert(value))


def load(buffer: str, index: Sequence[Size], dtype: str, guard: Scalar | None = None) -> Scalar:
    """Element `index` of a buffer; with a guard, read only where it is true (elsewhere the value is unspecified)."""
    return make("load", () if guard is None else (guard,), dtype, (buffer, tuple(index)))


def index(size: Size, dtype: str = "int64") -> Scalar:
    """The number that an index expression has, as a scalar."""
    if isinstance(size, int):
        return const(size, dtype)
    return cast(make("index", (), "int64", size), dtype)


def counter(place: int) -> str:
    """The name of a fold's index. It is no identifier: no dim of a user's program has it."""
    return f"k#{place}"


def as_size(x: Scalar) -> Size:
    """An integer scalar as an index expression, so that data can index data."""
    return int(x.payload) if x.op == "const" else x.payload if x.op == "index" else Dim.named(x)


def variable(name: str, dtype: str) -> Scalar:
    """A value that a loop carries under a name."""
    return make("variable", (), dtype, name)


def _binary(op: str, a: Scalar | Number, b: Scalar | Number) -> Scalar:
    if not isinstance(a, Scalar):
        assert isinstance(b, Scalar)
        a = const(a, b.dtype)
    if not isinstance(b, Scalar):
        b = const(b, a.dtype)
    if a.dtype != b.dtype:
        raise TypeError(f"{op} of {a.dtype} and {b.dtype}: cast one of them")
    return make(op, (a, b), "bool" if op in COMPARE else a.dtype)


def _unary(op: str) -> Callable[[Scalar], Scalar]:
    def build(x: Scalar) -> Scalar:
        return make(op, (x,), x.dtype)

    build.__name__ = op
    build.__doc__ = f"`{op}` of one element, with numpy's result for every special value."
    return build


def _two(op: str) -> Callable[[Scalar | Number, Scalar | Number], Scalar]:
    def build(a: Scalar | Number, b: Scalar | Number) -> Scalar:
        return _binary(op, a, b)

    build.__name__ = op
    build.__doc__ = f"`{op}` of two elements of one dtype, with numpy's result for every special value."
    return build


absolute, sqrt, floor, ceil, rint = map(_unary, ("abs", "sqrt", "floor", "ceil", "rint"))
exp, log, log1p, expm1 = map(_unary, ("exp", "log", "log1p", "expm1"))
sin, cos, tanh, erf = map(_unary, ("sin", "cos", "tanh", "erf"))
# minimum and maximum carry a NaN of either side through, as numpy's do.
minimum, maximum, power, fmod = map(_two, ("min", "max", "pow", "fmod"))
# Of integers, rounding down; 0 for a divisor 0.
floordiv, mod = map(_two, ("floordiv", "mod"))
eq, ne = map(_two, ("eq", "ne"))
shl, lshr, ashr = map(_two, ("shl", "lshr", "ashr"))


def fma(a: Scalar, b: Scalar | Number, c: Scalar | Number) -> Scalar:
    """``a * b + c``, rounded once where the target has the instruction, else twice."""
    b = b if isinstance(b, Scalar) else const(b, a.dtype)
    c = c if isinstance(c, Scalar) else const(c, a.dtype)
    return make("fma", (a, b, c), a.dtype)


def bfloat16(x: Scalar) -> Scalar:
    """A float32 rounded to bfloat16, as :mod:`symnet.ops.rounding` says."""
    return make("bfloat16", (x,), "float32")


def pair(x: Scalar, y: Scalar) -> Scalar:
    """Two float32 numbers rounded to bfloat16, side by side."""
    return make("pair", (x, y), "pair")


def dot(a: Scalar, b: Scalar, total: Scalar) -> Scalar:
    """The products of the first numbers and of the second ones of two pairs, added to a float32."""
    return make("dot", (a, b, total), "float32")


def scale(x: Scalar, n: Scalar) -> Scalar:
    """``x * 2**n``, rounded once or twice, for a whole number `n` of x's dtype between -2200 and 2200.

    AVX-512 takes any `n` and rounds it down.
    """
    return make("scale", (x, n), x.dtype)


def limit(x: Scalar, bound: Number) -> Scalar:
    """`x` where its magnitude is below `bound`, else one of that magnitude; a NaN becomes a number too."""
    return make("limit", (x, const(bound, x.dtype)), x.dtype)


def lookup(word: Scalar, numbers: tuple[float, ...]) -> Scalar:
    """One of 16 numbers as float32, by the low 4 bits of an int32; for targets with AVX-512."""
    return make("lookup", (word,), "float32", numbers)


def select(condition: Scalar, yes: Scalar | Number, no: Scalar | Number) -> Scalar:
    """`yes` where the bool `condition` holds, else `no`."""
    if not isinstance(yes, Scalar):
        assert isinstance(no, Scalar)
        yes = const(yes, no.dtype)
    if not isinstance(no, Scalar):
        no = const(no, yes.dtype)
    return make("select", (condition, yes, no), yes.dtype)


def cast(x: Scalar, dtype: str) -> Scalar:
    """The element as another dtype, as numpy's astype on x86.

    A float becomes an integer by dropping its fraction; NaN and what lies outside the integer dtype become its
    least number.
    """
    if x.dtype == dtype:
        return x
    return const(x.payload, dtype) if x.op == "const" and dtype in FLOATS else make("cast", (x,), dtype)


def bitcast(x: Scalar, dtype: str) -> Scalar:
    """The same bits as another dtype of the same width."""
    return make("bitcast", (x,), dtype)


def fold(kind: str, axes: Sequence[tuple[str, Size]], body: Scalar, position: str = "int64") -> Scalar:
    """Combine `body` over all values of the named indices with one of :data:`FOLDS`.

    "argmax" and "argmin" give the position (of dtype `position`; the first where several tie, the first NaN where
    there is one) along their one axis.
    """
    dtype = position if kind.startswith("arg") else body.dtype
    return make("fold", (body,), dtype, FoldAxes(kind, tuple(axes)))
