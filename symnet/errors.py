"""The exceptions symnet raises. Each subclasses the builtin a numpy user would expect.

Every message names the Variable or op, what was met and what was expected, and a line of the user's
program: the one that wrote the op, else the one that was running.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from .origin import Line, Origin, here


class SymnetError(Exception):
    """Base of every exception that symnet raises on purpose.

    Attributes
    ----------
    message : str
        Without the op and the line.
    line : Line
        Of the user's program; the text starts with it.
    op : str
        The name of the op that complains; empty where none does.
    origin : Origin or None
        All lines of that op.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message, self.op = message, ""
        self.line: Line = here()
        self.origin: Origin | None = None

    def at(self, op: str, origin: Origin) -> Self:
        """The same error with the op and the user's line in front; once only."""
        if self.origin is not None:
            return self
        placed = copy(self)
        placed.op, placed.origin, placed.line = op, origin, origin.lines[0]
        return placed

    def again(self) -> Self:
        """The same error as raised by the line that runs now, without the frames it has gathered."""
        repeated = copy(self)
        if self.origin is None:
            repeated.line = here()
        return repeated

    def __str__(self) -> str:
        return f"{self.op} at {self.line}: {self.message}".lstrip()


class ShapeError(SymnetError, ValueError):
    """Shapes that do not fit together, or a call argument of the wrong rank or size."""


class DTypeError(SymnetError, TypeError):
    """A dtype that is not supported here, or cannot be cast safely."""


class ArgumentError(SymnetError, TypeError):
    """A call with a missing, unknown or doubled argument, or an argument that is not a number."""


class FolderNotFound(SymnetError, FileNotFoundError):
    """A file was to be written into a folder that does not exist."""


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


class LinAlgError(SymnetError, np.linalg.LinAlgError):
    """A matrix that is singular, or not positive definite, where numpy refuses it too. (A ValueError.)"""


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
