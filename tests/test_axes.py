"""Axes walked in step are one: the same numbers for every split of the rows, known sizes or open ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@pytest.mark.parametrize("outer", [1, 3, "n"])
@pytest.mark.parametrize("inner", [1, 7, 16])
def test_products_of_rows_in_two_axes(inner: int, outer: Any, target: str) -> None:
    a, w, b = floats(3 if outer == "n" else outer, inner, 20), floats(20, 33), floats(20, 33)
    x = sn.Variable("x", (outer, inner, 20), "float32")
    weight = sn.Parameter(w, name="w")
    f = sn.compile([sn.relu(x @ weight) + 1.0, x @ sn.transpose(sn.Parameter(b.T.copy(), name="b"))], target=target)
    for found, wanted in zip(f(a), (np.maximum(a @ w, 0) + 1, a @ b), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_what_differs_along_one_of_the_axes_keeps_them_apart() -> None:
    a, bias, rows = floats(4, 6, 20), floats(6, 20), floats(4, 1, 20)
    x = sn.Variable("x", (4, 6, 20), "float32")
    f = sn.compile([x + bias, x * rows, sn.transpose(x, (1, 0, 2)) + 0.0, sn.sum(x, axis=0), sn.sum(x, axis=1)])
    wanted = [a + bias, a * rows, a.transpose(1, 0, 2), a.sum(0), a.sum(1)]
    for found, exact in zip(f(a), wanted, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


def test_a_strip_is_packed_once_for_all_rows(tmp_path: Path) -> None:
    x, w = sn.Variable("x", (4, 64, 512), "float32"), sn.Parameter(floats(64, 512), name="w")
    sn.compile(x @ sn.transpose(w)).dump(tmp_path / "f.loops")
    lines = (tmp_path / "f.loops").read_text().splitlines()
    before = lines[: next(k for k, line in enumerate(lines) if "turn" in line)]
    assert not any("in 0 .. 4 " in line for line in before)
