"""From expressions to a Graph: everything typed, gradients expanded, for given argument types."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from . import dims
from .build_loop import build_loop
from .dims import Dim, Size
from .dtype import WEAK, Type, collecting, require_shape, shape_text, storage, weak_dtype
from .errors import DTypeError, SymbolicUseError, SymnetError
from .expr import Constant, Expr, Parameter, Variable
from .gradient import REQUEST, GradientRequest, check_floating, check_seed
from .graph import EXTENT, INPUT, PARAMETER, Graph, Node, dtype_of, located, number_as
from .op import OPS, Deferred, evaluate
from .origin import Line, Origin
from .scan import FORMAL, LOOP, Loop

# Of a graph, the ys, the nodes to differentiate by, their seeds, whether forward, and the line that asked.
Differentiate = Callable[[Graph, Sequence[Node], Sequence[Node], Sequence[Node], bool, Origin], list[Node | None]]
Stabilize = Callable[[Graph, Node], Node]
Number = int | float
LEAVES = (INPUT, PARAMETER, FORMAL)
PYTHON: dict[str, Callable[..., int]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "negative": operator.neg,
}


def leaves(roots: Iterable[Expr]) -> list[Expr]:
    """Every Variable and Parameter the roots depend on, in order of creation."""
    seen = set(roots)
    stack = list(seen)
    found: list[Expr] = []
    while stack:
        expr = stack.pop()
        if expr.op in (INPUT, PARAMETER):
            found.append(expr)
        for operand in expr.operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(found, key=lambda e: e.order)


def specialize(
    outputs: Sequence[Expr],
    inputs: Sequence[Variable],
    updates: Sequence[tuple[Parameter, Expr]],
    types: Mapping[Variable, Type],
    sizes: Mapping[str, int],
    differentiate: Differentiate,
    stabilize: Stabilize,
) -> Graph:
    """The program as a Graph, for inputs of the given types.

    Parameters
    ----------
    sizes : mapping of str to int
        Named dims pinned to numbers; empty in generic code.
    differentiate : callable
        The pass that answers gradient requests.
    stabilize : callable
        Gives the stable form of a node just made: gradients are taken of stable formulas.

    Raises
    ------
    ShapeError, DTypeError, GradientError
        With the user's line.
    """
    graph = Graph()
    builder = Builder(graph, types, sizes, differentiate, stabilize)
    graph.inputs = [builder.leaf(v) for v in inputs]
    graph.outputs = [builder.node(e) for e in outputs]
    for parameter, expr in updates:
        graph.updates.append((builder.leaf(parameter), builder.update(parameter, expr)))
    return builder.finished()


def _without_marks(graph: Graph, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    return inputs[0] if node.op is OPS["identity"] and node.attrs.get("mark") is not None else None


class Builder:
    """Turns expressions into nodes of one graph, each once, without recursion over operands."""

    def __init__(
        self,
        graph: Graph,
        types: Mapping[Variable, Type],
        sizes: Mapping[str, int],
        differentiate: Differentiate,
        stabilize: Stabilize,
        given: Mapping[Expr, Node | Number | Dim] | None = None,
    ) -> None:
        self.given = given or {}
        self.graph, self.types, self.sizes = graph, types, sizes
        self.differentiate, self.stabilize = differentiate, stabilize
        self.memo: dict[Expr, Node | Number | Dim] = dict(self.given)
        self.marks: Mapping[Expr, tuple[int, ...]] = {}
        self.fresh = count()
        self.marked = False
        # Expressions made of Python's numbers alone, some of which are arguments.
        self.weak: set[Expr] = set()
        self.origins: dict[Line, Origin] = {}
        self.answers: dict[GradientRequest, list[Node]] = {}
        self.loops: dict[Loop, list[Node]] = {}

    def nested(self, given: Mapping[Expr, Node | Number | Dim], graph: Graph) -> Builder:
        """A builder of a graph inside this one, where some expressions are given."""
        return Builder(graph, self.types, self.sizes, self.differentiate, self.stabilize, given)

    def finished(self) -> Graph:
        """The graph, when its roots are in place."""
        self.graph.data_checks = [n for n in self.graph.live() if n.op.checks_data]
        return self.graph.rewrite(_without_marks) if self.marked else self.graph

    def origin(self, expr: Expr) -> Origin:
        return self.origins.setdefault(expr.line, Origin((expr.line,)))

    def leaf(self, expr: Expr) -> Node:
        with self.graph.writing(self.origin(expr)):
            if isinstance(expr, Variable):
                type = self.types[expr]
                if type.dtype in WEAK:
                    self.weak.add(expr)
                return self.graph.leaf(INPUT, Type(storage(type.dtype), type.shape), name=expr.name)
            assert isinstance(expr, Parameter)
            dtype, shape = expr.known_dtype, expr.known_shape
            assert dtype is not None and shape is not None
            return self.graph.leaf(PARAMETER, Type(dtype, shape), name=expr.name)

    def node(self, root: Expr) -> Node:
        """The node of an expression; a bare Python number becomes a constant."""
        value = self.value(root)
        if isinstance(value, Node):
            return value
        with self.graph.writing(self.origin(root)):
            if isinstance(value, Dim):
                return self.graph.extent(value, "int64")
            if isinstance(value, int):
                return self.graph.constant(number_as(value, "int64"), "int64")
            return self.graph.constant(value, "float64")

    def value(self, root: Expr) -> Node | Number | Dim:
        stack = [root]
        while stack:
            expr = stack[-1]
            if expr in self.memo:
                stack.pop()
                continue
            waiting = [o for o in self._needs(expr) if o not in self.memo]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            with self.graph.writing(self.origin(expr)):
                self.memo[expr] = self._mark(expr, self._make(expr))
        return self.memo[root]

    def _needs(self, expr: Expr) -> tuple[Expr, ...]:
        # A request with marks builds its own view of the expression; see `_answer`.
        if expr.op is REQUEST:
            return tuple(e for e in expr.operands if e.op in LEAVES)
        return expr.operands

    def _make(self, expr: Expr) -> Node | Number | Dim:
        if expr.op in (INPUT, PARAMETER):
            return self.leaf(expr)
        if isinstance(expr, Constant):
            if type(expr.value) in (int, float):
                return expr.value
            return self.graph.constant(expr.value, expr.value.dtype.name)
        if expr.op is EXTENT:
            return dims.substitute(expr.attrs["size"], self.sizes)
        if expr.op is REQUEST:
            request = expr.attrs["request"]
            if request not in self.answers:
                try:
                    self.answers[request] = self._answer(request, self.origin(expr))
                except SymnetError as error:
                    raise located(error, REQUEST, self.origin(expr)) from None
            return self.answers[request][expr.attrs["position"]]
        if expr.op is LOOP:
            loop = expr.attrs["loop"]
            if loop not in self.loops:
                try:
                    self.loops[loop] = build_loop(self, loop)
                except SymnetError as error:
                    raise located(error, LOOP, self.origin(expr)) from None
            return self.loops[loop][expr.attrs["position"]]
        if expr.op is FORMAL:
            complaint = f"{expr} is read outside of the loop's body; expected what the loop returns"
            raise located(SymbolicUseError(complaint), LOOP, self.origin(expr))
        args = tuple(self.memo[o] for o in expr.operands)
        attrs = {k: _pinned(v, self.sizes) for k, v in expr.attrs.items()}
        if all(type(a) in (int, float) for a in args) and args:
            if not any(map(_holds_dims, attrs.values())):
                return _fold_numbers(expr, args, attrs)
            self.weak.add(expr)
        if not self.weak.isdisjoint(expr.operands):
            args = self._cast_weak(expr, args, attrs)
        return self.stabilize(self.graph, self.graph.apply(expr.op, args, attrs))

    def _cast_weak(self, expr: Expr, args: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Any, ...]:
        """The operands, weak ones in the dtype of what they meet; of weak ones alone the result is weak."""
        if isinstance(expr.op, Deferred):
            return args
        met = list(map(dtype_of, args))
        tokens = [weak_dtype(d) if o in self.weak else d for o, d in zip(expr.operands, met, strict=True)]
        wanted = expr.op.operand_dtypes(*tokens, **attrs)
        if all(t in WEAK for t in tokens) and expr.op.result_dtype(*wanted, **attrs) in WEAK:
            self.weak.add(expr)
        return tuple(
            self.graph.apply(OPS["cast"], (a,), {"dtype": storage(d)}) if o in self.weak and storage(d) != m else a
            for a, o, d, m in zip(args, expr.operands, wanted, met, strict=True)
        )

    def _mark(self, expr: Expr, value: Node | Number | Dim) -> Node | Number | Dim:
        if isinstance(value, Node):
            for mark in self.marks.get(expr, ()):
                value = self.graph.insert(OPS["identity"], (value,), {"mark": mark})
        return value

    def _answer(self, request: GradientRequest, origin: Origin) -> list[Node]:
        """The gradients a request asks for.

        Equal expressions are one node, but the gradient by one of two is its own: so
        `wrt` expressions on the way are marked, in a view of the graph made for this request.
        """
        inner = [t for t in request.wrt if t.op not in LEAVES]
        view = self._view(inner) if inner else self
        ys, wrt = [view.node(y) for y in request.ys], [view.node(t) for t in request.wrt]
        for target, node in zip(request.wrt, wrt, strict=True):
            check_floating(target, node.dtype, "take a gradient with respect to")
        for y, node in zip(request.ys, ys, strict=True):
            check_floating(y, node.dtype, "differentiate")
        seeds = self._seeds(request, view, wrt if request.is_forward else ys)
        found = self.differentiate(self.graph, ys, wrt, seeds, request.is_forward, origin)
        nodes = ys if request.is_forward else wrt
        with self.graph.writing(origin):
            return [
                self._zeros(node) if derivative is None else derivative
                for node, derivative in zip(nodes, found, strict=True)
            ]

    def _zeros(self, node: Node) -> Node:
        return self.graph.apply(OPS["broadcast_to"], (self.graph.constant(0.0, node.dtype),), {"shape": node.shape})

    def _seeds(self, request: GradientRequest, view: Builder, nodes: Sequence[Node]) -> list[Node]:
        seeds: list[Node] = []
        for expr, node, given in zip(request.seeded, nodes, request.seeds, strict=True):
            seed = self.graph.constant(1.0, node.dtype) if given is None else view.node(given)
            with self._settled_at_the_call(expr):
                check_seed(expr, node.shape, given, seed.shape, request.seed_name)
            seeds.append(
                seed if seed.dtype == node.dtype else self.graph.apply(OPS["cast"], (seed,), {"dtype": node.dtype})
            )
        return seeds

    @contextmanager
    def _settled_at_the_call(self, expr: Expr) -> Iterator[None]:
        """Equalities of sizes required inside become checks of the graph."""
        required: list[tuple[Size, Size]] = []
        with collecting(required):
            yield
        for pair in required:
            self.graph.checks.setdefault(pair, self.origin(expr))

    def _view(self, inner: Sequence[Expr]) -> Builder:
        view = self.nested(self.given, self.graph)
        # A mark of the view outside stays below: an inner gradient is differentiated by it in turn.
        view.marks = {**self.marks, **{e: (*self.marks.get(e, ()), next(self.fresh)) for e in inner}}
        view.fresh, self.marked = self.fresh, True
        return view

    def update(self, parameter: Parameter, expr: Expr) -> Node:
        """The new value of a parameter; its shape must be the parameter's, its dtype cast safely."""
        node = self.node(expr)
        complaint = (
            f"the update of {parameter} has shape {shape_text(node.shape)}, "
            f"the parameter {shape_text(parameter.shape)} (written at {expr.line})"
        )
        with self._settled_at_the_call(expr):
            require_shape(node.shape, parameter.shape, complaint)
        if node.shape != parameter.shape:
            # Equal at every call that passes the check: the same elements, of the parameter's type.
            with self.graph.writing(self.origin(expr)):
                node = self.graph.apply(OPS["reshape"], (node,), {"shape": parameter.shape})
        if node.dtype == parameter.known_dtype:
            return node
        if expr.known_dtype in ("int", "float") and parameter.known_dtype in ("float32", "float64"):
            with self.graph.writing(self.origin(expr)):
                return self.graph.apply(OPS["cast"], (node,), {"dtype": parameter.known_dtype})
        raise DTypeError(
            f"the update of {parameter} has dtype {node.dtype}, the parameter {parameter.known_dtype} "
            f"(written at {expr.line}): cast it with .astype"
        )


def _pinned(value: Any, sizes: Mapping[str, int]) -> Any:
    if isinstance(value, Dim):
        return dims.substitute(value, sizes)
    return tuple(_pinned(v, sizes) for v in value) if isinstance(value, tuple) else value


def _holds_dims(value: Any) -> bool:
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(_holds_dims, value)))


def _fold_numbers(expr: Expr, args: tuple[Any, ...], attrs: dict[str, Any]) -> Number:
    """An op on bare Python numbers stays a bare Python number, so that it stays weak."""
    exact = PYTHON.get(expr.op.name)
    if exact is not None and all(type(a) is int for a in args):
        return exact(*args)  # no wrapping: Python's integers have no end
    number: Number = evaluate(expr.op, args, attrs).item()
    return number
