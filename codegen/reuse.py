"""Rows that are swept more than once: a costly value of an early sweep is kept for a later one.

A softmax takes exp(x - max) twice, in the sum and in the result. The result's own row serves as the
place to keep it in between: nothing else reads that memory before the kernel ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed

from symnet import scalar as s
from symnet.dims import Dim, names
from symnet.scalar import TRANSCENDENTAL, Scalar

from .loops import Output, postorder, replace


def kept_values(
    outputs: Sequence[Output], level: Mapping[Scalar, int], inner: str
) -> tuple[list[Output], dict[int, list[Output]]]:
    """Outputs that read back what an earlier sweep computed, and the extra stores by the level of that sweep.

    Parameters
    ----------
    outputs : sequence of Output
    level : mapping of Scalar to int
        The sweep of each fold.
    inner : str
        The index of the domain that the sweeps run along.
    """
    loaded = {x.payload[0] for x in postorder([o.value for o in outputs]) if x.op == "load"}
    bodies: dict[Scalar, int] = {}
    for fold, number in level.items():
        # The index of a fold inside may have the same name: folds are left as they are.
        (body,) = replace([fold.args[0]], {fold.payload.axes[-1][0]: Dim.named(inner)}, {f: f for f in level})
        for x in postorder([body]):
            if x.op in TRANSCENDENTAL and _varies(x, inner):
                bodies[x] = min(number, bodies.get(x, number))
    kept: list[Output] = []
    extra: dict[int, list[Output]] = {}
    for output in outputs:
        found = _costly(output, bodies, level, inner) if output.buffer.name not in loaded else None
        if found is None:
            kept.append(output)
            continue
        place = s.load(output.buffer.name, (output.address,), output.buffer.dtype)
        (value,) = replace([output.value], {}, {found: place})
        extra.setdefault(bodies[found], []).append(changed(output, value=found))
        kept.append(changed(output, value=value))
    return kept, extra


def _varies(x: Scalar, index: str) -> bool:
    """Whether a value differs along an index."""
    parts = postorder([x])
    sizes = [size for p in parts if p.op == "load" for size in p.payload[1]] + [
        p.payload for p in parts if p.op == "index"
    ]
    return any(index in names(size) for size in sizes)


def _costly(output: Output, bodies: Mapping[Scalar, int], level: Mapping[Scalar, int], inner: str) -> Scalar | None:
    """The largest costly part of an output that an earlier sweep computes at the same place of the row."""
    if inner not in names(output.address):
        return None
    parts = postorder([output.value])
    last = max((level[x] for x in parts if x.op == "fold"), default=0)
    fitting = [x for x in parts if x in bodies and x.dtype == output.buffer.dtype and bodies[x] <= last]
    return fitting[-1] if fitting else None
