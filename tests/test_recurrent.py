"""Recurrent cells and layers: PyTorch's formulas in a numpy loop, gradients, and a task that needs memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn

State = tuple[np.ndarray, ...]
STEPS, BATCH, IN, HIDDEN = "steps", "batch", 3, 4


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def listed(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def rnn_step(a: np.ndarray, b: np.ndarray, h: np.ndarray) -> State:
    return (np.tanh(a + b),)


def relu_step(a: np.ndarray, b: np.ndarray, h: np.ndarray) -> State:
    return (np.maximum(a + b, 0),)


def gru_step(a: np.ndarray, b: np.ndarray, h: np.ndarray) -> State:
    (xr, xz, xn), (hr, hz, hn) = np.split(a, 3, -1), np.split(b, 3, -1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    return ((1 - z) * np.tanh(xn + r * hn) + z * h,)


def lstm_step(a: np.ndarray, b: np.ndarray, h: np.ndarray, c: np.ndarray) -> State:
    i, f, g, o = np.split(a + b, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def step_in_numpy(cell: Any, formula: Callable[..., State], x: np.ndarray, state: State) -> State:
    b_ih, b_hh = (0.0, 0.0) if cell.bias_ih is None else (cell.bias_ih.value, cell.bias_hh.value)
    return formula(x @ cell.weight_ih.value + b_ih, state[0] @ cell.weight_hh.value + b_hh, *state)


def layers_in_numpy(
    net: Any, formula: Callable[..., State], x: np.ndarray, first: State
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs and last states; `x` is (steps, batch, features)."""
    ways, lasts = 2 if net.bidirectional else 1, []
    for k in range(0, len(net.cells), ways):
        found = []
        for way in range(ways):
            state, ys = tuple(s[k + way] for s in first), np.zeros((len(x), x.shape[1], HIDDEN))
            for t in reversed(range(len(x))) if way else range(len(x)):
                state = step_in_numpy(net.cells[k + way], formula, x[t], state)
                ys[t] = state[0]
            found.append(ys)
            lasts.append(state)
        x = np.concatenate(found, -1)
    return x, [np.stack(column) for column in zip(*lasts, strict=True)]


CELLS = [
    (sn.nn.RNNCell, {}, rnn_step, 1),
    (sn.nn.RNNCell, {"nonlinearity": "relu", "bias": False}, relu_step, 1),
    (sn.nn.GRUCell, {}, gru_step, 1),
    (sn.nn.GRUCell, {"bias": False}, gru_step, 1),
    (sn.nn.LSTMCell, {}, lstm_step, 2),
    (sn.nn.LSTMCell, {"bias": False}, lstm_step, 2),
]
LAYERS = [
    (sn.nn.RNN, {}, rnn_step, 1),
    (sn.nn.RNN, {"nonlinearity": "relu", "num_layers": 2}, relu_step, 1),
    (sn.nn.GRU, {"bidirectional": True, "bias": False}, gru_step, 1),
    (sn.nn.GRU, {"num_layers": 3, "batch_first": True}, gru_step, 1),
    (sn.nn.LSTM, {}, lstm_step, 2),
    (sn.nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}, lstm_step, 2),
]


