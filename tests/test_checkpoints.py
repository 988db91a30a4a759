"""`scan(..., checkpoint=)`: the same loop, whose derivative runs steps again instead of keeping what they computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet.dims import Dim, at_most, floordiv, minimum

ROWS, FEATURES, HIDDEN = 2, 3, 4
BOUND = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def program(checkpoint: int | None, steps: int | str, reverse: bool = False, order: int = 1, **options: Any) -> Any:
    """A recurrent network, its loss of the last state and of all, and gradients by everything."""
    x = sn.Variable("x", (steps, "batch", FEATURES), "float64")
    h = sn.Variable("h", ("batch", HIDDEN), "float64")
    w, u = (sn.Variable(n, (rows, HIDDEN), "float64") for n, rows in (("w", FEATURES), ("u", HIDDEN)))

    def step(state: tuple[Any, Any], each: Any) -> Any:
        h, count = state
        h = sn.tanh(each @ w + h @ u)
        return (h, count + 1), {"square": h * h, "count": count}

    (last, count), ys = sn.scan(step, (h, 0), x, reverse=reverse, checkpoint=checkpoint)
    loss = sn.sum(last * last) + sn.sum(ys["square"] * (1 + ys["count"].reshape((-1, 1, 1))))
    gradients = sn.grad(loss, [x, h, w, u])
    if order == 2:
        gradients += sn.grad(sum(sn.sum(g * g) for g in gradients), [x, h, w, u])
    return sn.compile([loss, count, ys, *gradients], **options)


def point(steps: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(steps)
    shapes = {"x": (steps, rows, FEATURES), "h": (rows, HIDDEN), "w": (FEATURES, HIDDEN), "u": (HIDDEN, HIDDEN)}
    return {n: rng.normal(0, 0.5, shape) for n, shape in shapes.items()}


def assert_same(found: Any, wanted: Any) -> None:
    loss, count, ys, *gradients = found
    assert int(count) == int(wanted[1])
    np.testing.assert_array_equal(ys["count"], wanted[2]["count"])
    for a, b in zip([loss, ys["square"], *gradients], [wanted[0], wanted[2]["square"], *wanted[3:]], strict=True):
        np.testing.assert_allclose(a, b, **BOUND)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_same_numbers_for_every_number_of_steps(reverse: bool, order: int, mode: str) -> None:
    f = program(4, "steps", reverse, order, mode=mode, check=True)
    plain = program(None, "steps", reverse, order, mode=mode)
    for steps in (0, 1, 3, 4, 5, 8, 11):
        assert_same(f(**point(steps)), plain(**point(steps)))
    assert f.n_compiles == 1


@given(steps=st.integers(0, 9), checkpoint=st.integers(1, 10), reverse=st.booleans())
def test_known_numbers_of_steps(steps: int, checkpoint: int, reverse: bool) -> None:
    f = program(checkpoint, steps, reverse, mode="interpret", check=True)
    assert_same(f(**point(steps)), program(None, steps, reverse, mode="interpret")(**point(steps)))


@pytest.mark.parametrize(("steps", "checkpoint"), [(6, 2), (7, 3), (5, 8), (4, 4), (3, 1)])
def test_known_numbers_of_steps_natively(steps: int, checkpoint: int) -> None:
    assert_same(program(checkpoint, steps)(**point(steps)), program(None, steps)(**point(steps)))


def test_gradients_are_those_of_finite_differences() -> None:
    x, w = sn.Variable("x", ("steps", 2), "float64"), sn.Variable("w", (2,), "float64")
    last, ys = sn.scan(lambda h, each: (sn.sin(h * w + each), h * each), w, x, checkpoint=2)
    rng = np.random.default_rng(0)
    sn.check_grads(sn.sum(last) + sn.sum(ys**2), {"x": rng.normal(size=(5, 2)), "w": rng.normal(size=2)}, order=2)


@pytest.mark.parametrize("steps", [1024, "steps"])
def test_little_memory_is_needed(steps: int | str) -> None:
    def arena(checkpoint: int | None) -> int:
        x = sn.Variable("x", (steps, 4, 8), "float32")
        w, u = sn.Variable("w", (8, 64), "float32"), sn.Variable("u", (64, 64), "float32")

        def step(h: Any, each: Any) -> tuple[Any, None]:
            return sn.tanh(each @ w + h @ u), None

        last, _ = sn.scan(step, sn.zeros((4, 64), "float32"), x, checkpoint=checkpoint)
        f = sn.compile(sn.grad(sn.sum(last * last), [w, u]))
        f(np.ones((1024, 4, 8)), np.zeros((8, 64)), np.zeros((64, 64)))
        return f.memory.arena

    rows = 4 * 4 * 64  # bytes of a state
    assert arena(None) > 3 * 1024 * rows
    # The states before 32 segments, and what 32 steps need; with a named number of steps also a copy of x.
    assert arena(32) < 10 * 32 * rows + (1024 * 4 * 8 * 4 + 3 * 32 * rows if steps == "steps" else 0)


def test_random_numbers_are_those_of_the_plain_loop(mode: str) -> None:
    def draws(checkpoint: int | None) -> np.ndarray:
        x = sn.Variable("x", ("steps", 3), "float64")
        generator = sn.random.Generator(seed=3)
        w = sn.Variable("w", (3,), "float64")
        last, ys = sn.scan(
            lambda h, each: (h * 0.9 + w * each * generator.normal((3,), dtype="float64"), h),
            w,
            x,
            checkpoint=checkpoint,
        )
        f = sn.compile([last, ys, *sn.grad(sn.sum(last) + sn.sum(ys * ys), [w, x])], mode=mode)
        return np.concatenate([np.ravel(v) for _ in range(2) for v in f(np.ones((7, 3)), np.ones(3))])

    np.testing.assert_allclose(draws(3), draws(None), **BOUND)


def test_inside_another_loop_and_in_run(mode: str) -> None:
    x = sn.Variable("x", ("runs", "steps", 2), "float64")

    def outer(checkpoint: int | None) -> Any:
        def run(total: Any, each: Any) -> tuple[Any, Any]:
            last, _ = sn.scan(lambda h, v: (sn.tanh(h + v * total), None), total, each, checkpoint=checkpoint)
            return last, last

        last, _ = sn.scan(run, np.full(2, 0.5), x)
        return sn.compile([last, sn.grad(sn.sum(last), x)], mode=mode, check=True)

    a = np.random.default_rng(1).normal(size=(3, 7, 2))
    for found, wanted in zip(outer(3)(a), outer(None)(a), strict=True):
        np.testing.assert_allclose(found, wanted, **BOUND)
    weight = sn.Parameter(np.ones(2), name="weight")
    row = sn.Variable("row", ("rows", 2), "float64")
    last, _ = sn.scan(lambda h, v: (sn.tanh(h * weight + v), None), np.zeros(2), row, checkpoint=2)
    loss = sn.sum(last * last)
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.1)(loss, [weight]), mode=mode)
    data = np.random.default_rng(2).normal(size=(10, 2))
    one_by_one = [float(step(data[k : k + 5])) for k in (0, 5)]
    weight.value = np.ones(2)
    np.testing.assert_allclose(step.run([data], 5), one_by_one, rtol=1e-12)


def test_at_once_it_changes_nothing() -> None:
    last, ys = sn.scan(lambda h, v: (h + v, h), 0.0, np.arange(5.0), checkpoint=2)
    assert float(last) == 10.0 and ys.tolist() == [0, 0, 1, 3, 6]


@pytest.mark.parametrize("checkpoint", [0, -1, 2.0, True, "sqrt"])
def test_what_is_no_number_of_steps(checkpoint: Any) -> None:
    with pytest.raises(sn.ArgumentError, match=r"checkpoint is .*; expected None or a number of steps"):
        sn.scan(lambda h, v: (h, v), 0.0, sn.Variable("x", ("n",), "float64"), checkpoint=checkpoint)


def test_whole_multiples_are_no_larger() -> None:
    n, rows = Dim.named("n"), Dim.named("rows")
    whole = floordiv(n, 4) * 4
    assert minimum(whole, n) == whole and at_most(0, n - whole)
    assert at_most(whole * rows * 2, n * rows * 2) and at_most(floordiv(n, 4) * 8, n * 2)
    assert not at_most(n, whole) and not at_most(floordiv(n, 4) * 5, n) and not at_most(floordiv(n, rows) * 4, n)
