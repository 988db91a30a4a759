"""Pooling: the largest element or the mean of each window, and enlarging by repeated elements.

The gradient of a maximum goes to one element of its window: the first NaN if there is one, else the first of
those that are largest, row by row. That is PyTorch's choice. So the position of that element is an op of its own
(`max_pool_index`), and the gradient puts values there (`max_pool_spread`), whose own gradient takes
them from there again (`max_pool_pick`). Positions are counted within the window: an element that asks whether it
is meant compares them with a small pattern, the same for all windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, floordiv, maximum, product
from ..dtype import FLOATS, Shape, floating, shape_text
from ..errors import ShapeError
from ..op import Composite, IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar
from .elementwise import no_bool
from .movement import Movement, reshape
from .reductions import mean, sum
from .windows import Axis, folded, loaded, numbers, ravelled, refusal, spatial, together, unravelled, views

Numbers = tuple[int, ...]


class _Pooling(Op):
    """What an op over windows has. Attributes `kernel`, `stride` and `padding`: an int for each spatial axis."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "contraction")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return no_bool(*dtypes[:1]) + ("int32",) * (len(dtypes) - 1)


class MaxPool(_Pooling):
    """The largest element of each window; a NaN wins. Padding is never the largest."""

    def result_shape(self, x: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return _pooled_shape(x, attrs)

    def numpy(self, x: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        self.result_shape(x.shape, **attrs)
        return np.max(views(x, _axes(spatial(x.shape), attrs), _least(x.dtype.name)), axis=_behind(attrs))

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (apply(_max_spread, g, apply(_max_index, x, **attrs), size=spatial(x.shape), **attrs),)

    def element(self, i: IndexTuple, x: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        return folded("max", attrs["kernel"], lambda *ks: _in_window(x, i, ks, attrs, _least(x.dtype)))


class MaxPoolIndex(_Pooling):
    """Where the maximum of each window is: the position among the window's elements."""

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return "int32"

    def result_shape(self, x: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return _pooled_shape(x, attrs)

    def numpy(self, x: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        kernel, axes = attrs["kernel"], _axes(spatial(x.shape), attrs)
        seen = views(x, axes, _least(x.dtype.name))
        places = np.argmax(seen.reshape(*seen.shape[: x.ndim], int(np.prod(kernel))), -1)
        ks, windows = np.unravel_index(places, kernel), np.indices(places.shape)[2:]
        found = [np.maximum(k, a.before - p * a.stride) for a, p, k in zip(axes, windows, ks, strict=True)]
        return np.ravel_multi_index(tuple(found), kernel).astype(np.int32)

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,)

    def element(self, i: IndexTuple, x: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        kernel, axes = attrs["kernel"], _axes(spatial(x.shape), attrs)

        def body(place: Size) -> Scalar:
            return _in_window(x, i, unravelled(place, kernel), attrs, _least(x.dtype))

        size = product(kernel)
        if size == 1:
            return s.const(0, "int32")
        best = s.fold("argmax", [(s.counter(0), size)], body(Dim.named(s.counter(0))), "int32")
        if all(a.before == 0 for a in axes):
            return best
        # Where all elements are the least there is, padding may have come first: the first element that is none.
        places = zip(axes, i[2:], unravelled(s.as_size(s.cast(best, "int64")), kernel), strict=True)
        found = [maximum(k, a.before - p * a.stride) for a, p, k in places]
        return s.index(ravelled(found, kernel), "int32")


class MaxPoolSpread(_Pooling):
    """Zeros of the spatial `size` with each window's element of `g` added at the window's position."""

    def result_shape(self, g: Shape, position: Shape, *, size: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return (*g[:2], *size)

    def numpy(self, g: np.ndarray, position: np.ndarray, *, size: Numbers, **attrs: Any) -> Any:  # type: ignore[override]
        result = np.zeros((*g.shape[:2], *size), g.dtype)
        np.add.at(result, _elements_at(position, size, attrs), g)
        return result

    def grad(self, g: Any, y: Any, x: Any, position: Any, *, size: Shape, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_max_pick, g, position, size=size, **attrs), None

    def element(self, i: IndexTuple, g: Operand, position: Operand, *, size: Shape, **attrs: Any) -> Scalar:  # type: ignore[override]
        axes = _axes(size, attrs)

        def body(*js: Size) -> Scalar:
            windows, tests = _covering(axes, i, js, spatial(g.shape))
            at = (*i[:2], *windows)
            own = [p + a.before - window * a.stride for a, p, window in zip(axes, i[2:], windows, strict=True)]
            hit = s.eq(loaded(position, at, tests, -1), s.index(ravelled(own, attrs["kernel"]), "int32"))
            return s.select(hit, loaded(g, at, tests, 0), s.const(0, g.dtype))

        return folded("add", [a.overlap for a in axes], body)


class MaxPoolPick(_Pooling):
    """For each window the element of `x` at the window's position."""

    def result_shape(self, x: Shape, position: Shape, *, size: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return position

    def numpy(self, x: np.ndarray, position: np.ndarray, *, size: Numbers, **attrs: Any) -> Any:  # type: ignore[override]
        return x[_elements_at(position, size, attrs)]

    def grad(self, g: Any, y: Any, x: Any, position: Any, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return apply(_max_spread, g, position, **attrs), None

    def element(self, i: IndexTuple, x: Operand, position: Operand, *, size: Shape, **attrs: Any) -> Scalar:  # type: ignore[override]
        ks = unravelled(s.as_size(s.cast(position[i], "int64")), attrs["kernel"])
        places = [a.element(p, k)[0] for a, p, k in zip(_axes(size, attrs), i[2:], ks, strict=True)]
        return x[(*i[:2], *places)]


class AvgPool(_Pooling):
    """The mean of each window; padding counts as zeros."""

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return tuple(map(floating, dtypes))

    def result_shape(self, x: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return _pooled_shape(x, attrs)

    def numpy(self, x: np.ndarray, **attrs: Any) -> Any:  # type: ignore[override]
        self.result_shape(x.shape, **attrs)
        return np.mean(views(x, _axes(spatial(x.shape), attrs), 0), axis=_behind(attrs))

    def grad(self, g: Any, y: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (apply(_avg_spread, g, size=spatial(x.shape), **attrs),)

    def element(self, i: IndexTuple, x: Operand, **attrs: Any) -> Scalar:  # type: ignore[override]
        total = folded("add", attrs["kernel"], lambda *ks: _in_window(x, i, ks, attrs, 0))
        return total / float(np.prod(attrs["kernel"]))


class AvgPoolSpread(AvgPool):
    """The gradient of `AvgPool`: each element of `g` shared equally by its window. Attribute `size`: the result's."""

    def result_shape(self, g: Shape, *, size: Shape, **attrs: Any) -> Shape:  # type: ignore[override]
        return (*g[:2], *size)

    def numpy(self, g: np.ndarray, *, size: Numbers, **attrs: Any) -> Any:  # type: ignore[override]
        axes = _axes(size, attrs)
        full = np.zeros((*g.shape[:2], *(a.padded for a in axes)), g.dtype)  # type: ignore[arg-type]
        for ks in np.ndindex(attrs["kernel"]):
            ends = [k + n * a.stride for a, k, n in zip(axes, ks, g.shape[2:], strict=True)]
            at: Any = tuple(slice(k, end, a.stride) for a, k, end in zip(axes, ks, ends, strict=True))
            full[(..., *at)] += g
        inside: Any = tuple(slice(a.before, a.before + n) for a, n in zip(axes, size, strict=True))
        return full[(..., *inside)] / g.dtype.type(np.prod(attrs["kernel"]))

    def grad(self, g: Any, y: Any, x: Any, *, size: Shape, **attrs: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (apply(_AVG[len(size)], g, **attrs),)

    def element(self, i: IndexTuple, g: Operand, *, size: Shape, **attrs: Any) -> Scalar:  # type: ignore[override]
        axes = _axes(size, attrs)

        def body(*js: Size) -> Scalar:
            windows, tests = _covering(axes, i, js, spatial(g.shape))
            return loaded(g, (*i[:2], *windows), tests, 0)

        return folded("add", [a.overlap for a in axes], body) / float(np.prod(attrs["kernel"]))


class GlobalAvgPool(Composite):
    """The mean of every channel. Attribute `rank`: how many spatial axes there must be."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, rank: int) -> Shape:  # type: ignore[override]
        _require_rank(x, rank)
        return x[:2]

    def numpy(self, x: np.ndarray, *, rank: int) -> Any:  # type: ignore[override]
        self.result_shape(x.shape, rank=rank)
        return np.mean(x, axis=tuple(range(2, x.ndim)))

    def expand(self, x: Any, *, rank: int) -> Any:  # type: ignore[override]
        return mean(x, tuple(range(2, rank + 2)))


class Upsample(Movement):
    """Every element repeated along the spatial axes. Attribute `scale`: how often, an int for all or one for each."""

    def _scales(self, x: Shape, scale: int | Numbers) -> Numbers:
        rank = len(x) - 2
        scales = (scale,) * rank if isinstance(scale, int) else scale
        if rank < 1 or len(scales) != rank:
            wanted = f"samples, channels and {len(scales) if isinstance(scale, tuple) else 'some'} spatial axes"
            raise ShapeError(f"x has shape {shape_text(x)}; expected {wanted}")
        return scales

    def result_shape(self, x: Shape, *, scale: int | Numbers) -> Shape:  # type: ignore[override]
        return (*x[:2], *(n * m for n, m in zip(spatial(x), self._scales(x, scale), strict=True)))

    def numpy(self, x: np.ndarray, *, scale: int | Numbers) -> Any:  # type: ignore[override]
        for axis, n in enumerate(self._scales(x.shape, scale), 2):
            x = np.repeat(x, n, axis)
        return x

    def grad(self, g: Any, y: Any, x: Any, *, scale: int | Numbers) -> tuple[Any, ...]:  # type: ignore[override]
        pairs = zip(spatial(x.shape), self._scales(x.shape, scale), strict=True)
        blocks = reshape(g, (*x.shape[:2], *(n for pair in pairs for n in pair)))
        return (sum(blocks, tuple(range(3, len(blocks.shape), 2))),)

    def element(self, i: IndexTuple, x: Operand, *, scale: int | Numbers) -> Scalar:  # type: ignore[override]
        scales = self._scales(x.shape, scale)
        return x[(*i[:2], *(floordiv(k, n) for k, n in zip(i[2:], scales, strict=True)))]


# -- windows ---------------------------------------------------------------------------------------


def _axes(sizes: Shape, attrs: dict[str, Any]) -> list[Axis]:
    settings = zip(sizes, attrs["kernel"], attrs["stride"], attrs["padding"], strict=True)
    return [Axis(n, kernel, step, pad, pad) for n, kernel, step, pad in settings]


def _require_rank(x: Shape, rank: int) -> None:
    if len(x) != rank + 2:
        sides = "height, width" if rank == 2 else "length"
        raise ShapeError(f"x has shape {shape_text(x)}; expected (samples, channels, {sides})")


def _pooled_shape(x: Shape, attrs: dict[str, Any]) -> Shape:
    _require_rank(x, len(attrs["kernel"]))
    axes = _axes(spatial(x), attrs)
    for axis in axes:
        axis.require_window(f"x has shape {shape_text(x)}")
    return (*x[:2], *(a.count for a in axes))


def _in_window(x: Operand, i: IndexTuple, ks: Sequence[Size], attrs: dict[str, Any], otherwise: float) -> Scalar:
    """Element `ks` of the window `i`."""
    axes = _axes(spatial(x.shape), attrs)
    places, tests = together([a.element(p, k) for a, p, k in zip(axes, i[2:], ks, strict=True)])
    return loaded(x, (*i[:2], *places), tests, otherwise)


def _covering(
    axes: Sequence[Axis], i: IndexTuple, js: Sequence[Size], counts: Shape
) -> tuple[list[Size], list[Scalar]]:
    """Window number `js` over the element `i`."""
    return together([a.covering(p, j, m) for a, p, j, m in zip(axes, i[2:], js, counts, strict=True)])


def _elements_at(position: np.ndarray, size: Numbers, attrs: dict[str, Any]) -> Any:
    """numpy's index of the elements at positions within windows."""
    n, c, *windows = np.indices(position.shape)
    ks = np.unravel_index(position, attrs["kernel"])
    places = [p * a.stride - a.before + k for a, p, k in zip(_axes(size, attrs), windows, ks, strict=True)]
    return (n, c, *places)


def _least(dtype: str) -> float:
    return float("-inf") if dtype in FLOATS else int(np.iinfo(dtype).min)


def _behind(attrs: dict[str, Any]) -> Numbers:
    """The axes of the kernel in numpy's view of windows."""
    return tuple(range(-len(attrs["kernel"]), 0))


_MAX = {rank: register(MaxPool(f"max_pool{rank}d")) for rank in (1, 2)}
_AVG = {rank: register(AvgPool(f"avg_pool{rank}d")) for rank in (1, 2)}
_GLOBAL = {rank: register(GlobalAvgPool(f"global_avg_pool{rank}d")) for rank in (1, 2)}
_max_index, _max_spread = register(MaxPoolIndex("max_pool_index")), register(MaxPoolSpread("max_pool_spread"))
_max_pick, _avg_spread = register(MaxPoolPick("max_pool_pick")), register(AvgPoolSpread("avg_pool_spread"))
_upsample = register(Upsample("upsample"))


# -- what a program calls --------------------------------------------------------------------------


def _pool(op: Op, rank: int, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    kernel = numbers(op, "kernel_size", kernel_size, rank, 1)
    steps = kernel if stride is None else numbers(op, "stride", stride, rank, 1)
    pads = numbers(op, "padding", padding, rank, 0)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise refusal(op, f"padding is {padding!r} for windows of {kernel_size!r}; expected at most half of that")
    return apply(op, x, kernel=kernel, stride=steps, padding=pads)


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element of each window; a NaN wins. Its gradient goes to the first of several, as PyTorch's.

    Parameters
    ----------
    x : value of shape (samples, channels, height, width)
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        How far windows are apart. Default: `kernel_size`, so that they do not overlap.
    padding : int or pair of int
        Elements around the picture, at most half a window; never the largest.

    Raises
    ------
    ShapeError, ArgumentError
        A window is larger than the padded picture; a setting is no integer, or too small or large.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _pool(_MAX[2], 2, x, kernel_size, stride, padding)


def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element of each window of sequences (samples, channels, length); see :func:`max_pool2d`."""
    return _pool(_MAX[1], 1, x, kernel_size, stride, padding)


def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window, in which padding counts as zeros; parameters as in :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _pool(_AVG[2], 2, x, kernel_size, stride, padding)


def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window of sequences (samples, channels, length); see :func:`avg_pool2d`."""
    return _pool(_AVG[1], 1, x, kernel_size, stride, padding)


def global_avg_pool2d(x: Any) -> Any:
    """The mean of every channel of (samples, channels, height, width), of shape (samples, channels)."""
    return apply(_GLOBAL[2], x, rank=2)


def global_avg_pool1d(x: Any) -> Any:
    """The mean of every channel of (samples, channels, length), of shape (samples, channels)."""
    return apply(_GLOBAL[1], x, rank=1)


def upsample(x: Any, scale_factor: Any) -> Any:
    """Every element of (samples, channels, ...) repeated along the axes behind: the nearest-neighbour enlargement.

    `scale_factor` is an int for all axes, or a tuple with one for each.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.upsample(np.array([[[1.0, 2.0]]]), 3)
    array([[[1., 1., 1., 2., 2., 2.]]])
    """
    several = len(scale_factor) if isinstance(scale_factor, (tuple, list)) else 1
    found = numbers(_upsample, "scale_factor", scale_factor, several, 1)
    return apply(_upsample, x, scale=found if isinstance(scale_factor, (tuple, list)) else found[0])


__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "global_avg_pool1d",
    "global_avg_pool2d",
    "max_pool1d",
    "max_pool2d",
    "upsample",
]
