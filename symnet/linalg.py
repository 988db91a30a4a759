"""Linear algebra of small matrices: factors, equations, inverses, determinants.

Every function takes a matrix or a stack of them (leading axes), in float32 or float64, of any size up to a few
hundred, which may be named. On arrays numpy answers; natively loops over the columns do, without LAPACK. A matrix
that is singular, or not positive definite, is refused at the call with :class:`symnet.LinAlgError`, as numpy refuses
it, and nothing is stored; one that is nearly so is not noticed. Gradients are exact and of any order; a gradient and
the value share one elimination.

References
----------
Giles, Collected matrix derivative results for forward and reverse mode algorithmic differentiation, 2008.
Murray, Differentiation of the Cholesky decomposition, 2016.
Golub and Van Loan, Matrix Computations, 4th edition, 2013, chapters 3 and 4 (the loops).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .op import OPS, apply, deferred
from .operators import Operators
from .ops import broadcast_to, exp, expand_dims, multiply, squeeze
from .ops.matrices import require_square, solved, triangular


class SlogDet(NamedTuple):
    """What :func:`slogdet` gives."""

    sign: Any
    logabsdet: Any


def _as_value(x: Any) -> Any:
    return x if isinstance(x, Operators) else np.asarray(x)


def _square(name: str, a: Any) -> Any:
    """A value that is a square matrix; of two names for its sizes, which the call finds equal, only one is kept."""
    a = _as_value(a)
    require_square(name, a.shape)
    return a if a.shape[-1] == a.shape[-2] else broadcast_to(a, (*a.shape[:-1], a.shape[-2]))


@deferred("a")
def cholesky(a: Any) -> Any:
    """The lower triangular L with positive diagonal and L Lᵀ = a, for a symmetric positive definite matrix.

    Only the lower triangle of `a` is read, as numpy does, and the gradient is by its elements: the upper triangle
    has the gradient 0. (Of a symmetric matrix that is computed, what is passed on is the same as with half of it
    on either side.)

    Raises
    ------
    ShapeError
        `a` is not square.
    LinAlgError
        At the call: `a` is not positive definite.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 0.],
           [1., 2.]])

    References
    ----------
    Murray, Differentiation of the Cholesky decomposition, 2016, equation 10.
    """
    return apply(OPS["cholesky"], _square("cholesky", a))


@deferred("a", "b")
def solve(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b``, by elimination with partial pivoting.

    Parameters
    ----------
    a : value of shape (..., n, n)
    b : value of shape (n,) or (..., n, m)

    Raises
    ------
    ShapeError
        `a` is not square, or `b` has another number of rows.
    LinAlgError
        At the call: a pivot is 0, so that `a` is singular.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.linalg.solve([[0.0, 2.0], [1.0, 1.0]], [4.0, 5.0])
    array([3., 2.])

    References
    ----------
    Giles, Collected matrix derivative results, 2008, section 2.3.1.
    """
    return _with_columns(solved, _square("solve", a), b)


@deferred("a", "b")
def triangular_solve(a: Any, b: Any, lower: bool = True, unit_diagonal: bool = False) -> Any:
    """The x with ``a @ x = b`` for a triangular `a`, by substitution.

    Parameters
    ----------
    a : value of shape (..., n, n)
        Only the one triangle is read.
    b : value of shape (n,) or (..., n, m)
    lower : bool
        Which triangle.
    unit_diagonal : bool
        Whether the diagonal is taken to be 1, and not read.

    Raises
    ------
    ShapeError
        `a` is not square, or `b` has another number of rows.
    LinAlgError
        At the call: an element of the diagonal is 0.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.linalg.triangular_solve([[2.0, 7.0], [1.0, 1.0]], [4.0, 5.0])
    array([2., 3.])

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th edition, 2013, section 3.1.
    """
    a = _square("triangular_solve", a)
    inside = a if unit_diagonal else apply(OPS["check_pivots"], a, positive=False)
    return _with_columns(lambda a, b: triangular(a, b, bool(lower), bool(unit_diagonal)), inside, b)


def _with_columns(function: Any, a: Any, b: Any) -> Any:
    """A function of a matrix and right sides in columns; a vector is one column."""
    b = _as_value(b)
    if len(b.shape) != 1:
        return function(a, b)
    return squeeze(function(a, expand_dims(b, 1)), -1)


@deferred("a")
def inv(a: Any) -> Any:
    """The inverse. To multiply with it, :func:`solve` is better: half the work, and more exact.

    Raises
    ------
    ShapeError
        `a` is not square.
    LinAlgError
        At the call: a pivot is 0, so that `a` is singular.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.linalg.inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])

    References
    ----------
    Giles, Collected matrix derivative results, 2008, section 2.2.3.
    """
    return apply(OPS["inv"], _square("inv", a))


def det(a: Any) -> Any:
    """The determinant, computed as numpy does: sign * exp(log); :func:`slogdet` neither over- nor underflows.

    A singular matrix has the determinant 0. Its gradient needs the inverse, and is refused then.

    Raises
    ------
    ShapeError
        `a` is not square.
    LinAlgError
        At the call of a gradient: `a` is singular.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.linalg.det([[0.0, 2.0], [3.0, 0.0]]).round(12)
    np.float64(-6.0)

    References
    ----------
    Giles, Collected matrix derivative results, 2008, section 2.2.4.
    """
    sign, logarithm = slogdet(a)
    return multiply(sign, exp(logarithm))


def slogdet(a: Any) -> SlogDet:
    """The sign of the determinant (-1, 0 or 1) and the logarithm of its absolute value (-inf for 0).

    Raises
    ------
    ShapeError
        `a` is not square.
    LinAlgError
        At the call of a gradient: `a` is singular.

    Examples
    --------
    >>> import symnet as sn
    >>> sign, logarithm = sn.linalg.slogdet([[0.0, 2.0], [3.0, 0.0]])
    >>> float(sign), float(logarithm.round(4))
    (-1.0, 1.7918)

    References
    ----------
    Giles, Collected matrix derivative results, 2008, section 2.2.4.
    """
    return SlogDet(_of_determinant(a, "det_sign"), _of_determinant(a, "log_abs_det"))


@deferred("a")
def _of_determinant(a: Any, name: str) -> Any:
    return apply(OPS[name], _square("the determinant", a))


__all__ = ["cholesky", "det", "inv", "slogdet", "solve", "triangular_solve"]
