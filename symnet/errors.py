"""The exceptions symnet raises. Each subclasses the builtin a numpy user would expect.

Every message names the Variable or op, what was met and what was expected, and, where it is known,
the line of the user's program that wrote the op.
"""

from __future__ import annotations


class SymnetError(Exception):
    """Base of every exception that symnet raises on purpose."""


class ShapeError(SymnetError, ValueError):
    """Shapes that do not fit together, or a call argument of the wrong rank or size."""


class DTypeError(SymnetError, TypeError):
    """A dtype that is not supported here, or cannot be cast safely."""


class ArgumentError(SymnetError, TypeError):
    """A call with a missing, unknown or doubled argument, or an argument that is not a number."""


class OutOfMemory(SymnetError, MemoryError):
    """A call needs more working memory than there is, or than `max_bytes` allows."""


class NegativeExponent(SymnetError, ValueError):
    """An integer raised to a negative integer power, which numpy refuses too."""


class GradientError(SymnetError, ValueError):
    """A gradient that is not defined: a non-scalar expression, or nothing connects it to `wrt`."""


class GradientMismatch(GradientError, AssertionError):
    """A gradient that disagrees with finite differences: what `check_grads` raises."""


class IndexOutOfBounds(SymnetError, IndexError):
    """An integer index (a label, a row of an embedding) outside the axis it selects from."""


class OverflowInArgument(DTypeError, OverflowError):
    """A Python integer that does not fit the dtype it must become."""


class NonFiniteLoss(SymnetError, ArithmeticError):
    """A loss that is NaN or infinite, in training. The step that met it changed no Parameter."""


class CheckpointError(SymnetError, ValueError):
    """A checkpoint that cannot be read, or that is of another network. It has changed nothing."""


class SymbolicUseError(SymnetError, TypeError):
    """A symbolic value used where only numbers make sense (`if v`, `len(v)`, `np.asarray(v)`)."""


class OpenShape(SymbolicUseError):
    """The shape of a symbolic value was asked for, which only a call decides."""


class GraphError(SymnetError, AssertionError):
    """The checker found a graph or loop program that breaks its own rules: a bug in a pass."""


class CompileError(SymnetError, RuntimeError):
    """The code generator met something it cannot compile. Never hidden behind the interpreter."""
