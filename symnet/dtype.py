"""dtypes and shapes: what a value is, before anything is computed.

Two dtype names are *weak*: "int" and "float" stand for Python's own numbers, which take the dtype
of the array they meet (NEP 50): ``float32 array * 2.0`` stays float32.

    >>> promote("float32", "float")
    'float32'
    >>> promote("int32", "float")
    'float64'
    >>> promote("int32", "float32")
    'float64'
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from numbers import Real
from operator import index
from typing import Any

import numpy as np

from .dims import Dim, Size, differ
from .errors import ArgumentError, DTypeError, OverflowInArgument, ShapeError, SymbolicUseError
from .scalar import FLOATS as FLOATS

DTYPES = ("bool", "int32", "int64", "float32", "float64")
WEAK = {"int": "int64", "float": "float64"}
SHORT = {"bool": "bool", "int32": "i32", "int64": "i64", "float32": "f32", "float64": "f64"}
Shape = tuple[Size, ...]


@dataclass(frozen=True)
class Type:
    """What one value is: a dtype name and a shape whose sizes may be symbolic."""

    dtype: str
    shape: Shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"{SHORT[self.dtype]}[{', '.join(map(str, self.shape))}]"


def dtype_name(dtype: Any, whose: str = "") -> str:
    """The name of a dtype given in any way numpy understands.

    Raises
    ------
    DTypeError
        numpy does not know it, or symnet does not support it; the message names `whose` it is.
    """
    where = f"{whose}: " if whose else ""
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError):
        raise DTypeError(f"{where}{dtype!r} is not a dtype") from None
    if name not in DTYPES:
        raise DTypeError(f"{where}dtype {name} is not supported; expected one of {', '.join(DTYPES)}")
    return name


def storage(dtype: str) -> str:
    """The dtype that holds a value: itself, or int64 and float64 for the weak ones."""
    return WEAK.get(dtype, dtype)


def weak_dtype(dtype: str) -> str:
    """The weak dtype whose numbers this one holds."""
    return "float" if dtype in FLOATS else "int"


@cache
def promote(*dtypes: str) -> str:
    """The dtype that numpy 2 computes in when these meet; weak only if all are weak."""
    weak = [d for d in dtypes if d in WEAK]
    if len(weak) == len(dtypes):
        return "float" if "float" in weak else "int"
    samples = [{"int": 0, "float": 0.0}.get(d) if d in WEAK else np.dtype(d) for d in dtypes]
    return np.result_type(*samples).name  # type: ignore[arg-type]


def floating(dtype: str) -> str:
    """The dtype in which numpy answers a function of real numbers (exp, sqrt, true division)."""
    if dtype in FLOATS or dtype == "float":
        return dtype
    return "float" if dtype == "int" else "float64"


_required: ContextVar[list[tuple[Size, Size]] | None] = ContextVar("required", default=None)


@contextmanager
def collecting(checks: list[tuple[Size, Size]]) -> Iterator[None]:
    """Collect in `checks` the equalities between symbolic sizes that inference has to assume."""
    token = _required.set(checks)
    try:
        yield
    finally:
        _required.reset(token)


def require_equal(a: Size, b: Size, complaint: str) -> Size:
    """The size that `a` and `b` both are; where that cannot be known yet it becomes a check at the call.

    Raises
    ------
    ShapeError
        With `complaint`, if the two are certainly different.
    """
    if a == b:
        return a
    if differ(a, b):
        raise ShapeError(complaint)
    checks = _required.get()
    if checks is not None:
        checks.append((a, b))
    # The same answer for either order, so that operands may be swapped.
    return a if isinstance(a, int) else b if isinstance(b, int) else min(a, b, key=str)


def require_shape(a: Sequence[Size], b: Sequence[Size], complaint: str) -> None:
    """Refuse two shapes that certainly differ; what cannot be known yet becomes checks at the call.

    Raises
    ------
    ShapeError
        With `complaint`.
    """
    if len(a) != len(b):
        raise ShapeError(complaint)
    for n, m in zip(a, b, strict=True):
        require_equal(n, m, complaint)


def shape_text(shape: Sequence[object]) -> str:
    """A shape as numpy prints it, with names for symbolic sizes."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def broadcast(*shapes: Shape) -> Shape:
    """The shape numpy broadcasts these to. Only a literal 1 stretches; symbolic sizes must be equal.

    Raises
    ------
    ShapeError
        The shapes certainly do not broadcast.
    """
    result: Shape = ()
    for shape in shapes:
        result = _broadcast_two(result, shape, shapes)
    return result


def _broadcast_two(a: Shape, b: Shape, all_shapes: tuple[Shape, ...]) -> Shape:
    if a == b:
        return a
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    return tuple([_meet(m, n, all_shapes) for m, n in zip(a, b, strict=True)])


