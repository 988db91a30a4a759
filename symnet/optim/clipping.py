"""Clipping of gradients, by value and by global norm; every optimiser takes it as an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from .. import ops
from ..expr import Expr
from . import checks


class Clipping(TypedDict, total=False):
    """The arguments that every optimiser takes beside those of its rule.

    Attributes
    ----------
    clip_norm : float or None
        The largest norm of all gradients together.
    clip_value : float or None
        The largest magnitude of an element of a gradient.
    """

    clip_norm: float | None
    clip_value: float | None


def clip_grad_value(gradients: Sequence[Expr], clip_value: float) -> list[Expr]:
    """Every element moved into [-clip_value, clip_value], as PyTorch's `clip_grad_value_`.

    Parameters
    ----------
    gradients : sequence of Expr
    clip_value : float
        Above 0.

    Returns
    -------
    list of Expr

    Raises
    ------
    ArgumentError
        `clip_value` is no number above 0.

    Examples
    --------
    >>> import symnet as sn
    >>> (g,) = sn.optim.clip_grad_value([sn.Constant([0.5, -3.0])], 1.0)
    >>> sn.compile(g)()
    array([ 0.5, -1. ])
    """
    bound = checks.positive("clip_value", clip_value)
    return [ops.minimum(ops.maximum(g, -bound), bound) for g in gradients]


def global_norm(gradients: Sequence[Expr]) -> Expr:
    """The Euclidean norm of all elements of all gradients together, computed in float64.

    Parameters
    ----------
    gradients : sequence of Expr
        At least one.

    Returns
    -------
    Expr

    Examples
    --------
    >>> import symnet as sn
    >>> norm = sn.optim.global_norm([sn.Constant([3.0, 0.0]), sn.Constant(4.0)])
    >>> float(sn.compile(norm)())
    5.0
    """
    wide = [ops.cast(g, "float64") for g in gradients]
    squares = [ops.sum(g * g) for g in wide]
    return ops.sqrt(sum(squares[1:], start=squares[0]))


def clip_grad_norm(gradients: Sequence[Expr], max_norm: float) -> list[Expr]:
    """All gradients scaled by one factor so that their global norm is at most `max_norm`.

    The factor is that of PyTorch's `clip_grad_norm_`, ``min(1, max_norm / (norm + 1e-6))``.

    Parameters
    ----------
    gradients : sequence of Expr
    max_norm : float
        Above 0.

    Returns
    -------
    list of Expr

    Raises
    ------
    ArgumentError
        `max_norm` is no number above 0.

    References
    ----------
    Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks. ICML 2013.

    Examples
    --------
    >>> import symnet as sn
    >>> (g,) = sn.optim.clip_grad_norm([sn.Constant([3.0, 4.0])], 1.0)
    >>> sn.compile(g)().round(5)
    array([0.6, 0.8])
    """
    bound = checks.positive("clip_norm", max_norm)
    if not gradients:
        return []
    factor = ops.minimum(bound / (global_norm(gradients) + 1e-6), 1.0)
    return [g * ops.cast(factor, g.dtype) for g in gradients]


def checked(whose: str, clipping: Mapping[str, Any]) -> Clipping:
    """The clipping arguments of an optimiser, checked.

    Raises
    ------
    ArgumentError
        One is no number above 0.
    """
    bounds = {n: None if v is None else checks.positive(f"{whose}: {n}", v) for n, v in clipping.items()}
    return Clipping(clip_norm=bounds.get("clip_norm"), clip_value=bounds.get("clip_value"))


def clip(gradients: Sequence[Expr], clipping: Clipping) -> list[Expr]:
    """The gradients clipped by value, then by norm: so both bounds hold in the end."""
    by_value, by_norm = clipping["clip_value"], clipping["clip_norm"]
    found = list(gradients)
    if by_value is not None:
        found = clip_grad_value(found, by_value)
    return found if by_norm is None else clip_grad_norm(found, by_norm)
