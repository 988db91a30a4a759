"""numpy by hand in float32, where that is written."""

from __future__ import annotations

from .. import by_hand
from ..workloads import Workload
from . import Program


def build(workload: Workload) -> Program | None:
    found = by_hand.build(workload)
    if found is None:
        return None
    call, parameters = found
    return Program(call, lambda: parameters)
