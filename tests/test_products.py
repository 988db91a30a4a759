"""Matrix products of every layout and awkward sizes, in every schedule, against numpy in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import Variable, compile, grad
from symnet.codegen import schedule, strips
from symnet.codegen.memory import ALIGNMENT

SIZES = [
    (1, 1, 1),
    (1, 33, 17),
    (5, 1, 3),
    (6, 16, 64),
    (7, 15, 65),
    (13, 37, 130),
    (50, 20, 9),
    (64, 64, 64),
    (3, 0, 4),
]
LAYOUTS = ["ab", "abt", "atb", "atbt"]
TARGETS = ["host", "avx2", "portable"]


@pytest.fixture(params=["chosen", "strips", "parts"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Schedules as they are chosen, or every product in packed strips, those in parts of a few steps."""
    if request.param == "parts":
        monkeypatch.setattr(strips, "PACKED_ROWS", 1)
        monkeypatch.setattr(strips, "STRIP_SHARE", 1000)
    if request.param != "chosen":
        monkeypatch.setattr(schedule, "PACKED_ROWS", 1)
        monkeypatch.setattr(schedule, "_strip_pays", lambda *known: True)
    return str(request.param)


def operands(layout: str, m: Any, k: Any, n: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return ((k, m) if layout.startswith("at") else (m, k)), ((n, k) if layout.endswith("bt") else (k, n))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(way: str, layout: str, target: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for named in (False, True):
        f: Any = None
        for m, k, n in SIZES:
            if f is None or not named:
                shapes = operands(layout, *(("m", "k", "n") if named else (m, k, n)))
                a, b = (Variable(name, shape, dtype) for name, shape in zip("ab", shapes, strict=True))
                product = (a.T if layout.startswith("at") else a) @ (b.T if layout.endswith("bt") else b)
                f = compile(sn.relu(product * 2.0), target=target)
            x, y = (rng.standard_normal(s).astype(dtype) for s in operands(layout, m, k, n))
            wide = (x.T if layout.startswith("at") else x).astype("float64") @ (y.T if layout.endswith("bt") else y)
            error = 1e-5 if dtype == "float32" else 1e-13
            np.testing.assert_allclose(f(x, y), np.maximum(wide * 2, 0), rtol=error, atol=error * 10)


@pytest.mark.parametrize("target", TARGETS)
def test_batches_of_products(way: str, target: str) -> None:
    rng = np.random.default_rng(1)
    q, k = Variable("q", ("b", "h", "s", 8), "float32"), Variable("k", ("b", "h", "t", 8), "float32")
    scores = q @ k.transpose((0, 1, 3, 2))
    f = compile([scores, *grad(sn.tanh(scores).sum(), (q, k))], target=target)
    for b, h, s, t in [(1, 1, 1, 1), (2, 3, 5, 17), (2, 1, 33, 6)]:
        x, y = rng.standard_normal((b, h, s, 8)).astype("f"), rng.standard_normal((b, h, t, 8)).astype("f")
        found, dq, dk = f(x, y)
        wide = x.astype("float64") @ y.transpose(0, 1, 3, 2)
        slope = 1 - np.tanh(wide) ** 2
        np.testing.assert_allclose(found, wide, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(dq, slope @ y, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dk, slope.transpose(0, 1, 3, 2) @ x, rtol=1e-4, atol=1e-5)


def test_a_second_call_gives_the_same_bits() -> None:
    rng = np.random.default_rng(2)
    a, b = Variable("a", ("m", 100), "float32"), Variable("b", (70, 100), "float32")
    f = compile(a @ b.T)
    raw = rng.standard_normal(50 * 100 + 16).astype("f")
    y = rng.standard_normal((70, 100)).astype("f")
    first = f(raw[:5000].reshape(50, 100), y)
    for shift in (1, 3, 16):
        moved = np.empty(5016, "f")[shift : shift + 5000].reshape(50, 100)
        moved[...] = raw[:5000].reshape(50, 100)
        np.testing.assert_array_equal(f(moved, y), first)


def test_a_strip_is_scratch_memory_of_one_step() -> None:
    a, b = Variable("a", ("m", 256), "float32"), Variable("b", (128, 256), "float32")
    f = compile(sn.tanh(a @ b.T))
    f(np.ones((64, 256), "f"), np.ones((128, 256), "f"))
    assert 0 < f.memory.arena <= 256 * 64 * 4 + ALIGNMENT


def test_what_follows_a_product_does_not_choose_its_schedule(tmp_path: Path) -> None:
    """Loads and stores after the sum are made once for all its terms: the register tile stays."""
    x, w = Variable("x", (256, 512), "float32"), Variable("w", (128, 512), "float32")
    others = [Variable(f"v{k}", (256, 128), "float32") for k in range(3)]
    y = x @ w.T
    f = compile([y, *(y * v for v in others)])
    assert "horizontal" not in f.dump(tmp_path / "product.loops").read_text()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.shape).astype(np.float32) for v in (x, w, *others)]
    product = arrays[0].astype(np.float64) @ arrays[1].T.astype(np.float64)
    for found, factor in zip(f(*arrays), (1, *arrays[2:]), strict=True):
        np.testing.assert_allclose(found, product * factor, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_long_sums_are_made_in_parts(layout: str, threads: int, tmp_path: Path) -> None:
    """What all rows read of a pass stays in the cache."""
    rng = np.random.default_rng(5)
    shapes = operands(layout, 60, 9000, 150)
    a, b = (Variable(name, shape, "float32") for name, shape in zip("ab", shapes, strict=True))
    product = (a.T if layout.startswith("at") else a) @ (b.T if layout.endswith("bt") else b)
    f = compile(sn.relu(product) + product, threads=threads)
    x, y = (rng.standard_normal(shape).astype("f") for shape in shapes)
    wide = (x.T if layout.startswith("at") else x).astype("d") @ (y.T if layout.endswith("bt") else y).astype("d")
    np.testing.assert_allclose(f(x, y), np.maximum(wide, 0) + wide, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(f(x, y), compile(sn.relu(product) + product)(x, y))
    loops = f.dump(tmp_path / "product.loops").read_text()
    assert "0 .. 9000 step 1:" not in loops


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("depth", [1, 5, 8, 53, 64])
def test_few_rows_and_columns(depth: int, known: bool, target: str) -> None:
    """Steps of the sum that are taken several at once, and those that are left."""
    rng = np.random.default_rng(depth)
    a, b = rng.standard_normal((1, depth)), rng.standard_normal((depth, 7))
    size = depth if known else "k"
    x, y = sn.Variable("x", (1, size), "float64"), sn.Variable("y", (size, 7), "float64")
    found = sn.compile([x @ y, sn.max(y, axis=0), sn.sum(y, axis=0), sn.min(y, axis=0)], target=target)(a, b)
    for got, wanted in zip(found, (a @ b, b.max(0), b.sum(0), b.min(0)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
