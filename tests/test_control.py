"""cond and while_loop: choices and loops that the data decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def root(a: Any, max_steps: int = 60) -> tuple[Any, Any]:
    """Newton's square root, from a itself."""
    return sn.while_loop(lambda r: abs(r * r - a) > 1e-13 * a, lambda r: 0.5 * (r + a / r), a, max_steps)  # type: ignore[no-any-return]


def root_in_python(a: float) -> tuple[float, int]:
    r, steps = a, 0
    while abs(r * r - a) > 1e-13 * a:
        r, steps = 0.5 * (r + a / r), steps + 1
    return r, steps


def test_cond_takes_one_branch(mode: str) -> None:
    x, y = sn.Variable("x", ("n",), "float64"), sn.Variable("y", (), "float64")
    made = sn.cond(x.sum() > y, lambda x, y: {"a": x * y, "b": [y]}, lambda x, y: {"b": [-y], "a": x - y}, x, y)
    f = sn.compile([made["a"], made["b"][0]], mode=mode)
    for values, other in [(np.array([1.0, 2.0]), 2.0), (np.array([1.0, 2.0]), 3.0), (np.zeros(0), -1.0)]:
        is_first = values.sum() > other
        found, sign = f(values, other)
        np.testing.assert_array_equal(found, values * other if is_first else values - other)
        assert float(sign) == (other if is_first else -other)
    assert f.n_compiles == 1


def test_gradient_of_cond_is_that_of_the_branch_taken(mode: str) -> None:
    x = sn.Variable("x", (), "float64")
    slope = sn.compile(sn.grad(sn.cond(x > 0, lambda x: x**3, lambda x: sn.exp(x), x), x), mode=mode)
    assert float(slope(2.0)) == 12.0
    np.testing.assert_allclose(slope(-1.0), np.exp(-1.0), rtol=1e-14)
    for point in (2.0, -1.0):
        sn.check_grads(lambda x: sn.cond(x > 0, lambda x: x**3, sn.exp, x), point, order=2, mode=mode)


def test_cond_of_open_shape(mode: str) -> None:
    p, x = sn.Variable("p"), sn.Variable("x")
    f = sn.compile(sn.cond(p, lambda x: x + 1, lambda x: x * 2, x), mode=mode)
    np.testing.assert_array_equal(f(np.True_, np.arange(3)), [1, 2, 3])
    np.testing.assert_array_equal(f(np.False_, np.arange(3.0)), [0, 2, 4])
    with pytest.raises(sn.ShapeError):
        f(np.array([True, False, True]), np.arange(3))


def test_newtons_square_root(mode: str) -> None:
    a = sn.Variable("a", (), "float64")
    f = sn.compile([*root(a), sn.grad(root(a)[0], a)], mode=mode)
    for value in (1.0, 2.0, 9.0, 1e-6, 1e10):
        found, steps, slope = f(value)
        wanted = root_in_python(value)
        assert (float(found), int(steps)) == wanted and steps.dtype == "int64"
        if value != 1.0:  # no step is made there, and the value is a itself
            np.testing.assert_allclose(slope, 0.5 / np.sqrt(value), rtol=1e-9)
    assert float(f(1.0)[2]) == 1.0
    assert f.n_compiles == 1


def test_gradients_through_a_loop(mode: str) -> None:
    def total(x: Any, w: Any) -> Any:
        (state, _), steps = sn.while_loop(
            lambda c: (c[0] * c[0]).sum() < 50.0, lambda c: (sn.sin(c[0]) @ w + c[0], c[1] + 1), (x, 0), 12
        )
        return (state * state).sum() * steps

    rng = np.random.default_rng(0)
    sn.check_grads(total, (rng.normal(size=3), 0.7 * np.eye(3) + 0.1 * rng.normal(size=(3, 3))), order=2, mode=mode)


def test_max_steps_is_reached(mode: str) -> None:
    x = sn.Variable("x", (), "float64")
    for bound in (0, 1, 7):
        last, steps = sn.while_loop(lambda v: v > 0, lambda v: v * 0.5, x, bound)
        found = sn.compile([last, steps, sn.grad(last, x)], mode=mode)(8.0)
        assert [float(v) for v in found] == [8.0 * 0.5**bound, bound, 0.5**bound]
    found = sn.compile([last, steps, sn.grad(last, x)], mode=mode)(-8.0)
    assert [float(v) for v in found] == [-8.0, 0, 1]


def test_what_a_stopped_loop_would_do_does_no_harm(mode: str) -> None:
    """Past its end the body would divide by zero, and read behind the table."""
    x, table = sn.Variable("x", (), "float64"), sn.Parameter(np.arange(1.0, 5.0))
    value, _ = sn.while_loop(lambda c: c > 0, lambda c: c - 1.0 / sn.sqrt(c), x, 20)
    stopped, _ = sn.while_loop(lambda c: c > 0, lambda c: c - sn.sqrt(c), x, 20)
    slopes = sn.compile([sn.grad(value, x), sn.grad(stopped, x)], mode=mode)
    assert np.isfinite(slopes(4.0)).all() and float(slopes(1.0)[1]) == 0.5
    (_, total), steps = sn.while_loop(
        lambda c: c[0] < 4, lambda c: (c[0] + 1, c[1] + table[c[0]]), (0 * x.astype("int64"), x), 9
    )
    found = sn.compile([total, steps], mode=mode)(0.5)
    assert [float(v) for v in found] == [10.5, 4]


