"""Windows that move along the spatial axes of a value: what convolution and pooling share.

Along one axis, window `p` begins at element ``p * stride - before`` of the wide side and takes `kernel`
elements, `dilation` apart. Elements outside are padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from .. import scalar as s
from ..dims import Dim, Size, floordiv, maximum
from ..dtype import Shape, require_equal
from ..errors import ArgumentError
from ..graph import located
from ..op import IndexTuple, Op, Operand
from ..origin import Origin, here
from ..scalar import Scalar


@dataclass(frozen=True)
class Axis:
    """The windows along one spatial axis.

    Attributes
    ----------
    size : size
        Elements of the wide side.
    kernel : size
    stride, dilation : int
    before, after : size
        Elements of padding.

    Examples
    --------
    >>> Axis(8, 3, 2, 1, 1).count
    4
    """

    size: Size
    kernel: Size
    stride: int
    before: Size
    after: Size
    dilation: int = 1

    @property
    def extent(self) -> Size:
        """From the first element of a window to its last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def padded(self) -> Size:
        """The wide side with its padding."""
        return self.size + self.before + self.after

    @property
    def count(self) -> Size:
        """How many windows fit."""
        return floordiv(self.padded - self.extent, self.stride) + 1

    def require_window(self, complaint: str) -> None:
        """Refuse windows larger than the padded side; where a size is not known yet it becomes a check at the call."""
        least = maximum(self.padded, self.extent)
        require_equal(least, self.padded, f"{complaint}: a window of {self.extent} in {self.padded} padded elements")

    def element(self, window: Size, k: Size) -> tuple[Size, list[Scalar]]:
        """Element `k` of a window on the wide side, and the tests that it is no padding."""
        place = window * self.stride - self.before + k * self.dilation
        tests = [s.index(place) >= 0] if self.before != 0 else []
        return place, tests + ([s.index(place) < s.index(self.size)] if self.after != 0 else [])

    def window(self, place: Size, k: Size, windows: Size) -> tuple[Size, list[Scalar]]:
        """The window whose element `k` is at `place`, and the tests that there is one among `windows`."""
        distance = place + self.before - k * self.dilation
        window = floordiv(distance, self.stride)
        tests = [] if self.stride == 1 else [s.eq(s.index(window * self.stride), s.index(distance))]
        if not _is_known(self.before - self.extent + 1):
            tests.append(s.index(distance) >= 0)
        if not _is_known((windows - 1) * self.stride - self.before - self.size + 1):
            tests.append(s.index(window) < s.index(windows))
        return window, tests

    @property
    def overlap(self) -> Size:
        """In how many windows an element may lie, without dilation."""
        return floordiv(self.kernel - 1, self.stride) + 1

    def covering(self, place: Size, j: Size, windows: Size) -> tuple[Size, list[Scalar]]:
        """Window number `j`, counted back from the last one that begins at `place` or before, and its tests."""
        distance = place + self.before
        last = floordiv(distance, self.stride)
        window = last - j
        tests = []
        if not _is_known(windows * self.stride - self.before - self.size):
            tests.append(s.index(window) < s.index(windows))
        if self.overlap != 1:
            tests.append(s.index(window) >= 0)
        if self.kernel % self.stride != 0:
            tests.append(s.index(distance - window * self.stride) < s.index(self.kernel))
        return window, tests


def _is_known(size: Size) -> bool:
    """Whether a size is certainly not negative."""
    return isinstance(size, int) and size >= 0


def axes_of(sizes: Shape, kernel: Shape, attrs: dict[str, Any]) -> list[Axis]:
    """The windows along every spatial axis."""
    padding = attrs["padding"]
    if padding == "same":
        spare = [(k - 1) * d for k, d in zip(kernel, attrs["dilation"], strict=True)]
        padding = tuple((floordiv(n, 2), n - floordiv(n, 2)) for n in spare)
    settings = zip(sizes, kernel, attrs["stride"], padding, attrs["dilation"], strict=True)
    return [Axis(n, k, step, a, b, d) for n, k, step, (a, b), d in settings]


