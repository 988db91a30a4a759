"""symnet: a static-graph symbolic compiler for neural nets.

Declare Variables and ops, compile, run:

    >>> import numpy as np
    >>> from symnet import Variable, Constant, compile
    >>> A = Variable("A")
    >>> B = Variable("B")
    >>> C = B * A
    >>> D = C + Constant(1)
    >>> f = compile(D)
    >>> f(A=np.ones(3), B=np.ones(3) * 2)
    array([3., 3., 3.])
"""

import builtins
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, untouched
from .compile import compile
from .control import cond, while_loop
from .cumulative import cumprod, cumsum
from .derivatives import hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .dims import Dim
from .errors import (
    ArgumentError,
    CheckpointError,
    CompileError,
    DTypeError,
    FolderNotFound,
    GradientError,
    GradientMismatch,
    GraphError,
    IndexOutOfBounds,
    LinAlgError,
    NegativeExponent,
    NonFiniteLoss,
    OutOfMemory,
    OverflowInArgument,
    ShapeError,
    SymbolicUseError,
    SymnetError,
)
from .expr import Constant, Expr, Parameter, Variable
from .function import Function
from .gradient import grad
from .graph import Graph, Node
from .ops import *  # noqa: F403
from .ops import __all__ as _op_names
from .passes import PIPELINE
from .scan import scan

if TYPE_CHECKING:
    from . import data, eager, linalg, nn, optim, random, train
    from .bench import benchmark
    from .check_gradients import check_grads
    from .data import DataError

__version__ = "0.1.0"

# Loaded when they are asked for first: what a program does not use costs it no time.
_ROOMS = ("data", "eager", "linalg", "nn", "optim", "random", "train")
_ELSEWHERE = {"benchmark": "bench", "check_grads": "check_gradients", "DataError": "data"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _ELSEWHERE:
        return getattr(import_module(f".{_ELSEWHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


__all__ = [
    "PIPELINE",
    "ArgumentError",
    "CheckpointError",
    "CompileError",
    "Constant",
    "DTypeError",
    "DataError",
    "Dim",
    "Expr",
    "FolderNotFound",
    "Function",
    "GradientError",
    "GradientMismatch",
    "Graph",
    "GraphError",
    "IndexOutOfBounds",
    "LinAlgError",
    "NegativeExponent",
    "Node",
    "NonFiniteLoss",
    "OutOfMemory",
    "OverflowInArgument",
    "Parameter",
    "ShapeError",
    "SymbolicUseError",
    "SymnetError",
    "Variable",
    "benchmark",
    "check_grads",
    "compile",
    "cond",
    "cumprod",
    "cumsum",
    "data",
    "eager",
    "errors",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linalg",
    "nn",
    "optim",
    "scan",
    "value_and_grad",
    "vjp",
    "while_loop",
    "random",
    "train",
    # sum, max and others that are Python's too stay attributes: a star would hide Python's.
    *(name for name in _op_names if not hasattr(builtins, name)),
]

untouched.remember(__name__)