def test_first_values_that_are_numbers(mode: str) -> None:
    """The loop is symbolic as soon as its condition or its body is."""
    n = sn.Variable("n", (), "float32")
    for condition, body, wanted in [
        (lambda c: c < n, lambda c: c * 2.0, (128.0, 7)),
        (lambda c: c < 150.0, lambda c: c + n, (201.0, 2)),
        (lambda c: c < n, lambda c: c + n, (101.0, 1)),
    ]:
        last, steps = sn.while_loop(condition, body, 1.0, 1000)
        f = sn.compile([last, steps], mode=mode)
        found = f(100.0)
        assert (float(found[0]), int(found[1])) == wanted
        assert len(f.graph.nodes) < 20


def test_on_arrays_and_tensors() -> None:
    found, steps = root(2.0)
    assert (float(found), int(steps)) == root_in_python(2.0)
    a = sn.eager.tensor(2.0, requires_grad=True)
    last, _ = root(a)
    last.backward()
    np.testing.assert_allclose(a.grad, 0.5 / np.sqrt(2.0), rtol=1e-9)
    calls: list[str] = []
    assert sn.cond(True, lambda x: x + 1, lambda x: calls.append("other"), 1) == 2
    assert sn.cond(a < 0, lambda x: calls.append("then"), lambda x: "taken", a) == "taken" and not calls


X = sn.Variable("x", ("n",), "float32")
V = sn.Variable("v", (), "float32")
BAD = [
    (lambda: sn.cond(X > 0, abs, abs, X), ValueError, r"predicate has shape \(n,\); expected one bool"),
    (lambda: sn.cond(V, abs, abs, X), TypeError, "predicate has dtype float32; expected bool"),
    (lambda: sn.cond(1.0, abs, abs, X), TypeError, "predicate has dtype float64; expected bool"),
    (lambda: sn.cond(np.ones(2, bool), abs, abs, X), ValueError, r"predicate has shape \(2,\)"),
    (lambda: sn.cond(V > 0, X, abs, X), TypeError, "a branch is .*; expected a function"),
    (
        lambda: sn.cond(V > 0, lambda x: (x, x), lambda x: x, X),
        TypeError,
        r"second branch gives .* value; expected \('value', 'value'\)",
    ),
    (lambda: sn.cond(V > 0, lambda: np.ones(2), lambda: np.ones(3)), ValueError, r"\(2,\) and \(3,\) do not broadcast"),
    (lambda: sn.while_loop(lambda c: c > 0, abs, V, -1), TypeError, "max_steps is -1; expected an integer, at least 0"),
    (lambda: sn.while_loop(lambda c: c > 0, abs, V, 2.5), TypeError, "max_steps is 2.5"),
    (lambda: sn.while_loop(lambda c: c > 0, abs, X, 5), ValueError, r"condition has shape \(n,\); expected one bool"),
    (
        lambda: sn.while_loop(lambda c: c > 0, lambda c: c > 0, V, 5),
        TypeError,
        "dtype float32, and the body makes bool",
    ),
    (
        lambda: sn.while_loop(lambda c: sn.all(c > 0), sn.sum, X, 5),
        ValueError,
        r"carry 0 has shape \(n,\), and the body makes \(\) of it",
    ),
    (lambda: sn.while_loop(3, abs, V, 5), TypeError, "condition is 3; expected a function of the carry"),
    (lambda: sn.while_loop(True, abs, 1.0, 5), TypeError, "condition is True; expected a function of the carry"),
    (lambda: sn.while_loop(lambda c: c > 0, "abs", V, 5), TypeError, "body is 'abs'; expected a function of the carry"),
    (lambda: sn.while_loop(lambda c: c > 0, None, 1.0, 5), TypeError, "body is None; expected a function of the carry"),
    (lambda: sn.while_loop(lambda c: c > 0, abs, ("abc", V), 5), TypeError, "the carry: expected numbers, got str"),
    (lambda: sn.while_loop(lambda c: c > 0, abs, "abc", 5), TypeError, "the carry: expected numbers, got str"),
    (lambda: sn.while_loop(lambda c: c > 0, lambda c: "abc", 1.0, 5), TypeError, "next carry: expected numbers, got"),
    (lambda: sn.while_loop(lambda c: "yes", abs, V, 5), TypeError, "the condition: expected numbers, got str"),
    (lambda: sn.while_loop(lambda c: None, abs, 1.0, 5), TypeError, "condition has dtype object; expected bool"),
    (lambda: sn.while_loop(lambda c: c, abs, V, 5), TypeError, "condition has dtype float32"),
    (
        lambda: sn.while_loop(lambda c: c > 0, lambda c: (c, c), V, 5),
        TypeError,
        "while_loop: the body returned .*structure",
    ),
    (
        lambda: sn.while_loop(lambda c: c < 9, lambda c: (c, c), 1.0, 5),
        TypeError,
        "while_loop: the body returned .*structure",
    ),
    (
        lambda: sn.while_loop(lambda c: c.sum() > 0, lambda c: c[None], X, 5),
        ValueError,
        r"carry 0.*\(n,\).*\(1, n\)",
    ),
    (lambda: sn.while_loop(lambda c: c > 0, lambda c: c + np.float64(1), V, 5), TypeError, "carry 0.*float32.*float64"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_bad_input(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        build()
    assert isinstance(caught.value, sn.SymnetError)
    assert "test_control.py" in str(caught.value)
