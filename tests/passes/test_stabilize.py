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
    "log1p-minus-sigmoid": (
        lambda x: op("log1p", -op("sigmoid", x)),
        "%0 = softplus(x); %1 = negative(%0)",
    ),
    "log1p": (lambda x: op("log", 1 + op("abs", x)), "%0 = abs(x); %1 = log1p(%0)"),
    "expm1": (lambda x: op("exp", x) - 1, "%0 = expm1(x)"),
}


def _rows(x: Any, dtype: str = "float32") -> Any:
    return op("one_hot", op("argmax", x, axis=1, keepdims=False), size=5, dtype=dtype)


def _sum_with(rows: Any, x: Any) -> Any:
    return op("sum", op("softmax", x, axis=1) * rows, axis=(-1,), keepdims=False)


PLACES = np.array([0, 2, 4])
# What stands between a logarithm and its operand, and what is left of the text.
MOVED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "reshape": (
        lambda x: op("log", op("reshape", op("softmax", x, axis=-1), shape=(-1,))),
        "%0 = log_softmax(x, axis=-1); %1 = reshape(%0, shape=(-1,))",
    ),
    "transpose": (
        lambda x: op("log", op("transpose", op("softmax", x, axis=-1), axes=None)),
        "%0 = log_softmax(x, axis=-1); %1 = transpose(%0)",
    ),
    "broadcast_to": (
        lambda x: op("log", op("broadcast_to", op("softmax", x, axis=0), shape=(2, *x.shape))),
        "%0 = log_softmax(x, axis=0); %1 = broadcast_to(%0, shape=(2, {rows}, {columns}))",
    ),
    "expand_dims": (
        lambda x: op("log", op("expand_dims", op("softmax", x, axis=1), axis=0)),
        "%0 = log_softmax(x, axis=1); %1 = expand_dims(%0, axis=0)",
    ),
    "getitem and squeeze": (
        lambda x: op("log", op("squeeze", op("softmax", x, axis=1)[:1], axis=0)),
        "%0 = log_softmax(x, axis=1); %1 = getitem(%0, key=(('slice', None, 1, None),)); %2 = squeeze(%1, axis=0)",
    ),
    "gather": (
        lambda x: op("log", op("gather", op("softmax", x, axis=1), PLACES % x.shape[1], axis=1)),
        "%0 = log_softmax(x, axis=1); %1 = gather(%0, [0, 2, 4], axis=1)",
    ),
    "concatenate": (
        lambda x: op("log", op("concatenate", op("softmax", x, axis=1), op("abs", x) + 1.0, axis=0)),
        "%0 = abs(x); %1 = log_softmax(x, axis=1); %2 = log1p(%0); %3 = concatenate(%1, %2, axis=0)",
    ),
    "log-sigmoid": (
        lambda x: op("log", op("sigmoid", x)[0]),
        "%0 = negative(x); %1 = softplus(%0); %2 = negative(%1); %3 = getitem(%2, key=(('int', 0),))",
    ),
    "log-one-minus-sigmoid": (
        lambda x: op("log", 1 - op("reshape", op("sigmoid", x), shape=(-1,))[1:]),
        "%0 = softplus(x); %1 = negative(%0); %2 = reshape(%1, shape=(-1,)); "
        "%3 = getitem(%2, key=(('slice', 1, None, None),))",
    ),
    "log1p-minus-sigmoid": (
        lambda x: op("log", 1 + -op("sigmoid", x)[0]),
        "%0 = softplus(x); %1 = negative(%0); %2 = getitem(%1, key=(('int', 0),))",
    ),
    "softplus": (
        lambda x: op("log", op("exp", x)[0] + 1),
        "%0 = softplus(x); %1 = getitem(%0, key=(('int', 0),))",
    ),
    "one-hot": (
        lambda x: op("log", _sum_with(_rows(x, x.dtype), x)),
        "%0 = argmax(x, axis=1); %1 = log_softmax(x, axis=1); %2 = one_hot(%0, size=5, dtype=bool); "
        "%3 = where(%2, %1, 0.0); %4 = sum(%3, axis=(-1,)); %5 = any(%2, axis=-1); %6 = where(%5, %4, -inf)",
    ),
    "constant one-hot": (
        lambda x: op("log", _sum_with(np.eye(x.shape[1], dtype=x.dtype)[-1], x)),
        "%0 = log_softmax(x, axis=1); %1 = where(<5 numbers>, %0, 0.0); %2 = sum(%1, axis=(-1,))",
    ),
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


