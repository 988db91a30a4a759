"""Linear algebra: numpy's answers, gradients of any order, and matrices that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet as sn
from symnet import linalg
from symnet.op import OPS


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def matrices(seed: int, n: int, *stack: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A matrix that needs pivoting, a positive definite one, and right sides."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(*stack, n, n))
    return a, a @ np.swapaxes(a, -1, -2) + np.eye(n), rng.normal(size=(*stack, n, 2))


def program(a: Any, p: Any, b: Any) -> list[Any]:
    """With numpy's own functions, on arrays or Variables."""
    return [
        np.linalg.cholesky(p),
        np.linalg.solve(a, b),
        np.linalg.inv(p),
        np.linalg.det(a),
        *np.linalg.slogdet(a),
        linalg.triangular_solve(p, b),
        linalg.triangular_solve(p, b, lower=False, unit_diagonal=False),
    ]


def variables(dtype: str, *stack: Any) -> list[sn.Variable]:
    shapes = {"a": (*stack, "n", "n"), "p": (*stack, "n", "n"), "b": (*stack, "n", "m")}
    return [sn.Variable(name, shape, dtype) for name, shape in shapes.items()]


NAMED = {mode: sn.compile(program(*variables("float64")), mode=mode) for mode in ("native", "interpret")}
STACKED = sn.compile(program(*variables("float64", 2, "stack")))


def assert_numpys(found: list[np.ndarray], given_arrays: tuple[np.ndarray, ...], tolerance: float = 1e-8) -> None:
    for native, numpy in zip(found, program(*given_arrays), strict=True):
        assert native.dtype == numpy.dtype and native.shape == numpy.shape
        np.testing.assert_allclose(native, numpy, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(numpy).max())))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 24), seed=st.integers(0, 10**6))
def test_random_sizes_with_one_compilation(n: int, seed: int) -> None:
    given_arrays = matrices(seed, n)
    # The error of a solution grows with the condition of its matrix.
    tolerance = 1e-12 * (10 + float(np.linalg.cond(given_arrays[0])) + float(np.linalg.cond(given_arrays[1])))
    for f in NAMED.values() if n < 9 else [NAMED["native"]]:
        assert_numpys(f(*given_arrays), given_arrays, tolerance)
        assert f.n_compiles == 1


@pytest.mark.parametrize("stack", [1, 4])
@pytest.mark.parametrize("n", [1, 3, 20])
def test_stacks_of_matrices(stack: int, n: int) -> None:
    given_arrays = matrices(n, n, 2, stack)
    assert_numpys(STACKED(*given_arrays), given_arrays, 1e-7)
    assert STACKED.n_compiles == 1


def test_float32_and_larger_matrices() -> None:
    a, p, b = (m.astype("float32") for m in matrices(5, 150))
    a += 12 * np.eye(150, dtype="float32")
    p += 12 * np.eye(150, dtype="float32")
    f = sn.compile(
        [
            np.linalg.cholesky(V) if k else np.linalg.solve(V, B)
            for k, V, B in [(0, *variables("float32")[::2]), (1, *variables("float32")[1:])]
        ]
    )
    solved, factor = f(a=a, b=b, p=p)
    assert solved.dtype == factor.dtype == np.float32
    np.testing.assert_allclose(solved, np.linalg.solve(a, b), atol=2e-4)
    np.testing.assert_allclose(factor, np.linalg.cholesky(p), atol=2e-4)


def test_a_vector_is_one_column(mode: str) -> None:
    _, p, b = matrices(1, 4)
    A, B = sn.Variable("a", ("n", "n"), "float64"), sn.Variable("b", ("n",), "float64")
    f = sn.compile([np.linalg.solve(A, B), linalg.triangular_solve(A, B)], mode=mode)
    for found, wanted in zip(
        f(p, b[:, 0]), [np.linalg.solve(p, b[:, 0]), np.linalg.solve(np.tril(p), b[:, 0])], strict=True
    ):
        np.testing.assert_allclose(found, wanted)


def test_open_shapes_and_integers(mode: str) -> None:
    A, B = sn.Variable("a"), sn.Variable("b")
    f = sn.compile([linalg.solve(A, B), linalg.triangular_solve(A, B), linalg.det(A)], mode=mode)
    a = np.array([[2, 1], [4, 1]])
    for b in (np.array([1, 3]), np.array([[1, 0], [0, 1]])):
        np.testing.assert_allclose(f(a, b)[0], np.linalg.solve(a, b))
        np.testing.assert_allclose(f(a, b)[1], np.linalg.solve(np.tril(a), b))
        assert float(f(a, b)[2]) == pytest.approx(-2.0)


def test_pivots_are_needed(mode: str) -> None:
    """Without pivoting the first would divide by 0, and the second lose every digit."""
    A = sn.Variable("a", (2, 2), "float64")
    f = sn.compile(linalg.solve(A, np.array([1.0, 2.0])), mode=mode)
    np.testing.assert_array_equal(f(np.array([[0.0, 1.0], [1.0, 0.0]])), [2.0, 1.0])
    np.testing.assert_allclose(f(np.array([[1e-20, 1.0], [1.0, 1.0]])), [1.0, 1.0])


GRADIENTS = {
    "cholesky": lambda a, b: linalg.cholesky(a @ a.T + np.eye(4)),
    "cholesky-b": lambda a, b: linalg.triangular_solve(linalg.cholesky(a @ a.T + np.eye(4)), b),
    "solve": linalg.solve,
    "triangular": lambda a, b: linalg.triangular_solve(a + 3 * np.eye(4), b, lower=False),
    "unit": lambda a, b: linalg.triangular_solve(a, b, unit_diagonal=True),
    "inv": lambda a, b: linalg.inv(a) @ b,
    "det": lambda a, b: linalg.det(a) * b,
    "slogdet": lambda a, b: linalg.slogdet(a)[1] * b,
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str, mode: str) -> None:
    a, _, b = matrices(2, 4)
    sn.check_grads(GRADIENTS[name], (a, b), order=2, mode=mode)


