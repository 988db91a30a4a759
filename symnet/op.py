"""What an op is: its short answers side by side, and one way to apply it.

An op answers for itself: which dtypes it computes in, the shape of its result, what numpy would
say (the oracle), its gradient as an expression of symbolic values, and what one element of the
result is. :func:`apply` uses an op on whatever it is given: symbolic values build graph, arrays
are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from .dtype import Shape, as_numbers, floating, number_as, promote, storage
from .errors import ArgumentError, OpenShape, SymnetError
from .origin import Origin, here
from .scalar import Scalar

OPS: dict[str, Op] = {}
IndexTuple = tuple[Any, ...]


def _registered(name: str) -> Op:
    return OPS[name]


class Operand:
    """What an element rule sees of an input: ``operand[index]`` is the scalar at that index.

    Attributes
    ----------
    shape : tuple of sizes
    dtype : str
    """

    def __init__(self, shape: Shape, dtype: str, read: Callable[[IndexTuple, Scalar | None], Scalar]) -> None:
        self.shape, self.dtype, self._read = shape, dtype, read

    def __getitem__(self, index: IndexTuple) -> Scalar:
        return self._read(index, None)

    def where(self, guard: Scalar, index: IndexTuple) -> Scalar:
        """The element, read only where `guard` holds; unspecified elsewhere."""
        return self._read(index, guard)


class Op:
    """One operation. Subclasses (one a family, see ``symnet/ops``) fill in the answers.

    Attributes
    ----------
    name : str
        Unique; what the graph's text shows.
    family : str
        "leaf", "elementwise", "reduction", "contraction", "movement", "indexing", "composite" or "deferred".
        Folds over windows, such as pools, are contractions.
    checks_data : bool
        Whether its numpy answer refuses some values of its operand, so that it must run even if nothing
        reads it.
    needs_still_data : bool
        Whether addresses follow from its result, unchecked, that are inside only if no other thread writes to its
        operand meanwhile. A program with such an op keeps Python's lock.
    is_commutative : bool
        Whether its two operands may be swapped, bit for bit. (Not maximum and minimum: of 0.0 and -0.0 numpy
        gives the second.)
    is_lazy : bool
        Whether it computes nothing, so that its readers read through it.
    is_view : bool
        Whether its result is its operand's memory under another shape.
    is_costly : bool
        Whether an element takes so long that it should not be computed twice.
    scatters : bool
        Whether it adds contributions to zeros (see :meth:`contribution`) instead of answering element by element.
    is_activation : bool
        Whether it may end a fully connected layer, computed with it.
    """

    name: str
    family: str
    checks_data: bool = False
    needs_still_data: bool = False
    is_commutative: bool = False
    is_lazy: bool = False
    is_view: bool = False
    is_costly: bool = False
    scatters: bool = False
    is_activation: bool = False

    def __init__(self, name: str, family: str) -> None:
        self.name, self.family = name, family

    def __reduce__(self) -> tuple[Any, ...]:
        # There is one op of a name, in copies and in other processes too.
        return _registered, (self.name,)

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        """The dtype each operand is cast to first. Default: numpy's common dtype."""
        common = promote(*dtypes)
        return (common,) * len(dtypes)

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        """The dtype of the result, given the operands' after their casts. Default: that of the first."""
        return dtypes[0]

    def guarded(self, *operands: Any, **attrs: Any) -> tuple[Any, ...]:
        """The operands, cast already, with the checks on data that the op needs. Default: as they are."""
        return operands

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        """The shape of the result. Raises ShapeError where the operands cannot fit."""
        raise NotImplementedError(f"op {self.name} has no shape rule")

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        """The answer computed with numpy: the oracle, sharing no code with :meth:`element`."""
        raise NotImplementedError(f"op {self.name} has no numpy answer")

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        """Contributions to the operands' gradients, given the result `y` and its gradient `g`.

        None for an operand that has no gradient (integers, a mask). The contribution may have the
        result's shape where the operand was broadcast: the differentiation pass sums it back.
        """
        raise NotImplementedError(f"op {self.name} has no gradient")

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        """Element `i` of the result as a scalar expression."""
        raise NotImplementedError(f"op {self.name} has no element rule")

    def contributions(self, *shapes: Shape, **attrs: Any) -> Shape:
        """Of an op that scatters: the shape of what is added, one element after the other in C order."""
        raise NotImplementedError(f"op {self.name} scatters nothing")

    def contribution(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> tuple[IndexTuple, Scalar]:
        """Of an op that scatters: where contribution `i` is added in the result, and what it is."""
        raise NotImplementedError(f"op {self.name} scatters nothing")

    def holds(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        """Of an op that checks data: whether element `i` passes, as a bool."""
        raise NotImplementedError(f"op {self.name} has no check")

    def passed(self, i: IndexTuple, value: Operand, **attrs: Any) -> Scalar:
        """The same, told from the op's own result; here that of an op that gives its operand."""
        return self.holds(i, value, **attrs)


class Composite(Op):
    """An op shown as one node, and expanded to primitive ops before code is generated."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "composite")

    def expand(self, *xs: Any, **attrs: Any) -> Any:
        """The same value built of primitive ops."""
        raise NotImplementedError(f"composite {self.name} has no expansion")


class Deferred(Op):
    """A function of ops that has to see its operands' shapes: called when they are known."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function.__name__, "deferred")
        self.function = function

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return self.function(*arrays, **attrs)


def deferred(*operands: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function of ops be used on values of open shape; `operands` names the parameters that are values.

    Where the shapes are known it is called at once, and leaves no trace of itself; where one is not, the
    program holds the call, and makes it for each specialisation.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        op, parameters = Deferred(function), signature(function)

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if args and not hasattr(type(args[0]), "shape"):
                args = (as_numbers(args[0], function.__name__), *args[1:])
            try:
                return function(*args, **kwargs)
            except OpenShape:
                given = parameters.bind(*args, **kwargs).arguments
                values = [given.pop(name) for name in operands if name in given]
                flat = [v for value in values for v in (value if isinstance(value, tuple) else (value,))]
                return apply(op, *flat, **{k: _hashable(v) for k, v in given.items()})

        return wrapper

    return decorate


def _hashable(attr: Any) -> Any:
    return tuple(attr) if isinstance(attr, list) else attr


def register(op: Op) -> Op:
    """Make an op known under its name: to the parser of rules, the numpy protocol and the tests.

    Raises
    ------
    ValueError
        Another op has that name.
    """
    if OPS.setdefault(op.name, op) is not op:
        raise ValueError(f"an op named {op.name!r} is registered already")
    return op


def apply(op: Op, *args: Any, **attrs: Any) -> Any:
    """Use `op` on operands of any kind.

    The first operand that is symbolic (an expression, a graph's node, a tape's tensor) decides, through its
    method ``__symnet_apply__(op, args, attrs)``; plain numbers and arrays are computed now by numpy.
    """
    for arg in args:
        handler = getattr(type(arg), "__symnet_apply__", None)
        if handler is not None:
            return handler(arg, op, args, attrs)
    return compute(op, args, attrs)


def compute(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> np.ndarray:
    """The op on arrays and numbers, computed now.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError
        The operands are no numbers or do not fit; the message names the op and the user's line.
    """
    try:
        return evaluate(op, args, attrs)
    except SymnetError as error:
        raise error.at(op.name, Origin([here()])) from None


def evaluate(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> np.ndarray:
    """The op's numpy answer on arrays and numbers, in symnet's result dtype."""
    given = [_read(a, place) for place, a in enumerate(args, 1)]
    tokens = [type(a).__name__ if type(a) in (int, float) else a.dtype.name for a in given]
    wanted = op.operand_dtypes(*tokens, **attrs)
    pairs = zip(given, map(storage, wanted), strict=True)
    arrays = [np.asarray(number_as(a, d)).astype(d, copy=False) for a, d in pairs]
    return _answer(op, arrays, attrs).astype(storage(op.result_dtype(*wanted, **attrs)), copy=False)


def _read(value: Any, place: int) -> Any:
    """A Python number as it is, anything else as an array of numbers."""
    if type(value) in (int, float) or (type(value) is np.ndarray and value.dtype.kind in "biuf"):
        return value
    return as_numbers(value, f"operand {place}", is_cast=True)


def _answer(op: Op, arrays: list[np.ndarray], attrs: dict[str, Any]) -> np.ndarray:
    """What numpy answers; where it refuses, the op's own rule says why."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(op.numpy(*arrays, **attrs))
    except (ValueError, TypeError, IndexError) as error:
        if not isinstance(error, SymnetError):
            op.result_shape(*(a.shape for a in arrays), **attrs)
            raise ArgumentError(str(error)) from None
        raise


def float_operands(*dtypes: str) -> tuple[str, ...]:
    """Operand dtypes of a function of real numbers: numpy's common dtype, floating."""
    return (floating(promote(*dtypes)),) * len(dtypes)
