"""`scan`: one native loop, equal to the loop in Python, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import symnet as sn

from .test_targets import EVERY


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rnn(x: Any, h: Any, w: Any) -> tuple[Any, Any]:
    """tanh(h @ w + x), stacked twice."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = sn.tanh(h @ w + x)
        return h, h * 2.0

    return sn.scan(step, h, x)  # type: ignore[no-any-return]


def rnn_in_numpy(x: np.ndarray, h: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ys = []
    for each in x:
        h = np.tanh(h @ w + each)
        ys.append(h * 2)
    return h, np.array(ys).reshape(len(x), *h.shape)


def test_one_compilation_for_every_number_of_steps(mode: str) -> None:
    rng = np.random.default_rng(0)
    w = sn.Parameter(rng.normal(size=(3, 3)))
    x, h = sn.Variable("x", ("steps", "batch", 3), "float64"), sn.Variable("h", ("batch", 3), "float64")
    f = sn.compile(rnn(x, h, w), mode=mode)
    for steps, batch in [(4, 2), (1, 1), (0, 3), (50, 5), (7, 0)]:
        given = rng.normal(size=(steps, batch, 3)), rng.normal(size=(batch, 3))
        for found, wanted in zip(f(*given), rnn_in_numpy(*given, w.value), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    assert f.n_compiles == 1


def test_gradients_of_every_kind_of_input(mode: str) -> None:
    rng = np.random.default_rng(1)
    point = rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))

    def total(x: Any, h: Any, w: Any) -> Any:
        last, ys = rnn(x, h, w)
        return (last * last).sum() + sn.sin(ys).sum()

    sn.check_grads(total, point, order=2, mode=mode)


