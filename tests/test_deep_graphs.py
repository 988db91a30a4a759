"""Deep graphs: no recursion limit, no work that doubles with depth. What is slow here is quadratic somewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import Variable, compile, grad

DEPTH = 2000
STEPS: dict[str, tuple[Callable[[Any, int], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "slice": (lambda y, k: y[::-1], lambda x: x),
    "slice and cut": (lambda y, k: y[1:] if k < 3 else y[::-1], lambda x: x[3:][::-1]),
    "expand and squeeze": (lambda y, k: sn.squeeze(sn.expand_dims(y, 0), 0), lambda x: x),
    "broadcast": (lambda y, k: sn.broadcast_to(y, (2, *y.shape))[1], lambda x: x),
    "reshape": (lambda y, k: y.reshape((2, -1) if k % 2 == 0 else (-1,)), lambda x: x),
    "transpose": (lambda y, k: y.reshape((2, -1)).T.reshape((-1, 2)).T.reshape((-1,)), lambda x: x),
    "softmax": (lambda y, k: sn.softmax(y), lambda x: np.full(6, 1 / 6)),
    "where": (lambda y, k: sn.where(y > 2, y + 1, y - 1), lambda x: np.where(x > 2, x + DEPTH, x - DEPTH)),
    "concatenate": (lambda y, k: sn.concatenate([y[:1], y[1:]]), lambda x: x),
    "pad": (lambda y, k: sn.pad(y, (0, 1))[:6], lambda x: x),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("length", [6, "n"])
def test_deep_chains(name: str, length: int | str) -> None:
    if name in ("concatenate", "pad") and length == "n":
        pytest.skip("the size of the result is a formula that grows with depth")
    step, wanted = STEPS[name]
    x = Variable("x", shape=(length,), dtype="float64")
    y: Any = x
    for k in range(DEPTH):
        y = step(y, k)
    data = np.arange(6.0)
    np.testing.assert_allclose(compile(y)(data), wanted(data))


def test_a_chain_of_fifty_thousand_nodes() -> None:
    x = Variable("x", shape=("n",), dtype="float64")
    y: Any = x
    for _ in range(25_000):
        y = y + 0.5 * x
    f = compile([y, grad(y.sum(), x)])
    assert len(f.graph.nodes) > 50_000
    value, slope = f(np.ones(3))
    np.testing.assert_allclose(value, np.full(3, 12_501.0))
    np.testing.assert_allclose(slope, np.full(3, 12_501.0))


def test_a_chain_whose_gradient_reads_every_value() -> None:
    x = Variable("x", shape=("n",), dtype="float64")
    y: Any = x
    for _ in range(5_000):
        y = sn.sin(y)
    f = compile([y, grad(y.sum(), x)])
    value, slope = f(np.ones(2))
    wanted, factor = 1.0, 1.0
    for _ in range(5_000):
        factor *= np.cos(wanted)
        wanted = np.sin(wanted)
    np.testing.assert_allclose(value, [wanted] * 2)
    np.testing.assert_allclose(slope, [factor] * 2, rtol=1e-9)


def test_equal_layers_share_their_kernels(tmp_path: Path) -> None:
    def functions(layers: int) -> int:
        x: Any = Variable("x", shape=("batch", 16), dtype="float32")
        net = sn.nn.Sequential(*(sn.nn.Linear(16, 16) for _ in range(layers)), sn.nn.ReLU())
        compile(net(x)).warmup(x=((4, 16), "float32")).dump(tmp_path / "net.ll")
        return (tmp_path / "net.ll").read_text().count("define internal void")

    assert functions(40) == functions(10)
