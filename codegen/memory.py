"""The arena: one block of memory for all temporaries, places shared by those that do not live at once.

Sizes are polynomials of the dims, so a place is too. Buffers of one size share slots; a slot whose
size is a known number also serves smaller known ones (best fit). Offsets are the running sum of the
slots, evaluated by the program's plan whenever the dims change.
"""

from __future__ import annotations

from dataclasses import dataclass

from symnet.dims import Size, product
from symnet.scalar import BITS

from .kernels import Plan

ALIGNMENT = 64


@dataclass(frozen=True)
class Arena:
    """Where each temporary lies.

    Attributes
    ----------
    offsets : dict of str to size
        Bytes from the start of the arena, by buffer name.
    size : size
        Bytes in all.
    """

    offsets: dict[str, Size]
    size: Size


def plan_arena(plan: Plan) -> Arena:
    """Give every arena buffer a place, by liveness: from its first step to its last."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for step_number, step in enumerate(plan.steps):
        for buffer in step.buffers:
            if buffer.space == "arena":
                first.setdefault(buffer.name, step_number)
                last[buffer.name] = step_number
    ending: dict[int, list[str]] = {}
    for name, step_number in last.items():
        ending.setdefault(step_number, []).append(name)
    slots: list[Size] = []
    slot_of: dict[str, int] = {}
    free: dict[Size, list[int]] = {}
    starting = sorted(first, key=lambda name: first[name])
    done = 0
    for name in starting:
        while done < first[name]:
            for finished in ending.get(done, ()):
                slot = slot_of[finished]
                free.setdefault(slots[slot], []).append(slot)
            done += 1
        slot_of[name] = _take(_bytes(plan, name), slots, free)
    offsets: list[Size] = [0]
    for size in slots:
        offsets.append(offsets[-1] + size)
    return Arena({name: offsets[slot] for name, slot in slot_of.items()}, offsets[-1])


def _take(size: Size, slots: list[Size], free: dict[Size, list[int]]) -> int:
    if free.get(size):
        return free[size].pop()
    if isinstance(size, int):
        larger = [n for n, found in free.items() if found and isinstance(n, int) and size < n]
        if larger:
            return free[min(larger)].pop()  # type: ignore[type-var]
    slots.append(size)
    return len(slots) - 1


def _bytes(plan: Plan, name: str) -> Size:
    """The bytes of a buffer, rounded up to whole cache lines."""
    buffer = plan.buffers[name]
    size = product(buffer.shape) * max(BITS[buffer.dtype] // 8, 1)
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
