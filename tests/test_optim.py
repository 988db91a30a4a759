"""Optimisers against their formulas, written again in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet as sn
from symnet import optim

START = np.array([1.0, -2.0, 0.5])
SCALE = np.array([1.0, 3.0, 0.1])
MODES = ("native", "interpret")
Values = Iterator[np.ndarray]


def quartic(w: Any) -> Any:
    """sum(scale * w**4)."""
    return (sn.Constant(SCALE.astype(w.dtype)) * w * w * w * w).sum()


def slope(w: np.ndarray) -> np.ndarray:
    return 4 * SCALE * w**3


def run(optimiser: Any, steps: int, mode: str = "native", dtype: str = "float64") -> list[np.ndarray]:
    """The Parameter after each of some steps on the quartic."""
    w = sn.Parameter(START.astype(dtype), name="w")
    step = sn.compile(None, updates=optimiser(quartic(w), [w]), mode=mode)
    found = []
    for _ in range(steps):
        step()
        found.append(w.value.copy())
    return found


# -- the rules: PyTorch's formulas (torch.optim's documentation), one generator of values a rule ---------------------
def sgd(lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False) -> Values:
    w, b = START.copy(), None
    while True:
        g = slope(w) + weight_decay * w
        if momentum:
            b = g if b is None else momentum * b + g
            g = g + momentum * b if nesterov else b
        w = w - lr * g
        yield w


def adagrad(
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> Values:
    w, total, t = START.copy(), np.full(3, initial_accumulator_value), 0
    while True:
        t += 1
        g = slope(w) + weight_decay * w
        total = total + g**2
        w = w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)
        yield w


def rmsprop(
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Values:
    w, v, mean, b = START.copy(), np.zeros(3), np.zeros(3), np.zeros(3)
    while True:
        g = slope(w) + weight_decay * w
        v = alpha * v + (1 - alpha) * g**2
        spread = v
        if centered:
            mean = alpha * mean + (1 - alpha) * g
            spread = v - mean**2
        b = momentum * b + g / (np.sqrt(spread) + eps)
        w = w - lr * b
        yield w


def adam(
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled: bool = False,
) -> Values:
    w, m, v, largest, t = START.copy(), np.zeros(3), np.zeros(3), np.zeros(3), 0
    while True:
        t += 1
        g = slope(w)
        if decoupled:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v) if amsgrad else v
        w = w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(largest / (1 - betas[1] ** t)) + eps)
        yield w


def adamw(weight_decay: float = 1e-2, **options: Any) -> Values:
    return adam(weight_decay=weight_decay, decoupled=True, **options)


def lion(lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0) -> Values:
    w, m = START.copy(), np.zeros(3)
    while True:
        g = slope(w)
        w = w - lr * weight_decay * w
        w = w - lr * np.sign(betas[0] * m + (1 - betas[0]) * g)
        m = betas[1] * m + (1 - betas[1]) * g
        yield w


Rule = tuple[Callable[..., Any], Callable[..., Values]]
RULES: dict[str, Rule] = {
    "SGD": (optim.SGD, sgd),
    "Adagrad": (optim.Adagrad, adagrad),
    "RMSprop": (optim.RMSprop, rmsprop),
    "Adam": (optim.Adam, adam),
    "AdamW": (optim.AdamW, adamw),
    "Lion": (optim.Lion, lion),
}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in RULES),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.2}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"alpha": 0.8, "centered": True}),
    ("RMSprop", {"alpha": 0.8, "momentum": 0.5, "weight_decay": 0.1, "centered": True}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3}),
    ("Adam", {"lr": 0.3, "betas": (0.5, 0.6), "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.3, "betas": (0.5, 0.6), "amsgrad": True}),
    ("Lion", {"lr": 0.1, "betas": (0.5, 0.8), "weight_decay": 0.3}),
    ("Lion", {"lr": 0.7, "betas": (0.6, 0.2)}),  # far steps: gradients change their signs
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_rule(mode: str, name: str, options: dict[str, Any]) -> None:
    rule, formula = RULES[name]
    values = formula(**options)
    for found in run(rule(**options), 5, mode):
        np.testing.assert_allclose(found, next(values), rtol=1e-10)


def each_rule() -> list[Any]:
    return [pytest.param(rule, id=name) for name, (rule, _) in RULES.items()]


ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False}
DEFAULTS: list[tuple[Any, dict[str, Any]]] = [
    (optim.SGD, {"lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False}),
    (optim.Adagrad, {"lr": 1e-2, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10}),
    (optim.RMSprop, {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False}),
    (optim.Adam, ADAM),
    (optim.AdamW, {**ADAM, "weight_decay": 1e-2}),
    (optim.Lion, {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0}),
]


@pytest.mark.parametrize(("rule", "defaults"), DEFAULTS)
def test_defaults(rule: Any, defaults: dict[str, Any]) -> None:
    assert rule().defaults == defaults


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_dtypes_stay(mode: str, name: str, options: dict[str, Any]) -> None:
    rule, formula = RULES[name]
    scheduled = {n: optim.ConstantLR(v) if n == "lr" else v for n, v in options.items()}
    optimiser = rule(**scheduled, clip_norm=1e6, clip_value=1e6)
    w = sn.Parameter(START.astype(np.float32))
    updates = optimiser(quartic(w), [w])
    assert {p.name: new.dtype for p, new in updates.items()} == {p.name: p.dtype for p in updates}
    sn.compile(None, updates=updates, mode=mode)()
    np.testing.assert_allclose(w.value, next(formula(**options)), rtol=1e-4)


def test_the_loss_is_that_of_the_values_before_the_update() -> None:
    w = sn.Parameter(START)
    loss = quartic(w)
    step = sn.compile(loss, updates=optim.SGD(0.01)(loss, [w]))
    assert float(step()) == pytest.approx((SCALE * START**4).sum())


@pytest.mark.parametrize("mode", MODES)
def test_centered_rmsprop_meets_equal_gradients(mode: str) -> None:
    slopes = sn.Constant(np.random.default_rng(0).random(100, "f"))
    w = sn.Parameter(np.zeros(100, "f"))
    step = sn.compile(None, updates=optim.RMSprop(alpha=0.5, centered=True)((w * slopes).sum(), [w]), mode=mode)
    for _ in range(60):
        step()
    assert np.isfinite(w.value).all()  # mean square - squared mean is rounded below 0


@settings(max_examples=20)
@given(st.lists(st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3), min_size=3, max_size=3))
def test_lion_and_first_adam_steps_are_as_long_as_the_rate(slopes: list[float]) -> None:
    for rule in (optim.Lion, optim.Adam, optim.AdamW):
        w = sn.Parameter(np.zeros(3))
        updates = rule(lr=0.25)((w * sn.Constant(np.array(slopes))).sum(), [w])
        sn.compile(None, updates=updates, mode="interpret")()
        np.testing.assert_allclose(w.value, -0.25 * np.sign(slopes), rtol=1e-4)


# -- state -----------------------------------------------------------------------------------------------------------
STATE = {
    "SGD": (optim.SGD(momentum=0.9), ["momentum_buffer"]),
    "Adagrad": (optim.Adagrad(), ["sum"]),
    "Adagrad with decay": (optim.Adagrad(lr_decay=0.1), ["adagrad_step", "sum"]),
    "RMSprop": (optim.RMSprop(momentum=0.1, centered=True), ["grad_avg", "momentum_buffer", "square_avg"]),
    "Adam": (optim.Adam(amsgrad=True), ["adam_step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]),
    "Lion": (optim.Lion(), ["exp_avg"]),
    "scheduled": (optim.SGD(lr=optim.ExponentialLR(0.1, 0.9)), ["sgd_step"]),
    "plain": (optim.SGD(), []),
}


@pytest.mark.parametrize("name", STATE)
def test_state_is_listed(name: str) -> None:
    optimiser, names = STATE[name]
    w = sn.Parameter(START, name="weight")
    updates = optimiser(quartic(w), [w])
    assert all(p.name == key and p in updates and not p.trainable for key, p in optimiser.state.items())
    assert set(updates) == {w, *optimiser.state.values()}
    stems = [key.removeprefix(f"{w.name}_") for key in optimiser.state]
    assert len(stems) == len(names)
    assert all(stem.startswith(wanted) for stem, wanted in zip(sorted(stems), names, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_the_counter_counts(mode: str) -> None:
    rule = optim.Adam(lr=optim.StepLR(0.1, 2))
    w, v = sn.Parameter(START), sn.Parameter(START)
    step = sn.compile(None, updates=rule(quartic(w) + quartic(v), [w, v]), mode=mode)
    (counter,) = [p for name, p in rule.state.items() if "step" in name]
    assert counter.value == 0
    for _ in range(3):
        step()
    assert counter.value == 3


def test_two_calls_keep_two_states() -> None:
    rule = optim.Adam(0.1)
    a, b = sn.Parameter(1.0), sn.Parameter(1.0)
    one, two = sn.compile(None, updates=rule(a * a, [a])), sn.compile(None, updates=rule(b * b, [b]))
    for _ in range(3):
        one()
    two()
    assert float(b.value) == pytest.approx(0.9)
    assert float(a.value) != float(b.value)


# -- schedules -------------------------------------------------------------------------------------------------------
def cosine(t: int, lr: float, steps: int, least: float) -> float:
    return least + (lr - least) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2


SCHEDULES: dict[str, tuple[Any, Callable[[int], float]]] = {
    "constant": (optim.ConstantLR(0.3), lambda t: 0.3),
    "step": (optim.StepLR(0.2, step_size=2, gamma=0.5), lambda t: 0.2 * 0.5 ** (t // 2)),
    "exponential": (optim.ExponentialLR(0.2, gamma=0.9), lambda t: 0.2 * 0.9**t),
    "cosine": (optim.CosineAnnealingLR(0.3, T_max=4, eta_min=0.1), lambda t: cosine(t, 0.3, 4, 0.1)),
    "warm-up": (
        optim.WarmupCosineLR(0.3, warmup_steps=3, T_max=6, eta_min=0.1),
        lambda t: 0.1 * t if t < 3 else cosine(t - 3, 0.3, 3, 0.1),
    ),
    "function": (lambda step: 0.2 / (1 + step), lambda t: 0.2 / (1 + t)),
    "function of nothing": (lambda step: 0.2, lambda t: 0.2),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(mode: str, dtype: str, name: str) -> None:
    schedule, formula = SCHEDULES[name]
    w = sn.Parameter(np.zeros((), dtype))
    step = sn.compile(None, updates=optim.SGD(lr=schedule)(-1.0 * w, [w]), mode=mode)
    rates = [formula(t) for t in range(9)]
    for t in range(9):
        step()
        assert float(w.value) == pytest.approx(sum(rates[: t + 1]), rel=1e-6)
        assert float(schedule(t)) == pytest.approx(rates[t])


@pytest.mark.parametrize("rule", each_rule())
def test_a_constant_schedule_is_its_number(rule: Any) -> None:
    for a, b in zip(run(rule(lr=0.01), 3), run(rule(lr=optim.ConstantLR(0.01)), 3), strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=30)
@given(st.floats(1e-6, 10), st.integers(1, 20), st.integers(1, 20), st.floats(0, 1))
def test_warm_up_rises_then_falls(lr: float, warmup: int, more: int, share: float) -> None:
    schedule = optim.WarmupCosineLR(lr, warmup, warmup + more, eta_min=share * lr)
    rates = [float(schedule(t)) for t in range(warmup + more + 3)]
    assert max(rates) == pytest.approx(rates[warmup]) == pytest.approx(lr)
    assert np.all(np.diff(rates[: warmup + 1]) > 0) and np.all(np.diff(rates[warmup:]) <= 1e-12 * lr)
    assert rates[-1] == pytest.approx(share * lr, abs=1e-12 * lr)


# -- clipping --------------------------------------------------------------------------------------------------------
def sgd_clipped(value: float = math.inf, norm: float = math.inf) -> Values:
    w = START.copy()
    while True:
        g = np.clip(slope(w), -value, value)
        w = w - 0.1 * g * min(1.0, norm / (np.linalg.norm(g) + 1e-6))
        yield w


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bounds", [{"value": 2.0}, {"norm": 3.0}, {"norm": 1e3}, {"value": 2.0, "norm": 1.5}])
def test_clipped_steps(mode: str, bounds: dict[str, float]) -> None:
    values = sgd_clipped(**bounds)
    for found in run(optim.SGD(0.1, **{f"clip_{n}": v for n, v in bounds.items()}), 5, mode):
        np.testing.assert_allclose(found, next(values), rtol=1e-12)


@pytest.mark.parametrize("rule", each_rule())
def test_every_rule_clips(rule: Any) -> None:
    """A steep gradient, clipped, moves a Parameter as the small one that clipping makes of it."""
    small = 1e-2
    w, v = sn.Parameter(START), sn.Parameter(START)
    clipped = rule(clip_value=small)(quartic(w), [w])
    plain = rule()((sn.Constant(small * np.sign(START)) * v).sum(), [v])
    sn.compile(None, updates={**clipped, **plain})()
    np.testing.assert_allclose(w.value, v.value, rtol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_the_norm_is_that_of_all_groups_and_dtypes(mode: str) -> None:
    a, b = sn.Parameter(np.zeros(2, "f")), sn.Parameter(0.0)
    loss = (sn.Constant(np.array([3.0, 0.0], "f")) * a).sum().astype("float64") + 4.0 * b
    groups = [{"params": [a]}, {"params": b, "lr": 2.0}]
    sn.compile(None, updates=optim.SGD(1.0, clip_norm=1.0)(loss, groups), mode=mode)()
    np.testing.assert_allclose(a.value, [-0.6, 0.0], rtol=1e-5)
    np.testing.assert_allclose(b.value, -1.6, rtol=1e-5)


@settings(max_examples=30)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=5), st.floats(1e-3, 1e3))
def test_clipped_gradients_are_bounded_and_keep_their_direction(elements: list[float], bound: float) -> None:
    given_ = np.array(elements, "f")
    by_norm = sn.compile(optim.clip_grad_norm([sn.Constant(given_)], bound)[0], mode="interpret")()
    by_value = sn.compile(optim.clip_grad_value([sn.Constant(given_)], bound)[0], mode="interpret")()
    norm = np.linalg.norm(given_.astype("d"))
    assert by_norm.dtype == by_value.dtype == np.float32
    assert np.linalg.norm(by_norm.astype("d")) <= bound * (1 + 1e-6)
    np.testing.assert_allclose(by_norm, given_ * min(1.0, bound / (norm + 1e-6)), rtol=1e-5, atol=1e-37)
    np.testing.assert_array_equal(by_value, np.clip(given_, -np.float32(bound), np.float32(bound)))


def test_no_gradients_are_clipped_to_none() -> None:
    assert optim.clip_grad_norm([], 1.0) == [] == optim.clip_grad_value([], 1.0)


# -- groups and frozen Parameters ------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
def test_groups_have_their_options(mode: str) -> None:
    w, v, u = (sn.Parameter(START) for _ in range(3))
    rule = optim.SGD(lr=0.01, momentum=0.9)
    loss = quartic(w) + quartic(v) + quartic(u)
    groups = [
        {"params": [w]},
        {"params": [v], "lr": 0.02, "momentum": 0.0},
        {"params": iter([u]), "lr": optim.ExponentialLR(0.01, 1.0), "weight_decay": 0.1, "nesterov": True},
    ]
    step = sn.compile(None, updates=rule(loss, groups), mode=mode)
    expected = [sgd(0.01, 0.9), sgd(0.02), sgd(0.01, 0.9, 0.1, True)]
    for _ in range(5):
        step()
        for p, values in zip((w, v, u), expected, strict=True):
            np.testing.assert_allclose(p.value, next(values), rtol=1e-12)
    assert rule.defaults["lr"] == 0.01


@pytest.mark.parametrize("rule", each_rule())
def test_frozen_parameters_stay(rule: Any) -> None:
    w, fixed = sn.Parameter(1.0), sn.Parameter(2.0, trainable=False)
    optimiser = rule(lr=0.1)
    updates = optimiser(w * fixed, [{"params": [w, fixed]}, {"params": []}])
    assert w in updates and fixed not in updates
    assert not any(fixed.name in name for name in optimiser.state)
    sn.compile(None, updates=updates)()
    assert fixed.value == 2.0 and w.value != 1.0


def test_one_parameter_needs_no_list() -> None:
    w = sn.Parameter(1.0)
    assert w in optim.SGD()(w * w, w) and w in optim.SGD()(w * w, {"params": w})
    assert w in optim.SGD()(w * w, (p for p in [w]))


# -- averages --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_averages_follow(mode: str, dtype: str) -> None:
    w = sn.Parameter(START.astype(dtype), name="weight")
    follow = optim.ExponentialMovingAverage(0.75)
    rule = optim.Adam(0.1)
    updates = follow(rule(quartic(w), [w]))
    average = follow.averages[w]
    assert list(follow.averages) == [w] and set(updates) == {w, average, *rule.state.values()}
    assert average.name.startswith(f"{w.name}_average") and not average.trainable and average.dtype == w.dtype
    step = sn.compile(None, updates=updates, mode=mode)
    expected, values = START, adam(lr=0.1)
    for _ in range(5):
        step()
        expected = 0.75 * expected + 0.25 * next(values)
        np.testing.assert_allclose(average.value, expected, rtol=1e-12 if dtype == "float64" else 1e-5)


@settings(max_examples=20)
@given(st.floats(0, 0.999), st.floats(-10, 10), st.floats(-10, 10))
def test_an_average_lies_between(decay: float, start: float, new: float) -> None:
    w = sn.Parameter(start)
    follow = optim.ExponentialMovingAverage(decay)
    sn.compile(None, updates=follow({w: sn.Constant(new)}), mode="interpret")()
    low, high = sorted([start, new])
    assert low - 1e-12 <= float(follow.averages[w].value) <= high + 1e-12


# -- errors ----------------------------------------------------------------------------------------------------------
W, FIXED = sn.Parameter(1.0, name="errs"), sn.Parameter(1.0, name="fixed", trainable=False)
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (
        lambda: optim.SGD(momentm=0.9),
        "SGD has no option 'momentm'; expected one of lr, .*momentum.*clip_norm",
    ),
    "negative lr": (lambda: optim.Adam(lr=-0.1), r"Adam: lr is -0\.1; expected a number >= 0 or a schedule"),
    "lr of text": (lambda: optim.Adam(lr="fast"), "lr is 'fast'; expected a number"),
    "lr NaN": (lambda: optim.Adam(lr=math.nan), "lr is nan; expected"),
    "lr a class": (lambda: optim.Adam(lr=optim.ConstantLR), "lr is <class.*; expected"),
    "lr beyond floats": (lambda: optim.Adam(lr=10**400), "lr is 1000.*; expected a number"),
    "lr a bool": (lambda: optim.Adam(lr=True), "lr is True; expected"),
    "momentum": (lambda: optim.SGD(momentum=-1), "momentum is -1; expected a number >= 0"),
    "nesterov alone": (lambda: optim.SGD(nesterov=True), "momentum is 0; expected a momentum > 0"),
    "nesterov": (lambda: optim.SGD(momentum=0.9, nesterov=1), "nesterov is 1; expected True or False"),
    "one beta": (lambda: optim.Adam(betas=0.9), r"betas is 0\.9; expected two numbers"),
    "beta of 1": (lambda: optim.Lion(betas=(0.9, 1.0)), r"betas\[1\] is 1\.0; expected a number >= 0 and < 1"),
    "alpha": (lambda: optim.RMSprop(alpha=1), "alpha is 1; expected"),
    "eps": (lambda: optim.Adagrad(eps=None), "eps is None; expected a number >= 0"),
    "clip_norm": (lambda: optim.Lion(clip_norm=0), "Lion: clip_norm is 0; expected a number > 0"),
    "clip_value": (lambda: optim.SGD(clip_value=-1), "SGD: clip_value is -1; expected"),
    "none trainable": (
        lambda: optim.SGD()(W * W, [FIXED]),
        "SGD: no Parameter given is trainable; expected at least one",
    ),
    "none at all": (lambda: optim.SGD()(W * W, []), "no Parameter given is trainable"),
    "no params": (
        lambda: optim.SGD()(W * W, [{"params": W}, {"lr": 1}]),
        "SGD: group 1 has the keys 'lr'; expected 'params'",
    ),
    "half a group": (lambda: optim.SGD()(W * W, [{"params": []}, W]), "group 1 is Parameter 'errs'; expected a dict"),
    "twice": (
        lambda: optim.SGD()(W * W, [{"params": W}, {"params": [W]}]),
        "'errs' is given twice, in SGD: group 0 and in SGD: group 1",
    ),
    "twice in a list": (lambda: optim.SGD()(W * W, [W, W]), "'errs' is given twice"),
    "group's option": (
        lambda: optim.SGD()(W * W, [{"params": W, "beta": 1}]),
        "SGD: group 0 has no option 'beta'; expected one of lr, momentum",
    ),
    "group's clip": (lambda: optim.SGD()(W * W, [{"params": W, "clip_norm": 1}]), "group 0 has no option 'clip_norm'"),
    "group's lr": (lambda: optim.SGD()(W * W, [{"params": W, "lr": -1}]), "SGD: group 0: lr is -1; expected"),
    "group's nesterov": (
        lambda: optim.SGD()(W * W, [{"params": W, "nesterov": True}]),
        "group 0: nesterov is True and momentum is 0",
    ),
    "a number": (lambda: optim.SGD()(W * W, 3), "the parameters are 3; expected a sequence of Parameters"),
    "an expression": (lambda: optim.SGD()(W * W, W * W), "the parameters are <multiply.*expected a sequence"),
    "no Parameter": (lambda: optim.SGD()(W * W, [W, 3]), "the parameters have 3; expected Parameters"),
    "schedule of None": (
        lambda: optim.SGD(lr=lambda t: None)(W * W, [W]),
        "the value of the schedule .* is None; expected a number >= 0",
    ),
    "schedule's lr": (lambda: optim.ConstantLR(-1), "ConstantLR: lr is -1; expected a number >= 0"),
    "schedule's steps": (lambda: optim.StepLR(0.1, 0.5), r"StepLR: step_size is 0\.5; expected a whole number >= 1"),
    "schedule's gamma": (lambda: optim.ExponentialLR(0.1, -0.5), r"gamma is -0\.5; expected"),
    "schedule's end": (lambda: optim.WarmupCosineLR(0.1, 5, 5), "T_max is 5; expected more than warmup_steps, 5"),
    "decay": (lambda: optim.ExponentialMovingAverage(1.0), r"decay is 1\.0; expected a number >= 0 and < 1"),
    "no averages": (lambda: optim.ExponentialMovingAverage()({FIXED: W}), "no trainable Parameter; expected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_what_was_met_and_expected(name: str) -> None:
    wrong, message = WRONG[name]
    with pytest.raises(sn.ArgumentError, match=message):
        wrong()


def test_a_parameter_that_the_loss_does_not_read_is_an_error() -> None:
    w, other = sn.Parameter(1.0), sn.Parameter(1.0, name="other")
    with pytest.raises(sn.GradientError, match="other"):
        optim.SGD(0.1)(w * w, [w, other])


def test_base_classes_are_abstract() -> None:
    for base in (optim.Optimizer, optim.Schedule):
        with pytest.raises(TypeError, match="abstract"):
            base()


# -- a network -------------------------------------------------------------------------------------------------------
LEARNERS = {
    "SGD": optim.SGD(0.1, momentum=0.9, nesterov=True, clip_norm=5.0),
    "Adagrad": optim.Adagrad(0.05),
    "RMSprop": optim.RMSprop(0.003, clip_value=1.0),
    "Adam": optim.Adam(0.01),
    "AdamW": optim.AdamW(optim.WarmupCosineLR(0.02, 20, 230)),
    "Lion": optim.Lion(0.002, weight_decay=0.1),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_digits_are_learned_natively(name: str) -> None:
    pytest.importorskip("sklearn")
    digits = sn.data.digits()
    x, y = sn.Variable("x", ("batch", 64), "float32"), sn.Variable("y", ("batch",), "int64")
    net = sn.nn.Sequential(sn.nn.Linear(64, 32, rng=0), sn.nn.ReLU(), sn.nn.Linear(32, 10, rng=1))
    loss = sn.nn.cross_entropy(net(x), y)
    step = sn.compile(loss, updates=LEARNERS[name](loss, net.parameters()))
    rng = np.random.default_rng(0)
    for _ in range(10):
        for rows, labels in sn.data.batches((digits.x_train, digits.y_train), 64, rng):
            step(x=rows, y=labels)
    assert step.n_compiles == 1
    predicted = sn.compile(sn.argmax(net(x), axis=1))(x=digits.x_test)
    assert np.mean(predicted == digits.y_test) > 0.95
