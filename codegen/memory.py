"""The arena: one block of memory for all temporaries, places shared by those that do not live at once.

Offsets are formulas of the dims, as the sizes are, and hold for every value of the dims: a buffer is
put at the lowest end of another one where it provably meets none that is in use at the same time
(greedy by size: Pisarchyk & Lee, Efficient memory management for deep neural net inference, 2020);
where nothing can be proved it goes on top. Several orders are tried at representative sizes, and the
smallest arena is kept. Very many buffers first share slots, those of one size, by a scan over time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from symnet.dims import Size, at_most, evaluate, names, product
from symnet.scalar import BITS

from .plan import LoopStep, Plan, Step, Window

ALIGNMENT = 64
# What an open size is taken to be when orders are compared.
REPRESENTATIVE = (64, 1000)
# With more places than this one order is tried: comparing them takes time that grows with the square.
COMPARED = 128


@dataclass
class Place:
    """A stretch of the arena, and when it is in use.

    Attributes
    ----------
    size : size
        Bytes, a multiple of ALIGNMENT.
    lives : list of (int, int)
        First and last step of each buffer that lies here.
    offset : size
        Bytes from the start of the arena.
    """

    size: Size
    lives: list[tuple[int, int]]
    offset: Size = 0

    def meets(self, other: Place) -> bool:
        """Whether the two are in use at the same time."""
        return any(a <= d and c <= b for a, b in self.lives for c, d in other.lives)


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
    if len(lives) > COMPARED:
        return _stacked(_slots(lives))
    dims = {n for size, _, _ in lives.values() for n in names(size)}
    buffers = [([name], Place(size, [(a, b)])) for name, (size, a, b) in lives.items()]
    arenas = [_placed(order) for items in (buffers, _slots(lives)) for order in _orders(items)]
    return min(arenas, key=lambda arena: sum(arena.bytes(dict.fromkeys(dims, n)) / n for n in REPRESENTATIVE))


Named = tuple[list[str], Place]


def _slots(lives: Mapping[str, tuple[Size, int, int]]) -> list[Named]:
    """Buffers of one size, one after the other in the same slots."""
    slots: list[Named] = []
    free: dict[Size, list[int]] = {}
    busy: list[tuple[int, int]] = []
    for name, (size, first, last) in lives.items():
        while busy and busy[0][0] < first:
            _, done = heapq.heappop(busy)
            free.setdefault(slots[done][1].size, []).append(done)
        if not free.get(size):
            slots.append(([], Place(size, [])))
            free[size] = [len(slots) - 1]
        slot = free[size].pop()
        slots[slot][0].append(name)
        slots[slot][1].lives.append((first, last))
        heapq.heappush(busy, (last, slot))
    return slots


def _orders(items: Sequence[Named]) -> list[list[Named]]:
    def size(item: Named) -> int:
        found = item[1].size
        return evaluate(found, dict.fromkeys(names(found), REPRESENTATIVE[0]))

    def duration(item: Named) -> int:
        return item[1].lives[-1][1] - item[1].lives[0][0] + 1

    keys: list[Callable[[Named], int]] = [size, duration, lambda item: size(item) * duration(item)]
    orders = [items, *(sorted(items, key=key, reverse=True) for key in keys)]
    return [[(buffers, replace(place)) for buffers, place in order] for order in orders]


def _placed(items: Sequence[Named]) -> Arena:
    done: list[Place] = []
    top: Size = 0
    for _, place in items:
        neighbours = [p for p in done if p.meets(place)]
        place.offset = _lowest(place, neighbours, top)
        end = place.offset + place.size
        if not at_most(end, top):
            # On top of both, whichever is higher.
            top = end if at_most(top, end) else top + place.size
        done.append(place)
    return _arena(items)


def _lowest(place: Place, neighbours: Sequence[Place], top: Size) -> Size:
    """The lowest offset at which a place certainly meets none of the neighbours."""
    candidates: list[Size] = [0, *dict.fromkeys(n.offset + n.size for n in neighbours)]
    candidates.sort(key=lambda c: evaluate(c, dict.fromkeys(names(c), REPRESENTATIVE[0])))
    for offset in candidates:
        end = offset + place.size
        if all(at_most(n.offset + n.size, offset) or at_most(end, n.offset) for n in neighbours):
            return offset
    return top


def _stacked(items: Sequence[Named]) -> Arena:
    """One on top of the other: slots are in use for most of the program."""
    top: Size = 0
    for _, place in items:
        place.offset = top
        top = top + place.size
    return Arena({name: place.offset for buffers, place in items for name in buffers}, [top])


def _arena(items: Sequence[Named]) -> Arena:
    ends: list[Size] = []
    for end in {place.offset + place.size for _, place in items}:
        if not any(at_most(end, other) for other in ends):
            ends = [*(e for e in ends if not at_most(e, end)), end]
    return Arena({name: place.offset for buffers, place in items for name in buffers}, ends)


def _bytes(shape: Sequence[Size], dtype: str) -> Size:
    """The bytes of an array, rounded up to whole cache lines."""
    size = product(shape) * max(BITS[dtype] // 8, 1)
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def lower_bound(lives: Mapping[str, tuple[Size, int, int]], sizes: Mapping[str, int]) -> int:
    """The most bytes in use at one step: no arena can be smaller."""
    numbers = {size: evaluate(size, sizes) for size in {size for size, _, _ in lives.values()}}
    change: dict[int, int] = {}
    for size, first, last in lives.values():
        number = numbers[size]
        change[first] = change.get(first, 0) + number
        change[last + 1] = change.get(last + 1, 0) - number
    now, most = 0, 0
    for step in sorted(change):
        now += change[step]
        most = max(most, now)
    return most