def _meet(m: Size, n: Size, shapes: tuple[Shape, ...]) -> Size:
    if m == 1 or m == n:
        return n
    if n == 1:
        return m
    return require_equal(m, n, f"shapes {' and '.join(map(shape_text, shapes))} do not broadcast")


def as_numbers(value: Any, whose: str, is_cast: bool = False) -> np.ndarray:
    """`value` as an array in native byte order, of a supported dtype unless the caller casts it.

    Raises
    ------
    ArgumentError, DTypeError, SymbolicUseError
        It is no number, or of a dtype that is not supported, or symbolic.
    """
    if hasattr(type(value), "__symnet_apply__"):
        raise SymbolicUseError(f"{whose}: expected numbers, got the symbolic value {value!r}")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{whose}: expected numbers, got {type(value).__name__}: {error}") from None
    if type(value) is int and array.dtype.kind not in "iu":
        raise OverflowInArgument(f"{whose}: the integer {value} does not fit int64")
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{whose}: expected numbers, got {type(value).__name__} of dtype {array.dtype}")
    if _is_masked(value):
        raise ArgumentError(f"{whose}: expected numbers, got a masked array with elements missing: use .filled(...)")
    native = array.dtype.newbyteorder("=")
    if not is_cast and native.name not in DTYPES:
        raise DTypeError(f"{whose}: dtype {native} is not supported; expected one of {', '.join(DTYPES)}")
    return array.astype(native, copy=False)


def _is_masked(value: Any) -> bool:
    # numpy loads these arrays when they are asked for first, which takes 5 ms.
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray) and bool(masked.is_masked(value))


def check_fits(array: np.ndarray, wanted: str, whose: str) -> None:
    """Refuse integers outside the range of the dtype they become.

    Raises
    ------
    OverflowInArgument
    """
    if array.dtype.kind in "iu" and wanted in ("int32", "int64") and array.size:
        info = np.iinfo(wanted)
        for extreme in (int(array.min()), int(array.max())):
            if not info.min <= extreme <= info.max:
                raise OverflowInArgument(f"{whose}: the integer {extreme} does not fit {wanted}")


def number_as(value: Any, dtype: str) -> Any:
    """A number, checked to fit an integer dtype.

    Raises
    ------
    OverflowInArgument
        A Python integer outside the dtype's range.
    """
    if type(value) is int and dtype in ("int32", "int64"):
        info = np.iinfo(dtype)
        if not info.min <= value <= info.max:
            raise OverflowInArgument(f"Python integer {value} is out of bounds for {dtype}")
    return value


def as_axis(axis: Any, whose: str) -> int | tuple[int, ...] | None:
    """An axis argument of the op `whose` as attributes hold it: an int, a tuple of ints, or None.

    Raises
    ------
    ArgumentError
        It is something else.
    """
    if axis is None:
        return None
    try:
        return index(axis)
    except TypeError:
        pass
    try:
        return tuple(index(a) for a in axis)
    except TypeError:
        raise ArgumentError(f"{whose}: axis is {axis!r}; expected an int, a tuple of ints or None") from None


def as_one_axis(axis: Any, whose: str) -> int:
    """An axis argument that must be one int.

    Raises
    ------
    ArgumentError
        It is something else.
    """
    try:
        return index(axis)
    except TypeError:
        raise ArgumentError(f"{whose}: axis is {axis!r}; expected an int") from None


def as_sizes(shape: Any, whose: str) -> Shape:
    """A shape argument as attributes hold it: one size, or a sequence of ints and Dims.

    Raises
    ------
    ArgumentError
        It is something else.
    """
    try:
        sizes = (shape,) if isinstance(shape, Dim) or hasattr(shape, "__index__") else tuple(shape)
        return tuple(n if isinstance(n, Dim) else index(n) for n in sizes)
    except TypeError:
        raise ArgumentError(f"{whose}: the shape is {shape!r}; expected integers, or named sizes") from None


def as_number(whose: str, value: Any, expected: str, holds: Callable[[Any], bool]) -> float:
    """An option that is a real number for which `holds`, as a float.

    Raises
    ------
    ArgumentError
        It is something else; the message names `whose` and what was `expected`.
    """
    if not isinstance(value, Real) or not holds(value):
        raise ArgumentError(f"{whose} is {value!r}; expected {expected}")
    return float(value)


def normalize_axis(axis: int, ndim: int) -> int:
    """The axis counted from the front.

    Raises
    ------
    ShapeError
        There is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} is out of bounds for a value with {ndim} axes")
    return axis % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes counted from the front, sorted; all of them for None.

    Raises
    ------
    ShapeError
        There is no such axis, or one is given twice.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    found = tuple(sorted(normalize_axis(a, ndim) for a in axes))
    if len(set(found)) < len(found):
        raise ShapeError(f"an axis is given twice in {axis}")
    return found
