"""Which weights are packed before the kernels run.

Those of a constant are packed when the program is compiled; those of a Parameter that the program does not update,
when it is called for the first time and whenever the Parameter was written in between; see ``versions.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from symnet.dims import Size, substitute
from symnet.scalar import Scalar

from .packing import Packing
from .schedule import Axes, Schedule, first_load, packable, stride


def packed_ahead(schedule: Schedule, domain: Axes, folds: Sequence[Scalar], spaces: Mapping[str, str]) -> Schedule:
    """The schedule with strips, where all that would be copied to them is packed before: they cost nothing then."""
    if schedule.row is None or schedule.paired:
        return schedule
    loads = packable(folds, schedule)
    if loads and all(packing_of(load, fold, domain, schedule, spaces) for fold, load in loads):
        return replace(schedule, columns_first=True, packed=True)
    return schedule


def packing_of(
    load: Scalar, fold: Scalar, domain: Axes, schedule: Schedule, spaces: Mapping[str, str], length: Size | None = None
) -> Packing | None:
    """The packing of what a product's tiles load; None unless it is a matrix of known size that stays as it is.

    Parameters
    ----------
    load, fold : Scalar
        As :func:`symnet.codegen.schedule.packable` gives them.
    domain : sequence of (name, size)
    schedule : Schedule
    spaces : dict of str to str
        Where the buffers are.
    length : size, optional
        Of a fold over pairs, how many numbers that are.
    """
    ((axis, steps),) = fold.payload.axes
    rows, columns = steps if length is None else length, dict(domain)[str(schedule.vector)]
    if not (isinstance(rows, int) and isinstance(columns, int)):
        return None
    is_paired, (buffer, (address,)) = load.op == "pair", first_load(load).payload
    down, across = stride(address, axis), stride(address, str(schedule.vector))
    start = substitute(address, {axis: 0, str(schedule.vector): 0})
    if down is None or across is None or not isinstance(start, int):
        return None
    # Parameters are packed by a function that copies rows.
    space, is_copied = spaces.get(buffer), across == 1 and not is_paired
    if space != "constant" and not (space == "kept" and is_copied):
        return None
    width = schedule.lanes * schedule.vectors
    return Packing(start, down // (1 + is_paired), across, rows, columns, width, schedule.lanes, is_paired)
