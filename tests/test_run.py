"""`Function.run`: many batches in one native call do what many calls do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn


def trained(mode: str) -> tuple[sn.nn.Module, sn.Function]:
    x, y = sn.Variable("x", ("batch", 6), "float32"), sn.Variable("y", ("batch",), "int64")
    net = sn.nn.Sequential(
        sn.nn.Linear(6, 8, rng=0),
        sn.nn.BatchNorm1d(8),
        sn.nn.Dropout(0.3, sn.random.Generator(0)),
        sn.nn.ReLU(),
        sn.nn.Linear(8, 3, rng=1),
    )
    loss = sn.nn.cross_entropy(net(x), y)
    return net, sn.compile(loss, updates=sn.optim.Adam(lr=sn.optim.StepLR(0.01, 3))(loss, net.parameters()), mode=mode)


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 6)).astype(np.float32), rng.integers(0, 3, rows)


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("rows", [32, 37, 5])
def test_a_training_is_the_same_to_the_bit(rows: int, mode: str) -> None:
    (one, step), (two, many) = trained(mode), trained(mode)
    x, y = data(rows)
    for _ in range(2):
        losses = [step(*batch) for batch in sn.data.batches([x, y], 8)]
        np.testing.assert_array_equal(many.run([x, y], 8), losses)
        for name, array in one.state_dict().items():
            np.testing.assert_array_equal(two.state_dict()[name], array, err_msg=name)


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_structures_names_and_open_shapes(mode: str) -> None:
    x, w = sn.Variable("x"), sn.Parameter(0.0, name="w")
    f = sn.compile({"sum": x.sum(), "before": w}, updates={w: w + x.sum()}, mode=mode)
    found = f.run({"x": np.arange(5.0)}, 2)
    assert {n: v.tolist() for n, v in found.items()} == {"sum": [1, 5, 4], "before": [0, 1, 6]}
    assert float(w.value) == 10
    g = sn.compile((x * 2.0,), mode=mode)
    np.testing.assert_array_equal(g.run(np.arange(4.0), 2)[0], [[0, 2], [4, 6]])
    h = sn.compile(None, updates={w: w * 0.0 + x.mean()}, mode=mode)
    assert h.run([np.arange(6.0)], 3) is None and float(w.value) == 4
    empty = f.run([np.empty(0)], 2)
    assert empty["sum"].shape == (0,) and float(w.value) == 4


def test_steps_that_read_what_others_changed() -> None:
    a, b = sn.Parameter(1.0, name="a"), sn.Parameter(2.0, name="b")
    x = sn.Variable("x", ("n",), "float64")
    c = sn.Parameter(100.0, name="c")
    f = sn.compile(a + c, updates={a: b, b: a + x.sum()})
    assert f.run([np.ones(4)], 1).tolist() == [101, 102, 102, 103]
    assert (float(a.value), float(b.value)) == (3, 4)


def test_what_a_loop_holds_may_hold_loops_and_gradients() -> None:
    x, w = sn.Variable("x", ("n",), "float64"), sn.Parameter(0.5, name="w")

    def last(w: Any) -> Any:
        return sn.scan(lambda carry, each: (carry * w + each, None), 0.0, x)[0]

    f = sn.compile(last(w), updates={w: w - 0.01 * sn.grad(last(w), w)})
    rows = np.random.default_rng(0).normal(size=12)
    start = w.value.copy()
    wanted = [f(rows[k : k + 3]) for k in range(0, 12, 3)]
    end, w.value = w.value.copy(), start
    np.testing.assert_array_equal(f.run([rows], 3), wanted)
    assert w.value == end


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_bad_data_in_the_middle_changes_nothing(mode: str) -> None:
    net, step = trained(mode)
    x, y = data(32)
    y[20] = 3
    before = net.state_dict()
    with pytest.raises(sn.IndexOutOfBounds, match="index 3 is out of bounds"):
        step.run([x, y], 8)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda f, x: f.run([x], 0), sn.ArgumentError, "n is 0"),
        (lambda f, x: f.run([x], 1.5), sn.ArgumentError, r"n is 1\.5"),
        (lambda f, x: f.run(3, 1), sn.ArgumentError, "data is int"),
        (lambda f, x: f.run([x, x], 1), sn.ArgumentError, "2 positional arguments for 1 inputs"),
        (lambda f, x: f.run({"y": x}, 1), sn.ArgumentError, "unknown argument 'y'"),
        (lambda f, x: f.run([x], 2), sn.ShapeError, r"results have the shapes .*\(2,\).* for the last 1 rows"),
        (lambda f, x: f.run([3.0], 2), sn.ShapeError, "Variable 'x' .* is given one number"),
        (lambda f, x: f.run([x.reshape(1, 3)], 1), sn.ShapeError, "x"),
        (lambda f, x: sn.compile(sn.Parameter(1.0)).run([], 1), sn.ArgumentError, "no inputs"),
    ],
)
def test_what_does_not_fit(use: Any, error: type[Exception], message: str) -> None:
    f = sn.compile(sn.Variable("x", ("n",), "float64") * 2.0)
    with pytest.raises(error, match=message):
        use(f, np.arange(3.0))


def test_rows_of_different_number() -> None:
    _, step = trained("interpret")
    x, y = data(8)
    with pytest.raises(sn.ShapeError, match="'x' has 8 rows and Variable 'y' has 7"):
        step.run([x, y[:7]], 4)
