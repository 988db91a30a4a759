"""Rows that are swept a few in step: what is left over, wide and narrow rows, what is fetched ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn

TARGETS = ["host", "avx2", "portable"]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def softmax(x: np.ndarray) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x: np.ndarray) -> Any:
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("columns", [1, 5, 16, 33, 300, 2100])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 9])
def test_any_number_of_rows(rows: int, columns: int, target: str) -> None:
    x = floats(rows, columns)
    wanted = softmax(x.astype(float)), layer_norm(x.astype(float))
    for known in (rows, "n"):
        v = sn.Variable("x", (known, columns), "float32")
        ones = sn.Constant(np.ones(columns, np.float32))
        f = sn.compile([sn.softmax(v), sn.layer_norm(v, ones, 0 * ones)], target=target)
        for found, exact in zip(f(x), wanted, strict=True):
            np.testing.assert_allclose(found, exact, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("known", [7, "n"])
def test_no_bit_depends_on_the_place_of_a_row(known: int | str) -> None:
    x = np.repeat(floats(1, 300), 7, axis=0)
    v = sn.Variable("x", (known, 300), "float32")
    ones = sn.Constant(np.ones(300, np.float32))
    for rows in sn.compile([sn.softmax(v), sn.layer_norm(v, ones, 0 * ones), sn.logsumexp(v, axis=1)])(x):
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))


@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_and_its_gradient_with_rows_left_over(target: str) -> None:
    z, y = floats(7, 37), np.array([0, 36, 5, 5, 17, 31, 32])
    v, labels = sn.Variable("z", ("n", 37), "float32"), sn.Variable("y", ("n",), "int64")
    loss = sn.nn.cross_entropy(v, labels)
    value, slope = sn.compile([loss, sn.grad(loss, v)], target=target)(z, y)
    p = softmax(z.astype(float))
    np.testing.assert_allclose(value, -np.log(p[np.arange(7), y]).mean(), rtol=1e-6)
    np.testing.assert_allclose(slope, (p - np.eye(37)[y]) / 7, rtol=1e-5, atol=1e-8)


def test_the_next_rows_are_fetched_and_none_beyond_the_last(tmp_path: Path) -> None:
    v = sn.Variable("x", (16, 256), "float32")
    f = sn.compile(sn.softmax(v))
    f.dump(tmp_path / "f.loops")
    fetches = [line for line in (tmp_path / "f.loops").read_text().splitlines() if "fetch" in line]
    assert len(fetches) == 4
    assert all("min(" in line for line in fetches)


@pytest.mark.parametrize("rows", [2, "n"])
def test_rows_that_data_choose_are_normalised(rows: Any) -> None:
    table, tokens = floats(20, 32), np.array([[3, 0, 19], [7, 7, 1]])
    embedding, places = sn.Parameter(table, name="embedding"), sn.Variable("tokens", (rows, "places"), "int64")
    f = sn.compile(sn.layer_norm(embedding[places]))
    np.testing.assert_allclose(f(tokens), layer_norm(table[tokens]), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "bool"])
@pytest.mark.parametrize("size", [5, "n"])
def test_labels_of_more_than_32_bits_count_nothing(size: Any, dtype: str) -> None:
    labels = np.array([3, 2**32 + 1, -1, -(2**32) + 2, 2**63 - 1, -(2**63), 0, 5, 4])
    v, like = sn.Variable("i", labels.shape, "int64"), sn.Variable("x", (size,), "float32")
    f = sn.compile(sn.one_hot(v, like.shape[0], dtype), [v, like])
    np.testing.assert_array_equal(f(labels, np.zeros(5, np.float32)), (labels[:, None] == np.arange(5)).astype(dtype))


@pytest.mark.parametrize("axis", [None, 0, 1, 3, (0, 1), (1, 3), (0, 2), (1, 2, 3)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_of_one_element_are_not_counted(axis: Any, keepdims: bool) -> None:
    x = floats(5, 1, 7, 1)
    v = sn.Variable("x", x.shape, "float32")
    f = sn.compile([sn.sum(v, axis=axis, keepdims=keepdims), sn.max(v, axis=axis, keepdims=keepdims)])
    total, largest = f(x)
    np.testing.assert_allclose(total, x.sum(axis=axis, keepdims=keepdims), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(largest, x.max(axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("function", [sn.exp, sn.tanh, sn.sigmoid])
def test_lanes_change_no_bit(function: Any) -> None:
    x = np.concatenate([floats(85) * 40, [np.inf, -np.inf, np.nan]]).astype(np.float32)
    wide = sn.compile(function(sn.Variable("x", x.shape, "float32")))(x)
    single = sn.compile(function(sn.Variable("x", (), "float32")))
    np.testing.assert_array_equal(wide, [single(v) for v in x])
    # With float64 beside it, half as many lanes.
    half = sn.compile(function(sn.Variable("x", x.shape, "float32")).astype("float64") * sn.Constant(np.float64(1)))(x)
    np.testing.assert_array_equal(wide, half)


@pytest.mark.parametrize("columns", ["columns", 0])
def test_sums_over_rows_without_elements(columns: Any) -> None:
    """They share a kernel with what lies along the rows, of which there is nothing to store."""
    x = sn.Variable("x", (3, columns), "float32")
    f = sn.compile([x * 2, (x * 2).sum(axis=1), (x * x).mean(axis=1)])
    if columns != 0:
        f(floats(3, 4))
    with np.errstate(invalid="ignore"):
        doubled, total, mean = f(floats(3, 0))
    assert doubled.shape == (3, 0) and total.tolist() == [0, 0, 0] and np.isnan(mean).all()
