"""The arena: one block of memory for all temporaries, places shared by those that do not live at once.

Offsets are formulas of the dims, as the sizes are, and hold for every value of the dims: a buffer is
put into the lowest gap, between those in use at the same time, that is certainly wide enough, else on
top of them (greedy by size: Pisarchyk & Lee, Efficient memory management for deep neural net inference,
2020). Several orders are tried, and the arena is kept that is smallest at representative sizes. Very
many buffers first share slots, those of one size, by a scan over time.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import add, le

from symnet.dims import Size, evaluate, product, split
from symnet.scalar import BITS

from .plan import LoopStep, Plan, Step, Window
from .ruler import ALIGNMENT, REPRESENTATIVE, Ruler, Vector, join, meet

# With more buffers than this two orders are tried, and with more than that none: the time grows with the square.
COMPARED = 128
PLACED = 256


@dataclass
class Place:
    """A stretch of the arena, and when it is in use.

    Attributes
    ----------
    buffers : list of str
        What lies here, one after the other.
    bytes, offset, end : Vector
    size, low, high : int
        The same as numbers, at the first representative size.
    busy : int
        Bit k is set where it is in use at step k.
    """

    buffers: list[str]
    bytes: Vector
    size: int
    busy: int
    offset: Vector = ()
    end: Vector = ()
    low: int = 0
    high: int = 0

    @property
    def duration(self) -> int:
        """The steps from the first use to the last."""
        return self.busy.bit_length() - (self.busy & -self.busy).bit_length() + 1

    def put(self, offset: Vector, ruler: Ruler) -> None:
        """Give it an offset."""
        self.offset, self.end = offset, tuple(map(add, offset, self.bytes))
        self.low = ruler.number(offset)
        self.high = self.low + self.size


@dataclass(frozen=True)
class Arena:
    """Where each temporary lies.

    Attributes
    ----------
    offsets : dict of str to size
        Bytes from the start of the arena, by buffer name.
    ends : list of sizes
        The arena is as large as the largest of them.
    """

    offsets: dict[str, Size]
    ends: list[Size]

    def bytes(self, sizes: Mapping[str, int]) -> int:
        """The size of the arena, for these dims."""
        return max((evaluate(end, sizes) for end in self.ends), default=0)


def plan_arena(plan: Plan) -> Arena:
    """Give every arena buffer a place, by liveness: from its first step to its last."""
    return arrange(lifetimes(plan))


def lifetimes(plan: Plan) -> dict[str, tuple[Size, int, int]]:
    """The bytes, first step and last step of each arena buffer, in the order of their first steps."""
    used, _ = _uses(plan.steps, {}, 0)
    found: dict[str, tuple[Size, int, int]] = {}
    for name, (first, last) in sorted(used.items(), key=lambda item: item[1][0]):
        buffer = plan.buffers[name]
        if buffer.space == "arena":
            found[name] = (_bytes(buffer.shape, buffer.dtype), first, last)
    return found


def _uses(
    steps: Sequence[Step | LoopStep], windows: Mapping[str, Window], now: int
) -> tuple[dict[str, tuple[int, int]], int]:
    """The first and last step that uses each buffer, counted from `now`; and the step after the last one.

    What a loop uses beside its own temporaries is in use as long as the loop runs.
    """
    found: dict[str, tuple[int, int]] = {}

    def use(name: str, first: int, last: int) -> None:
        found[name] = (min(first, found[name][0]), max(last, found[name][1])) if name in found else (first, last)

    for step in steps:
        if isinstance(step, LoopStep):
            inside, end = _uses(step.steps, {**windows, **step.windows}, now)
            for name, (first, last) in inside.items():
                use(name, first, last) if name in step.own else use(name, now, max(end - 1, now))
            now = end
            continue
        for buffer in step.buffers:
            name = buffer.name
            while name in windows:
                name = windows[name].base
            use(name, now, now)
        now += 1
    return found, now


def arrange(lives: Mapping[str, tuple[Size, int, int]]) -> Arena:
    """The smallest arena found for buffers of these bytes, first and last steps."""
    ruler = Ruler(dict.fromkeys(size for size, _, _ in lives.values()))
    probes = range(len(REPRESENTATIVE))
    bound = _score([_busiest((ruler.number(ruler.vector(s), k), a, b) for s, a, b in lives.values()) for k in probes])
    best: Sequence[Place] = []
    least = float("inf")
    for places in _attempts(lives, ruler):
        score = _score([max((ruler.number(p.end, k) for p in places), default=0) for k in probes])
        if score < least:
            best, least = places, score
        if least <= bound:
            break
    return _arena(best, ruler)


def _attempts(lives: Mapping[str, tuple[Size, int, int]], ruler: Ruler) -> Iterator[Sequence[Place]]:
    """Places with offsets, found in several ways."""
    slots = _slots(lives, ruler)
    places = [_place([name], size, _steps(first, last), ruler) for name, (size, first, last) in lives.items()]
    orders: Iterator[list[Place]] = chain(_orders(places), _orders(slots))
    if len(lives) > COMPARED:
        yield _stacked(slots, ruler)
        orders = islice(orders, 2 if len(lives) <= PLACED else 0)
    for order in orders:
        yield _placed(order, ruler)


def _score(numbers: Sequence[int]) -> float:
    """How large an arena is that has these bytes at the representative sizes."""
    return sum(number / size for number, size in zip(numbers, REPRESENTATIVE, strict=True))


def _place(buffers: list[str], size: Size, busy: int, ruler: Ruler) -> Place:
    vector = ruler.vector(size)
    return Place(buffers, vector, ruler.number(vector), busy)


def _steps(first: int, last: int) -> int:
    """The steps from the first to the last one, as bits."""
    return (1 << last + 1) - (1 << first)


def _slots(lives: Mapping[str, tuple[Size, int, int]], ruler: Ruler) -> list[Place]:
    """Buffers of one size, one after the other in the same slots."""
    slots: list[Place] = []
    free: dict[Vector, list[int]] = {}
    used: list[tuple[int, int]] = []
    for name, (size, first, last) in lives.items():
        while used and used[0][0] < first:
            _, done = heapq.heappop(used)
            free.setdefault(slots[done].bytes, []).append(done)
        slot = _place([], size, 0, ruler)
        waiting = free.get(slot.bytes)
        index = waiting.pop() if waiting else len(slots)
        if index == len(slots):
            slots.append(slot)
        slots[index].buffers.append(name)
        slots[index].busy |= _steps(first, last)
        heapq.heappush(used, (last, index))
    return slots


def _orders(items: Sequence[Place]) -> Iterator[list[Place]]:
    """Copies in the orders in which places are given: as they stand, which is by time, and largest first."""
    keys: list[Callable[[Place], int]] = [
        lambda place: 0,
        lambda place: place.duration,
        lambda place: place.size,
        lambda place: place.size * place.duration,
    ]
    for key in keys:
        yield [replace(place) for place in sorted(items, key=key, reverse=True)]


def _placed(items: Sequence[Place], ruler: Ruler) -> Sequence[Place]:
    """The places with offsets, given in this order."""
    done: list[Place] = []
    for place in items:
        place.put(_lowest(place, [p for p in done if p.busy & place.busy], ruler), ruler)
        insort(done, place, key=lambda p: p.low)
    return items


def _lowest(place: Place, neighbours: Sequence[Place], ruler: Ruler) -> Vector:
    """The lowest offset at which a place certainly meets none of the neighbours, which stand in order of theirs."""
    free = 0
    for k, neighbour in enumerate(neighbours):
        # Numbers first: most gaps are too narrow for the representative size already.
        if free + place.size <= neighbour.low:
            offset = join([ruler.zero, *(n.end for n in neighbours[:k])])
            end = map(add, offset, place.bytes)
            if all(map(le, end, meet(n.offset for n in neighbours[k:]))):
                return offset
        free = max(free, neighbour.high)
    return join([ruler.zero, *(n.end for n in neighbours)])


def _stacked(items: Sequence[Place], ruler: Ruler) -> Sequence[Place]:
    """One on top of the other: slots are in use for most of the program."""
    top = ruler.zero
    for place in items:
        place.put(top, ruler)
        top = place.end
    return items


def _arena(items: Sequence[Place], ruler: Ruler) -> Arena:
    formulas = {vector: ruler.size(vector) for vector in dict.fromkeys(place.offset for place in items)}
    ends: list[Vector] = []
    # Whatever is certainly no smaller than another one is no smaller as a number.
    for end in sorted({place.end for place in items}, key=ruler.number, reverse=True):
        if not any(all(map(le, end, other)) for other in ends):
            ends.append(end)
    offsets = {name: formulas[place.offset] for place in items for name in place.buffers}
    return Arena(offsets, list(map(ruler.size, ends)))


def _bytes(shape: Sequence[Size], dtype: str) -> Size:
    """The bytes of an array, rounded up to whole cache lines."""
    whole, rest = split(product(shape) * max(BITS[dtype] // 8, 1), ALIGNMENT)
    return whole + (rest + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def lower_bound(lives: Mapping[str, tuple[Size, int, int]], sizes: Mapping[str, int]) -> int:
    """The most bytes in use at one step: no arena can be smaller."""
    numbers = {size: evaluate(size, sizes) for size in {size for size, _, _ in lives.values()}}
    return _busiest((numbers[size], first, last) for size, first, last in lives.values())


def _busiest(lives: Iterable[tuple[int, int, int]]) -> int:
    change: dict[int, int] = {}
    for number, first, last in lives:
        change[first] = change.get(first, 0) + number
        change[last + 1] = change.get(last + 1, 0) - number
    now, most = 0, 0
    for step in sorted(change):
        now += change[step]
        most = max(most, now)
    return most
