"""What users hold: Variables, Constants, Parameters and the expressions made of them.

An expression knows the op, its operands and the line that wrote it. Its shape and dtype are inferred at
once as far as they are known, separately; what is not known yet is None and is inferred when the
expression is compiled for the arguments of a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from keyword import iskeyword
from typing import Any

import numpy as np

from .claims import Claim, exclusively
from .dims import Dim, Size
from .dtype import Shape, collecting, dtype_name, number_as, shape_text, storage
from .dtype import as_numbers as as_numbers
from .dtype import check_fits as check_fits
from .errors import (
    ArgumentError,
    DTypeError,
    OpenShape,
    ShapeError,
    SymbolicUseError,
    SymnetError,
)
from .graph import CONSTANT, EXTENT, INPUT, PARAMETER, located
from .numpy_protocol import apply_function, apply_ufunc
from .op import OPS, Deferred, Op, apply
from .operators import Operators
from .origin import Line, Origin, here

_creation = count()


class Expr(Operators):
    """A symbolic value: an op applied to operands, not computed yet.

    Attributes
    ----------
    op : Op
    operands : tuple of Expr
    attrs : dict
    line : Line
        Where the user wrote it.
    known_shape : tuple of sizes or None
        What was inferred at once; None where the call decides.
    known_dtype : str or None
        Likewise; "int" and "float" for Python's numbers, which are weak.
    """

    __slots__ = ("__weakref__", "attrs", "known_dtype", "known_shape", "line", "op", "operands", "order")

    def __init__(
        self, op: Op, operands: tuple[Expr, ...], attrs: dict[str, Any], shape: Shape | None, dtype: str | None
    ) -> None:
        self.op, self.operands, self.attrs = op, operands, attrs
        self.known_shape, self.known_dtype = shape, dtype
        self.line: Line = here()
        self.order = next(_creation)

    # Identity, not value: `==` builds a comparison, as numpy's does.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return apply(OPS["equal"], self, other)

    def __ne__(self, other: object) -> Any:
        return apply(OPS["not_equal"], self, other)

    @property
    def shape(self) -> Shape:
        """The sizes of the axes: ints, and Dims where they are named.

        Raises
        ------
        OpenShape
            The shape was not declared, so it is known only at the call. (A SymbolicUseError.)
        """
        if self.known_shape is None:
            raise OpenShape(f"the shape of {self} is not known before the call: declare shape= on its Variables")
        return self.known_shape

    @property
    def ndim(self) -> int:
        """The number of axes (raises as `shape` does)."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the result.

        Raises
        ------
        SymbolicUseError
            The dtype was not declared, so it is known only at the call.
        """
        if self.known_dtype is None:
            raise SymbolicUseError(f"the dtype of {self} is not known before the call: declare dtype= on its Variables")
        return np.dtype(storage(self.known_dtype))

    def __symnet_apply__(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Expr:
        return apply_symbolic(op, args, attrs)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return apply_ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return apply_function(function, args, kwargs)

    def _refuse(self, what: str, advice: str) -> SymbolicUseError:
        return SymbolicUseError(f"{self} is symbolic and has no {what} before it is compiled and called: {advice}")

    def __bool__(self) -> bool:
        raise self._refuse("truth value", "use sn.where(condition, a, b) to choose inside the graph")

    def __len__(self) -> int:
        raise self._refuse("length", "use v.shape[0]")

    def __iter__(self) -> Any:
        raise self._refuse("elements to iterate over", "index it (v[0]) or use axis= on a reduction")

    def __contains__(self, value: Any) -> bool:
        raise self._refuse("elements to look among", "use sn.any(v == number)")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise self._refuse("numbers", "call sn.compile(v)(...) to get an array")

    def __float__(self) -> float:
        raise self._refuse("number", "call sn.compile(v)(...) to get one")

    __int__ = __index__ = __complex__ = __float__  # type: ignore[assignment]

    def __repr__(self) -> str:
        shape = "shape?" if self.known_shape is None else shape_text(self.known_shape)
        return f"<{self.op.name} {shape} {self.known_dtype or 'dtype?'} at {self.line}>"


def _shape_spec(name: str, shape: Any) -> Shape | None:
    if shape is None:
        return None
    if isinstance(shape, (int, str, Dim)):
        shape = (shape,)
    if not isinstance(shape, Iterable):
        raise ShapeError(f"Variable {name!r}: shape is {shape!r}; expected a tuple of ints and names")
    sizes: list[Size] = []
    for axis, size in enumerate(shape):
        if isinstance(size, str) and size.isidentifier():
            sizes.append(Dim.named(size))
        elif isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 0:
            sizes.append(int(size))
        elif isinstance(size, Dim) and len(size.terms) == 1 and str(size).isidentifier():
            sizes.append(size)
        else:
            raise ShapeError(
                f"Variable {name!r}: axis {axis} of shape has {size!r}; expected an int >= 0 or a name (an identifier)"
            )
    return tuple(sizes)


class Variable(Expr):
    """An input of the program, given at each call.

    Parameters
    ----------
    name : str
        The keyword of the call.
    shape : tuple of int or str, optional
        A str names a dim that is free at run time. Without a shape the function specialises itself
        to what it is called with.
    dtype : dtype, optional
        Likewise.

    Examples
    --------
    >>> import symnet as sn
    >>> x = sn.Variable("x", shape=("batch", 64), dtype="float32")
    >>> x.shape
    (batch, 64)
    """

    __slots__ = ("name",)

    def __init__(self, name: str, shape: Any = None, dtype: Any = None) -> None:
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise ArgumentError(
                f"a Variable's name is a keyword of the call, so it must be an identifier; got {name!r}"
            )
        self.name = name
        known = None if dtype is None else dtype_name(dtype, str(self))
        super().__init__(INPUT, (), {"name": name}, _shape_spec(name, shape), known)

    def __str__(self) -> str:
        return f"Variable {self.name!r}"


class Constant(Expr):
    """A number or array known when the program is written; copied.

    A Python number is weak: it takes the dtype of what it meets. numpy's scalars and arrays keep theirs.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        if type(value) in (int, float):
            self.value: Any = value
            dtype: str = type(value).__name__
            shape: Shape = ()
        else:
            self.value = as_numbers(value, "Constant").copy()
            self.value.setflags(write=False)
            dtype, shape = self.value.dtype.name, self.value.shape
        super().__init__(CONSTANT, (), {}, shape, dtype)


