"""Updates: whatever reads a Parameter reads its old value, in whichever order and place the new ones are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn

# What becomes of a Parameter's value on its way to a result or another Parameter: on Variables and arrays alike.
WAYS = {
    "itself": lambda p: p,
    "reshaped": lambda p: p.reshape((2, 2)).reshape((4,)),
    "reversed": lambda p: p[::-1],
    "plus one": lambda p: p + 1.0,
    "sum": lambda p: p + p.sum(),
    "twice reversed": lambda p: p[::-1] * 2.0,
}
COUNT = 4
READS = st.tuples(st.sampled_from(sorted(WAYS)), st.integers(0, COUNT - 1))


@given(st.dictionaries(st.integers(0, COUNT - 1), READS, max_size=COUNT), st.lists(READS, min_size=1, max_size=3))
@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_everything_reads_the_old_values(
    mode: str, updates: dict[int, tuple[str, int]], outputs: list[tuple[str, int]]
) -> None:
    old = [10.0 * k + np.arange(4.0) for k in range(COUNT)]
    parameters = [sn.Parameter(v) for v in old]

    def read(what: tuple[str, int], values: Any) -> Any:
        return WAYS[what[0]](values[what[1]])

    f = sn.compile(
        [read(o, parameters) for o in outputs],
        updates={parameters[k]: read(u, parameters) for k, u in updates.items()},
        mode=mode,
    )
    for _ in range(2):
        results = f()
        for result, what in zip(results, outputs, strict=True):
            np.testing.assert_array_equal(result, read(what, old))
        old = [read(updates[k], old) if k in updates else old[k] for k in range(COUNT)]
        for parameter, value in zip(parameters, old, strict=True):
            np.testing.assert_array_equal(parameter.value, value)
