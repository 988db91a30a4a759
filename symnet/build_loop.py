"""The loops of `scan`: the body as a graph of its own, for given types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .dims import Dim, Size
from .dtype import WEAK, Type, collecting, require_equal, storage
from .errors import ShapeError
from .expr import Expr
from .graph import CONSTANT, INPUT, Graph, Node
from .ops.scan import Body, insert_scan
from .ops.segments import insert_segments
from .scan import Formal, Loop, check_carry

if TYPE_CHECKING:
    from .specialize import Builder


def build_loop(outer: Builder, loop: Loop) -> list[Node]:
    """The nodes of a loop's results.

    Raises
    ------
    ShapeError, DTypeError
        The arrays are not equally long, or the body changes the type of a carry.
    """
    arrays = [outer.node(e) for e in loop.arrays]
    length = _length(loop, arrays)
    types = _first_types(outer, loop, arrays)
    graph, given, captured = _leaves(outer, loop, types, arrays)
    inner = outer.nested(given, graph)
    for formal, following in zip(loop.carries, loop.nexts, strict=True):
        carry = given[formal]
        assert isinstance(carry, Node)
        graph.updates.append((carry, _next(inner, formal, carry, following)))
    graph.outputs = [inner.node(y) for y in loop.ys]
    body = Body(inner.finished(), len(loop.carries), len(loop.slices))
    firsts = [_cast(outer, e, t) for e, t in zip(loop.firsts, types, strict=True)]
    inputs = [*firsts, *arrays, *captured]
    if loop.checkpoint is None:
        return insert_scan(outer.graph, body, inputs, length, loop.is_reversed)
    return insert_segments(outer.graph, body, inputs, length, loop.is_reversed, loop.checkpoint)


def _length(loop: Loop, arrays: list[Node]) -> Size:
    sizes = [] if loop.length is None else [loop.length]
    for array in arrays:
        if not array.shape:
            raise ShapeError(f"{array!r} has no axis to scan along")
        sizes.append(array.shape[0])
    for size in sizes[1:]:
        require_equal(sizes[0], size, f"scan along axes of {sizes[0]} and {size} steps; expected them equally long")
    return sizes[-1]


def _first_types(outer: Builder, loop: Loop, arrays: list[Node]) -> list[Type]:
    """The types of the carries: those of first values; Python's numbers take the dtype of what the body makes."""
    types, open_ = [], []
    for k, (first, following) in enumerate(zip(loop.firsts, loop.nexts, strict=True)):
        value, made = outer.memo[first], following.known_dtype
        if isinstance(value, Node):
            types.append(value.type)
            continue
        types.append(Type(made if made is not None and made not in WEAK else storage(_weak(value)), ()))
        if made is None:
            open_.append(k)
    # A carry may take its dtype from another that has just taken its own.
    while open_:
        made_types = _made(outer, loop, types, arrays, open_)
        if not made_types:
            break
        for k, dtype in made_types.items():
            types[k] = Type(dtype, ())
            open_.remove(k)
    return types


def _made(outer: Builder, loop: Loop, types: list[Type], arrays: list[Node], open_: list[int]) -> dict[int, str]:
    """What the body makes of the carries `open_`, as long as they are Python's numbers; without those it leaves so."""
    graph, given, _ = _leaves(outer, loop, types, arrays)
    trial = outer.nested(given, graph)
    trial.weak.update(loop.carries[k] for k in open_)
    nodes = {k: trial.node(loop.nexts[k]) for k in open_}
    return {k: n.dtype for k, n in nodes.items() if loop.nexts[k] not in trial.weak and n.literal is None}


def _weak(value: Any) -> str:
    return "float" if isinstance(value, float) else "int"


def _cast(outer: Builder, first: Expr, type: Type) -> Node:
    value = outer.memo[first]
    if isinstance(value, Node):
        return value
    return outer.graph.extent(value, type.dtype) if isinstance(value, Dim) else outer.graph.constant(value, type.dtype)


def _leaves(
    outer: Builder, loop: Loop, types: list[Type], arrays: list[Node]
) -> tuple[Graph, dict[Expr, Any], list[Node]]:
    """The body's graph with its inputs, the values they stand for, and what is captured outside."""
    graph = Graph()
    given: dict[Expr, Any] = {}
    for k, (formal, type) in enumerate(zip(loop.carries, types, strict=True)):
        with graph.writing(outer.origin(loop.firsts[k])):
            given[formal] = graph.leaf(INPUT, type, name=f"carry{k}")
    for k, (formal, array) in enumerate(zip(loop.slices, arrays, strict=True)):
        with graph.writing(outer.graph.origin(array)):
            given[formal] = graph.leaf(INPUT, Type(array.dtype, array.shape[1:]), name=f"slice{k}")
    captured: list[Node] = []
    same: list[Node] = []
    for expr in loop.captured:
        value = outer.memo[expr]
        if not isinstance(value, Node):
            given[expr] = value
            continue
        with graph.writing(outer.graph.origin(value)):
            if value.op is CONSTANT and value.shape == ():
                given[expr] = graph.leaf(CONSTANT, value.type, **value.attrs)
            else:
                given[expr] = graph.leaf(INPUT, value.type, name=f"same{len(captured)}")
                same.append(given[expr])
                captured.append(value)
    graph.inputs = [given[f] for f in [*loop.carries, *loop.slices]] + same
    return graph, given, captured


def _next(inner: Builder, formal: Formal, carry: Node, following: Expr) -> Node:
    """What the body makes of a carry, of the carry's type."""
    node = inner.node(following)
    if node.literal is not None and following.known_dtype in WEAK:
        with inner.graph.writing(inner.origin(following)):
            node = inner.graph.constant(node.literal, carry.dtype)
    required: list[tuple[Size, Size]] = []
    with collecting(required):
        check_carry(formal, (carry.shape, carry.dtype), (node.shape, node.dtype), following.line)
    for pair in required:
        inner.graph.checks.setdefault(pair, inner.origin(following))
    return node