def test_third_derivatives_and_the_lower_triangle() -> None:
    _, p, b = matrices(3, 3)
    sn.check_grads(lambda p: linalg.cholesky(p), p, order=3)
    sn.check_grads(lambda p, b: linalg.solve(p, b), (p, b), order=3, rtol=1e-4)
    P = sn.Variable("p", (3, 3), "float64")
    slope = sn.compile(sn.grad(linalg.cholesky(P).sum(), P))(p)
    np.testing.assert_array_equal(np.triu(slope, 1), 0)


def test_eager_gradients() -> None:
    a, _, b = matrices(4, 3)
    x = sn.eager.tensor(a, requires_grad=True)
    np.linalg.solve(x, b).sum().backward()
    A = sn.Variable("a", (3, 3), "float64")
    np.testing.assert_allclose(x.grad, sn.compile(sn.grad(linalg.solve(A, b).sum(), A))(a), rtol=1e-9)


def test_one_elimination_for_values_and_gradients() -> None:
    A, B = sn.Variable("a", ("n", "n"), "float64"), sn.Variable("b", ("n",), "float64")
    loss = linalg.solve(A, B).sum() + linalg.slogdet(A).logabsdet
    f = sn.compile([loss, *sn.grad(loss, [A, B])])
    bodies = {n.attrs["body"] for n in f.graph.live() if n.op is OPS["scan"]}
    # The elimination; forwards and backwards for the solution, its gradient, and the inverse.
    assert len(bodies) == 1 + 3 * 2


REFUSED = {
    "solve": (lambda a: linalg.solve(a, np.ones(2)), "singular"),
    "inv": (linalg.inv, "singular"),
    "triangular": (lambda a: linalg.triangular_solve(a, np.ones(2), lower=False), "singular"),
    "cholesky": (linalg.cholesky, "not positive definite"),
    "gradient": (lambda a: linalg.det(a) if isinstance(a, np.ndarray) else sn.grad(linalg.det(a), a), "singular"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_singular_matrices_are_refused_before_anything_is_stored(name: str, mode: str) -> None:
    function, message = REFUSED[name]
    A, kept = sn.Variable("a", (2, 2), "float64"), sn.Parameter(0.0)
    f = sn.compile(function(A), updates={kept: kept + 1.0}, mode=mode)
    f(np.eye(2))
    bad = np.array([[1.0, 2.0], [2.0, 4.0]]) if name != "triangular" else np.array([[1.0, 2.0], [0.0, 0.0]])
    with pytest.raises(sn.LinAlgError, match=rf"test_linalg\.py.*{message}") as caught:
        f(bad)
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert float(kept.value) == 1.0
    if name != "gradient":
        with pytest.raises(sn.LinAlgError, match=message):
            function(bad)


def test_determinants_of_singular_matrices(mode: str) -> None:
    A = sn.Variable("a", (3, 3), "float64")
    f = sn.compile([linalg.det(A), *linalg.slogdet(A)], mode=mode)
    for a in (np.zeros((3, 3)), np.diag([1.0, 0.0, -2.0]), np.ones((3, 3))):
        assert [float(v) for v in f(a)] == [0.0, 0.0, -np.inf]
    for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]):
        assert float(f(np.eye(3)[order])[0]) == round(np.linalg.det(np.eye(3)[order]))


X = sn.Variable("x", (2, 3), "float64")
S = sn.Variable("s", ("n", "n"), "float64")
BAD = [
    *(
        (lambda f=f: f(X), rf"{word}.*shape \(2, 3\); expected a square matrix")
        for f, word in (
            (linalg.cholesky, "cholesky"),
            (linalg.inv, "inv"),
            (linalg.det, "determinant"),
            (linalg.slogdet, "determinant"),
            (lambda x: linalg.solve(x, X), "solve"),
            (lambda x: linalg.triangular_solve(x, X), "triangular_solve"),
        )
    ),
    (lambda: linalg.cholesky(X[0]), r"shape \(3,\); expected a square matrix"),
    (lambda: linalg.inv(np.ones((2, 3))), r"shape \(2, 3\); expected a square matrix"),
    (lambda: linalg.solve(np.eye(3), X), r"\(3, 3\).*\(2, 3\); expected as many rows"),
    (lambda: linalg.solve(np.eye(3), np.ones(2)), r"\(3, 3\).*\(2, 1\); expected as many rows"),
    (lambda: linalg.triangular_solve(np.eye(3), 1.0), r"right side \(\); expected as many rows"),
]


@pytest.mark.parametrize(("build", "message"), BAD)
def test_bad_shapes(build: Any, message: str) -> None:
    with pytest.raises(sn.ShapeError, match=message):
        build()


def test_bad_shapes_at_the_call(mode: str) -> None:
    f = sn.compile(linalg.solve(S, sn.Variable("b", ("m",), "float64")), mode=mode)
    with pytest.raises(sn.ShapeError, match=r"solve.*expected as many rows|n.*m"):
        f(np.eye(2), np.ones(3))
    g = sn.compile(linalg.inv(sn.Variable("a", ("n", "m"), "float64")), mode=mode)
    with pytest.raises(sn.ShapeError):
        g(np.ones((2, 3)))
    np.testing.assert_array_equal(g(2 * np.eye(3)), np.eye(3) / 2)
