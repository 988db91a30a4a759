"""compile(precision="bf16"): operands of products rounded to bfloat16, sums in float32; plain float32 elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.codegen.targets import host

RNG = np.random.default_rng(7)
HOST = pytest.mark.skipif(not host().has_bf16, reason="this processor has no bfloat16 products")
PLAIN = [name for name, bits in (("avx512", 512), ("avx2", 256), ("portable", 128)) if host().vector_bits >= bits]


def rounded(x: np.ndarray) -> np.ndarray:
    """To 8 significant bits, ties to even, by arithmetic alone; finite normal numbers only."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8)


def matrix(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def variable(name: str, *shape: int | str) -> sn.Variable:
    return sn.Variable(name, shape=shape, dtype="float32")


def assert_near(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal but for the order of a float32 sum."""
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * max(float(np.abs(wanted).max()), 1.0))


SIZES = [(8, 1, 8), (13, 7, 9), (64, 32, 64), (50, 33, 70), (256, 100, 40), (17, 8, 1030), (97, 515, 65)]


@HOST
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_numbers_of_a_product(sizes: tuple[int, int, int], turned: str, is_open: bool) -> None:
    m, k, n = sizes
    a = matrix(k, m) if "a" in turned else matrix(m, k)
    b = matrix(n, k) if "b" in turned else matrix(k, n)
    names: list[Any] = ["k", "m"] if "a" in turned else ["m", "k"]
    others: list[Any] = ["n", "k"] if "b" in turned else ["k", "n"]
    v, w = (
        (variable("v", *names), variable("w", *others))
        if is_open
        else (variable("v", *a.shape), variable("w", *b.shape))
    )
    left, right = v.T if "a" in turned else v, w.T if "b" in turned else w
    wanted = rounded(a.T if "a" in turned else a) @ rounded(b.T if "b" in turned else b)
    f = sn.compile(left @ right, inputs=[v, w], precision="bf16", check=True)
    assert_near(f(a, b), wanted)
    assert_near(sn.compile(left @ right, inputs=[v, w], precision="bf16", mode="interpret")(a, b), wanted)
    assert "precision bf16: matmul at " in str(f.report)


@pytest.mark.parametrize("target", PLAIN)
def test_a_target_without_the_instruction_computes_in_float32_and_says_so(target: str) -> None:
    x, w = variable("x", "batch", 33), variable("w", 33, 40)
    a, b = matrix(20, 33), matrix(33, 40)
    f = sn.compile(x @ w, precision="bf16", target=target)
    np.testing.assert_array_equal(f(x=a, w=b), sn.compile(x @ w, target=target)(x=a, w=b))
    assert f"precision float32: the target {target} has no bfloat16 products" in str(f.report)


@HOST
def test_pairs_are_multiplied_in_kernels_and_float32_programs_have_none() -> None:
    x, w = variable("x", "batch", 64), variable("w", 64, 48)
    f, plain = (sn.compile(x @ w, precision=p) for p in ("bf16", "float32"))
    assert "dpbf16ps" in f._latest.llvm() and "dpbf16ps" not in plain._latest.llvm()  # type: ignore[union-attr]
    assert "precision" not in str(plain.report)
    assert "bfloat16(" in str(f.graph)


@HOST
@pytest.mark.parametrize("batch", [1, 2, 7, 8, 31, 100])
def test_a_named_batch_with_bias_and_activation(batch: int) -> None:
    x, w, b = variable("x", "batch", 45), matrix(45, 30), matrix(30)
    f = sn.compile(sn.relu(x @ sn.Parameter(w, "w") + sn.Parameter(b, "b")), precision="bf16")
    a = matrix(batch, 45)
    assert_near(f(a), np.maximum(rounded(a) @ rounded(w) + b, 0))
    assert "precision bf16: linear at " in str(f.report)


@HOST
@pytest.mark.parametrize("shapes", [((3, 20, 33), (3, 33, 40)), ((3, 20, 33), (33, 40)), ((2, 1, 9, 8), (3, 8, 70))])
def test_stacks_of_matrices(shapes: tuple[Any, Any]) -> None:
    a, b = (matrix(*shape) for shape in shapes)
    f = sn.compile(variable("a", *a.shape) @ variable("b", *b.shape), precision="bf16")
    assert_near(f(a, b), rounded(a) @ rounded(b))


@HOST
@pytest.mark.parametrize("batch", ["batch", 24])
def test_gradients(batch: Any) -> None:
    x, y = variable("x", batch, 40), sn.Variable("y", shape=(batch,), dtype="int64")
    net = sn.nn.Sequential(sn.nn.Linear(40, 51, rng=0), sn.nn.Tanh(), sn.nn.Linear(51, 10, rng=1))
    loss = sn.nn.cross_entropy(net(x), y)
    outputs = [loss, *sn.grad(loss, [x, *net.parameters()])]
    f, g = (sn.compile(outputs, precision="bf16", mode=mode) for mode in ("native", "interpret"))
    arrays = matrix(24, 40), RNG.integers(0, 10, 24)
    # A sum in another order may round a later operand to the neighbouring bfloat16.
    for found, wanted in zip(f(*arrays), g(*arrays), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-3 * np.abs(wanted).max())
    plain = sn.compile(outputs)(*arrays)
    assert any((a != b).any() for a, b in zip(f(*arrays), plain, strict=True))
    assert str(f.report).count("linear at ") == 2 and "matmul at " in str(f.report)


@HOST
def test_products_inside_loops() -> None:
    h0, w, xs = variable("h0", 9, 20), variable("w", 20, 20), variable("xs", 5, 9, 20)
    last, _ = sn.scan(lambda h, x: (sn.tanh(h @ w) + x, h), h0, xs)
    f, g = (sn.compile(last, inputs=[h0, w, xs], precision="bf16", mode=mode) for mode in ("native", "interpret"))
    arrays = matrix(9, 20), matrix(20, 20), matrix(5, 9, 20)
    np.testing.assert_allclose(f(*arrays), g(*arrays), atol=0.02)
    assert "precision bf16: matmul at " in str(f.report)


SPECIAL = np.array(
    [0.0, -0.0, 1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1 - 2**-9, 3.3962e38, -3.4e38, np.inf, -np.inf,
     np.nan, -np.nan, 1e-39, -1e-45, 1.17549435e-38, 2.0**-126 + 2.0**-134], np.float32,
)  # fmt: skip


@HOST
@pytest.mark.parametrize("rows", [len(SPECIAL), "rows"])
def test_special_values_are_rounded_like_the_interpreter(rows: Any) -> None:
    """Times the identity: what an operand was rounded to comes out, on either side."""
    one = np.eye(16, dtype=np.float32)
    given = np.zeros((len(SPECIAL), 16), np.float32)
    given[:, 3] = SPECIAL
    v, w = variable("v", rows, 16), variable("w", 16, 16)
    for expression in (v @ w, w @ v.T):
        f, g = (sn.compile(expression, inputs=[v, w], precision="bf16", mode=m) for m in ("native", "interpret"))
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(f(given, one), g(given, one))
    finite = np.abs(SPECIAL) < 3e38
    normal = finite & (np.abs(SPECIAL) > 1.2e-38)
    found = sn.compile(v @ w, inputs=[v, w], precision="bf16")(given, one)[:, 3]
    np.testing.assert_array_equal(found[normal], rounded(SPECIAL[normal]))
    # The largest bfloat16 is 3.3895e38: above the middle between it and 2^128 is infinity.
    assert (found[[13, 14]] == 0).all()


@HOST
def test_a_zero_beyond_an_odd_end_meets_nothing() -> None:
    """The last number of an odd sum has a 0 beside it on both sides: what lies there in memory does not matter."""
    a, b = matrix(12, 5), matrix(5, 12)
    a[1:, 0], b[4, 1:] = np.inf, np.nan
    f = sn.compile(variable("a", "m", "k") @ variable("b", "k", "n"), precision="bf16")
    with np.errstate(all="ignore"):
        wanted = rounded(np.where(np.isfinite(a), a, 0))[0] @ rounded(np.where(np.isfinite(b), b, 0))[:, 0]
    assert abs(f(a, b)[0, 0] - wanted) < 1e-5


@HOST
@pytest.mark.parametrize("batch", ["batch", 300])
def test_every_number_of_threads_gives_the_same_bits(batch: Any) -> None:
    x, w = variable("x", batch, 301), variable("w", 301, 500)
    a, b = matrix(300, 301), matrix(301, 500)
    one, *more = (sn.compile(x @ w, precision="bf16", threads=n)(x=a, w=b) for n in (1, 2, 3))
    for other in more:
        np.testing.assert_array_equal(one, other)


def test_what_stays_float32() -> None:
    vector, m, few = variable("vector", 32), variable("m", 32, 32), variable("few", 4, 32)
    picture, kernel = variable("picture", 2, 3, 9, 9), variable("kernel", 4, 3, 3, 3)
    double = sn.Variable("double", shape=(32, 32), dtype="float64")
    outputs = [m @ vector, vector @ m, few @ m, sn.conv2d(picture, kernel), double @ double]
    for mode in ("native", "interpret"):
        f, plain = (sn.compile(outputs, precision=p, mode=mode) for p in ("bf16", "float32"))
        arrays = {v.name: RNG.standard_normal(v.known_shape).astype(v.known_dtype) for v in f.inputs}  # type: ignore[arg-type]
        for a, b in zip(f(**arrays), plain(**arrays), strict=True):
            np.testing.assert_array_equal(a, b)
        if mode == "interpret" or host().has_bf16:
            assert "precision bf16: no products of matrices" in str(f.report)


@HOST
def test_batches_in_a_native_loop_have_the_precision_too() -> None:
    x, w = variable("x", 10, 64), sn.Parameter(matrix(64, 20), "w")
    f = sn.compile((x @ w).sum(), precision="bf16")
    data = matrix(30, 64)
    found = f.run({"x": data}, 10)
    np.testing.assert_array_equal(found, [f(data[k : k + 10]) for k in (0, 10, 20)])


@pytest.mark.parametrize("precision", ["bfloat16", "fp8", 16, np.ones(2)])
def test_another_precision_is_refused(precision: Any) -> None:
    with pytest.raises(sn.ArgumentError, match=r"precision is .*; expected one of None, float32, bf16"):
        sn.compile(variable("x", 3) + 1, precision=precision)


@pytest.mark.parametrize("sizes", [(8, 33, 17), (16, 64, 64), ("batch", 7, 130)])
@pytest.mark.parametrize("turned", ["", "turned"])
def test_frozen_weights_are_rounded_at_compile_time(sizes: tuple[Any, int, int], turned: str) -> None:
    rows, depth, columns = sizes
    rng = np.random.default_rng(9)
    x = sn.Variable("x", (rows, depth), "float32")
    w = sn.Parameter(rng.standard_normal((columns, depth) if turned else (depth, columns)).astype("float32"))
    y = x @ w.T if turned else x @ w
    frozen, followed = (sn.compile(y, [x], precision="bf16", freeze=freeze) for freeze in (True, False))
    given = rng.standard_normal((rows if isinstance(rows, int) else 20, depth)).astype("float32")
    assert_near(frozen(given), followed(given))
    if host().has_bf16:
        assert frozen.memory.constants == (depth + 1) // 2 * -(-columns // 16) * 16 * 4
