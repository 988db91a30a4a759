"""Transcendental functions as polynomials over the core scalar words.

Each function takes and gives a :class:`~symnet.scalar.Scalar` of dtype float32 or float64, without
branches, so that it runs in every lane of a vector; every part is safe to compute for any input.
Accuracy is stated per function, in units in the last place (ulp), and holds in every binade, with
`fma` rounded once or twice; the test measures it. Reduction and evaluation follow Muller, Elementary
Functions (3rd ed., 2016), ch. 11, and fdlibm (Sun, 1993). Coefficients stand highest power first.
Those called minimax were fitted for this file: Remez exchange in 250 bits, for the least relative
error of the function, then each rounded; the error quoted is that of the fit before rounding.
"""

from __future__ import annotations

from collections.abc import Callable

from symnet.scalar import Scalar

from .error_function import erf
from .exponentials import exp, expm1, tanh
from .logarithms import log, log1p
from .powers import pow
from .remainders import fmod
from .trigonometry import sine

EXPANSIONS: dict[str, Callable[[Scalar], Scalar]] = {
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sin": lambda x: sine(x, 0),
    "cos": lambda x: sine(x, 1),
}
# Those that take powers from a table where AVX-512 looks them up.
WITH_TABLE: dict[str, Callable[[Scalar, bool], Scalar]] = {"exp": exp, "tanh": tanh, "erf": erf}
# Those whose products need an error term.
WITH_ERRORS: dict[str, Callable[[Scalar, Scalar, bool], Scalar]] = {"pow": pow, "fmod": fmod}


def expand(op: str, args: tuple[Scalar, ...], has_fma: bool, has_avx512: bool) -> Scalar:
    """A transcendental word in core words.

    Parameters
    ----------
    op : str
        One of ``symnet.scalar.TRANSCENDENTAL``.
    args : tuple of Scalar
        Of dtype float32 or float64.
    has_fma : bool
        Whether the target rounds a fused multiply-add once; `pow` and `fmod` compute differently without.
    has_avx512 : bool
        Whether the target has the words `limit` and `lookup` as instructions, and a `scale` that rounds down.
    """
    if op in WITH_ERRORS:
        return WITH_ERRORS[op](args[0], args[1], has_fma)
    if op in WITH_TABLE:
        return WITH_TABLE[op](args[0], has_avx512)
    return EXPANSIONS[op](args[0])