@pytest.mark.parametrize(("kind", "options", "formula", "parts"), CELLS)
def test_a_cell_is_its_formula(kind: Any, options: Any, formula: Any, parts: int, mode: str) -> None:
    rng = np.random.default_rng(0)
    cell = kind(IN, HIDDEN, dtype="float64", rng=0, **options)
    x = sn.Variable("x", (BATCH, IN), "float64")
    state = tuple(sn.Variable(f"s{k}", (BATCH, HIDDEN), "float64") for k in range(parts))
    f = sn.compile(listed(cell(x, state if parts > 1 else state[0])), mode=mode)
    for batch in (1, 5, 0):
        given = rng.normal(size=(batch, IN)), *rng.normal(size=(parts, batch, HIDDEN))
        for found, wanted in zip(f(*given), step_in_numpy(cell, formula, given[0], given[1:]), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    assert f.n_compiles == 1
    zeros = sn.compile(listed(cell(x)), mode=mode)(given[0])
    np.testing.assert_array_equal(zeros[0], f(given[0], *np.zeros((parts, 0, HIDDEN)))[0])


@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize(("kind", "options", "formula", "parts"), LAYERS)
def test_a_layer_is_its_loop(kind: Any, options: Any, formula: Any, parts: int, is_given: bool, mode: str) -> None:
    rng = np.random.default_rng(1)
    net = kind(IN, HIDDEN, dtype="float64", rng=0, **options)
    rows = (BATCH, STEPS) if net.batch_first else (STEPS, BATCH)
    x = sn.Variable("x", (*rows, IN), "float64")
    n = len(net.cells)
    states = [sn.Variable(f"s{k}", (n, BATCH, HIDDEN), "float64") for k in range(parts)] if is_given else []
    ys, last = net(x, None if not states else tuple(states) if parts > 1 else states[0])
    f = sn.compile([ys, *listed(last)], mode=mode)
    for steps, batch in [(5, 2), (1, 1), (0, 3), (30, 2), (4, 0)]:
        array = rng.normal(size=(steps, batch, IN))
        first = rng.normal(size=(parts, n, batch, HIDDEN)) * is_given
        wanted, lasts = layers_in_numpy(net, formula, array, tuple(first))
        found = f(array.swapaxes(0, 1) if net.batch_first else array, *(first if is_given else ()))
        np.testing.assert_allclose(found[0].swapaxes(0, 1) if net.batch_first else found[0], wanted, atol=1e-13)
        for one, other in zip(found[1:], lasts, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-13)
    assert f.n_compiles == 1


@pytest.mark.parametrize(("kind", "options"), [(sn.nn.RNN, {}), (sn.nn.GRU, {"bidirectional": True}), (sn.nn.LSTM, {})])
def test_gradients(kind: Any, options: Any, mode: str) -> None:
    rng = np.random.default_rng(2)
    net = kind(2, 3, dtype="float64", rng=0, **options)
    x, n = sn.Variable("x", ("steps", "batch", 2), "float64"), len(net.cells)
    h, c = (sn.Variable(name, (n, "batch", 3), "float64") for name in "hc")
    is_lstm = kind is sn.nn.LSTM
    ys, last = net(x, (h, c) if is_lstm else h)
    total = (ys * ys).sum() + sum(sn.sin(s).sum() for s in listed(last))
    point = {"x": rng.normal(size=(3, 2, 2)), "h": rng.normal(size=(n, 2, 3))}
    sn.check_grads(total, {**point, "c": rng.normal(size=(n, 2, 3))} if is_lstm else point, mode=mode)
    for parameter, slope in zip(net.parameters(), sn.grad(ys.sum(), net.parameters()), strict=True):
        assert slope.shape == parameter.shape


def test_shapes_and_dtypes_that_only_the_call_knows(mode: str) -> None:
    net = sn.nn.LSTM(IN, HIDDEN, batch_first=True, rng=0)
    f = sn.compile(net(sn.Variable("x"))[0], mode=mode)
    x = np.random.default_rng(3).normal(size=(2, 5, IN))
    single, double = f(x.astype("float32")), f(x)
    assert (single.dtype, double.dtype) == ("float32", "float64")
    np.testing.assert_allclose(single, double, atol=1e-6)
    np.testing.assert_allclose(f(x[1]), double[1], atol=1e-12)  # a sequence without a batch


def test_first_values_and_names() -> None:
    net = sn.nn.GRU(IN, 100, num_layers=2, bidirectional=True, rng=0)
    shapes = {name: p.shape for name, p in net.named_parameters().items()}
    assert shapes["cells.0.weight_ih"] == (IN, 300) and shapes["cells.3.weight_ih"] == (200, 300)
    assert shapes["cells.1.weight_hh"] == (100, 300) and shapes["cells.2.bias_hh"] == (300,)
    for parameter in net.parameters():
        assert parameter.dtype == "float32" and 0.09 < abs(parameter.value).max() <= 0.1
    again = sn.nn.GRU(IN, 100, num_layers=2, bidirectional=True, rng=0)
    np.testing.assert_array_equal(again.cells[3].weight_hh.value, net.cells[3].weight_hh.value)


def copy_task(rng: np.random.Generator, batch: int, symbols: int, length: int, wait: int) -> tuple[Any, Any]:
    """Symbols, then blanks; the symbols are to be told again at the end. Steps first, one-hot."""
    told = rng.integers(1, symbols, (length, batch))
    codes = np.concatenate([told, np.zeros((wait + length, batch), int)])
    return np.eye(symbols, dtype="float32")[codes], told


@pytest.mark.parametrize("kind", [sn.nn.GRU, sn.nn.LSTM])
def test_a_copy_task_is_learnt(kind: Any) -> None:
    rng = np.random.default_rng(0)
    symbols, length, wait = 5, 3, 4
    net, head = kind(symbols, 48, rng=0), sn.nn.Linear(48, symbols, rng=1)
    x = sn.Variable("x", ("steps", "batch", symbols), "float32")
    y = sn.Variable("y", (length, "batch"), "int64")
    logits = head(net(x)[0][-length:])
    loss = sn.nn.cross_entropy(logits.reshape(-1, symbols), y.reshape(-1))
    updates = sn.optim.Adam(lr=0.01, clip_norm=1.0)(loss, net.parameters() + head.parameters())
    step = sn.compile(loss, updates=updates)
    for _ in range(800):
        step(*copy_task(rng, 32, symbols, length, wait))
    answer = sn.compile(sn.argmax(logits, axis=-1))
    given, wanted = copy_task(np.random.default_rng(1), 500, symbols, length, wait)
    accuracy = float((answer(given) == wanted).mean())
    assert accuracy > 0.99, f"{accuracy:.3f}; a guess is right in a quarter"
    assert step.n_compiles == 1


X = sn.Variable("x", (STEPS, BATCH, IN), "float32")
BAD = [
    (lambda: sn.nn.LSTM(0, 4), TypeError, "LSTM: input_size is 0; expected an integer, at least 1"),
    (lambda: sn.nn.GRU(3, 2.5), TypeError, "GRU: hidden_size is 2.5"),
    (lambda: sn.nn.RNN(3, 4, num_layers=True), TypeError, "RNN: num_layers is True"),
    (lambda: sn.nn.RNN(3, 4, nonlinearity="sin"), TypeError, "nonlinearity is 'sin'; expected 'tanh' or 'relu'"),
    (lambda: sn.nn.LSTMCell(3, 4, dtype="int64"), TypeError, "LSTMCell with dtype int64"),
    (lambda: sn.nn.LSTM(5, 4)(X), ValueError, r"LSTM: .*\(steps, batch, 3\); expected \(steps, batch, 5\)"),
    (lambda: sn.nn.GRU(3, 4)(X[0, 0]), ValueError, r"GRU: .*\(3,\); expected \(steps, batch, 3\)"),
    (lambda: sn.nn.GRUCell(3, 4)(X), ValueError, r"GRUCell: .*\(steps, batch, 3\); expected \(batch, 3\)"),
    (lambda: sn.nn.LSTM(3, 4)(X, X), TypeError, "LSTM: a state of 1 values; expected 2: h, c"),
    (lambda: sn.nn.GRU(3, 4)(X, (X, X)), TypeError, "GRU: a state of 2 values; expected 1: h"),
    (
        lambda: sn.nn.RNN(3, 4)(X, sn.Variable("h", (2, BATCH, 4), "float32")),
        ValueError,
        r"RNN: the first h has shape \(2, batch, 4\); expected \(1, batch, 4\)",
    ),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_bad_input(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        build()
    assert isinstance(caught.value, sn.SymnetError)