def reached(counts: Shape, kernel: Shape, attrs: dict[str, Any]) -> Shape:
    """How far so many windows reach, without the padding."""
    axes = zip(axes_of((0,) * len(counts), kernel, attrs), counts, strict=True)
    return tuple((n - 1) * a.stride + a.extent - a.before - a.after for a, n in axes)


def together(found: Sequence[tuple[Size, list[Scalar]]]) -> tuple[list[Size], list[Scalar]]:
    """The places along all axes, and all tests."""
    return [place for place, _ in found], [t for _, tests in found for t in tests]


def ravelled(places: Sequence[Size], sizes: Shape) -> Size:
    """The position that places along several axes make, row by row."""
    total: Size = 0
    for place, size in zip(places, sizes, strict=True):
        total = total * size + place
    return total


def unravelled(place: Size, sizes: Shape) -> list[Size]:
    """The places along the axes that make a position."""
    found: list[Size] = []
    for size in reversed(sizes[1:]):
        whole = floordiv(place, size)
        found.append(place - whole * size)
        place = whole
    return [place, *reversed(found)]


def first_of_group(channel: Size, channels: Size, others: Size, groups: int) -> Size:
    """The first channel of the other side in the group of a channel."""
    return floordiv(channel, floordiv(channels, groups)) * floordiv(others, groups) if groups > 1 else 0


def in_groups(x: np.ndarray, axis: int, groups: int) -> np.ndarray:
    """The array with an axis of channels split into groups."""
    shape = x.shape
    return x.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def plus(y: np.ndarray, b: Sequence[np.ndarray]) -> np.ndarray:
    """The array with a number for each channel added, if one is given."""
    return y + b[0].reshape(-1, *(1,) * (y.ndim - 2)) if b else y


def loaded(x: Operand, at: IndexTuple, tests: Sequence[Scalar], otherwise: float) -> Scalar:
    """An element of `x` where all tests hold, else a number; nothing else is read."""
    if not tests:
        return x[at]
    inside = tests[0]
    for test in tests[1:]:
        inside = inside & test
    return s.select(inside, x.where(inside, at), s.const(otherwise, x.dtype))


def folded(kind: str, sizes: Sequence[Size], body: Callable[..., Scalar]) -> Scalar:
    """A fold of ``body(*indices)`` over so many indices; one that takes a single value needs no loop."""
    axes = [(s.counter(place), size) for place, size in enumerate(sizes)]
    value = body(*(Dim.named(name) if size != 1 else 0 for name, size in axes))
    moving = [(name, size) for name, size in axes if size != 1]
    return s.fold(kind, moving, value) if moving else value


def views(x: np.ndarray, axes: Sequence[Axis], fill: float) -> np.ndarray:
    """numpy's view of all windows: the axes of `x` with windows for elements, then those of the kernel."""
    first = x.ndim - len(axes)
    pads: Any = [(0, 0)] * first + [(a.before, a.after) for a in axes]
    extents: Any = tuple(a.extent for a in axes)
    padded = np.pad(x, pads, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, extents, tuple(range(first, x.ndim)))
    steps: Any = [slice(None, None, a.stride) for a in axes] + [slice(None, None, a.dilation) for a in axes]
    return np.asarray(view[(..., *steps)])


def numbers(op: Op, name: str, value: Any, rank: int, least: int) -> tuple[int, ...]:
    """A setting such as a stride, as one integer for each spatial axis.

    Raises
    ------
    ArgumentError
        With the user's line: no integers, too few of them, or one below `least`.
    """
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    try:
        found = tuple(index(v) for v in given)
    except TypeError:
        found = ()
    if len(found) != rank or min(found, default=least) < least:
        several = f", or {rank} of them" if rank > 1 else ""
        raise refusal(op, f"{name} is {value!r}; expected an integer of at least {least}{several}")
    return found


def refusal(op: Op, message: str) -> Exception:
    """An ArgumentError with the op and the user's line in front."""
    return located(ArgumentError(message), op, Origin([here()]))


def spatial(x: Shape) -> Shape:
    """The axes behind samples and channels."""
    return x[2:]
