"""Reductions: one value from all elements along some axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, maximum, product
from ..dims import names as dim_names
from ..dtype import (
    Shape,
    as_axis,
    as_number,
    as_one_axis,
    floating,
    normalize_axes,
    normalize_axis,
    require_equal,
    shape_text,
)
from ..errors import ShapeError
from ..op import Composite, IndexTuple, Op, Operand, apply, deferred, register
from ..scalar import Scalar
from .arithmetic import cast, divide, multiply
from .logic import equal, where
from .movement import broadcast_to, expand_dims, reshape
from .real_functions import exp, log, sqrt

Axis = int | tuple[int, ...] | None


def reduced_shape(x: Shape, axis: Axis, keepdims: bool) -> Shape:
    """The shape of a reduction of `x`."""
    axes = normalize_axes(axis, len(x))
    return tuple(1 if k in axes else n for k, n in enumerate(x) if keepdims or k not in axes)


def require_elements(name: str, x: Shape, axis: Axis) -> None:
    """Refuse axes without elements; where a size is not known yet it becomes a check at the call."""
    for k in normalize_axes(axis, len(x)):
        complaint = f"{name} over no elements: the operand has shape {shape_text(x)}"
        require_equal(maximum(x[k], 1), x[k], complaint)


def restore(y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction's result with the reduced axes back, of size 1."""
    axes = normalize_axes(axis, len(x.shape))
    return y if keepdims or not axes else expand_dims(y, axes)


class Reduction(Op):
    """A fold over axes. Attributes `axis` (int, tuple or None for all) and `keepdims`."""

    def __init__(self, name: str, fold: str, numpy: Callable[..., Any]) -> None:
        super().__init__(name, "reduction")
        self.fold, self._numpy = fold, numpy

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        if self.fold in ("and", "or"):
            return ("bool",)
        return ("int64" if self.fold == "add" and x in ("bool", "int32", "int") else x,)

    def result_shape(self, x: Shape, *, axis: Axis, keepdims: bool) -> Shape:  # type: ignore[override]
        if self.fold in ("max", "min"):
            require_elements(self.name, x, axis)
        return reduced_shape(x, axis, keepdims)

    def numpy(self, x: np.ndarray, *, axis: Axis, keepdims: bool) -> Any:  # type: ignore[override]
        try:
            return self._numpy(x, axis=axis, keepdims=keepdims)
        except ValueError as error:
            raise ShapeError(f"{self.name}: {error}") from None

    def grad(self, g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> tuple[Any, ...]:  # type: ignore[override]
        g = restore(g, x, axis, keepdims)
        if self.fold == "add":
            return (broadcast_to(g, x.shape),)
        if self.fold in ("and", "or"):
            return (None,)
        # Ties share equally.
        winners = cast(equal(x, restore(y, x, axis, keepdims)), x.dtype)
        return (g * winners / sum(winners, axis, True),)

    def element(self, i: IndexTuple, x: Operand, *, axis: Axis, keepdims: bool) -> Scalar:  # type: ignore[override]
        every = normalize_axes(axis, len(x.shape))
        # Along an axis of one element nothing is counted, unless all are such.
        axes = tuple(k for k in every if x.shape[k] != 1) or every
        names = {k: s.counter(place) for place, k in enumerate(axes)}
        kept = iter([k for place, k in enumerate(i) if not (keepdims and place in every)])
        places = {k: Dim.named(names[k]) if k in names else 0 for k in every}
        index = tuple(places[k] if k in places else next(kept) for k in range(len(x.shape)))
        if not axes:
            return x[index]
        body = x[index]
        size = x.shape[axes[0]]
        if self.fold == "add" and len(axes) == 1 and isinstance(size, int) and size > 0:
            place = _only_place(body, names[axes[0]])
            if place is not None:
                return _picked(x, index, axes[0], place, size - 1)
        return s.fold(self.fold, [(names[k], x.shape[k]) for k in axes], body)


def _only_place(body: Scalar, name: str) -> Scalar | None:
    """Where a sum over `name` has its only term: `e` in the sum of ``where(k == e, ..., 0)``; else None."""
    if body.op != "select" or body.args[0].op != "eq" or body.args[2].op != "const" or body.args[2].payload != 0:
        return None
    counter = s.index(Dim.named(name))
    a, b = body.args[0].args
    if a is b or counter not in (a, b):
        return None
    place = b if a is counter else a
    if place.op != "load" or name in [n for size in place.payload[1] for n in dim_names(size)]:
        return None
    return place


def _picked(x: Operand, index: IndexTuple, axis: int, place: Scalar, last: int) -> Scalar:
    """The one term of a sum, 0 if its place is outside; adding 0 makes 0 of -0, as the sum would."""
    nearest = s.minimum(s.maximum(place, 0), last)
    term = x[(*index[:axis], s.as_size(nearest), *index[axis + 1 :])]
    return s.select(s.eq(place, nearest), term, s.const(0, term.dtype)) + 0


class ArgReduction(Op):
    """Where the largest or smallest element is. Attributes `axis` (int) and `keepdims`."""

    def __init__(self, name: str, numpy: Callable[..., Any]) -> None:
        super().__init__(name, "reduction")
        self._numpy = numpy

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return "int64"

    def result_shape(self, x: Shape, *, axis: int, keepdims: bool) -> Shape:  # type: ignore[override]
        require_elements(self.name, x, axis)
        return reduced_shape(x, axis, keepdims)

    def numpy(self, x: np.ndarray, *, axis: int, keepdims: bool) -> Any:  # type: ignore[override]
        try:
            return self._numpy(x, axis=axis, keepdims=keepdims)
        except ValueError as error:
            raise ShapeError(f"{self.name}: {error}") from None

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, x: Operand, *, axis: int, keepdims: bool) -> Scalar:  # type: ignore[override]
        place = normalize_axis(axis, len(x.shape))
        kept = list(i)
        if keepdims:
            del kept[place]
        index = (*kept[:place], Dim.named(s.counter(0)), *kept[place:])
        value = x[index]
        if value.dtype == "bool":
            value = s.cast(value, "int32")
        return s.fold(self.name, [(s.counter(0), x.shape[place])], value)