def test_a_training_step_is_one_call(mode: str) -> None:
    rng = np.random.default_rng(2)
    w = sn.Parameter(0.3 * rng.normal(size=(3, 3)))
    x, h = sn.Variable("x", ("steps", "batch", 3), "float64"), sn.Variable("h", ("batch", 3), "float64")
    loss = (rnn(x, h, w)[1] ** 2).mean()
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.1)(loss, [w]), mode=mode)
    given = rng.normal(size=(5, 2, 3)), rng.normal(size=(2, 3))
    losses = [float(step(*given)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True) and len(set(losses)) == 5


def test_structures_and_reverse(mode: str) -> None:
    x, y = sn.Variable("x", ("n",), "float64"), sn.Variable("y", ("n", 2), "int64")

    def step(carry: Any, each: Any) -> tuple[Any, Any]:
        total, (low, count) = carry["total"], carry["rest"]
        a, b = each["a"], each["b"]
        return {"total": total + a * b.sum(), "rest": (sn.minimum(low, a), count + 1)}, [b * count, None]

    first = {"total": 0.0, "rest": (np.float64(np.inf), 0)}
    carry, ys = sn.scan(step, first, {"a": x, "b": y}, reverse=True)
    assert set(carry) == {"total", "rest"} and ys[1] is None
    f = sn.compile([carry["total"], *carry["rest"], ys[0]], mode=mode)
    a, b = np.array([3.0, -1.0, 2.0]), np.arange(6).reshape(3, 2)
    total, low, count, stack = f(a, b)
    assert (float(total), float(low), int(count)) == (float((a * b.sum(1)).sum()), -1.0, 3)
    np.testing.assert_array_equal(stack, b * np.array([2, 1, 0])[:, None])


def test_a_dict_is_known_by_its_keys(mode: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    carry, _ = sn.scan(lambda c, e: ({"b": c["b"] * 2.0, "a": c["a"] + e}, None), {"a": 0.0, "b": 1.0}, x)
    found = sn.compile([carry["a"], carry["b"]], mode=mode)(np.ones(3))
    assert [float(v) for v in found] == [3.0, 8.0]


class Pair(NamedTuple):
    total: Any
    count: Any


def test_a_named_tuple_stays_one(mode: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    carry, _ = sn.scan(lambda c, e: (Pair(c.total + e, c.count + 1), None), Pair(0.0, 0), x)
    assert [float(v) for v in sn.compile([carry.total, carry.count], mode=mode)(np.ones(3))] == [3.0, 3.0]


def test_open_shapes(mode: str) -> None:
    x = sn.Variable("x")
    total, sums = sn.scan(lambda s, e: (s + e, s + e), np.float64(0), x)
    f = sn.compile([total, sums], mode=mode)
    np.testing.assert_array_equal(f(np.arange(4.0))[1], [0, 1, 3, 6])
    np.testing.assert_array_equal(f(np.arange(5.0))[1], [0, 1, 3, 6, 10])


def test_length_without_arrays(mode: str) -> None:
    x = sn.Variable("x", (), "float64")
    last, powers = sn.scan(lambda p, _: (p * x, p), 1.0, None, length=5)
    np.testing.assert_array_equal(sn.compile(powers, mode=mode)(2.0), [1, 2, 4, 8, 16])
    assert float(sn.compile(sn.grad(last, x), mode=mode)(2.0)) == 5 * 2.0**4


def test_a_body_that_reads_symbols_makes_a_loop(mode: str) -> None:
    """Though the carry and the arrays are numbers."""
    x, n = sn.Variable("x", (), "float64"), sn.Variable("v", ("n",), "float64").shape[0]
    last, _ = sn.scan(lambda p, e: (p * x + e, None), 0.0, np.arange(500.0))
    f = sn.compile(last, mode=mode)
    np.testing.assert_allclose(f(0.5), 996.0, rtol=1e-12)
    assert len(f.graph.nodes) < 10
    v = sn.Variable("v", ("n",), "float64")
    counted = sn.compile([sn.scan(lambda c, _: (c + 1, c), 0, length=n)[1], v], mode=mode)
    np.testing.assert_array_equal(counted(np.ones(4))[0], np.arange(4))


def test_loops_in_loops_and_gradients_inside(mode: str) -> None:
    x = sn.Variable("x", ("n", "m"), "float64")

    def row(total: Any, values: Any) -> tuple[Any, Any]:
        inner, _ = sn.scan(lambda s, v: (s * 0.5 + v * v, None), total, values)
        slope = sn.grad(sn.exp(inner * 0.1), inner)
        return inner + slope, inner

    last, rows = sn.scan(row, 0.0, x)
    f = sn.compile([last, rows], mode=mode)
    values = np.random.default_rng(3).normal(size=(3, 4))
    total, found = 0.0, []
    for each in values:
        for v in each:
            total = total * 0.5 + v * v
        found.append(total)
        total = total + 0.1 * np.exp(total * 0.1)
    np.testing.assert_allclose(f(values)[1], found)
    np.testing.assert_allclose(f(values)[0], total)
    sn.check_grads(lambda x: sn.scan(row, 0.0, x)[0], values, mode=mode)


def test_indices_inside_are_checked_before_anything_is_stored(mode: str) -> None:
    table = sn.Parameter(np.arange(4.0))
    i = sn.Variable("i", ("n",), "int64")
    total, _ = sn.scan(lambda s, k: (s + table[k], None), 0.0, i)
    f = sn.compile(total, updates={table: table + total}, mode=mode)
    with pytest.raises(sn.IndexOutOfBounds, match="index 4"):
        f(np.array([0, 4]))
    np.testing.assert_array_equal(table.value, np.arange(4.0))
    assert float(f(np.array([1, 3, 3]))) == 7.0


def test_what_nobody_needs_is_dropped() -> None:
    x = sn.Variable("x", ("n",), "float64")

    def step(carry: Any, e: Any) -> tuple[Any, Any]:
        a, b = carry
        return (a + e, b * sn.exp(e)), (a, sn.sin(b))

    (total, _), _ = sn.scan(step, (0.0, 1.0), x)
    f = sn.compile(total)
    assert float(f(np.ones(3))) == 3.0
    assert "exp" not in f._latest.loops() and "sin" not in f._latest.loops()  # type: ignore[union-attr]


def test_on_arrays_and_tensors() -> None:
    total, sums = sn.scan(lambda s, e: (s + e, s + e), 0.0, np.arange(4.0))
    assert float(total) == 6.0
    np.testing.assert_array_equal(sums, [0, 1, 3, 6])
    x = sn.eager.tensor(np.arange(3.0), requires_grad=True)
    last, _ = sn.scan(lambda s, e: (s * 2.0 + e * e, None), sn.eager.tensor(0.0), x)
    last.backward()
    np.testing.assert_array_equal(x.grad, [0.0, 4.0, 4.0])


X = sn.Variable("x", ("n", 3), "float32")
BAD = [
    (lambda: sn.scan(lambda c, e: (c[:2], None), np.zeros(3, "f"), X), ValueError, r"carry 0.*\(3,\).*\(2,\)"),
    (
        lambda: sn.scan(lambda c, e: (c + np.float64(1), None), np.zeros(3, "f"), X),
        TypeError,
        "carry 0.*float32.*float64",
    ),
    (lambda: sn.scan(lambda c, e: c, np.zeros(3, "f"), X), TypeError, "expected two values"),
    (lambda: sn.scan(lambda c, e: ((c, c), None), np.zeros(3, "f"), X), TypeError, "structure"),
    (lambda: sn.scan(lambda c, e: (c, None), np.zeros(3, "f"), (X, sn.Constant(1.0))), ValueError, "no axis"),
    (lambda: sn.scan(lambda c, e: (c, None), X), TypeError, "length="),
    (lambda: sn.scan(lambda c, e: (c, None), X, length=2.5), TypeError, "length is 2.5"),
    (
        lambda: sn.scan(lambda c, e: (c, None), 0.0, (sn.Variable("a", (2,)), sn.Variable("b", (3,)))),
        ValueError,
        "2 and 3 steps",
    ),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_bad_bodies(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        build()
    assert isinstance(caught.value, sn.SymnetError)
    assert "test_scan.py" in str(caught.value)


X_ROWS, NUMBERS, ROWS = sn.Variable("x", ("n",), "float64"), np.arange(3.0), np.ones((3, 2))
# The same mistakes on symbolic values and at once on arrays.
BAD_BOTH_WAYS = [
    (lambda c, x: sn.scan(3, c, length=2), TypeError, "the body is 3; expected a function"),
    (lambda c, x: sn.scan(None, c, x), TypeError, "the body is None; expected a function"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, length=-2), TypeError, "length is -2; .* at least 0"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, length=-1), TypeError, "length is -1; .* at least 0"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, length="a"), TypeError, "length is 'a'; expected a number"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, length=2.0), TypeError, "length is 2.0; expected a number"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, length=True), TypeError, "length is True; expected a number"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c), TypeError, "scan has no xs; expected length="),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, np.float64(3)), ValueError, "has no axis to scan along"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, "abc"), TypeError, "scan: xs: expected numbers, got str"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), "abc", x), TypeError, "the carry: expected numbers, got str"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, (ROWS, NUMBERS[:2])), ValueError, "3 and 2 steps; expected"),
    (lambda c, x: sn.scan(lambda c, e: (c, None), c, ROWS, length=5), ValueError, "5 and 3 steps; expected"),
    (
        lambda c, x: sn.scan(lambda c, e: ((c, c), None), c, x),
        TypeError,
        r"carry of the structure \('value', 'value'\)",
    ),
    (
        lambda c, x: sn.scan(lambda c, e: ({"b": c["a"]}, e), {"a": c}, x),
        TypeError,
        "structure {'b': 'value'}; expected",
    ),
    (lambda c, x: sn.scan(lambda c, e: c, c, x), TypeError, "expected two values"),
    (lambda c, x: sn.scan(lambda c, e: ("abc", e), c, x), TypeError, "next carry: expected numbers, got str"),
    (lambda c, x: sn.scan(lambda c, e: (c, "abc"), c, x), TypeError, "expected numbers, got str"),
]


