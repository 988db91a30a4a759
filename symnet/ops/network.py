"""Softmax and its logarithm: composites that are one node in the graph until code is generated."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtype import Shape, as_one_axis, floating, normalize_axis
from ..op import Composite, apply, register
from .arithmetic import divide
from .real_functions import exp, log
from .reductions import max, sum


class Softmax(Composite):
    """exp(x) / sum(exp(x)) along `axis`, with the maximum taken out."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
        return e / np.sum(e, axis=axis, keepdims=True)

    def expand(self, x: Any, *, axis: int) -> Any:  # type: ignore[override]
        if 0 in x.shape:
            return x  # no elements, and no maximum of them
        # One division a row: the result is within 1.5 ulp of e / sum.
        e = exp(x - max(x, axis, True))
        return e * divide(1.0, sum(e, axis, True))

    def grad(self, g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (y * (g - sum(g * y, axis, True)),)


class LogSoftmax(Composite):
    """x - logsumexp(x) along `axis`."""

    def operand_dtypes(self, x: str, **attrs: Any) -> tuple[str, ...]:  # type: ignore[override]
        return (floating(x),)

    def result_shape(self, x: Shape, *, axis: int) -> Shape:  # type: ignore[override]
        normalize_axis(axis, len(x))
        return x

    def numpy(self, x: np.ndarray, *, axis: int) -> Any:  # type: ignore[override]
        shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))

    def expand(self, x: Any, *, axis: int) -> Any:  # type: ignore[override]
        if 0 in x.shape:
            return x
        shifted = x - max(x, axis, True)
        return shifted - log(sum(exp(shifted), axis, True))

    def grad(self, g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:  # type: ignore[override]
        return (g - softmax(x, axis) * sum(g, axis, True),)


_softmax, _log_softmax = register(Softmax("softmax")), register(LogSoftmax("log_softmax"))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`; no input overflows."""
    return apply(_softmax, x, axis=as_one_axis(axis, "softmax"))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax; no input overflows."""
    return apply(_log_softmax, x, axis=as_one_axis(axis, "log_softmax"))


__all__ = ["log_softmax", "softmax"]
