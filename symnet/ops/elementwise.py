"""Element-wise ops: arithmetic, comparisons, choice, functions of real numbers.

Each row is an op's answers side by side: dtype rule, numpy, gradient, element. Shapes broadcast
as numpy's. Gradient rules are written with symbolic values; where an operand was broadcast, the
differentiation pass sums the contribution back to the operand's shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import FLOATS, Shape, broadcast, dtype_name, promote
from ..errors import DTypeError, NegativeExponent
from ..op import IndexTuple, Op, Operand, apply, float_operands, register
from ..scalar import INTS, Scalar

Rule = Callable[..., Any]


def aligned(i: IndexTuple, shape: Shape) -> IndexTuple:
    """The index into an operand of `shape` for element `i` of the broadcast result."""
    return tuple(0 if n == 1 else k for k, n in zip(i[len(i) - len(shape) :], shape, strict=True))


class Elementwise(Op):
    """An op that makes element `i` of the result from element `i` of each operand."""

    def __init__(
        self,
        name: str,
        *,
        numpy: Rule,
        element: Rule,
        grad: Rule | None = None,
        operands: Callable[..., tuple[str, ...]] | None = None,
        result: str | None = None,
    ) -> None:
        super().__init__(name, "elementwise")
        self._numpy, self._element, self._grad = numpy, element, grad
        self._operands, self._result = operands, result

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        if self._operands is not None:
            return self._operands(*dtypes)
        return super().operand_dtypes(*dtypes, **attrs)

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return self._result or dtypes[-1]

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        return broadcast(*shapes)

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return self._numpy(*arrays)

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,) * len(xs) if self._grad is None else self._grad(g, y, *xs)

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        return self._element(*(x[aligned(i, x.shape)] for x in operands))


def elementwise(name: str, **answers: Any) -> Callable[..., Any]:
    """Register an element-wise op and give the function that applies it.

    Parameters
    ----------
    name : str
    numpy, element : callable
        The answer on arrays, and on scalars of :mod:`symnet.scalar`.
    grad : callable, optional
        ``grad(g, y, *xs)`` gives a tuple with a contribution for each operand. Without one the op has
        no gradient (comparisons, sign, floor: zero almost everywhere).
    operands : callable, optional
        dtypes met -> dtypes to compute in. Default: numpy's common dtype.
    result : str, optional
        The result's dtype if it is not that of the last operand.

    Examples
    --------
    >>> import numpy as np
    >>> from symnet.ops.elementwise import elementwise
    >>> cube = elementwise("cube_doc", numpy=lambda x: x**3, element=lambda x: x * x * x,
    ...                    grad=lambda g, y, x: (3 * g * x * x,))
    >>> cube(np.array([1.0, 2.0]))
    array([1., 8.])
    """
    op = register(Elementwise(name, **answers))

    def function(*args: Any) -> Any:
        return apply(op, *args)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Element-wise `{name}`, broadcasting as numpy does."
    return function


def no_bool(*dtypes: str) -> tuple[str, ...]:
    """numpy has no subtract and negative of bools."""
    common = promote(*dtypes)
    if common == "bool":
        raise DTypeError("not defined for bool; expected numbers (cast with .astype)")
    return (common,) * len(dtypes)


def _integers(*dtypes: str) -> tuple[str, ...]:
    common = promote(*dtypes)
    if common in FLOATS or common == "float":
        raise DTypeError(f"not defined for {common}; expected bools or integers")
    return (common,) * len(dtypes)


def _bools(*dtypes: str) -> tuple[str, ...]:
    return ("bool",) * len(dtypes)


def _at_least_int(*dtypes: str) -> tuple[str, ...]:
    common = promote(*dtypes)
    return ("int64" if common == "bool" else common,) * len(dtypes)


def _condition_first(condition: str, *dtypes: str) -> tuple[str, ...]:
    return ("bool", *(promote(*dtypes),) * len(dtypes))


def _add(a: Scalar, b: Scalar) -> Scalar:
    return a | b if a.dtype == "bool" else a + b


def _multiply(a: Scalar, b: Scalar) -> Scalar:
    return a & b if a.dtype == "bool" else a * b


def _shared(wins: Rule) -> Rule:
    """The gradient of maximum and minimum: all to the one that wins, half to each where they tie."""

    def grad(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        half = where(equal(a, b), 0.5, 0.0)
        return g * where(wins(a, b), 1.0, half), g * where(wins(b, a), 1.0, half)

    return grad


# -- arithmetic ----------------------------------------------------------------------------------
add = elementwise("add", numpy=np.add, element=_add, grad=lambda g, y, a, b: (g, g))
subtract = elementwise(
    "subtract", operands=no_bool, numpy=np.subtract, element=lambda a, b: a - b, grad=lambda g, y, a, b: (g, -g)
)
multiply = elementwise("multiply", numpy=np.multiply, element=_multiply, grad=lambda g, y, a, b: (g * b, g * a))
divide = elementwise(
    "divide",
    operands=float_operands,
    numpy=np.true_divide,
    element=lambda a, b: a / b,
    grad=lambda g, y, a, b: (g / b, -g * y / b),
)
negative = elementwise(
    "negative", operands=no_bool, numpy=np.negative, element=lambda x: -x, grad=lambda g, y, x: (-g,)
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


floor_divide = elementwise("floor_divide", operands=_at_least_int, numpy=np.floor_divide, element=_floor_divide)
remainder = elementwise(
    "remainder",
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
_power_op = register(Power("power", operands=_power_dtypes, numpy=_numpy_power, element=_power, grad=_power_grad))


def power(a: Any, b: Any) -> Any:
    """Element-wise `power`, broadcasting as numpy does.

    Raises
    ------
    NegativeExponent
        An integer to a negative integer power.
    """
    return apply(_power_op, a, b)


# -- comparisons and choice ----------------------------------------------------------------------
equal = elementwise("equal", result="bool", numpy=np.equal, element=s.eq)
not_equal = elementwise("not_equal", result="bool", numpy=np.not_equal, element=s.ne)
less = elementwise("less", result="bool", numpy=np.less, element=lambda a, b: a < b)
less_equal = elementwise("less_equal", result="bool", numpy=np.less_equal, element=lambda a, b: a <= b)
greater = elementwise("greater", result="bool", numpy=np.greater, element=lambda a, b: a > b)
greater_equal = elementwise("greater_equal", result="bool", numpy=np.greater_equal, element=lambda a, b: a >= b)
logical_and = elementwise("logical_and", operands=_bools, numpy=np.logical_and, element=lambda a, b: a & b)
logical_or = elementwise("logical_or", operands=_bools, numpy=np.logical_or, element=lambda a, b: a | b)
logical_not = elementwise("logical_not", operands=_bools, numpy=np.logical_not, element=lambda a: ~a)
bitwise_and = elementwise("bitwise_and", operands=_integers, numpy=np.bitwise_and, element=lambda a, b: a & b)
bitwise_or = elementwise("bitwise_or", operands=_integers, numpy=np.bitwise_or, element=lambda a, b: a | b)
bitwise_xor = elementwise("bitwise_xor", operands=_integers, numpy=np.bitwise_xor, element=lambda a, b: a ^ b)
invert = elementwise("invert", operands=_integers, numpy=np.invert, element=lambda a: ~a)
where: Callable[..., Any] = elementwise(
    "where",
    operands=_condition_first,
    numpy=np.where,
    element=s.select,
    grad=lambda g, y, c, a, b: (None, where(c, g, 0.0), where(c, 0.0, g)),
)
maximum = elementwise("maximum", numpy=np.maximum, element=s.maximum, grad=_shared(greater))
minimum = elementwise("minimum", numpy=np.minimum, element=s.minimum, grad=_shared(less))

# -- functions of real numbers -------------------------------------------------------------------


def _real(name: str, numpy: Rule, element: Rule, grad: Rule) -> Callable[..., Any]:
    return elementwise(name, operands=float_operands, numpy=numpy, element=element, grad=grad)


exp = _real("exp", np.exp, s.exp, lambda g, y, x: (g * y,))
log = _real("log", np.log, s.log, lambda g, y, x: (g / x,))
log1p = _real("log1p", np.log1p, s.log1p, lambda g, y, x: (g / (1 + x),))
expm1 = _real("expm1", np.expm1, s.expm1, lambda g, y, x: (g * exp(x),))
sqrt = _real("sqrt", np.sqrt, s.sqrt, lambda g, y, x: (g * 0.5 / y,))
rsqrt = _real("rsqrt", lambda x: 1 / np.sqrt(x), lambda x: 1 / s.sqrt(x), lambda g, y, x: (g * -0.5 * y / x,))
sin: Callable[..., Any] = _real("sin", np.sin, s.sin, lambda g, y, x: (g * cos(x),))
cos: Callable[..., Any] = _real("cos", np.cos, s.cos, lambda g, y, x: (-g * sin(x),))
tanh = _real("tanh", np.tanh, s.tanh, lambda g, y, x: (g * (1 - y * y),))
erf = _real(
    "erf",
    np.frompyfunc(math.erf, 1, 1),
    s.erf,
    lambda g, y, x: (g * (2 / math.sqrt(math.pi)) * exp(-x * x),),
)


def _sign(x: Scalar) -> Scalar:
    if x.dtype == "bool":
        return x
    one_or_zero = s.select(x > 0, s.const(1, x.dtype), s.const(0, x.dtype))
    signed = s.select(x < 0, s.const(-1, x.dtype), one_or_zero)
    return s.select(s.ne(x, x), x, signed) if x.dtype in FLOATS else signed


sign = elementwise("sign", operands=no_bool, numpy=np.sign, element=_sign)
abs = elementwise(
    "abs",
    numpy=np.abs,
    element=lambda x: x if x.dtype == "bool" else s.absolute(x),
    grad=lambda g, y, x: (g * sign(x),),
)
floor = elementwise("floor", numpy=np.floor, element=lambda x: x if x.dtype == "bool" else s.floor(x))
ceil = elementwise("ceil", numpy=np.ceil, element=lambda x: x if x.dtype == "bool" else s.ceil(x))


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
    """The elements as another dtype; a float becomes an integer by dropping its fraction."""
    return apply(_cast, x, dtype=dtype_name(dtype))
