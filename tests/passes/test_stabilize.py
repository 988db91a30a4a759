"""Formulas of exp and log stay finite, as do their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.passes.stabilize import RULES, stabilize

from .tools import new_graph, op, run, text


def _over_sum(x: Any, axis: Any) -> Any:
    return op("exp", x) / op("sum", op("exp", x), axis=axis, keepdims=False)


FORMULAS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "log-softmax": (lambda x: op("log", op("softmax", x, axis=-1)), "%0 = log_softmax(x, axis=-1)"),
    "exp-over-sum": (
        lambda x: op("exp", x) / op("sum", op("exp", x), axis=(-1,), keepdims=True),
        "%0 = softmax(x, axis=1)",
    ),
    "exp-over-whole-sum": (
        lambda x: _over_sum(op("reshape", x, shape=(-1,)), None),
        "%0 = reshape(x, shape=(-1,)); %1 = softmax(%0, axis=0)",
    ),
    "exp-over-expanded-sum": (
        lambda x: op("exp", x) / op("expand_dims", op("sum", op("exp", x), axis=1, keepdims=False), axis=1),
        "%0 = softmax(x, axis=1)",
    ),
    "log-mean-exp": (
        lambda x: op("log", op("mean", op("exp", x), axis=1, keepdims=False)),
        "%0 = logsumexp(x, axis=1); %1 = log(5.0); %2 = subtract(%0, %1)",
    ),
    "log-exp": (lambda x: op("log", op("exp", x)) * 1.0, "%0 = multiply(x, 1.0)"),
    "log-of-two-exps": (
        lambda x: op("log", op("exp", x) + op("exp", x * 0.5)),
        "%0 = multiply(x, 0.5); %1 = logaddexp(x, %0)",
    ),
    "log-of-three-exps": (
        lambda x: op("log", op("exp", x) + op("exp", x * 0.5) + op("exp", x * 0.25)),
        "%0 = multiply(x, 0.5); %1 = multiply(x, 0.25); %2 = logaddexp(x, %0); %3 = logaddexp(%2, %1)",
    ),
    "log-sum-exp": (
        lambda x: op("log", op("sum", op("exp", x), axis=1, keepdims=False)),
        "%0 = logsumexp(x, axis=1)",
    ),
    "sigmoid": (lambda x: 1 / (1 + op("exp", -x)), "%0 = sigmoid(x)"),
    "sigmoid-of-ratio": (lambda x: op("exp", x) / (op("exp", x) + 1), "%0 = sigmoid(x)"),
    "softplus": (lambda x: op("log", op("exp", x) + 1), "%0 = softplus(x)"),
    "softplus-log1p": (lambda x: op("log1p", op("exp", x)), "%0 = softplus(x)"),
    "log-sigmoid": (
        lambda x: op("log", op("sigmoid", x)),
        "%0 = negative(x); %1 = softplus(%0); %2 = negative(%1)",
    ),
    "log-sigmoid-negative": (lambda x: op("log", op("sigmoid", -x)), "%0 = softplus(x); %1 = negative(%0)"),
    "log-one-minus-sigmoid": (
        lambda x: op("log", 1 - op("sigmoid", x)),
        "%0 = softplus(x); %1 = negative(%0)",
    ),
    "log1p": (lambda x: op("log", 1 + op("abs", x)), "%0 = abs(x); %1 = log1p(%0)"),
    "expm1": (lambda x: op("exp", x) - 1, "%0 = expm1(x)"),
}


def test_every_rule_is_tried() -> None:
    assert {r.name for r in RULES} == set(FORMULAS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_text_and_ordinary_values(name: str, dtype: str) -> None:
    formula, wanted = FORMULAS[name]
    graph, (x,) = new_graph(x=(dtype, (64, 5)))
    graph.outputs = [formula(x)]
    after = stabilize(graph)
    after.check()
    assert "; ".join(text(after)[:-1]) == wanted
    assert after.fired[name] == 1 and not stabilize(after).fired
    values = {"x": np.random.default_rng(0).uniform(-3, 3, (64, 5)).astype(dtype)}
    # The formula as written is the less exact of the two: in float32 it is compared in float64.
    exact_graph, (wide,) = new_graph(x=("float64", (64, 5)))
    exact_graph.outputs = [formula(wide)]
    exact = run(exact_graph, {"x": values["x"].astype("float64")})[0]
    bound = next(r.exactness for r in RULES if r.name == name)
    assert isinstance(bound, (int, float))
    scale = np.maximum(np.abs(exact), 1.0)
    assert (np.abs(run(after, values)[0] - exact) <= bound * np.finfo(dtype).eps * scale).all()


@pytest.mark.parametrize("name", [r.name for r in RULES if r.nan_safe])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_was_no_nan_stays(name: str, special: float) -> None:
    graph, (x,) = new_graph(x=("float64", (2, 2)))
    graph.outputs = [FORMULAS[name][0](x)]
    values = {"x": np.array([[special, 1.0], [0.5, special]])}
    before, after = run(graph, values)[0], run(stabilize(graph), values)[0]
    told = ~np.isnan(before)
    np.testing.assert_allclose(before[told], after[told], rtol=1e-14, atol=1e-15)
    if np.isnan(special):
        assert np.isnan(after[~told]).all()


@pytest.mark.parametrize("at", [1000.0, -1000.0])
@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "expm1"])
def test_values_and_gradients_far_out_are_finite(name: str, at: float) -> None:
    x = sn.Variable("x", shape=(1, 2), dtype="float64")
    y = FORMULAS[name][0](x)
    weights = 1.0 + np.arange(np.prod(y.shape)).reshape(y.shape)
    f = sn.compile([y, sn.grad(y, x, cotangent=sn.Constant(weights))], mode="interpret")
    value, gradient = f(x=np.array([[at, 0.5]]))
    assert np.isfinite(value).all() and np.isfinite(gradient).all()


def test_the_gradient_by_a_value_on_the_way_is_kept() -> None:
    x = sn.Variable("x", shape=(2,), dtype="float64")
    p = sn.softmax(x)
    dp = sn.grad(sn.log(p).sum(), p)
    np.testing.assert_allclose(sn.compile(dp, mode="interpret")(x=np.zeros(2)), [2.0, 2.0])


def test_no_elements_stay_as_written() -> None:
    graph, (x,) = new_graph(x=("float64", (0,)))
    graph.outputs = [op("log", op("sum", op("exp", x), axis=None, keepdims=False))]
    assert run(stabilize(graph), {"x": np.zeros(0)})[0] == -np.inf


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_without_the_pass_formulas_stay_as_written(mode: str) -> None:
    x = sn.Variable("x", shape=(2,), dtype="float64")
    p = sn.exp(x) / sn.sum(sn.exp(x))
    outputs = [p, sn.grad(p[0], x)]
    with np.errstate(all="ignore"):
        plain = sn.compile(outputs, mode=mode, pipeline=[step for step in sn.PIPELINE if step is not stabilize])
        assert all(np.isnan(found).any() for found in plain(np.array([1000.0, 0.0])))
        for found, expected in zip(plain(np.zeros(2)), ([0.5, 0.5], [0.25, -0.25]), strict=True):
            np.testing.assert_allclose(found, expected)
    for found, expected in zip(sn.compile(outputs, mode=mode)(np.array([1000.0, 0.0])), ([1, 0], [0, 0]), strict=True):
        np.testing.assert_array_equal(found, expected)
