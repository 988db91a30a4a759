"""compile(..., freeze=): Parameters as constants of a function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn

ROWS = np.random.default_rng(0).normal(size=(5, 3))


def network() -> tuple[sn.Variable, sn.nn.Sequential, Any]:
    x = sn.Variable("x", ("batch", 3), "float64")
    net = sn.nn.Sequential(
        sn.nn.Linear(3, 4, rng=0, dtype="float64"), sn.nn.Tanh(), sn.nn.Linear(4, 2, rng=1, dtype="float64")
    )
    return x, net, net(x)


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_later_assignments_do_not_reach_the_function(mode: str) -> None:
    _, net, y = network()
    followed, fixed = sn.compile(y, mode=mode), sn.compile(y, mode=mode, freeze=True)
    before = followed(ROWS)
    np.testing.assert_allclose(fixed(ROWS), before, rtol=1e-12)
    for parameter in net.parameters():
        parameter.value = parameter.value * 0
    assert not followed(ROWS).any()
    np.testing.assert_allclose(fixed(ROWS), before, rtol=1e-12)
    assert not any(n.op.name == "parameter" for n in fixed.graph.nodes) and fixed.memory.parameters == 0


def test_the_numbers_are_those_of_compile_not_of_the_first_call() -> None:
    """Without declared types the program is made at the call."""
    x, scale = sn.Variable("x"), sn.Parameter(2.0, name="scale")
    f = sn.compile(x * scale, freeze=True)
    scale.value = 5.0
    assert f(3.0) == 6.0


def test_some_are_frozen_and_others_trained() -> None:
    _, net, y = network()
    loss = sn.mean(y**2)
    first, last = net[0].parameters(), net[2].parameters()
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.1)(loss, last), freeze=first)
    start = [p.value.copy() for p in net.parameters()]
    values = [float(step(ROWS)) for _ in range(5)]
    assert values == sorted(values, reverse=True) and len(set(values)) == 5
    changed = [not np.array_equal(a, p.value) for a, p in zip(start, net.parameters(), strict=True)]
    assert changed == [False, False, True, True]
    assert {str(n.attrs["name"]) for n in step.graph.nodes if n.op.name == "parameter"} == {p.name for p in last}


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_gradients_by_a_frozen_parameter_are_its_own(mode: str) -> None:
    """Two with the same numbers are one constant; each still has its own gradient."""
    a, b = sn.Parameter(np.ones(3), name="a"), sn.Parameter(np.ones(3), name="b")
    x = sn.Variable("x", (3,), "float64")
    gradients = sn.grad(sn.sum(a * x + b * x * x), [a, b])
    f = sn.compile(gradients, mode=mode, freeze=True)
    point = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(f(point), [point, point**2])


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_loops_read_frozen_parameters(mode: str) -> None:
    x = sn.Variable("x", ("steps", "batch", 3), "float64")
    ys, _ = sn.nn.GRU(3, 4, rng=0, dtype="float64")(x)
    sequence = np.random.default_rng(1).normal(size=(6, 2, 3))
    f, g = sn.compile(ys, mode=mode), sn.compile(ys, mode=mode, freeze=True)
    np.testing.assert_allclose(g(sequence), f(sequence), rtol=1e-10)


def test_random_states_stay_free() -> None:
    generator = sn.random.Generator(seed=0)
    x, scale = sn.Variable("x", (4,), "float64"), sn.Parameter(2.0, name="scale")
    f = sn.compile(x + scale * generator.normal((4,)), freeze=True)
    assert not np.array_equal(f(np.zeros(4)), f(np.zeros(4)))
    with pytest.raises(sn.ArgumentError, match="is frozen, and updated"):
        sn.compile(x + generator.normal((4,)), freeze=[generator.state])


def test_run_over_batches_keeps_what_is_frozen() -> None:
    x, scale = sn.Variable("x", ("rows",), "float64"), sn.Parameter(2.0, name="scale")
    f = sn.compile(sn.sum(x * scale), freeze=True)
    scale.value = 5.0
    np.testing.assert_array_equal(f.run([np.arange(5.0)], 2), [2.0, 10.0, 8.0])


def test_what_cannot_be_frozen() -> None:
    x, net, y = network()
    loss = sn.mean(y**2)
    with pytest.raises(sn.ArgumentError, match=r"'weight.*' \(made at test_freezing.py:\d+\) is frozen, and updated"):
        sn.compile(loss, updates=sn.optim.SGD(lr=0.1)(loss, net.parameters()), freeze=True)
    norm = sn.nn.BatchNorm1d(3)
    v = sn.Variable("v", ("batch", 3), "float32")
    with pytest.raises(sn.ArgumentError, match=r"running_mean.* is frozen, and updated .*until eval\(\)"):
        sn.compile(norm(v), freeze=True)
    for wrong in ("weight", [x], 3, net):
        with pytest.raises(sn.ArgumentError, match="expected True, False or a list of Parameters"):
            sn.compile(y, freeze=wrong)  # type: ignore[arg-type]