class Mean(Composite):
    """sum / count."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: Axis, keepdims: bool) -> Shape:  # type: ignore[override]
        return reduced_shape(x, axis, keepdims)

    def numpy(self, x: np.ndarray, *, axis: Axis, keepdims: bool) -> Any:  # type: ignore[override]
        count = np.prod([x.shape[k] for k in normalize_axes(axis, x.ndim)], dtype=np.int64)
        return np.divide(np.sum(x, axis=axis, keepdims=keepdims), x.dtype.type(count))

    def expand(self, x: Any, *, axis: Axis, keepdims: bool) -> Any:  # type: ignore[override]
        return divide(sum(x, axis, keepdims), count_of(x, axis))

    def grad(self, g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> tuple[Any, ...]:  # type: ignore[override]
        return (broadcast_to(divide(restore(g, x, axis, keepdims), count_of(x, axis)), x.shape),)


class LogSumExp(Composite):
    """log(sum(exp(x))), with the maximum taken out so that nothing overflows."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: Axis, keepdims: bool) -> Shape:  # type: ignore[override]
        return reduced_shape(x, axis, keepdims)

    def numpy(self, x: np.ndarray, *, axis: Axis, keepdims: bool) -> Any:  # type: ignore[override]
        top = np.max(x, axis=axis, keepdims=True)
        shift = np.where(np.isfinite(top), top, 0)
        total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
        return total if keepdims else np.squeeze(total, axis=normalize_axes(axis, x.ndim))

    def expand(self, x: Any, *, axis: Axis, keepdims: bool) -> Any:  # type: ignore[override]
        top = max(x, axis, True)
        # inf - inf is NaN: an infinite maximum is not taken out.
        shift = where(equal(multiply(top, 0.0), 0.0), top, 0.0)
        total = log(sum(exp(x - shift), axis, True)) + shift
        return total if keepdims else reshape(total, reduced_shape(x.shape, axis, False))

    def grad(self, g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> tuple[Any, ...]:  # type: ignore[override]
        return (restore(g, x, axis, keepdims) * exp(x - restore(y, x, axis, keepdims)),)


def count_of(x: Any, axis: Axis) -> Size:
    """How many elements a reduction of `x` combines."""
    return product(x.shape[k] for k in normalize_axes(axis, len(x.shape)))


_sum, _max, _min = (
    register(Reduction("sum", "add", np.sum)),
    register(Reduction("max", "max", np.max)),
    register(Reduction("min", "min", np.min)),
)
_any, _all = register(Reduction("any", "or", np.any)), register(Reduction("all", "and", np.all))
_argmax, _argmin = register(ArgReduction("argmax", np.argmax)), register(ArgReduction("argmin", np.argmin))
_mean, _logsumexp = register(Mean("mean")), register(LogSumExp("logsumexp"))


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over `axis` (int, tuple, or None for all); integers and bools sum as int64."""
    return apply(_sum, x, axis=as_axis(axis, "sum"), keepdims=keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over `axis`; NaN over no elements."""
    return apply(_mean, x, axis=as_axis(axis, "mean"), keepdims=keepdims)


@deferred("x")
def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over `axis`: the mean square distance from the mean, divided by the count less `ddof`."""
    axes = as_axis(axis, "var")
    as_number("var: ddof", ddof, "a number", lambda n: True)
    centred = x - mean(x, axes, True)
    return divide(sum(centred * centred, axes, keepdims), count_of(x, axes) - ddof)


def std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over `axis`, the square root of :func:`var`."""
    return sqrt(var(x, axis, ddof, keepdims))


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over `axis`; a NaN wins. Its gradient is shared equally by ties."""
    return apply(_max, x, axis=as_axis(axis, "max"), keepdims=keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over `axis`; a NaN wins. Its gradient is shared equally by ties."""
    return apply(_min, x, axis=as_axis(axis, "min"), keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether some element over `axis` is true."""
    return apply(_any, x, axis=as_axis(axis, "any"), keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether every element over `axis` is true."""
    return apply(_all, x, axis=as_axis(axis, "all"), keepdims=keepdims)


@deferred("x")
def _position(x: Any, kind: Op, axis: int | None, keepdims: bool) -> Any:
    if axis is not None:
        return apply(kind, x, axis=as_one_axis(axis, kind.name), keepdims=keepdims)
    flat = reshape(x, (-1,))
    found = apply(kind, flat, axis=0, keepdims=False)
    return reshape(found, (1,) * len(x.shape)) if keepdims else found


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position (int64) of the largest element along `axis`: the first of ties, the first NaN."""
    return _position(x, _argmax, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position (int64) of the smallest element along `axis`: the first of ties, the first NaN."""
    return _position(x, _argmin, axis, keepdims)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis`, without overflow."""
    return apply(_logsumexp, x, axis=as_axis(axis, "logsumexp"), keepdims=keepdims)


__all__ = ["all", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", "std", "sum", "var"]