@pytest.mark.parametrize("name", MOVED)
def test_moves_below_a_logarithm_go_outside(name: str) -> None:
    formula, wanted = MOVED[name]
    graph, (x,) = new_graph(x=("float64", (4, 5)))
    graph.outputs = [formula(x)]
    after = stabilize(graph)
    after.check()
    assert "; ".join(text(after)[:-1]) == wanted.format(rows=4, columns=5)
    assert not stabilize(after).fired
    values = {"x": np.random.default_rng(0).uniform(-3, 3, (4, 5))}
    np.testing.assert_allclose(run(after, values), run(graph, values), rtol=1e-13)


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("at", [1000.0, -1000.0])
@pytest.mark.parametrize("name", MOVED)
def test_moved_values_and_gradients_far_out_are_finite(name: str, at: float, mode: str) -> None:
    x = sn.Variable("x", shape=(1, 5), dtype="float64")
    y = MOVED[name][0](x)
    f = sn.compile([y, sn.grad(y.sum(), x)], mode=mode)
    for result in f(x=np.array([[at, 0.5, 0.25, -at, 0.0]])):
        assert np.isfinite(result).all()


@pytest.mark.parametrize("shape", [("n", 3), None])
def test_a_cross_entropy_written_by_hand(shape: tuple[Any, ...] | None) -> None:
    x, labels = sn.Variable("x", shape), sn.Variable("labels", ("n",), "int64")
    rows = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [1e5, 1e5, 3.0]])
    places, chosen = np.arange(3), np.array([0, 1, 2])
    wanted = (0 + np.log(3) + (1e5 - 3 + np.log(2))) / 3
    p = sn.softmax(x, axis=1)
    for picked in (
        p[places, labels],
        sn.take(p.reshape(-1), places * 3 + chosen),
        sn.sum(p * sn.one_hot(labels, 3), axis=1),
        sn.sum(p * np.eye(3)[chosen], axis=1),
        sn.sum(p.T * np.eye(3)[:, chosen], axis=0),
    ):
        loss = -sn.log(picked).mean()
        value, slope = sn.compile([loss, sn.grad(loss, x)], inputs=[x, labels])(rows, chosen)
        assert value == pytest.approx(wanted, rel=1e-14)
        np.testing.assert_allclose(slope, (sn.softmax(rows, axis=1) - np.eye(3)[chosen]) / 3, rtol=1e-14, atol=1e-16)


def test_a_label_without_a_place_keeps_the_logarithm_of_zero() -> None:
    x, labels = sn.Variable("x", ("n", 3), "float32"), sn.Variable("labels", ("n",), "int64")
    y = sn.log(sn.sum(sn.softmax(x) * sn.one_hot(labels, 3, "float64"), axis=-1, keepdims=True))
    value, slope = sn.compile([y, sn.grad(y.sum(), x)])(np.zeros((2, 3), "f"), np.array([5, -1]))
    np.testing.assert_array_equal(value, np.full((2, 1), -np.inf))
    np.testing.assert_array_equal(slope, np.zeros((2, 3)))
    value = sn.compile(sn.log1p(sn.sum(sn.exp(x) * sn.one_hot(labels, 3), axis=-1)))(np.zeros((1, 3), "f"), [7])
    np.testing.assert_array_equal(value, [0.0])


def test_a_mark_between_logarithm_and_softmax_stays() -> None:
    x = sn.Variable("x", shape=(2,), dtype="float64")
    p = sn.softmax(x)
    dp = sn.grad(sn.log(p[::-1]).sum(), p)
    np.testing.assert_allclose(sn.compile(dp, mode="interpret")(x=np.zeros(2)), [2.0, 2.0])