@pytest.mark.parametrize("values", [(X_ROWS.sum(), X_ROWS), (0.0, NUMBERS)], ids=["symbolic", "at once"])
@pytest.mark.parametrize(("build", "error", "message"), BAD_BOTH_WAYS)
def test_bad_input_both_ways(build: Any, error: type[Exception], message: str, values: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        build(*values)
    assert isinstance(caught.value, sn.SymnetError)
    assert "test_scan.py" in str(caught.value)


def test_what_is_stacked_keeps_its_structure_and_shape_at_once() -> None:
    with pytest.raises(sn.ArgumentError, match="the body stacked values of the structure None; expected value"):
        sn.scan(lambda c, e: (c, e if e < 2 else None), 0.0, NUMBERS)
    with pytest.raises(sn.ShapeError, match=r"test_scan.*\(1, 1\) and \(1, 2\)"):
        sn.scan(lambda c, e: (c, NUMBERS[: int(e)]), 0.0, NUMBERS[1:])


def test_what_a_body_was_given_stays_inside(mode: str) -> None:
    kept: list[Any] = []
    x = sn.Variable("x", ("n",), "float64")
    sn.scan(lambda c, e: (c + e, kept.extend([c, e * 2.0])), np.float64(0), x)
    for leaked in kept:
        again, _ = sn.scan(lambda c, e, leaked=leaked: (c + e + leaked, None), 0.0, x)
        for outputs in (leaked, again, sn.grad(leaked * leaked, leaked)):
            with pytest.raises(sn.SymbolicUseError, match=r"test_scan.*the scan's .* 0 is read outside of the loop's"):
                sn.compile(outputs, mode=mode)


def test_sizes_that_differ_at_the_call(mode: str) -> None:
    a, b = sn.Variable("a", ("n",), "float64"), sn.Variable("b", ("m",), "float64")
    f = sn.compile(sn.scan(lambda s, e: (s + e[0] * e[1], None), 0.0, (a, b))[0], mode=mode)
    assert float(f(np.ones(3), np.ones(3))) == 3.0
    with pytest.raises(sn.ShapeError, match=r"given \(3,\); expected \(2,\)"):
        f(np.ones(3), np.ones(2))


def test_products_leave_the_loop() -> None:
    x = sn.Variable("x", ("steps", "batch", 3), "float64")
    w, u = sn.Parameter(np.eye(3), name="W"), sn.Parameter(np.eye(3) * 0.5, name="U")

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = sn.tanh(x @ w + h @ u)
        return h, h

    last, _ = sn.scan(step, sn.zeros((x.shape[1], 3)), x)
    loss = last.sum()
    updates = sn.optim.SGD(lr=0.1)(loss, [w, u])
    f = sn.compile(loss, updates=updates)
    main, bodies = str(f.graph).split("\nreturn", 1)
    # Forwards x @ W is one product of all steps; backwards both gradients are.
    assert bodies.count("matmul(") == 2 and main.count("matmul(") == 3
    g = sn.compile(loss, updates=updates, mode="interpret", pipeline=[])
    given = np.random.default_rng(0).normal(size=(5, 2, 3))
    f(given)
    found = w.value.copy(), u.value.copy()
    w.value, u.value = np.eye(3), np.eye(3) * 0.5
    g(given)
    np.testing.assert_allclose(found[0], w.value, rtol=1e-12)
    np.testing.assert_allclose(found[1], u.value, rtol=1e-12)


# Steps of a carry of two and an element; each says what of the old carry goes where.
MOVES: dict[str, Callable[[Any, Any], Any]] = {
    "shift": lambda c, e: (e, c[0]),
    "shift back": lambda c, e: (c[1], e),
    "swap": lambda c, e: (c[1], c[0]),
    "swap and add": lambda c, e: (c[1] + e, c[0]),
    "copy": lambda c, e: (c[0], c[0]),
    "swap and flip": lambda c, e: (c[1][::-1], c[0]),
    "flip": lambda c, e: (c[0][::-1], c[1] * e),
    "flipped products": lambda c, e: (c[0] * c[0][::-1], c[0] + (c[1] * e)[::-1]),
    "sums of flips": lambda c, e: (c[0] + sn.sin(c[0] * c[1])[::-1], c[1] * e[0]),
    "an element": lambda c, e: (c[0] * (c[0] * e)[0], c[1] - c[0]),
    "sorted": lambda c, e: (sn.sort(c[0] + e), c[0]),
    "a flip and a reshape": lambda c, e: (c[0] + (c[0] * e)[::-1].reshape((1, -1)).reshape((-1,)), c[1]),
    "unchanged": lambda c, e: (c[0], c[1] + c[0]),
}


def moved(rule: Callable[[Any, Any], Any], a: Any, b: Any, x: Any) -> Any:
    """The last carries, and the carries before and after each step."""
    (a, b), ys = sn.scan(lambda c, e: (new := rule(c, e), (*c, *new)), (a, b), x)
    return [a, b, *ys]


@EVERY
@pytest.mark.parametrize("name", MOVES)
def test_carries_are_made_of_old_carries(name: str, target: str) -> None:
    a, b = (sn.Variable(v, ("n",), "float64") for v in "ab")
    x = sn.Variable("x", ("steps", "n"), "float64")
    everything = moved(MOVES[name], a, b, x)
    total = sn.sin(everything[0]).sum() + (everything[1] * everything[1]).sum()
    wanted = [everything[:2], everything, sn.grad(total, [a, b, x], unconnected="zero")]
    native = [sn.compile(w, inputs=[a, b, x], target=target) for w in wanted]
    oracle = [sn.compile(w, inputs=[a, b, x], mode="interpret", pipeline=[]) for w in wanted]
    for n in (1, 3, 9, 17, 33):
        rng = np.random.default_rng(n)
        given = rng.normal(size=n), rng.normal(size=n), rng.normal(size=(4, n))
        for f, g in zip(native, oracle, strict=True):
            for found, right in zip(f(*given), g(*given), strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-11)


@EVERY
def test_a_delay_line(target: str) -> None:
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(sn.scan(lambda c, e: ((e, *c[:-1]), c[-1]), (0.0,) * 3, x)[1], target=target)
    np.testing.assert_array_equal(f(np.arange(1.0, 8)), [0, 0, 0, 1, 2, 3, 4])


@EVERY
@pytest.mark.parametrize("name", ["flipped products", "sorted"])
def test_second_gradients_of_moves(name: str, target: str) -> None:
    rng = np.random.default_rng(0)
    point = rng.normal(size=9), rng.normal(size=9), rng.normal(size=(2, 9))
    a, b, x = (sn.Variable(v, p.shape, "float64") for v, p in zip("abx", point, strict=True))
    total = sum((sn.sin(y).sum() for y in moved(MOVES[name], a, b, x)), start=sn.Constant(0.0))
    first = sn.grad(total, [a, b, x])
    second = sn.grad(sum((sn.sin(y).sum() for y in first), start=sn.Constant(0.0)), [a, b, x])
    f, g = sn.compile(second, target=target), sn.compile(second, mode="interpret", pipeline=[])
    for found, right in zip(f(*point), g(*point), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-8, atol=1e-9)


def test_a_sum_of_products_that_is_read_at_every_step(mode: str) -> None:
    """Stacked before or after a step, or the next value of two carries, it stays in the loop."""
    a, b = sn.Variable("a", ("n", 2, 3), "float64"), sn.Variable("b", ("n", 2, 4), "float64")
    rows = np.random.default_rng(0).normal(size=(5, 2, 3)), np.random.default_rng(1).normal(size=(5, 2, 4))
    sums = np.concatenate([np.zeros((1, 3, 4)), np.cumsum(np.einsum("nij,nik->njk", *rows), axis=0)])
    before = sn.scan(lambda s, ab: (s + ab[0].T @ ab[1], s), np.zeros((3, 4)), (a, b))
    after = sn.scan(lambda s, ab: (s + ab[0].T @ ab[1],) * 2, np.zeros((3, 4)), (a, b))
    twice, _ = sn.scan(lambda c, ab: ((c[0] + ab[0].T @ ab[1],) * 2, None), (np.zeros((3, 4)),) * 2, (a, b))
    f = sn.compile([*before, *after, *twice], mode=mode)
    for found, wanted in zip(f(*rows), [sums[5], sums[:5], sums[5], sums[1:], sums[5], sums[5]], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("first", [0.0, 1])
def test_a_number_as_first_carry_takes_the_dtype_of_what_it_meets(first: float, dtype: str, mode: str) -> None:
    """With open types as with declared ones, and as at once on arrays; from carry to carry too."""

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        a, b = carry
        return (a + b * x, b * x), a * x

    values = np.arange(1, 5, dtype=dtype)
    for x in (sn.Variable("x"), sn.Variable("x", ("n",), dtype)):
        (a, b), ys = sn.scan(step, (first, 1), x)
        (c, d), zs = sn.scan(step, (first, 1), values)
        for found, wanted in zip(sn.compile([a, b, ys], mode=mode)(values), [c, d, zs], strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_derivatives_of_derivatives_of_derivatives() -> None:
    """Each is a loop whose body is made of the one before; inputs that are not told apart would give other numbers."""
    x = sn.Variable("x", (4,), "float64")
    _, sums = sn.scan(lambda c, e: (c + e, c + e), sn.Constant(0.0), x)
    slope = sn.grad((sums**3).sum(), x)
    lower = np.tril(np.ones((4, 4)))
    point = np.array([1.0, 0.5, -2.0, 3.0])
    second = lower.T @ np.diag(6 * lower @ point) @ lower
    third = 6 * np.einsum("ia,ib,ic->abc", lower, lower, lower)
    direction = np.array([1.0, 2.0, -1.0, 0.5])
    turned = sn.grad((slope * direction).sum(), x)
    again = sn.grad((turned * direction).sum(), x)
    for mode in ("native", "interpret"):
        found = sn.compile([turned, again], inputs=[x], mode=mode)(point)
        np.testing.assert_allclose(found[0], second @ direction, rtol=1e-12)
        np.testing.assert_allclose(found[1], third @ direction @ direction, rtol=1e-12)
