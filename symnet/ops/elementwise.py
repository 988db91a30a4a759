"""The element-wise family: element `i` of the result is made from element `i` of each operand.

The ops themselves are rows in ``logic.py``, ``arithmetic.py``, ``real_functions.py`` and ``activations.py``: an
op's answers side by side. Shapes broadcast as numpy's. Gradient rules are written with symbolic values;
where an operand was broadcast, the differentiation pass sums the contribution back to its shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtype import Shape, broadcast, promote
from ..errors import ArgumentError, DTypeError
from ..op import IndexTuple, Op, Operand, apply, register
from ..scalar import Scalar

Rule = Callable[..., Any]


def aligned(i: IndexTuple, shape: Shape) -> IndexTuple:
    """The index into an operand of `shape` for element `i` of the broadcast result."""
    return tuple(0 if n == 1 else k for k, n in zip(i[len(i) - len(shape) :], shape, strict=True))


class Elementwise(Op):
    """An op that makes element `i` of the result from element `i` of each operand."""

    def __init__(
        self,
        name: str,
        *,
        numpy: Rule,
        element: Rule,
        grad: Rule | None = None,
        operands: Callable[..., tuple[str, ...]] | None = None,
        result: str | None = None,
        is_commutative: bool = False,
        is_costly: bool = False,
        is_activation: bool = False,
    ) -> None:
        super().__init__(name, "elementwise")
        self.is_commutative, self.is_costly, self.is_activation = is_commutative, is_costly, is_activation
        self._numpy, self._element, self._grad = numpy, element, grad
        self._operands, self._result = operands, result

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        if self._operands is not None:
            return self._operands(*dtypes)
        return super().operand_dtypes(*dtypes, **attrs)

    def result_dtype(self, *dtypes: str, **attrs: Any) -> str:
        return self._result or dtypes[-1]

    def result_shape(self, *shapes: Shape, **attrs: Any) -> Shape:
        return broadcast(*shapes)

    def numpy(self, *arrays: np.ndarray, **attrs: Any) -> Any:
        return self._numpy(*arrays)

    def grad(self, g: Any, y: Any, *xs: Any, **attrs: Any) -> tuple[Any, ...]:
        return (None,) * len(xs) if self._grad is None else self._grad(g, y, *xs)

    def element(self, i: IndexTuple, *operands: Operand, **attrs: Any) -> Scalar:
        return self._element(*(x[aligned(i, x.shape)] for x in operands))


def elementwise(name: str, meaning: str = "", **answers: Any) -> Callable[..., Any]:
    """Register an element-wise op and give the function that applies it.

    Parameters
    ----------
    name : str
    meaning : str, optional
        The first line of the function's docstring.
    numpy, element : callable
        The answer on arrays, and on scalars of :mod:`symnet.scalar`.
    grad : callable, optional
        ``grad(g, y, *xs)`` gives a tuple with a contribution for each operand. Without one the op has
        no gradient (comparisons, sign, floor: zero almost everywhere).
    operands : callable, optional
        dtypes met -> dtypes to compute in. Default: numpy's common dtype.
    result : str, optional
        The result's dtype if it is not that of the last operand.
    is_commutative, is_costly, is_activation : bool
        See :class:`symnet.op.Op`.

    Examples
    --------
    >>> import numpy as np
    >>> from symnet.ops.elementwise import elementwise
    >>> cube = elementwise("cube_doc", numpy=lambda x: x**3, element=lambda x: x * x * x,
    ...                    grad=lambda g, y, x: (3 * g * x * x,))
    >>> cube(np.array([1.0, 2.0]))
    array([1., 8.])
    """
    op = register(Elementwise(name, **answers))
    names = list(inspect.signature(answers["element"]).parameters)

    def function(*args: Any) -> Any:
        if len(args) != len(names):
            raise ArgumentError(f"{name}({', '.join(names)}) takes {len(names)} operands, got {len(args)}")
        return apply(op, *args)

    function.__name__ = function.__qualname__ = name
    kind = inspect.Parameter.POSITIONAL_ONLY
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, kind) for n in names]
    )
    function.__doc__ = f"{meaning or name}, element by element; operands broadcast as numpy's."
    return function


def no_bool(*dtypes: str) -> tuple[str, ...]:
    """numpy has no subtract and negative of bools."""
    common = promote(*dtypes)
    if common == "bool":
        raise DTypeError("not defined for bool; expected numbers (cast with .astype)")
    return (common,) * len(dtypes)
