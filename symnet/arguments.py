"""The arguments of a call: matched to Variables, cast, and their sizes bound to named dims.

Native code does this for calls that fit; everything here may take its time and explain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dims import Dim
from .dtype import Shape, Type, shape_text
from .errors import ArgumentError, DTypeError, ShapeError
from .expr import Variable, as_numbers, check_fits


def match(inputs: Sequence[Variable], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The value given for each input.

    Raises
    ------
    ArgumentError
        One is missing, unknown or given twice.
    """
    expected = f"expected {', '.join(v.name for v in inputs) or 'no arguments'}"
    if len(args) > len(inputs):
        raise ArgumentError(f"{len(args)} positional arguments for {len(inputs)} inputs; {expected}")
    given = dict(zip((v.name for v in inputs), args, strict=False))
    for name, value in kwargs.items():
        if name in given:
            raise ArgumentError(f"argument {name!r} is given twice; {expected}")
        given[name] = value
    unknown = [n for n in given if n not in {v.name for v in inputs}]
    if unknown:
        raise ArgumentError(f"unknown argument {unknown[0]!r}; {expected}")
    missing = [v for v in inputs if v.name not in given]
    if missing:
        raise ArgumentError(f"missing argument {missing[0].name!r} (declared at {missing[0].line}); {expected}")
    return [given[v.name] for v in inputs]


def cast(variable: Variable, value: Any) -> np.ndarray:
    """The value as an aligned, C-contiguous array of the declared dtype (of its own where none is declared).

    Raises
    ------
    ArgumentError, DTypeError
        It is no number, or does not cast safely.
    """
    who = _described(variable)
    array = as_numbers(value, who, is_cast=variable.known_dtype is not None)
    wanted = variable.known_dtype or array.dtype.name
    if array.dtype.name != wanted:
        _check_cast(array, wanted, value, who)
    return np.require(array, wanted, ["C", "A"])


def _check_cast(array: np.ndarray, wanted: str, value: Any, who: str) -> None:
    if not np.can_cast(array.dtype, wanted, "same_kind"):
        raise DTypeError(f"{who}: expected {wanted}, got {array.dtype}, which does not cast safely")
    check_fits(array, wanted, who)


def bind(inputs: Sequence[Variable], arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """The number each declared named dim has in this call.

    Raises
    ------
    ShapeError
        A rank or size differs from the declaration, or one name has two sizes.
    """
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    for variable, array in zip(inputs, arrays, strict=True):
        declared = variable.known_shape
        if declared is None:
            continue
        if array.ndim != len(declared):
            raise _shape_error(variable, declared, array)
        for size, actual in zip(declared, array.shape, strict=True):
            if isinstance(size, int):
                if size != actual:
                    raise _shape_error(variable, declared, array)
                continue
            name = str(size)
            if sizes.setdefault(name, actual) != actual:
                raise ShapeError(
                    f"the dim {name!r} is {sizes[name]} in {owner[name]} and {actual} in {_described(variable)}"
                )
            owner.setdefault(name, _described(variable))
    return sizes


def _shape_error(variable: Variable, declared: Shape, array: np.ndarray) -> ShapeError:
    return ShapeError(f"{_described(variable)}: expected shape {shape_text(declared)}, got {array.shape}")


def _described(variable: Variable) -> str:
    return f"argument {variable.name!r} (declared at {variable.line})"


def is_weak(variable: Variable, value: Any) -> bool:
    """Whether a value is a Python number without a dtype of its own: as in numpy it takes that of what it meets.

    An integer too large for int32 is taken as int64, since what it will meet is data.
    """
    if variable.known_dtype is not None:
        return False
    return type(value) is float or (type(value) is int and -(2**31) <= value < 2**31)


def generic_type(variable: Variable, array: np.ndarray, weak: bool) -> Type:
    """The type to compile for: as declared, and a fresh name for each undeclared size that is not 1.

    The dtype of a weak one is "int" or "float".
    """
    if weak:
        return Type("float" if array.dtype.kind == "f" else "int", ())
    shape = variable.known_shape
    if shape is None:
        shape = tuple(1 if n == 1 else Dim.named(f"{variable.name}.{axis}") for axis, n in enumerate(array.shape))
    return Type(variable.known_dtype or array.dtype.name, shape)


def bind_generic(types: Sequence[Type], arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """The number each name in the compiled types has in this call."""
    sizes: dict[str, int] = {}
    for type, array in zip(types, arrays, strict=True):
        sizes.update({str(s): n for s, n in zip(type.shape, array.shape, strict=True) if isinstance(s, Dim)})
    return sizes
