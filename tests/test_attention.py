"""Attention and its layers: numbers against plain numpy, gradients, named sizes, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import eager
from symnet.passes.form_kernels import form_kernels

RNG = np.random.default_rng(0)
MODES = ("native", "interpret")
Array = np.ndarray


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q: Array, k: Array, v: Array, mask: Array | None = None, scale: float | None = None) -> Array:
    """The formula in numpy; `mask` is added."""
    scores = q @ np.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    return softmax(scores if mask is None else scores + mask) @ v


def causal(queries: int, keys: int) -> Array:
    return np.where(np.tri(queries, keys, dtype=bool), 0.0, -np.inf)


def qkv(*batch: int, queries: int = 5, keys: int = 7) -> list[Array]:
    return [RNG.standard_normal((*batch, n, 4)) for n in (queries, keys, keys)]


# -- attention -----------------------------------------------------------------------------------
OPEN = RNG.random((5, 7)) < 0.6
OPEN[:, 0] = True
ADDED = RNG.standard_normal((2, 1, 5, 7))
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "scale": ({"scale": 0.7}, {"scale": 0.7}),
    "causal": ({"is_causal": True}, {"mask": causal(5, 7)}),
    "bools": ({"mask": OPEN}, {"mask": np.where(OPEN, 0, -np.inf)}),
    "floats": ({"mask": ADDED}, {"mask": ADDED}),
    "both": ({"mask": ADDED, "is_causal": True}, {"mask": ADDED + causal(5, 7)}),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CALLS)
def test_attention_is_its_formula(name: str, mode: str) -> None:
    arrays = qkv(2, 3)
    options, plain = CALLS[name]
    wanted = attention(*arrays, **plain)
    declared = [sn.Variable(n, a.shape, a.dtype) for n, a in zip("qkv", arrays, strict=True)]
    for variables in (declared, [sn.Variable(n) for n in "qkv"]):
        f = sn.compile(sn.scaled_dot_product_attention(*variables, **options), mode=mode)
        np.testing.assert_allclose(f(*arrays), wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(sn.scaled_dot_product_attention(*arrays, **options), wanted, rtol=1e-12, atol=1e-14)
    tensors = [eager.tensor(a) for a in arrays]
    found = sn.scaled_dot_product_attention(*tensors, **options)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_attention(name: str) -> None:
    options, _ = CALLS[name]
    options = {k: v[0, 0] if v is ADDED else v for k, v in options.items()}
    sn.check_grads(lambda q, k, v: sn.scaled_dot_product_attention(q, k, v, **options), qkv(), order=2)


def test_gradient_of_an_added_mask() -> None:
    q, k, v = qkv()
    sn.check_grads(lambda m: sn.scaled_dot_product_attention(q, k, v, m), RNG.standard_normal((1, 7)))


@pytest.mark.parametrize("mode", MODES)
def test_a_query_without_keys_gets_zeros(mode: str) -> None:
    arrays = qkv()
    closed = OPEN.copy()
    closed[2] = False
    x = [sn.Variable(n, a.shape, a.dtype) for n, a in zip("qkv", arrays, strict=True)]
    for mask in (closed, np.where(closed, 0.5, -np.inf)):
        y = sn.scaled_dot_product_attention(*x, mask)
        found, *slopes = sn.compile([y, *sn.grad(y.sum(), x)], mode=mode)(*arrays)
        assert (found[2] == 0).all()
        assert np.isfinite(found).all()
        assert (slopes[0][2] == 0).all()
        assert all(np.isfinite(s).all() for s in slopes)


def test_float32_stays_float32() -> None:
    arrays = [a.astype(np.float32) for a in qkv(2)]
    for options in ({"mask": ADDED[:, 0]}, {"mask": OPEN}, {"is_causal": True}):
        x = [sn.Variable(n, a.shape, a.dtype) for n, a in zip("qkv", arrays, strict=True)]
        found = sn.compile(sn.scaled_dot_product_attention(*x, **options))(*arrays)
        assert found.dtype == np.float32
        wanted = sn.scaled_dot_product_attention(*(a.astype(np.float64) for a in arrays), **options)
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)


# -- layers --------------------------------------------------------------------------------------
def heads_of(x: Array, count: int) -> Array:
    return np.swapaxes(x.reshape(*x.shape[:-1], count, -1), -2, -3)


def linear(layer: sn.nn.Linear, x: Array) -> Array:
    return x @ layer.weight.value + layer.bias.value  # type: ignore[union-attr]


def multihead(m: sn.nn.MultiheadAttention, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    parts = [heads_of(linear(p, x), m.num_heads) for p, x in ((m.query, q), (m.key, k), (m.value, v))]
    y = np.swapaxes(attention(*parts, mask=mask), -2, -3)
    return linear(m.out, y.reshape(q.shape))


def norm(layer: sn.nn.LayerNorm, x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return y * layer.weight.value + layer.bias.value  # type: ignore[union-attr]


def block(m: sn.nn.TransformerEncoderLayer, x: Array, mask: Array | None) -> Array:
    def mix(x: Array) -> Array:
        return multihead(m.attention, x, x, x, mask)

    def each(x: Array) -> Array:
        return linear(m.linear2, np.maximum(linear(m.linear1, x), 0))

    if m.norm_first:
        x = x + mix(norm(m.norm1, x))
        return x + each(norm(m.norm2, x))
    x = norm(m.norm1, x + mix(x))
    return norm(m.norm2, x + each(x))


def sequences(dtype: str = "float64", features: int = 8) -> sn.Variable:
    return sn.Variable("x", ("batch", "sequence", features), dtype)


SIZES = [(2, 5), (1, 1), (3, 2), (1, 17), (4, 16)]


@pytest.mark.parametrize("mode", MODES)
def test_self_attention_of_named_sizes(mode: str) -> None:
    layer = sn.nn.MultiheadAttention(8, 2, dtype="float64", rng=0)
    f = sn.compile(layer(sequences(), is_causal=True), mode=mode)
    for batch, length in SIZES:
        x = RNG.standard_normal((batch, length, 8))
        np.testing.assert_allclose(f(x), multihead(layer, x, x, x, causal(length, length)), rtol=1e-11, atol=1e-13)
    assert mode == "interpret" or f.n_compiles == 1


def test_cross_attention_with_padding() -> None:
    layer = sn.nn.MultiheadAttention(8, 4, dtype="float64", rng=0)
    memory = sn.Variable("memory", ("batch", "keys", 8), "float64")
    padding = sn.Variable("padding", ("batch", "keys"), "bool")
    f = sn.compile(layer(sequences(), memory, mask=~padding[:, None, None, :]))
    for batch, length in SIZES:
        x, k = RNG.standard_normal((batch, length, 8)), RNG.standard_normal((batch, 6, 8))
        absent = RNG.random((batch, 6)) < 0.3
        absent[:, 0] = False
        added = np.where(absent, -np.inf, 0.0)[:, None, None]
        np.testing.assert_allclose(
            f(x=x, memory=k, padding=absent), multihead(layer, x, k, k, added), rtol=1e-11, atol=1e-13
        )
    assert f.n_compiles == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer(norm_first: bool, mode: str) -> None:
    layer = sn.nn.TransformerEncoderLayer(8, 2, 12, norm_first=norm_first, dtype="float64", rng=0)
    f = sn.compile(layer(sequences(), is_causal=True), mode=mode)
    undeclared = sn.compile(layer(sn.Variable("u"), is_causal=True), mode=mode)
    for batch, length in SIZES:
        x = RNG.standard_normal((batch, length, 8))
        wanted = block(layer, x, causal(length, length))
        np.testing.assert_allclose(f(x), wanted, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(undeclared(x), wanted, rtol=1e-11, atol=1e-13)
    assert mode == "interpret" or f.n_compiles == 1


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_of_an_encoder_layer(norm_first: bool) -> None:
    layer = sn.nn.TransformerEncoderLayer(4, 2, 6, activation="gelu", norm_first=norm_first, rng=0)
    sn.check_grads(layer(sequences(features=4), is_causal=True), RNG.standard_normal((2, 3, 4)))


@pytest.mark.parametrize("mode", MODES)
def test_causal_is_an_explicit_mask(mode: str) -> None:
    layer = sn.nn.TransformerEncoderLayer(8, 2, 12, rng=0)
    x, mask = sequences("float32"), sn.Variable("mask", ("sequence", "sequence"), "bool")
    losses = [(layer(x, is_causal=True) ** 2).sum(), (layer(x, mask) ** 2).sum()]
    f, g = (sn.compile([v, *sn.grad(v, layer.parameters())], mode=mode) for v in losses)
    for batch, length in SIZES:
        array = RNG.standard_normal((batch, length, 8)).astype(np.float32)
        for a, b in zip(f(array), g(x=array, mask=np.tri(length, dtype=bool)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_one_compilation_trains_on_every_size() -> None:
    layer = sn.nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, rng=0)
    x, y = sequences("float32"), sn.Variable("y", ("batch", "sequence", 8), "float32")
    loss = sn.nn.mse(layer(sn.nn.PositionalEmbedding(20, 8, rng=0)(x), is_causal=True), y)
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.05)(loss, layer.parameters()))
    for batch, length in SIZES * 3:
        array = RNG.standard_normal((batch, length, 8))
        assert np.isfinite(step(array, np.tanh(array)))
    assert step.n_compiles == 1


@pytest.mark.parametrize("mode", MODES)
def test_positions_are_added(mode: str) -> None:
    fixed, learned = sn.nn.SinusoidalEncoding(8, 17, "float64"), sn.nn.PositionalEmbedding(17, 8, "float64", rng=0)
    x = sequences()
    f = sn.compile([fixed(x), learned(x)], mode=mode)
    slope = sn.compile(sn.grad((learned(x) ** 2).sum(), [learned.weight])[0], mode=mode)
    for batch, length in SIZES:
        array = RNG.standard_normal((batch, length, 8))
        angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, 8, 2) / 8)
        table = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(length, 8)
        first, second = f(array)
        np.testing.assert_allclose(first, array + table, rtol=1e-13, atol=1e-13)
        moved = array + learned.weight.value[:length]
        np.testing.assert_array_equal(second, moved)
        wanted = np.zeros((17, 8))
        wanted[:length] = 2 * moved.sum(0)
        np.testing.assert_allclose(slope(array), wanted, rtol=1e-12, atol=1e-12)
    with pytest.raises(sn.ShapeError, match=r"\(17, 8\) to \(18, 8\)"):
        f(np.zeros((1, 18, 8)))


def test_joined_heads_are_copied_before_a_product() -> None:
    """A product that read them through the reshape would divide for every index, of every element it reads."""
    x = sn.Variable("x", ("batch", 4, "sequence", 8), "float32")
    joined = sn.reshape(sn.swapaxes(x, 1, 2), (x.shape[0], x.shape[2], 32))
    f = sn.compile(joined @ np.ones((32, 16), np.float32))
    kinds = [(g.kind, [n.op.name for n in g.nodes]) for g in form_kernels(f.graph)]
    assert kinds == [("map", ["transpose"]), ("fold", ["matmul"])]


@pytest.mark.parametrize("mode", MODES)
def test_gradient_of_a_product_with_one_matrix(mode: str) -> None:
    x, w, g = RNG.standard_normal((2, 3, 5, 4)), RNG.standard_normal((4, 6)), RNG.standard_normal((2, 3, 5, 6))
    xs = sn.Variable("x", ("a", "b", "c", 4), "float64"), sn.Variable("w", (4, 6), "float64")
    cotangent = sn.Variable("g", ("a", "b", "c", 6), "float64")
    dx, dw = sn.compile(list(sn.vjp(xs[0] @ xs[1], list(xs), cotangent)), mode=mode)(x, w, g)
    np.testing.assert_allclose(dx, g @ w.T, rtol=1e-12)
    np.testing.assert_allclose(dw, np.einsum("abci,abcj->ij", x, g), rtol=1e-12)


# -- refusals ------------------------------------------------------------------------------------
X = sn.Variable("x", ("batch", "sequence", 8), "float32")
Q, K, V = (np.ones((2, n, 4)) for n in (5, 7, 7))
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sn.nn.MultiheadAttention(10, 3), sn.ShapeError, "3 heads and 10 features"),
    (lambda: sn.nn.MultiheadAttention(8, 0), sn.ArgumentError, "num_heads is 0"),
    (lambda: sn.nn.MultiheadAttention(8, 2)(X, None, X), sn.ArgumentError, "without a key"),
    (lambda: sn.nn.MultiheadAttention(6, 2)(X), sn.ShapeError, r"\(batch, sequence, 8\) and \(6, 6\)"),
    (
        lambda: sn.nn.TransformerEncoderLayer(8, 2, dropout=1.5),
        sn.ArgumentError,
        "Layer: dropout is 1.5; expected a num",
    ),
    (lambda: sn.nn.MultiheadAttention(8, 2, -0.1), sn.ArgumentError, "Attention: dropout is -0.1; expected a number"),
    (lambda: sn.nn.TransformerEncoderLayer(8, 2, activation="softmax"), sn.ArgumentError, "'softmax'"),
    (lambda: sn.nn.TransformerEncoderLayer(8, 2, dtype="int64"), sn.DTypeError, "int64"),
    (lambda: sn.nn.SinusoidalEncoding(6)(X), sn.ShapeError, r"\(batch, sequence, 8\); expected \(..., sequence, 6\)"),
    (lambda: sn.nn.PositionalEmbedding(4, 8)(np.ones((5, 8))), sn.ShapeError, "at most 4"),
    (lambda: sn.nn.PositionalEmbedding(0, 8), sn.ArgumentError, "max_length is 0"),
    (lambda: sn.scaled_dot_product_attention(Q, K[..., :3], V), sn.ShapeError, r"features 4 and 3"),
    (lambda: sn.scaled_dot_product_attention(Q, K, V[:, :5]), sn.ShapeError, "7 keys and 5 values"),
    (lambda: sn.scaled_dot_product_attention(Q[0, 0], K, V), sn.ShapeError, r"\(4,\)"),
    (lambda: sn.scaled_dot_product_attention(Q, K, V, OPEN.T), sn.ShapeError, r"\(7, 5\).*to \(2, 5, 7\)"),
    (lambda: sn.scaled_dot_product_attention(Q, K, V, OPEN[None, None]), sn.ShapeError, r"\(1, 1, 5, 7\)"),
    (lambda: sn.scaled_dot_product_attention(Q, K, V, OPEN.astype(int)), sn.DTypeError, "int64; expected bools"),
    (lambda: sn.scaled_dot_product_attention(Q, K, V, scale="big"), sn.ArgumentError, "'big'"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_bad_input_is_refused(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_a_mask_that_does_not_fit_at_the_call() -> None:
    q, mask = sn.Variable("q", ("batch", "n", 4), "float32"), sn.Variable("mask", ("a", "b"), "bool")
    f = sn.compile(sn.scaled_dot_product_attention(q, q, q, mask))
    assert f(np.ones((2, 3, 4)), np.ones((3, 3), bool)).shape == (2, 3, 4)
    with pytest.raises(sn.ShapeError, match=r"\(2, 2\)"):
        f(np.ones((2, 3, 4)), np.ones((2, 2), bool))


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_while_training(norm_first: bool, mode: str) -> None:
    settings: dict[str, Any] = {"norm_first": norm_first, "dtype": "float64", "rng": 0}
    layer = sn.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, **settings)
    plain = sn.nn.TransformerEncoderLayer(8, 2, 16, **settings)
    x = sn.Variable("x", ("batch", "sequence", 8), "float64")
    point = np.random.default_rng(0).normal(size=(2, 5, 8))
    train, predict = sn.compile(layer(x), mode=mode), sn.compile(layer.eval()(x), mode=mode)
    first, second = train(point), train(point)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(predict(point), sn.compile(plain(x), mode=mode)(point), rtol=1e-12)
    sn.check_grads(sn.sum(layer.train()(x) ** 2), {"x": point})


def test_dropout_of_attention_leaves_keys_out_and_keeps_the_mean() -> None:
    layer = sn.nn.MultiheadAttention(4, 2, dropout=0.5, dtype="float64", rng=0)
    x = sn.Variable("x", (3, 4), "float64")
    point = np.random.default_rng(0).normal(size=(3, 4))
    train, predict = sn.compile(layer(x)), sn.compile(layer.eval()(x))
    mean = np.mean([train(point) for _ in range(4000)], 0)
    np.testing.assert_allclose(mean, predict(point), atol=0.05)
