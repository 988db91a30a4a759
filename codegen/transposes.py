"""Copies that are transposed: in squares that are turned in registers, instead of an address for each element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symnet.dims import Dim, Size, substitute
from symnet.scalar import FLOATS, as_size, index

from .loops import Loop, Output, Statement, Turn, moved, replace
from .schedule import Axes, stride
from .tiles import Tiling


def transposed(domain: Axes, outputs: Sequence[Output], lanes: int) -> tuple[str, str] | None:
    """The indices along which a copy's elements lie side by side, where it reads and where it stores them.

    None if it is no copy, if these are one index, or if no square fits.
    """
    value, address = outputs[0].value, outputs[0].address
    if len(outputs) > 1 or value.op != "load" or value.args or value.dtype not in FLOATS:
        return None
    large = [name for name, size in domain if isinstance(size, int) and size >= lanes]
    moves = {name: (stride(value.payload[1][0], name), stride(address, name)) for name in large}
    reading = [n for n, (read, stored) in moves.items() if read == 1 and (stored or 0) > 1]
    storing = [n for n, (read, stored) in moves.items() if stored == 1 and (read or 0) > 1]
    return (reading[0], storing[0]) if reading and storing else None


class Transposes(Tiling):
    """Writes transposed copies."""

    def squares(self, domain: Axes, output: Output, pair: tuple[str, str], lanes: int) -> list[Statement]:
        """All whole squares of a copy."""
        sizes, (reading, storing) = dict(domain), pair
        source, (start,) = output.value.payload
        step, pace = stride(output.address, reading), stride(start, storing)
        assert step is not None and pace is not None

        def inside(at: dict[str, Size]) -> list[Statement]:
            loops = [Loop(self.name(name), 0, int(sizes[name]) // lanes * lanes, lanes) for name in pair]
            here = {**at, **{name: Dim.named(loop.index) for name, loop in zip(pair, loops, strict=True)}}
            to = substitute(output.address, here)
            # Data may tell where to read, at a place that depends on the loops around.
            place = as_size(*replace([index(start)], here, {}))
            loops[0].body = [loops[1]]
            loops[1].body = [Turn(lanes, output.buffer.name, to, step, source, place, pace, lanes, lanes)]
            return [loops[0]]

        return self.around([(n, size) for n, size in domain if n not in pair], {}, inside)


def beside_squares(
    domain: Axes, outputs: Sequence[Output], pair: tuple[str, str], lanes: int
) -> Iterator[tuple[Axes, Sequence[Output]]]:
    """What no whole square covers: the domain's parts with their outputs."""
    sizes = dict(domain)
    for name in pair:
        whole = int(sizes[name]) // lanes * lanes
        rest = int(sizes[name]) - whole
        if rest:
            axes = [(n, rest if n == name else sizes[n]) for n, _ in domain]
            yield axes, moved(outputs, {name: Dim.named(name) + whole})
        sizes[name] = whole