_parameter_names: dict[str, int] = {}


def _unique(wanted: str) -> str:
    """A name that no other Parameter has: as wanted, or with a number behind it."""
    if not isinstance(wanted, str) or not wanted or not wanted.isprintable():
        raise ArgumentError(f"a Parameter's name is {wanted!r}; expected a str of printable characters, at least one")
    name = wanted
    while name in _parameter_names:
        _parameter_names[wanted] += 1
        name = f"{wanted}_{_parameter_names[wanted]}"
    _parameter_names[name] = 1
    return name


class Parameter(Expr):
    """Numbers that a program keeps between calls and may update.

    Parameters
    ----------
    value : array_like
        Copied. Python floats become float64.
    name : str, optional
        Made unique by a number behind it where another Parameter has it.
    trainable : bool
        Whether optimisers update it.

    Attributes
    ----------
    storage : ndarray
        The memory that programs read and write; `value` is the way to it that checks. Writing to it directly would
        not reach the programs that keep a copy.
    claim : Claim
        Which calls are at work on it without Python's lock.
    default_update : Expr or None
        The new value that every function which reads the Parameter gives it, unless `updates` of `compile` has
        another. None (nearly always): it is left alone.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, 2.0], name="w")
    >>> w.value = w.value * 2
    >>> w.value
    array([2., 4.])
    """

    __slots__ = ("claim", "default_update", "name", "storage", "trainable")

    def __init__(self, value: Any, name: str | None = None, trainable: bool = True) -> None:
        self.default_update: Expr | None = None
        array = as_numbers(value, f"Parameter {name!r}" if name else "Parameter")
        self.storage, self.claim = aligned_copy(array), Claim()
        self.name = _unique("parameter" if name is None else name)
        self.trainable = trainable
        super().__init__(PARAMETER, (), {"name": self.name}, array.shape, array.dtype.name)

    @property
    def value(self) -> np.ndarray:
        """The current numbers, read-only. Assign to write; the shape must fit and the dtype cast safely.

        Both wait for calls that other threads make: to read for one that updates the Parameter, to assign for all
        that use it. What is read is a view, so later updates show in it; where other threads make them, copy it
        while they rest, or have a function return the Parameter: its calls see all of an update or nothing.
        """
        if self.claim.holders < 0 or self.claim.closed:
            exclusively([self.claim], lambda: None, readers=True)
        # Over a read-only buffer: numpy would let a mere view of the storage be made writeable again.
        return np.asarray(self.storage.data.toreadonly())

    @value.setter
    def value(self, new: Any) -> None:
        whose = f"{self} (made at {self.line})"
        array = as_numbers(new, whose)
        if array.shape != self.storage.shape:
            raise ShapeError(f"{whose} has shape {self.storage.shape}; cannot assign a value of shape {array.shape}")
        if not np.can_cast(array.dtype, self.storage.dtype, "same_kind"):
            raise DTypeError(f"{whose} is {self.storage.dtype}; a value of {array.dtype} does not cast safely")
        check_fits(array, self.storage.dtype.name, whose)
        exclusively([self.claim], lambda: self.store(array))

    def store(self, new: np.ndarray) -> None:
        """Write the numbers, by one who has the claim. `storage` is written in no other way, but by native code."""
        self.claim.version += 1
        self.storage[...] = new

    def __str__(self) -> str:
        return f"Parameter {self.name!r}"


