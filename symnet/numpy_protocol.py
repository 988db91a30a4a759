"""numpy's functions on symbolic values: one table from numpy's functions to ops.

``np.exp(v)`` and ``np.sum(v, axis=0)`` build graph, so a function written with numpy runs
imperatively on arrays and symbolically on Variables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from .errors import ArgumentError

UFUNCS = (
    "add subtract multiply negative power floor_divide remainder exp log log1p expm1 logaddexp sqrt sin cos tanh sign "
    "floor ceil maximum minimum equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_not bitwise_and bitwise_or bitwise_xor invert matmul heaviside"
).split()
FUNCTIONS = (
    "sum mean max min any all argmax argmin reshape transpose expand_dims squeeze concatenate stack pad where take "
    "broadcast_to dot var std swapaxes outer tensordot tril triu zeros_like ones_like take_along_axis sort argsort "
    "median searchsorted flip roll"
).split()
# What numpy has beside these, and how it is said in their words.
INSTEAD = {
    "arctanh": "0.5 * np.log((1 + v) / (1 - v))",
    "array_split": "slices, v[start:stop]",
    "choose": "np.where",
    "column_stack": "np.stack with axis=1",
    "convolve": "sn.conv1d",
    "correlate": "sn.conv1d",
    "cosh": "(np.exp(v) + np.exp(-v)) / 2",
    "diff": "v[1:] - v[:-1]",
    "dstack": "np.concatenate with axis=2",
    "exp2": "np.exp(v * np.log(2))",
    "fabs": "np.abs",
    "fmax": "np.maximum",
    "fmin": "np.minimum",
    "full_like": "np.zeros_like(v) + number",
    "hsplit": "slices, v[:, start:stop]",
    "hstack": "np.concatenate with axis=1",
    "hypot": "np.sqrt(a * a + b * b)",
    "inner": "np.dot",
    "isfinite": "v - v == 0",
    "isnan": "v != v",
    "log10": "np.log(v) / np.log(10)",
    "log2": "np.log(v) / np.log(2)",
    "moveaxis": "np.transpose",
    "nan_to_num": "np.where(v == v, v, 0.0)",
    "norm": "np.sqrt(np.sum(v * v))",
    "percentile": "np.sort",
    "quantile": "np.sort",
    "repeat": "np.take",
    "rint": "np.floor(v + 0.5)",
    "rollaxis": "np.transpose",
    "round": "np.floor(v + 0.5)",
    "select": "np.where",
    "sinh": "(np.exp(v) - np.exp(-v)) / 2",
    "split": "slices, v[start:stop]",
    "tan": "np.sin(v) / np.cos(v)",
    "tile": "np.concatenate",
    "trunc": "np.sign(v) * np.floor(np.abs(v))",
    "vdot": "np.dot",
    "vsplit": "slices, v[start:stop]",
    "vstack": "np.concatenate",
}
LINALG = "cholesky solve inv det slogdet".split()
# Keywords of numpy's that say what symnet does anyway.
HARMLESS = {"out": None, "dtype": None, "where": np._NoValue, "initial": np._NoValue, "ddof": 0}


@cache
def table() -> dict[Any, Callable[..., Any]]:
    """numpy function -> symnet function."""
    from . import cumulative, linalg, ops

    found: dict[Any, Callable[..., Any]] = {getattr(np, n): getattr(ops, n) for n in UFUNCS + FUNCTIONS}
    found[np.amax], found[np.amin], found[np.ravel] = ops.max, ops.min, lambda a: a.ravel()
    found[np.shape], found[np.ndim], found[np.size] = lambda a: a.shape, lambda a: a.ndim, lambda a: a.size
    found[np.absolute], found[np.true_divide] = ops.abs, ops.divide
    found |= {getattr(np.linalg, n): getattr(linalg, n) for n in LINALG}
    found[np.square] = lambda x: x * x
    found[np.reciprocal] = lambda x: 1.0 / x
    found[np.clip] = lambda a, a_min=None, a_max=None: ops.clip(a, a_min, a_max)
    found[np.pad] = _pad
    found[np.flipud], found[np.fliplr] = lambda m: ops.flip(m, 0), lambda m: ops.flip(m, 1)
    found[np.einsum] = lambda *operands, optimize=False: ops.einsum(*operands)
    found[np.cumsum], found[np.cumprod] = cumulative.cumsum, cumulative.cumprod
    return found


def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    from . import ops

    if mode != "constant":
        raise ArgumentError(f"np.pad: mode={mode!r} is not supported for symbolic values; expected 'constant'")
    return ops.pad(array, pad_width, constant_values)


def apply_ufunc(ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc met a symbolic value.

    Raises
    ------
    ArgumentError
        The ufunc, its method or a keyword has no symbolic counterpart.
    """
    if method != "__call__":
        raise ArgumentError(f"np.{ufunc.__name__}.{method} is not defined for symbolic values: use sn.sum, sn.max, ...")
    return _call(ufunc, args, kwargs)


def apply_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A numpy function met a symbolic value; raises as :func:`apply_ufunc`."""
    return _call(function, args, kwargs)


def _call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = f"np.{getattr(function, '__name__', function)}"
    known = table().get(function)
    if known is None:
        raise ArgumentError(f"{name} is not defined for symbolic values; {_advice(name.removeprefix('np.'))}")
    kept = {k: v for k, v in kwargs.items() if not (k in HARMLESS and v is HARMLESS[k])}
    for keyword in ("out", "where", "dtype", "casting", "order"):
        if keyword in kept and keyword not in signature(known).parameters:
            raise ArgumentError(f"{name}: {keyword}= is not supported for symbolic values")
    try:
        signature(known).bind(*args, **kept)
    except TypeError as error:
        raise ArgumentError(f"{name} of symbolic values: {error}") from None
    return known(*args, **kept)


def _advice(name: str) -> str:
    """What to write instead of numpy's function of this name."""
    plain = name.removeprefix("nan")
    if plain != name and plain in FUNCTIONS:
        return f"use np.{plain}, and np.where(v == v, v, number) for what is NaN"
    return f"use {INSTEAD[name]}" if name in INSTEAD else "symnet's ops are listed in symnet.ops"
