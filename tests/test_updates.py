"""Updates: whatever reads a Parameter reads its old value, in whichever order and place the new ones are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn

from .test_targets import EVERY

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


# New values of p, from p and q of one shape: elements of what is made of p are needed where they are not stored.
ELSEWHERE: dict[str, Callable[[Any, Any], Any]] = {
    "flipped": lambda p, q: p + (p * 2.0)[::-1],
    "flipped sine": lambda p, q: p + sn.sin(p * q)[::-1],
    "flipped twice": lambda p, q: sn.sin((p * q)[::-1] + q)[::-1] + (p * q)[::-1],
    "an element": lambda p, q: p + (p * q)[(0,) * len(p.shape)],
    "the last element": lambda p, q: p * (p + q)[(-1,) * len(p.shape)],
    "first slices": lambda p, q: p + (p * q)[:1],
    "shifted": lambda p, q: p + sn.pad((p * q)[:-1], ((1, 0), *((0, 0),) * (len(p.shape) - 1))),
    "taken": lambda p, q: p * q + sn.take(p * q, np.array([-1, 0]), 0).sum(0),
    "concatenated": lambda p, q: p + sn.concatenate([(p * q)[1:], (p * q)[:1]]),
    "reshaped": lambda p, q: p + (p * q)[::-1].reshape((-1,)).reshape(p.shape),
    "summed": lambda p, q: p + (p * q).sum(),
    "cumulated": lambda p, q: p - sn.cumsum(p * q, 0),
    "sorted": lambda p, q: p + sn.sort(p * q, 0),
    "normalized": lambda p, q: p * q - sn.softmax(p * q, axis=-1),
}
OF_MATRICES: dict[str, Callable[[Any, Any], Any]] = {
    "transposed": lambda p, q: p + sn.transpose(p * 2.0),
    "a column": lambda p, q: p + (p * q)[:, :1],
    "a row of sines": lambda p, q: p + sn.sin(p * q)[-1],
    "a product": lambda p, q: p - (p * q) @ p,
    "a diagonal": lambda p, q: p + sn.einsum("ii->i", p * q),
}
CASES = [(n, 1) for n in ELSEWHERE] + [(n, 2) for n in [*ELSEWHERE, *OF_MATRICES]]
LENGTHS = (1, 3, 9, 17, 33)


def values_of(n: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.normal(size=(n,) * rank), rng.normal(size=(n,) * rank)


@EVERY
@pytest.mark.parametrize(("name", "rank"), CASES)
def test_elements_that_are_needed_elsewhere(name: str, rank: int, target: str) -> None:
    rule = {**ELSEWHERE, **OF_MATRICES}[name]
    for n in LENGTHS:
        old = values_of(n, rank)
        p, q = map(sn.Parameter, old)
        wanted = np.asarray(rule(*old)), np.asarray(rule(*old[::-1]))
        sn.compile(None, updates={p: rule(p, q), q: rule(q, p)}, target=target)()
        np.testing.assert_allclose(p.value, wanted[0], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(q.value, wanted[1], rtol=1e-11, atol=1e-12)


@EVERY
def test_gradients_as_new_values(target: str) -> None:
    for n in LENGTHS:
        old, other = values_of(n, 1)
        p, q = sn.Parameter(old), sn.Variable("q", ("n",), "float64")
        sn.compile(None, updates={p: sn.grad((q * q[::-1] * p).sum(), q)}, target=target)(other)
        np.testing.assert_allclose(p.value, other[::-1] * (old + old[::-1]), rtol=1e-12)


@EVERY
def test_values_computed_together(target: str) -> None:
    """One kernel stores both; each reads what the other stores."""
    for n in LENGTHS:
        old = values_of(n, 1)
        p, q = map(sn.Parameter, old)
        s = sn.sin(p * q)
        f = sn.compile(s, updates={p: s - q, q: s * p}, target=target)
        np.testing.assert_allclose(f(), np.sin(old[0] * old[1]), rtol=1e-12)
        np.testing.assert_allclose(p.value, np.sin(old[0] * old[1]) - old[1], rtol=1e-12)
        np.testing.assert_allclose(q.value, np.sin(old[0] * old[1]) * old[0], rtol=1e-12)


STEP: dict[str, Callable[[Any, Any], Any]] = {
    "descent": lambda p, g: p - 0.1 * g,
    "decay": lambda p, g: sn.where(g > 0, p * 0.9, p) - 0.1 * sn.sin(p * g),
    "gradients elsewhere": lambda p, g: p * 2.0 - g[::-1],
    "of a product": lambda p, g: p - 0.1 * (g @ sn.transpose(g)),
}


@pytest.mark.parametrize("name", STEP)
def test_stored_in_place(name: str) -> None:
    """Nothing but the parameter is written where each element is read for itself alone."""
    p, g = sn.Parameter(np.ones((9, 9))), sn.Variable("g", (9, 9), "float64")
    f = sn.compile(None, updates={p: STEP[name](p, g)})
    f(np.ones((9, 9)))
    assert "# copy" not in f._latest.loops()  # type: ignore[union-attr]
    assert f.memory.arena <= 8 * 9 * 9 * (name == "of a product") * 2


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@pytest.mark.parametrize("n", [1, 3, 16, 100])
def test_what_reads_old_and_new_values_in_one_kernel(n: int, target: str) -> None:
    p, q = sn.Parameter(np.full(n, 0.5), name="p"), sn.Parameter(np.full(n, 0.25), name="q")
    new_p, new_q = q * 4, p + p[-1]
    f = sn.compile((q + new_q) * 1.0, updates={p: new_p, q: new_q}, target=target)
    for _ in range(2):
        old_p, old_q = p.value.copy(), q.value.copy()
        np.testing.assert_array_equal(f(), old_q + (old_p + old_p[-1]))
        np.testing.assert_array_equal(p.value, old_q * 4)
        np.testing.assert_array_equal(q.value, old_p + old_p[-1])
