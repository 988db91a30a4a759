"""Convolutions, with PyTorch's layouts: samples, channels, then the spatial axes.

One sum of products is behind all three ops, over samples n, channels o and c, windows p and kernel
elements k (Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016):

    sum of  x[n, c, p * stride - padding + k * dilation]  w[o, c, k]  y[n, o, p]

Its derivative by y is the convolution of x and w, that by x the transposed convolution of y and w, that by w
the op `conv_weight` of x and y. So the gradient of each is made of the other two, and each is one kernel of
its own: no op copies its windows to memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dims import Size, floordiv, maximum
from ..dtype import Shape, require_equal, shape_text
from ..errors import ShapeError
from ..op import IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar
from .elementwise import no_bool
from .reductions import sum
from .slicing import normal_key, sliced
from .windows import (
    Axis,
    axes_of,
    first_of_group,
    folded,
    in_groups,
    loaded,
    numbers,
    plus,
    reached,
    refusal,
    spatial,
    together,
    views,
)

_P, _K = "xyz", "klm"  # the letters of windows and of kernel elements in numpy's einsum


class _Convolution(Op):
    """What the three have in common.

    Attributes `stride`, `dilation` (an int for each spatial axis), `padding` (a pair for each, or "same")
    and `groups`: channels are split into so many parts that do not meet.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, "contraction")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return no_bool(*dtypes)

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        self.result_shape(*(a.shape for a in arrays), **attrs)
        return self.answer(*arrays, **attrs)

    def answer(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        """The answer of numpy for shapes that fit."""
        raise NotImplementedError


class Conv(_Convolution):
    """Every window of x times w, summed: `x` (n, c, ...), `w` (o, c / groups, ...), and perhaps `b` (o,) added."""

    def result_shape(self, x: Shape, w: Shape, *b: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        groups = attrs["groups"]
        complaint = _require_ranks(x, w, attrs, "out, channels / groups")
        _require_groups("channels", x[1], groups, complaint)
        _require_groups("results", w[0], groups, complaint)
        wanted = floordiv(x[1], groups)
        require_equal(w[1], wanted, f"{complaint}: w takes {w[1]} channels, expected {wanted}")
        _require_bias(w[0], b, complaint)
        axes = axes_of(spatial(x), spatial(w), attrs)
        for axis in axes:
            axis.require_window(complaint)
        return (x[0], w[0], *(a.count for a in axes))

    def answer(self, x: np.ndarray, w: np.ndarray, *b: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        groups, rank = attrs["groups"], x.ndim - 2
        seen = views(x, axes_of(x.shape[2:], w.shape[2:], attrs), 0)
        seen, parts = in_groups(seen, 1, groups), in_groups(w, 0, groups)
        p, k = _P[:rank], _K[:rank]
        found = np.einsum(f"ngc{p}{k},goc{k}->ngo{p}", seen, parts, optimize=True)
        return plus(found.reshape(len(x), len(w), *found.shape[3:]), b)

    def grad(self, g: Any, y: Any, x: Any, w: Any, *b: Any, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return _by_x(g, w, x, attrs), _by_w(x, g, w, attrs), *_by_bias(g, b)

    def element(self, i: IndexTuple, x: Operand, w: Operand, *b: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        n, o, *windows = i
        axes = axes_of(spatial(x.shape), spatial(w.shape), attrs)
        first = first_of_group(o, w.shape[0], x.shape[1], attrs["groups"])

        def product(*at: Size) -> Scalar:
            *ks, c = at
            places, tests = together([a.element(p, k) for a, p, k in zip(axes, windows, ks, strict=True)])
            return loaded(x, (n, first + c, *places), tests, 0) * w[(o, c, *ks)]

        # Channels innermost: whether an element is padding does not depend on them.
        total = folded("add", (*spatial(w.shape), w.shape[1]), product)
        return total + b[0][(o,)] if b else total


class ConvTranspose(_Convolution):
    """The sum's derivative by x: `y` (n, o, ...), `w` (o, c / groups, ...), and perhaps `b` (c,) added.

    Attribute `output_padding`: how much longer the result is than its windows reach, for each spatial axis.
    """

    def result_shape(self, y: Shape, w: Shape, *b: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        groups = attrs["groups"]
        complaint = _require_ranks(y, w, attrs, "channels, out / groups")
        _require_groups("channels", y[1], groups, complaint)
        require_equal(y[1], w[0], f"{complaint}: w takes {w[0]} channels, expected {y[1]}")
        _require_bias(w[1] * groups, b, complaint)
        sizes = tuple(a.size for a in self.axes(y, w, attrs))
        for n in sizes:
            require_equal(maximum(n, 0), n, f"{complaint}: with its padding taken away the result has {n} elements")
        return (y[0], w[1] * groups, *sizes)

    def axes(self, y: Shape, w: Shape, attrs: dict[str, Any]) -> list[Axis]:
        """The windows on the result, whose sizes follow from those of `y`."""
        ends = reached(spatial(y), spatial(w), attrs)
        sizes = tuple(n + more for n, more in zip(ends, attrs["output_padding"], strict=True))
        return axes_of(sizes, spatial(w), attrs)

    def answer(self, y: np.ndarray, w: np.ndarray, *b: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        groups, axes, p = attrs["groups"], self.axes(y.shape, w.shape, attrs), _P[: y.ndim - 2]
        channels, counts = w.shape[1] * groups, y.shape[2:]
        full = np.zeros((len(y), channels, *(a.padded for a in axes)), y.dtype)  # type: ignore[arg-type]
        given, parts = in_groups(y, 1, groups), in_groups(w, 0, groups)
        for ks in np.ndindex(*w.shape[2:]):
            added = np.einsum(f"ngo{p},goc->ngc{p}", given, parts[(..., *ks)], optimize=True)
            starts = [k * a.dilation for a, k in zip(axes, ks, strict=True)]
            at: Any = [slice(t, t + n * a.stride, a.stride) for a, t, n in zip(axes, starts, counts, strict=True)]
            full[(..., *at)] += added.reshape(len(y), channels, *counts)
        inside: Any = [slice(a.before, a.before + a.size) for a in axes]
        return plus(full[(..., *inside)], b)

    def grad(self, g: Any, y: Any, x: Any, w: Any, *b: Any, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        own = {k: v for k, v in attrs.items() if k != "output_padding"}
        return _by_y(g, w, x, own), _by_w(g, x, w, own), *_by_bias(g, b)

    def element(self, i: IndexTuple, y: Operand, w: Operand, *b: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        n, c, *places = i
        axes, counts, groups = self.axes(y.shape, w.shape, attrs), spatial(y.shape), attrs["groups"]
        first = first_of_group(c, w.shape[1] * groups, y.shape[1], groups)
        own = c - floordiv(c, w.shape[1]) * w.shape[1] if groups > 1 else c

        def product(*at: Size) -> Scalar:
            *ks, o = at
            windows, tests = together([a.window(p, k, m) for a, p, k, m in zip(axes, places, ks, counts, strict=True)])
            return loaded(y, (n, first + o, *windows), tests, 0) * w[(first + o, own, *ks)]

        total = folded("add", (*spatial(w.shape), floordiv(y.shape[1], groups)), product)
        return total + b[0][(c,)] if b else total


class ConvWeight(_Convolution):
    """The sum's derivative by w: `x` (n, c, ...), `y` (n, o, ...), result (o, c / groups, *kernel).

    Attribute `kernel`: the size of the result along each spatial axis.
    """

    def result_shape(self, x: Shape, y: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        complaint = f"x has shape {shape_text(x)} and y {shape_text(y)}"
        rank = len(attrs["stride"])
        if len(x) != rank + 2 or len(y) != rank + 2:
            raise ShapeError(f"{complaint}; expected samples, channels and {rank} spatial axes")
        require_equal(x[0], y[0], f"{complaint}: they differ in samples")
        return (y[1], floordiv(x[1], attrs["groups"]), *attrs["kernel"])

    def answer(self, x: np.ndarray, y: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        groups, rank = attrs["groups"], x.ndim - 2
        seen = views(x, axes_of(x.shape[2:], attrs["kernel"], attrs), 0)
        seen = seen[(slice(None), slice(None), *map(slice, y.shape[2:]))]
        p, k = _P[:rank], _K[:rank]
        both = in_groups(seen, 1, groups), in_groups(y, 1, groups)
        found = np.einsum(f"ngc{p}{k},ngo{p}->goc{k}", *both, optimize=True)
        return found.reshape(y.shape[1], *found.shape[2:])

    def grad(self, g: Any, y: Any, x: Any, v: Any, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        own = {k: v for k, v in attrs.items() if k != "kernel"}
        return _by_x(v, g, x, own), _by_y(x, g, v, own)

    def element(self, i: IndexTuple, x: Operand, y: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        o, c, *ks = i
        axes = axes_of(spatial(x.shape), attrs["kernel"], attrs)
        first = first_of_group(o, y.shape[1], x.shape[1], attrs["groups"])

        def product(n: Size, *windows: Size) -> Scalar:
            places, tests = together([a.element(p, k) for a, p, k in zip(axes, windows, ks, strict=True)])
            return loaded(x, (n, first + c, *places), tests, 0) * y[(n, o, *windows)]

        return folded("add", (x.shape[0], *spatial(y.shape)), product)


# -- what the operands must be ---------------------------------------------------------------------


def _require_ranks(x: Shape, w: Shape, attrs: dict[str, Any], layout: str) -> str:
    """Refuse operands of another rank; gives how other complaints begin."""
    rank, groups = len(attrs["stride"]), attrs["groups"]
    complaint = f"x has shape {shape_text(x)} and w {shape_text(w)}" + (f" in {groups} groups" if groups > 1 else "")
    if len(x) != rank + 2 or len(w) != rank + 2:
        sides = ("height, width", "kernel height, kernel width") if rank == 2 else ("length", "kernel length")
        raise ShapeError(f"{complaint}; expected x (samples, channels, {sides[0]}) and w ({layout}, {sides[1]})")
    if 0 in spatial(w):
        raise ShapeError(f"{complaint}: a kernel has no elements")
    return complaint


def _require_groups(name: str, channels: Size, groups: int, complaint: str) -> None:
    whole = floordiv(channels, groups) * groups
    require_equal(whole, channels, f"{complaint}: {groups} groups do not divide {channels} {name}")


def _require_bias(channels: Size, b: Sequence[Shape], complaint: str) -> None:
    for shape in b:
        text = f"{complaint}, b has shape {shape_text(shape)}; expected b {shape_text((channels,))}"
        if len(shape) != 1:
            raise ShapeError(text)
        require_equal(shape[0], channels, text)


# -- derivatives of the sum of products ------------------------------------------------------------

_CONV = {rank: register(Conv(f"conv{rank}d")) for rank in (1, 2)}
_TRANSPOSED = {rank: register(ConvTranspose(f"conv_transpose{rank}d")) for rank in (1, 2)}
_WEIGHT = {rank: register(ConvWeight(f"conv_weight{rank}d")) for rank in (1, 2)}


def _by_y(x: Any, w: Any, y: Any, attrs: dict[str, Any]) -> Any:
    """By y, of y's shape: where there are more windows, those are left out."""
    found = apply(_CONV[len(attrs["stride"])], x, w, **attrs)
    if found.shape == y.shape:
        return found
    return sliced(found, normal_key((..., *(slice(0, n) for n in spatial(y.shape)))))


def _by_x(y: Any, w: Any, x: Any, attrs: dict[str, Any]) -> Any:
    """By x, of x's shape."""
    ends = reached(spatial(y.shape), spatial(w.shape), attrs)
    more = tuple(n - m for n, m in zip(spatial(x.shape), ends, strict=True))
    return apply(_TRANSPOSED[len(attrs["stride"])], y, w, **attrs, output_padding=more)


def _by_w(x: Any, y: Any, w: Any, attrs: dict[str, Any]) -> Any:
    """By w, of w's shape."""
    return apply(_WEIGHT[len(attrs["stride"])], x, y, **attrs, kernel=spatial(w.shape))


def _by_bias(g: Any, b: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(sum(g, (0, *range(2, len(g.shape)))) for _ in b)


# -- what a program calls --------------------------------------------------------------------------


def _settings(op: Op, rank: int, stride: Any, padding: Any, dilation: Any, groups: Any) -> dict[str, Any]:
    """The attributes that the ops have in common, checked."""
    steps = numbers(op, "stride", stride, rank, 1)
    found = {"stride": steps, "dilation": numbers(op, "dilation", dilation, rank, 1)}
    if not isinstance(padding, str):
        pads: Any = tuple((n, n) for n in numbers(op, "padding", padding, rank, 0))
    elif padding == "valid":
        pads = ((0, 0),) * rank
    elif padding == "same" and set(steps) == {1}:
        pads = "same"
    else:
        known = "expected numbers, 'valid' or 'same', and 'same' with stride 1 only"
        raise refusal(op, f"padding is {padding!r} with stride {stride!r}; {known}")
    return {**found, "padding": pads, "groups": numbers(op, "groups", groups, 1, 1)[0]}


def _convolve(rank: int, operands: Sequence[Any], *settings: Any) -> Any:
    op = _CONV[rank]
    return apply(op, *(v for v in operands if v is not None), **_settings(op, rank, *settings))


def _transposed(rank: int, operands: Sequence[Any], output_padding: Any, *settings: Any) -> Any:
    op = _TRANSPOSED[rank]
    attrs = _settings(op, rank, *settings)
    more = numbers(op, "output_padding", output_padding, rank, 0)
    largest = [max(pair) for pair in zip(attrs["stride"], attrs["dilation"], strict=True)]
    if any(n >= m for n, m in zip(more, largest, strict=True)):
        raise refusal(op, f"output_padding is {output_padding!r}; expected less than the stride or the dilation")
    return apply(op, *(v for v in operands if v is not None), **attrs, output_padding=more)


def conv2d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """The convolution of pictures (PyTorch's: a kernel is not turned round), with a bias if `b` is given.

    Parameters
    ----------
    x : value of shape (samples, channels, height, width)
    w : value of shape (out, channels / groups, kernel height, kernel width)
    b : value of shape (out,), optional
    stride, dilation : int or pair of int
        How far windows, and the elements within one, are apart.
    padding : int, pair of int, "valid" or "same"
        Zeros around the picture: none, or as many as keep its size ("same", for stride 1).
    groups : int
        Channels are split into so many parts, each with kernels of its own.

    Returns
    -------
    value of shape (samples, out, rows, columns)

    Raises
    ------
    ShapeError
        Channels or groups do not fit, or the kernel is larger than the padded picture.
    ArgumentError
        A setting is no integer, or too small.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> picture = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> sn.conv2d(picture, np.ones((1, 1, 2, 2)))
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    return _convolve(2, (x, w, b), stride, padding, dilation, groups)


def conv1d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """The convolution of sequences (samples, channels, length); see :func:`conv2d`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.conv1d(np.array([[[1.0, 4.0, 9.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[3., 5.]]])
    """
    return _convolve(1, (x, w, b), stride, padding, dilation, groups)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The transpose of :func:`conv2d` by its first operand: each element of `x` adds a kernel to the result.

    Parameters
    ----------
    x : value of shape (samples, channels, rows, columns)
    w : value of shape (channels, out / groups, kernel height, kernel width)
    b : value of shape (out,), optional
    stride, padding, dilation, groups
        Those of the convolution.
    output_padding : int or pair of int
        Elements more at the end of each axis: several sizes have as many windows when the stride is not 1.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.conv_transpose2d(np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 1, 2)), stride=2)
    array([[[[1., 1., 2., 2.]]]])
    """
    return _transposed(2, (x, w, b), output_padding, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The transpose of :func:`conv1d` by its first operand; see :func:`conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.conv_transpose1d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2)))
    array([[[1., 3., 2.]]])
    """
    return _transposed(1, (x, w, b), output_padding, stride, padding, dilation, groups)


__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]
