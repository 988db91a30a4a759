"""Padding and concatenation by regions: every place has its value, whatever the sizes, and long parts test nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn

TARGETS = ["host", "avx2", "portable"]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def compiled(formula: Any, *arrays: np.ndarray, target: str = "host") -> sn.Function:
    return sn.compile(formula(*(sn.Variable(f"x{k}", a.shape, "float32") for k, a in enumerate(arrays))), target=target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("widths", [(16, 32), (1, 40), (17, 16, 50), (20,) * 9, (0, 30), (3, 0, 2)])
def test_parts_of_any_width(widths: tuple[int, ...], axis: int, target: str) -> None:
    shape = [2, 3, 5]
    arrays = [floats(*(*shape[:axis], n, *shape[axis + 1 :])) for n in widths]
    f = compiled(lambda *xs: sn.concatenate([x + 1.0 for x in xs], axis=axis), *arrays, target=target)
    np.testing.assert_array_equal(f(*arrays), np.concatenate([a + np.float32(1) for a in arrays], axis))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [5, 16, 33, 70])
@pytest.mark.parametrize("width", [1, 16, 20])
def test_padding(width: int, size: int, target: str) -> None:
    a = floats(size, size)
    f = compiled(lambda x: sn.pad(x, ((width, 0), (2, width)), 3.0) * 2.0, a, target=target)
    np.testing.assert_array_equal(f(a), np.pad(a, ((width, 0), (2, width)), constant_values=3) * np.float32(2))


@pytest.mark.parametrize("cut", [1, 16, 40, 63])
def test_the_gradient_of_slices_that_overlap(cut: int) -> None:
    a, weights = floats(4, 64), floats(4, 64)
    x = sn.Variable("x", (4, 64), "float32")
    loss = sn.sum(x[:, :cut] * weights[:, :cut]) + sn.sum(x[:, cut // 2 :]) + sn.sum(x[1:3])
    wanted = np.zeros_like(a)
    wanted[:, :cut] += weights[:, :cut]
    wanted[:, cut // 2 :] += 1
    wanted[1:3] += 1
    np.testing.assert_allclose(sn.compile(sn.grad(loss, [x])[0])(a), wanted, rtol=1e-6)


def test_a_test_of_places_that_users_write() -> None:
    x = sn.Variable("x", (3, 48), "float32")
    places = sn.arange(48)
    f = sn.compile([sn.where(places > 15, x, -x), sn.where(places <= 15, x, 0.0), sn.where(places < 99, x, 0.0)])
    a = floats(3, 48)
    wanted = [np.where(np.arange(48) > 15, a, -a), np.where(np.arange(48) <= 15, a, 0), a]
    for found, exact in zip(f(a), wanted, strict=True):
        np.testing.assert_array_equal(found, exact)


def test_an_open_size_beside_known_ones() -> None:
    x, y = sn.Variable("x", ("n", 32), "float32"), sn.Variable("y", ("n", 16), "float32")
    f = sn.compile([sn.concatenate([x, y], axis=1), sn.concatenate([x, x])])
    for n in (0, 1, 5, 40):
        a, b = floats(n, 32), floats(n, 16)
        side_by_side, below = f(a, b)
        np.testing.assert_array_equal(side_by_side, np.concatenate([a, b], 1))
        np.testing.assert_array_equal(below, np.concatenate([a, a]))


def test_long_parts_are_copied_without_tests(tmp_path: Path) -> None:
    arrays = floats(8, 32), floats(8, 64)
    f = compiled(lambda a, b: sn.concatenate([a, b], axis=1), *arrays)
    f.dump(tmp_path / "f.loops")
    assert "select" not in (tmp_path / "f.loops").read_text()
