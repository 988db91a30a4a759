"""Modules: what they compute, whose Parameters they own, and that state is set all or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn


def small() -> sn.nn.Sequential:
    return sn.nn.Sequential(sn.nn.Linear(4, 3, rng=0), sn.nn.ReLU(), sn.nn.Linear(3, 2, rng=1))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_a_network_is_its_formula(mode: str) -> None:
    net = small()
    x = sn.Variable("x", ("batch", 4), "float32")
    f = sn.compile(net(x), mode=mode)
    first, second = net[0], net[2]
    assert isinstance(first, sn.nn.Linear) and isinstance(second, sn.nn.Linear)
    for batch in (0, 1, 5):
        rows = np.random.default_rng(2).standard_normal((batch, 4)).astype(np.float32)
        hidden = np.maximum(rows @ first.weight.value + first.bias.value, 0)
        np.testing.assert_allclose(f(rows), hidden @ second.weight.value + second.bias.value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (sn.nn.ReLU(), lambda x: np.maximum(x, 0)),
        (sn.nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (sn.nn.Tanh(), np.tanh),
        (sn.nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (sn.nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(0, keepdims=True)),
        (sn.nn.Flatten(), lambda x: x.reshape(len(x), -1)),
    ],
)
def test_layers_without_parameters(layer: sn.nn.Module, formula: Any) -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4))
    x = sn.Variable("x", ("batch", 3, 4), "float64")
    np.testing.assert_allclose(sn.compile(layer(x))(array), formula(array), rtol=1e-12)
    assert layer.parameters() == []


def test_linear_weights() -> None:
    a, b = sn.nn.Linear(100, 7, rng=0), sn.nn.Linear(100, 7, rng=np.random.default_rng(0))
    assert a.weight.shape == (100, 7) and a.weight.dtype == np.float32
    np.testing.assert_array_equal(a.weight.value, b.weight.value)
    # Uniform within 1 / sqrt(in): the spread is known, and the edge nearly reached.
    assert np.abs(a.weight.value).max() <= 0.1
    assert a.weight.value.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.1)
    assert sn.nn.Linear(2, 3, bias=False).bias is None
    assert sn.nn.Linear(2, 3, dtype="float64").weight.dtype == np.float64
    with pytest.raises(sn.DTypeError, match="int64"):
        sn.nn.Linear(2, 3, dtype="int64")


def test_sequential_is_a_sequence() -> None:
    net = small()
    assert len(net) == 3 and isinstance(net[1], sn.nn.ReLU) and list(net)[-1] is net[2] is net[-1]


class Shared(sn.nn.Module):
    def __init__(self) -> None:
        self.table = sn.Parameter(np.ones(2), name="table")
        self.again = self.table
        self.gains = [sn.Parameter(1.0, name="gain"), sn.Parameter(2.0, name="gain")]
        self.layers = (sn.nn.Linear(1, 1), sn.nn.ReLU())


def test_parameters_are_found_in_attributes_lists_and_modules_once_each() -> None:
    names = ["gains.0", "gains.1", "layers.0.bias", "layers.0.weight", "table"]
    assert sorted(Shared().named_parameters()) == names


def test_state_goes_out_and_in() -> None:
    net, other = small(), small()
    state = net.state_dict()
    for parameter in other.parameters():
        parameter.value = parameter.value + 1
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    state["layers.0.weight"][...] = 9.0
    assert net[0].parameters()[0].value.max() < 9.0  # copies


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"last": np.ones(3)}, sn.ArgumentError),
        ({"last": np.array(0.5)}, sn.DTypeError),
        ({"last": "no"}, sn.ArgumentError),
        ({"unknown": 1}, sn.ArgumentError),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], error: type[Exception]) -> None:
    class Two(sn.nn.Module):
        def __init__(self) -> None:
            self.first, self.last = sn.Parameter(1.0), sn.Parameter(2)

    module = Two()
    with pytest.raises(error):
        module.load_state_dict({"first": 5.0, "last": 3, **change})
    assert {n: v.item() for n, v in module.state_dict().items()} == {"first": 1.0, "last": 2}
    with pytest.raises(sn.ArgumentError, match="lacks"):
        module.load_state_dict({"first": 5.0})


def test_training_and_inference() -> None:
    net = small()
    assert net.training and net[0].training
    assert net.eval() is net and not net.training and not net[0].training
    assert net.train()[0].training
    with pytest.raises(NotImplementedError, match="Module"):
        sn.nn.Module()(1)


def test_losses() -> None:
    p, y = np.array([0.2, 0.9]), np.array([0.0, 1.0])
    assert float(sn.nn.mse(p, y)) == pytest.approx(np.mean((p - y) ** 2))
    assert float(sn.nn.mae(p, y)) == pytest.approx(np.mean(np.abs(p - y)))
    assert float(sn.nn.logloss(p, y)) == pytest.approx(-np.mean(np.log([0.8, 0.9])))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_labels(mode: str) -> None:
    z, y = sn.Variable("z", ("batch", 3), "float64"), sn.Variable("y", ("batch",), "int64")
    loss = sn.compile(sn.nn.cross_entropy(z, y), mode=mode)
    rows = np.random.default_rng(0).standard_normal((4, 3))
    wanted = np.mean(np.log(np.exp(rows).sum(1)) - rows[np.arange(4), [0, 2, 1, 2]])
    assert float(loss(rows, [0, 2, 1, 2])) == pytest.approx(wanted, rel=1e-12)
    with pytest.raises(sn.IndexOutOfBounds, match="3"):
        loss(rows, [0, 3, 1, 2])
    with pytest.raises(sn.DTypeError, match="one-hot"):
        sn.nn.cross_entropy(z, sn.Variable("p", ("batch",), "float64"))
    with pytest.raises(sn.ShapeError, match="one label"):
        sn.nn.cross_entropy(z, sn.Variable("q", ("batch", 3), "int64"))
