"""Arithmetic: exact for integers (wrapping as numpy does), correctly rounded for floats, powers aside."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import FLOATS, Shape, dtype_name, promote
from ..errors import DTypeError, NegativeExponent
from ..op import IndexTuple, Op, Operand, apply, float_operands, register
from ..scalar import INTS, Scalar
from .elementwise import Elementwise, elementwise, no_bool
from .logic import equal, where
from .real_functions import log


def _at_least_int(*dtypes: str) -> tuple[str, ...]:
    common = promote(*dtypes)
    return ("int64" if common == "bool" else common,) * len(dtypes)


def _add(a: Scalar, b: Scalar) -> Scalar:
    return a | b if a.dtype == "bool" else a + b


def _multiply(a: Scalar, b: Scalar) -> Scalar:
    return a & b if a.dtype == "bool" else a * b


add = elementwise("add", "a + b", numpy=np.add, element=_add, grad=lambda g, y, a, b: (g, g), is_commutative=True)
subtract = elementwise(
    "subtract",
    "a - b",
    operands=no_bool,
    numpy=np.subtract,
    element=lambda a, b: a - b,
    grad=lambda g, y, a, b: (g, -g),
)
multiply = elementwise(
    "multiply",
    "a * b",
    numpy=np.multiply,
    element=_multiply,
    grad=lambda g, y, a, b: (g * b, g * a),
    is_commutative=True,
)
divide = elementwise(
    "divide",
    "a / b, floating",
    operands=float_operands,
    numpy=np.true_divide,
    element=lambda a, b: a / b,
    grad=lambda g, y, a, b: (g / b, -g * y / b),
    is_costly=True,
)
negative = elementwise(
    "negative", "-x", operands=no_bool, numpy=np.negative, element=lambda x: -x, grad=lambda g, y, x: (-g,)
)


def _floor_divide(a: Scalar, b: Scalar) -> Scalar:
    """Python's floor division; for floats by the steps of numpy's npy_floor_divide."""
    if a.dtype not in FLOATS:
        return s.floordiv(a, b)
    rest = s.fmod(a, b)
    quotient = (a - rest) / b
    quotient = s.select(s.ne(rest, 0.0) & s.ne(b < 0.0, rest < 0.0), quotient - 1.0, quotient)
    down = s.floor(quotient)
    down = s.select(quotient - down > 0.5, down + 1.0, down)
    zero = (a / b) * 0.0
    down = s.select(s.eq(quotient, 0.0), zero, down)
    return s.select(s.eq(b, 0.0), a / b, down)


def _remainder(a: Scalar, b: Scalar) -> Scalar:
    """Python's modulo: the sign is the divisor's."""
    if a.dtype not in FLOATS:
        return s.mod(a, b)
    rest = s.fmod(a, b)
    moved = s.select(s.ne(b < 0.0, rest < 0.0), rest + b, rest)
    signed_zero = s.select(b < 0.0, s.const(-0.0, a.dtype), s.const(0.0, a.dtype))
    return s.select(s.eq(rest, 0.0), signed_zero, moved)


floor_divide = elementwise(
    "floor_divide", "a / b rounded down", operands=_at_least_int, numpy=np.floor_divide, element=_floor_divide
)
remainder = elementwise(
    "remainder",
    "What a floor division leaves, with the sign of the divisor",
    operands=_at_least_int,
    numpy=np.remainder,
    element=_remainder,
    grad=lambda g, y, a, b: (g, -g * floor_divide(a, b)),
)


def _power_dtypes(a: str, b: str) -> tuple[str, str]:
    common = _at_least_int(a, b)[0]
    return common, common


def _integer_power(base: Scalar, exponent: Scalar) -> Scalar:
    """Square and multiply over all exponent bits, wrapping as numpy does."""
    bits = 31 if base.dtype == "int32" else 63
    if exponent.op == "const":
        bits = max(int(exponent.payload), 0).bit_length()
    result = s.const(1, base.dtype)
    for bit in range(bits):
        is_set = s.ne(s.lshr(exponent, bit) & 1, 0)
        result = s.select(is_set, result * base, result)
        base = base * base
    return result


def _power(a: Scalar, b: Scalar) -> Scalar:
    if a.dtype not in FLOATS:
        return _integer_power(a, b)
    if b.op == "const" and b.payload in (0.0, 1.0, 2.0, 0.5):
        # numpy.power computes these the same way: exactly.
        return {0.0: s.const(1, a.dtype), 1.0: a, 2.0: a * a}.get(b.payload) or s.power(a, b)
    return s.power(a, b)


def _power_grad(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    if getattr(b, "literal", None) is not None:
        if b.literal.all():
            return g * b * power(a, b - 1), None
        # a**0 is 1 everywhere, also at a = 0, where a**-1 would make 0 * inf of it.
        if not b.literal.any():
            return g * 0.0, None
        return g * where(equal(b, 0.0), 0.0, b * power(a, b - 1)), None
    # At a = 0 the derivative by the exponent is 0 for b > 0, where log(0) would give NaN.
    safe = where(equal(a, 0.0), 1.0, a)
    return g * where(equal(b, 0.0), 0.0, b * power(a, b - 1)), g * where(equal(a, 0.0), 0.0, y * log(safe))


def _numpy_power(a: np.ndarray, b: np.ndarray) -> Any:
    try:
        return np.power(a, b)
    except ValueError as error:
        raise NegativeExponent(str(error)) from None


def _numbers_only(dtype: str) -> tuple[str, ...]:
    if dtype not in INTS:
        raise DTypeError(f"exponents to check are {dtype}; expected integers")
    return (dtype,)


class CheckExponent(Elementwise):
    """Integer exponents, none of which may be negative. Data-dependent check."""

    checks_data = True

    def __init__(self) -> None:
        super().__init__("check_exponent", numpy=self._checked, element=lambda b: b, operands=_numbers_only)

    @staticmethod
    def _checked(b: np.ndarray) -> np.ndarray:
        _numpy_power(np.ones((), b.dtype), b)
        return b

    def holds(self, i: IndexTuple, b: Operand) -> Scalar:  # type: ignore[override]
        return b[i] >= 0


class Power(Elementwise):
    """numpy's power: of integers, the exponents are checked."""

    def guarded(self, a: Any, b: Any) -> tuple[Any, ...]:  # type: ignore[override]
        if b.dtype in FLOATS or b.op is _check_exponent:
            return a, b
        if b.literal is not None:
            _check_exponent.numpy(b.literal)
            return a, b
        return a, apply(_check_exponent, b)


