"""einsum, triangles and creation: numbers against numpy, gradients, named sizes, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet import eager

Array = np.ndarray
RNG = np.random.default_rng(0)
MODES = ("native", "interpret")


# -- einsum --------------------------------------------------------------------------------------
LENGTHS = {"a": 2, "b": 3, "c": 4, "D": 2, "e": 1}


@st.composite
def products(draw: Any) -> tuple[str, list[Array]]:
    """Subscripts and operands that fit them."""
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 3))):
        labels = draw(st.lists(st.sampled_from("abcDe"), max_size=4))
        ones = draw(st.sets(st.sampled_from("abcDe"), max_size=1))
        sizes = [1 if n in ones else LENGTHS[n] for n in labels]
        if draw(st.booleans()):
            place = draw(st.integers(0, len(labels)))
            more = [3, 1, 2][draw(st.integers(0, 3)) :]
            labels[place:place], sizes[place:place] = ["..."], more
        terms.append("".join(labels))
        shapes.append(sizes)
    text = ",".join(terms)
    letters = sorted(set(text) - set(".,"))
    if draw(st.booleans()):
        wanted = draw(st.permutations(letters))[: draw(st.integers(0, 4))]
        place = draw(st.integers(0, len(wanted)))
        text += "->" + "".join([*wanted[:place], "..." if "..." in text else "", *wanted[place:]])
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "int32", "bool"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return text, [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]


@given(products())
def test_einsum_is_numpys(product: tuple[str, list[Array]]) -> None:
    subscripts, arrays = product
    wanted = np.einsum(subscripts, *arrays)
    found = np.asarray(sn.einsum(subscripts, *arrays))
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    variables = [sn.Variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    f = sn.compile(np.einsum(subscripts, *variables))
    assert f(*arrays).dtype == wanted.dtype
    np.testing.assert_array_equal(f(*arrays), wanted)


@pytest.mark.parametrize(
    "subscripts", ["bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "ij,jk,kl->il", "ij,ij->", "i,j->ij", "...i,ij->...j"]
)
def test_einsum_of_named_sizes(subscripts: str) -> None:
    left, _, _ = subscripts.partition("->")
    terms = [t.replace("...", "x") for t in left.split(",")]
    declared = [sn.Variable(f"v{k}", tuple(t), "float64") for k, t in enumerate(terms)]
    open_shapes = [sn.Variable(f"v{k}") for k in range(len(terms))]
    f, g = sn.compile(sn.einsum(subscripts, *declared)), sn.compile(sn.einsum(subscripts, *open_shapes))
    for size in (1, 2, 5):
        sizes = {n: size + k for k, n in enumerate(sorted(set("".join(terms))))}
        arrays = [RNG.standard_normal([sizes[n] for n in t]) for t in terms]
        for found in (f(*arrays), g(*arrays)):
            np.testing.assert_allclose(found, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-13)
    assert f.n_compiles == 1


@pytest.mark.parametrize("subscripts", ["ii->i", "iji->j", "ij,jk->ki", "ij,kj,j->k", "...i,i"])
def test_gradients_of_einsum(subscripts: str) -> None:
    terms = subscripts.partition("->")[0].split(",")
    point = [RNG.standard_normal((3,) * len(t.replace("...", "x"))) for t in terms]
    sn.check_grads(lambda *xs: sn.einsum(subscripts, *xs), point, order=2)


def test_einsum_is_a_matrix_product() -> None:
    q, k = (sn.Variable(n, ("batch", "seq", 4, 16), "float32") for n in "qk")
    f = sn.compile(sn.einsum("bqhd,bkhd->bhqk", q, k))
    assert [n.op.name for n in f.graph.live()] == ["input", "input", "transpose", "transpose", "matmul"]


@pytest.mark.parametrize("axes", [0, 2, ([0, 2], [2, 1]), (1, 0), ((-1,), (-2,)), ((), ())])
def test_tensordot_is_numpys(axes: Any) -> None:
    a, b = RNG.standard_normal((2, 3, 2)), RNG.standard_normal((3, 2, 2))
    wanted = np.tensordot(a, b, axes)
    x, y = sn.Variable("x", a.shape, a.dtype), sn.Variable("y")
    for found in (sn.tensordot(a, b, axes), sn.compile(np.tensordot(x, y, axes))(a, b)):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_outer_is_numpys() -> None:
    a, b = RNG.standard_normal((2, 3)), RNG.integers(0, 9, 4)
    f = sn.compile(np.outer(sn.Variable("x"), sn.Variable("y")))
    np.testing.assert_array_equal(f(a, b), np.outer(a, b))


# -- creation and triangles ----------------------------------------------------------------------
def made(expression: Callable[[Any], Any], shape: tuple[int, ...], mode: str) -> Array:
    x = sn.Variable("x", tuple("nmk"[: len(shape)]), "float32")
    value: Array = sn.compile(expression(x), inputs=[x], mode=mode)(np.ones(shape, np.float32))
    return value


@pytest.mark.parametrize("mode", MODES)
def test_creation_of_named_sizes(mode: str) -> None:
    calls: list[tuple[Callable[[Any], Any], Array]] = [
        (lambda x: sn.zeros((x.shape[1], 64), dtype="float32"), np.zeros((5, 64), np.float32)),
        (lambda x: sn.ones(x.shape[1] * 2), np.ones(10)),
        (lambda x: sn.full(x.shape, 7), np.full((3, 5), 7)),
        (lambda x: sn.full(x.shape, x[0, 0] * 2), np.full((3, 5), 2, np.float32)),
        (lambda x: sn.full(x.shape, True), np.full((3, 5), True)),
        (lambda x: sn.arange(x.shape[1]), np.arange(5)),
        (lambda x: sn.arange(2, x.shape[1] * 2, 3), np.arange(2, 10, 3)),
        (lambda x: sn.arange(x.shape[1], -4, -2), np.arange(5, -4, -2)),
        (lambda x: sn.arange(x.shape[0], x.shape[1], dtype="float32"), np.arange(3, 5, dtype=np.float32)),
        (lambda x: sn.arange(x.shape[1], x.shape[0]), np.arange(0)),
        (np.zeros_like, np.zeros((3, 5), np.float32)),
        (lambda x: np.ones_like(x, dtype="int64"), np.ones((3, 5), np.int64)),
    ]
    for call, wanted in calls:
        found = made(call, (3, 5), mode)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_creation_of_numbers_is_numpys() -> None:
    np.testing.assert_array_equal(sn.zeros((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(sn.arange(0.5, 3, 0.5), np.arange(0.5, 3, 0.5))
    assert sn.full(3, np.float32(2)).dtype == np.float32
    assert sn.arange(3, dtype="float32").dtype == np.float32
    assert sn.zeros_like(eager.tensor([1.0])).numpy().tolist() == [0.0]


@pytest.mark.parametrize("k", [-9, -2, 0, 1, 9])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
def test_triangles_are_numpys(dtype: str, k: int) -> None:
    x = sn.Variable("x", ("n", "m", "k"), dtype)
    f = sn.compile([np.tril(x, k), np.triu(x, k)])
    u = sn.Variable("u")
    g = sn.compile([sn.tril(u, k), sn.triu(u, k)], mode="interpret")
    for shape in ((2, 3, 5), (1, 5, 3), (2, 1, 1), (1, 4, 0)):
        array = (RNG.standard_normal(shape) * 9).astype(dtype)
        array.flat[:1] = np.nan if dtype.startswith("float") else 1
        wanted = [np.tril(array, k), np.triu(array, k)]
        for found in (f(array), [sn.tril(array, k), sn.triu(array, k)]):
            for a, b in zip(found, wanted, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
        for a, b in zip(g(array), wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    assert f.n_compiles == 1


# -- refusals ------------------------------------------------------------------------------------
X = sn.Variable("x", ("batch", "sequence", 8), "float32")
Q, K = (np.ones((2, n, 4)) for n in (5, 7))
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sn.einsum("ij,jk", Q, K), sn.ShapeError, r"'ij' and an operand of shape \(2, 5, 4\)"),
    (lambda: sn.einsum("bij,bjk", Q, K), sn.ShapeError, "axis 'j' is 4 and 7"),
    (lambda: sn.einsum("...ij,...kj->ik", Q, K), sn.ShapeError, "ellipsis stands for 1 axes"),
    (lambda: sn.einsum("iik", Q), sn.ShapeError, r"axes of one size"),
    (lambda: sn.einsum("bij", Q, K), sn.ArgumentError, "1 terms; got 2 operands"),
    (lambda: sn.einsum("bi1", Q), sn.ArgumentError, "'bi1' is no term"),
    (lambda: sn.einsum("b.ij", Q), sn.ArgumentError, "'b.ij' is no term"),
    (lambda: sn.einsum("bij->bb", Q), sn.ArgumentError, "'b' of the output is there twice"),
    (lambda: sn.einsum("bij->bz", Q), sn.ArgumentError, "'z' of the output is in no term"),
    (lambda: sn.einsum(Q, [0, 1, 2]), sn.ArgumentError, "subscripts are ndarray; expected a str"),
    (lambda: sn.tensordot(Q, K), sn.ShapeError, r"\(2, 5, 4\) and \(2, 7, 4\)"),
    (lambda: sn.tensordot(Q, K, 4), sn.ShapeError, "expected from 0 to 3"),
    (lambda: sn.tensordot(Q, K, ([0, 0], [0, 0])), sn.ShapeError, "none of them twice"),
    (lambda: sn.tensordot(Q, K, "ab"), sn.ArgumentError, "'ab'"),
    (lambda: sn.tril([1.0]), sn.ShapeError, r"\(1,\); expected at least two axes"),
    (lambda: sn.triu(Q, 0.5), sn.ArgumentError, "k is 0.5"),
    (lambda: sn.zeros((2, -1)), sn.ShapeError, "-1 in shape"),
    (lambda: sn.zeros("ab"), sn.ShapeError, "'a' in shape"),
    (lambda: sn.full(3, [1, 2]), sn.ShapeError, r"\(2,\); expected one number"),
    (lambda: sn.ones(3, "int8"), sn.DTypeError, "int8"),
    (lambda: sn.arange(X.shape[0], 9, 0), sn.ArgumentError, "a step that is not 0"),
    (lambda: sn.arange(X), sn.ArgumentError, "expected numbers"),
    (lambda: sn.compile(sn.zeros((X.shape[0], 2))), sn.ShapeError, "'batch' is of no input"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_bad_input_is_refused(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
