"""The imperative twin: tensors computed at once, a tape, and `.backward()`.

The other side of the lectures' contrast, from the same op definitions: an op's numpy answer computes
forward, and its gradient rule, built once for each combination of types and evaluated with numpy,
computes backward. There is no second set of gradients.

    >>> import numpy as np
    >>> from symnet import eager
    >>> x = eager.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np

from .dtype import FLOATS, Type, storage
from .errors import ArgumentError, GradientError, ShapeError
from .expr import as_numbers
from .graph import INPUT, Graph, Node
from .numpy_protocol import apply_function, apply_ufunc
from .op import OPS, Composite, Op, compute
from .operators import Operators
from .ops.movement import sum_to
from .reference import run_nodes

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Tensor(Operators):
    """An array and how it was made.

    Attributes
    ----------
    data : ndarray
    requires_grad : bool
    grad : ndarray or None
        Filled by `backward`, added to by the next.
    """

    __slots__ = ("__weakref__", "attrs", "data", "grad", "op", "operands", "requires_grad")

    def __init__(self, data: np.ndarray, requires_grad: bool = False) -> None:
        self.data, self.requires_grad = data, requires_grad
        self.grad: np.ndarray | None = None
        self.op: Op | None = None
        self.operands: tuple[Any, ...] = ()
        self.attrs: dict[str, Any] = {}

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return _apply(OPS["equal"], (self, other), {})

    def __ne__(self, other: object) -> Any:
        return _apply(OPS["not_equal"], (self, other), {})

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.data.dtype.name

    def numpy(self) -> np.ndarray:
        """The array."""
        return self.data

    def item(self) -> Any:
        """The one element, as a Python number.

        Raises
        ------
        ShapeError
            There are more elements, or none.
        """
        if self.data.size != 1:
            raise ShapeError(f"a tensor of shape {self.shape} is no one number or truth value; expected one element")
        return self.data.item()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.data, dtype)

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("a tensor without axes has no length; expected at least one axis")
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __repr__(self) -> str:
        return f"tensor({self.data!r})"

    def __symnet_apply__(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        return _apply(op, args, attrs)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return apply_ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return apply_function(function, args, kwargs)

    def backward(self, gradient: Any = None) -> None:
        """Add the gradient of this value to `.grad` of every tensor that requires it.

        Raises
        ------
        GradientError
            The value is no scalar and no gradient is given, or nothing was recorded.
        ShapeError
            `gradient` has another shape than the value.
        """
        if not self.requires_grad:
            raise GradientError("nothing to differentiate: no operand has requires_grad=True")
        if gradient is None and self.data.shape != ():
            raise GradientError(f"the gradient of a non-scalar of shape {self.shape}: reduce it, or give gradient=")
        given = gradient.data if isinstance(gradient, Tensor) else gradient
        seed = np.ones_like(self.data) if gradient is None else as_numbers(given, "gradient=").astype(self.data.dtype)
        if seed.shape != self.shape:
            raise ShapeError(f"gradient= has shape {seed.shape}, the value {self.shape}")
        gradients: dict[Tensor, np.ndarray] = {self: seed}
        for tensor in reversed(_recorded(self)):
            g = gradients.pop(tensor, None)
            if g is None:
                continue
            if tensor.op is None:
                # A copy: contributions may be views, of one another or of what the caller gave.
                tensor.grad = np.array(g) if tensor.grad is None else np.asarray(tensor.grad + g)
                continue
            for operand, part in zip(tensor.operands, _backward(tensor, g), strict=True):
                if isinstance(operand, Tensor) and operand.requires_grad and part is not None:
                    gradients[operand] = gradients[operand] + part if operand in gradients else part


def tensor(value: Any, requires_grad: bool = False) -> Tensor:
    """A tensor of numbers, copied.

    Raises
    ------
    GradientError
        A gradient is wanted of integers.
    """
    array = as_numbers(value, "tensor")
    if requires_grad and array.dtype.name not in FLOATS:
        raise GradientError(f"a tensor of dtype {array.dtype} has no gradient; pass floats, such as 10.0 for 10")
    return Tensor(array.copy(), requires_grad)


def _apply(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Tensor:
    numbers = tuple(a.data if isinstance(a, Tensor) else a for a in args)
    result = Tensor(compute(op, numbers, attrs))
    wanted = any(isinstance(a, Tensor) and a.requires_grad for a in args)
    if wanted and _recording.get() and result.dtype in FLOATS:
        result.requires_grad = True
        result.op, result.operands, result.attrs = op, tuple(args), attrs
    return result


def _recorded(root: Tensor) -> list[Tensor]:
    """Every tensor below, operands first."""
    order: list[Tensor] = []
    seen: set[Tensor] = set()
    stack = [(root, False)]
    while stack:
        current, ready = stack.pop()
        if ready:
            order.append(current)
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            stack.extend((o, False) for o in current.operands if isinstance(o, Tensor) and o.requires_grad)
    return order


def _backward(node: Tensor, g: np.ndarray) -> list[np.ndarray | None]:
    assert node.op is not None
    arrays = [o.data if isinstance(o, Tensor) else o for o in node.operands]
    tokens = [type(a).__name__ if type(a) in (int, float) else np.asarray(a).dtype.name for a in arrays]
    wanted = node.op.operand_dtypes(*tokens, **node.attrs)
    cast = [np.asarray(a).astype(storage(d), copy=False) for a, d in zip(arrays, wanted, strict=True)]
    types = tuple(Type(a.dtype.name, a.shape) for a in cast)
    attrs = tuple(node.attrs.items())
    program, leaves, results = _gradient(node.op, attrs, types, Type(node.dtype, node.shape))
    values = dict(zip(leaves, [g, node.data, *cast], strict=True))
    found = run_nodes(program, values)
    parts = [None if r is None else found[r] for r in results]
    return [
        None if p is None else p.astype(np.asarray(a).dtype, copy=False) for p, a in zip(parts, arrays, strict=True)
    ]


Program = tuple[list[Node], list[Node], list[Node | None]]


@lru_cache(maxsize=4096)
def _gradient(op: Op, attrs: tuple[tuple[str, Any], ...], types: tuple[Type, ...], result: Type) -> Program:
    """The nodes that compute an op's gradient: their order, the inputs (g, y, operands), the results."""
    graph = Graph()
    g = graph.leaf(INPUT, result, name="g")
    y = graph.leaf(INPUT, result, name="y")
    xs = [graph.leaf(INPUT, t, name=f"x{k}") for k, t in enumerate(types)]
    named = dict(attrs)
    if isinstance(op, Composite) and type(op).grad is Op.grad:
        from .passes.differentiate import differentiate

        parts: Sequence[Any] = differentiate(graph, op.expand(*xs, **named), xs, g)
    else:
        parts = op.grad(g, y, *xs, **named)
    results = [None if p is None else sum_to(p, x.shape) for p, x in zip(parts, xs, strict=True)]
    graph.outputs = [r for r in results if r is not None]
    return graph.live(), [g, y, *xs], results