def aligned_copy(array: np.ndarray, alignment: int = 64) -> np.ndarray:
    """A C-contiguous copy whose data starts at a multiple of `alignment` bytes."""
    raw = np.empty(array.nbytes + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    copy = np.ndarray(array.shape, array.dtype, raw, start)
    copy[...] = array
    return copy


def as_expr(value: Any, whose: str = "Constant") -> Expr:
    """An expression for a value: itself, or a Constant; a named size becomes a number of the graph.

    Raises
    ------
    ArgumentError, DTypeError
        It is no number; the message names `whose`.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, Dim):
        return Expr(EXTENT, (), {"size": value}, (), "int")
    return Constant(value if type(value) in (int, float) else as_numbers(value, whose))


Dim.as_value = as_expr


def apply_symbolic(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Expr:
    """An expression of `op` on others and numbers, with shape and dtype inferred as far as known.

    Raises
    ------
    ShapeError, DTypeError
        The operands certainly do not fit: raised here, at the line where the op is written.
    """
    try:
        operands = tuple(as_expr(a) for a in args)
        if isinstance(op, Deferred):
            return Expr(op, operands, attrs, None, None)
        dtypes = [e.known_dtype for e in operands if e.known_dtype is not None]
        shapes = [e.known_shape for e in operands if e.known_shape is not None]
        shape = dtype = None
        if len(dtypes) == len(operands):
            wanted = op.operand_dtypes(*dtypes, **attrs)
            _fit_numbers(operands, wanted)
            dtype = op.result_dtype(*wanted, **attrs)
        if len(shapes) == len(operands):
            with collecting([]):
                shape = op.result_shape(*shapes, **attrs)
        return Expr(op, operands, attrs, shape, dtype)
    except SymnetError as error:
        raise located(error, op, Origin([here()])) from None


def _fit_numbers(operands: Sequence[Expr], wanted: Sequence[str]) -> None:
    for operand, dtype in zip(operands, wanted, strict=True):
        if isinstance(operand, Constant):
            number_as(operand.value, dtype)
