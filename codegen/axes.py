"""Neighbouring axes of a domain that all addresses walk in step are one: more rows share a tile, or a packed strip."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.dims import Size

from .loops import Output, moved, sizes_in
from .schedule import Axes, stride


def merged(domain: Axes, outputs: Sequence[Output], row_axis: str | None) -> tuple[Axes, Sequence[Output]]:
    """The domain and its outputs with as few axes as can be; the axis of sweeps stays on its own.

    before:  y[512 i + 8 j] = x[512 i + 8 j]   for i in 0 .. 4, j in 0 .. 64
    after:   y[8 j] = x[8 j]                   for j in 0 .. 256
    """
    places = set(sizes_in(outputs))
    axes: list[tuple[str, Size]] = []
    gone: dict[str, Size] = {}
    for name, size in domain:
        if axes and name != row_axis and all(_in_step(place, axes[-1][0], name, size) for place in places):
            before, extent = axes.pop()
            gone[before] = 0
            size = extent * size
        axes.append((name, size))
    if not gone:
        return domain, outputs
    return axes, moved(outputs, gone)


def _in_step(place: Size, outer: str, inner: str, size: Size) -> bool:
    """Whether a step along the outer axis moves a place as far as `size` steps along the inner one."""
    step = stride(place, inner)
    return isinstance(size, int) and step is not None and stride(place, outer) == step * size