_check_exponent = register(CheckExponent())
_power_op = register(
    Power("power", operands=_power_dtypes, numpy=_numpy_power, element=_power, grad=_power_grad, is_costly=True)
)


def power(a: Any, b: Any) -> Any:
    """``a`` to the power ``b``, element by element; operands broadcast as numpy's.

    Raises
    ------
    NegativeExponent
        An integer to a negative integer power.
    """
    return apply(_power_op, a, b)


def _sign(x: Scalar) -> Scalar:
    if x.dtype == "bool":
        return x
    one_or_zero = s.select(x > 0, s.const(1, x.dtype), s.const(0, x.dtype))
    signed = s.select(x < 0, s.const(-1, x.dtype), one_or_zero)
    return s.select(s.ne(x, x), x, signed) if x.dtype in FLOATS else signed


sign = elementwise("sign", "-1, 0 or 1, as x is; NaN of NaN", operands=no_bool, numpy=np.sign, element=_sign)
abs = elementwise(
    "abs",
    "The absolute value",
    numpy=np.abs,
    element=lambda x: x if x.dtype == "bool" else s.absolute(x),
    grad=lambda g, y, x: (g * sign(x),),
)
floor = elementwise("floor", "x rounded down", numpy=np.floor, element=lambda x: x if x.dtype == "bool" else s.floor(x))
ceil = elementwise("ceil", "x rounded up", numpy=np.ceil, element=lambda x: x if x.dtype == "bool" else s.ceil(x))


class Cast(Op):
    """Attribute `dtype`: what the elements become."""

    def __init__(self) -> None:
        super().__init__("cast", "elementwise")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return str(attrs["dtype"])

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        return shapes[0]

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return arrays[0].astype(attrs["dtype"])

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        (x,) = xs
        return (cast(g, x.dtype) if str(x.dtype) in FLOATS and attrs["dtype"] in FLOATS else None,)

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        return s.cast(operands[0][i], attrs["dtype"])


class Identity(Op):
    """The operand itself. Attribute `mark` tells one use of an expression from another."""

    is_lazy = True

    def __init__(self) -> None:
        super().__init__("identity", "movement")

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        return shapes[0]

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return arrays[0]

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (g,)

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        return operands[0][i]


_cast = register(Cast())
register(Identity())


def cast(x: Any, dtype: Any) -> Any:
    """The elements as another dtype; a float becomes an integer by dropping its fraction.

    NaN, the infinities and floats outside the integer dtype become its least number, as numpy's on x86.

    Examples
    --------
    >>> import numpy as np
    >>> import symnet as sn
    >>> x = sn.Variable("x")
    >>> sn.compile(sn.cast(x, "int32"))(np.array([-2.7, np.nan, np.inf]))
    array([         -2, -2147483648, -2147483648], dtype=int32)
    """
    return apply(_cast, x, dtype=dtype_name(dtype, "cast"))
