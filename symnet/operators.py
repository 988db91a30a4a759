"""Python's operators and numpy's methods for every symbolic value, defined once.

Expressions (what users hold), graph nodes (what gradient rules and passes hold) and tape tensors all
inherit these; each op is looked up by name and applied by :func:`symnet.op.apply`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dims import Size, product
from .dtype import as_axis, as_sizes, dtype_name
from .errors import ArgumentError, SymbolicUseError
from .op import OPS, apply


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return apply(OPS[name], self, other)

    method.__doc__ = f"Element-wise `{name}`."
    return method


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return apply(OPS[name], other, self)

    method.__doc__ = f"Element-wise `{name}`, operands swapped."
    return method


def _unary(name: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return apply(OPS[name], self)

    method.__doc__ = f"Element-wise `{name}`."
    return method


def _missing(what: str, advice: str) -> Callable[..., Any]:
    def method(self: Any, *others: Any) -> Any:
        raise SymbolicUseError(f"symnet's values have no {what}: {advice}")

    method.__doc__ = f"Refused: {advice}."
    return method


def _reduction(name: str) -> Callable[..., Any]:
    def method(self: Any, axis: Any = None, keepdims: bool = False, **unknown: Any) -> Any:
        if unknown:
            wanted = {"dim": "axis=", "keepdim": "keepdims="}.get(next(iter(unknown)), "axis= and keepdims=")
            raise ArgumentError(f".{name}() has no {next(iter(unknown))}=: expected {wanted}, as numpy spells it")
        return apply(OPS[name], self, axis=as_axis(axis, name), keepdims=keepdims)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name}` over `axis` (int, tuple or None for all), as numpy's."
    return method


# What PyTorch's users write, and numpy's word for it.
ELSEWHERE = {
    "view": "reshape",
    "permute": "transpose",
    "unsqueeze": "sn.expand_dims",
    "clamp": "clip",
    "dim": "ndim",
    "item": "sn.compile(v)(...)",
    "numpy": "sn.compile(v)(...)",
    "exp": "sn.exp",
    "log": "sn.log",
    "sqrt": "sn.sqrt",
    "tanh": "sn.tanh",
    "float": "astype",
    "long": "astype",
    "backward": "sn.grad",
}


class Operators:
    """Arithmetic, reductions and movement as methods."""

    __slots__ = ()
    __array_priority__ = 1000

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __pow__, __rpow__ = _binary("power"), _reflected("power")
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __invert__ = _unary("invert")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __neg__, __abs__ = _unary("negative"), _unary("abs")

    __lshift__ = __rlshift__ = _missing("<<", "multiply by a power of 2")
    __rshift__ = __rrshift__ = _missing(">>", "divide by a power of 2 with //")
    __setitem__ = __delitem__ = _missing(
        "elements to assign to",
        "an expression is never changed, a new one is made: sn.where(mask, new, v) instead of v[mask] = new, "
        "sn.scatter_add(v, i, new) instead of v[i] += new, sn.concatenate to put parts together",
    )
    __round__ = _missing("round()", "use sn.floor(v + 0.5)")

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    sum, mean, max, min = _reduction("sum"), _reduction("mean"), _reduction("max"), _reduction("min")

    def __getattr__(self, name: str) -> Any:
        # Reached for unknown names only. PyTorch's are answered with numpy's.
        advice = f": numpy's name is {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"a symbolic value has no attribute {name!r}{advice}", name=name, obj=self)

    def __pos__(self) -> Any:
        return self

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Position of the largest element along `axis` (of the flattened value for None), the first of ties."""
        from .ops.reductions import argmax

        return argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Position of the smallest element along `axis`, the first of ties."""
        from .ops.reductions import argmin

        return argmin(self, axis, keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """The variance over `axis`, as numpy's."""
        from .ops.reductions import var

        return var(self, axis, ddof, keepdims)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """The standard deviation over `axis`, as numpy's."""
        from .ops.reductions import std

        return std(self, axis, ddof, keepdims)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """The value kept between two bounds."""
        from .ops.logic import clip

        return clip(self, min, max)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """The value with two axes exchanged."""
        from .ops.movement import swapaxes

        return swapaxes(self, axis1, axis2)

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return apply(OPS["reshape"], self, shape=as_sizes(sizes, "reshape"))

    def transpose(self, *axes: Any) -> Any:
        """The axes permuted; reversed if none are given."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return apply(OPS["transpose"], self, axes=as_axis(order, "transpose") or None)

    @property
    def size(self) -> Size:
        """The number of elements."""
        return product(self.shape)

    def dot(self, other: Any) -> Any:
        """numpy's dot: the matrix product, or times a scalar."""
        return apply(OPS["dot"], self, other)

    @property
    def T(self) -> Any:  # noqa: N802 (numpy's name)
        """The value with its axes reversed."""
        return apply(OPS["transpose"], self, axes=None)

    def squeeze(self, axis: Any = None) -> Any:
        """The value without its axes of size 1 (those in `axis`)."""
        return apply(OPS["squeeze"], self, axis=as_axis(axis, "squeeze"))

    def astype(self, dtype: Any) -> Any:
        """The value cast to another dtype."""
        return apply(OPS["cast"], self, dtype=dtype_name(dtype, "astype"))

    def flatten(self) -> Any:
        """The value as one axis."""
        return apply(OPS["reshape"], self, shape=(-1,))

    ravel = flatten

    def __getitem__(self, key: Any) -> Any:
        from .ops.indexing import getitem

        return getitem(self, key)
