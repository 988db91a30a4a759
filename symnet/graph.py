"""The Graph: typed, immutable, hash-consed nodes.

    graph  ::= node*  inputs  outputs  updates  checks
    node   ::= op(node*, attrs) : type        # origin
    type   ::= dtype[size*]                   size ::= int | polynomial of named dims
    update ::= parameter <- node
    check  ::= size == size                   settled when the graph is called

Grammar, data, checker, in this order. Nodes are interned: the same op on the same inputs with the
same attributes is one node. They are stored in an order in which inputs come first, so every walk
is a plain loop and no graph is too deep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .dims import Dim, Size, evaluate, names
from .dtype import DTYPES, Shape, Type, collecting, shape_text, storage
from .dtype import number_as as number_as
from .errors import DTypeError, GraphError, SymnetError
from .op import OPS, Deferred, Op, register
from .operators import Operators
from .origin import Origin, here

if TYPE_CHECKING:
    import networkx

Attrs = Mapping[str, Any]


class Leaf(Op):
    """A node without operands: an input, a parameter, a constant, or a size as a number."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "leaf")


INPUT = register(Leaf("input"))
PARAMETER = register(Leaf("parameter"))
CONSTANT = register(Leaf("constant"))
EXTENT = register(Leaf("extent"))


class Literal:
    """A constant's array, compared by dtype, shape and bits: -0.0 is not 0.0, NaN equals itself."""

    __slots__ = ("_key", "array")

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.array(array, order="C", copy=True)
        self.array.setflags(write=False)
        self._key = (self.array.dtype.name, self.array.shape, self.array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        if self.array.ndim == 0:
            # As short as its own dtype allows: 0.1 for a float32 that is nearest to it.
            return str(self.array) if self.array.dtype.kind == "f" else repr(self.array.item())
        if self.array.size <= 4:
            return str(self.array.tolist())
        return f"<{self.array.size} numbers>"


class Node(Operators):
    """One value of a graph. Made by :meth:`Graph.insert`; never changed.

    Attributes
    ----------
    op : Op
    inputs : tuple of Node
    attrs : dict
    type : Type
    graph : Graph
    index : int
        Its place in the graph; inputs have smaller ones.
    """

    __slots__ = ("attrs", "graph", "index", "inputs", "op", "type")

    op: Op
    inputs: tuple[Node, ...]
    attrs: Attrs
    type: Type
    graph: Graph
    index: int

    def __init__(self, op: Op, inputs: tuple[Node, ...], attrs: Attrs, type: Type, graph: Graph, index: int) -> None:
        _set_op(self, op)
        _set_inputs(self, inputs)
        # Those of another node are shared: nothing can change them.
        _set_attrs(self, attrs if isinstance(attrs, MappingProxyType) else MappingProxyType(dict(attrs)))
        _set_type(self, type)
        _set_graph(self, graph)
        _set_index(self, index)

    def __setattr__(self, name: str, value: Any) -> None:
        raise GraphError(f"{self!r} is immutable: build another node, or rewrite the graph")

    @property
    def shape(self) -> Shape:
        """The sizes of the axes; a named one is a Dim."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.type.shape)

    @property
    def literal(self) -> np.ndarray | None:
        """The array of a constant, else None."""
        return self.attrs["value"].array if self.op is CONSTANT else None

    def __symnet_apply__(self, op: Op, args: tuple[Any, ...], attrs: Attrs) -> Node:
        return self.graph.apply(op, args, attrs)

    def __repr__(self) -> str:
        return f"<{self.graph.name(self)} = {self.op.name} : {self.type}>"


# The slots themselves write, once: a node's own assignment is refused.
_set_op, _set_inputs, _set_attrs, _set_type, _set_graph, _set_index = (
    getattr(Node, name).__set__ for name in ("op", "inputs", "attrs", "type", "graph", "index")
)


class Graph:
    """A program: nodes in an order of computation, its inputs, results and parameter updates.

    Attributes
    ----------
    nodes : list of Node
    inputs : list of Node
        In the order of the call's positional arguments.
    outputs : list of Node
    updates : list of (Node, Node)
        Pairs parameter, new value. All new values are computed from the old ones.
    checks : dict of (size, size) to Origin
        Equalities the inference assumed; tested at each call before anything is computed.
    data_checks : list of Node
        Checks on data that the declared program makes; they stay when their readers go.
    fired : Counter
        The rewrite rules that made this graph, counted by the pass that returned it.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []
        self.outputs: list[Node] = []
        self.updates: list[tuple[Node, Node]] = []
        self.checks: dict[tuple[Size, Size], Origin] = {}
        self.data_checks: list[Node] = []
        self.fired: Counter[str] = Counter()
        self._interned: dict[Any, Node] = {}
        self._origins: dict[Node, Origin] = {}
        self._writing: Origin | None = None

    # -- building ------------------------------------------------------------------------------

    def leaf(self, op: Op, type: Type, **attrs: Any) -> Node:
        """An input, parameter, constant or extent."""
        return self._intern(op, (), attrs, type)

    def constant(self, value: Any, dtype: str) -> Node:
        """A number or array as a constant of `dtype`."""
        array = np.asarray(value).astype(dtype)
        return self.leaf(CONSTANT, Type(dtype, array.shape), value=Literal(array))

    def extent(self, size: Size, dtype: str) -> Node:
        """A size as a number in the graph."""
        if isinstance(size, int):
            return self.constant(size, dtype)
        return self.leaf(EXTENT, Type(dtype, ()), size=size)

    def apply(self, op: Op, args: Sequence[Any], attrs: Attrs) -> Node:
        """Insert `op` on nodes and plain numbers, casting operands as the op asks.

        Raises
        ------
        ShapeError, DTypeError
            The operands do not fit; the message names the op and the user's line.
        """
        try:
            if isinstance(op, Deferred):
                made: Node = op.function(*args, **attrs)
                return made
            wanted = op.operand_dtypes(*map(dtype_of, args), **attrs)
            nodes = tuple(self._operand(a, d) for a, d in zip(args, wanted, strict=True))
            return self.insert(op, op.guarded(*nodes, **attrs), attrs)
        except SymnetError as error:
            raise located(error, op, self._writing or Origin([here()])) from None

    def insert(self, op: Op, inputs: tuple[Node, ...], attrs: Attrs) -> Node:
        """The node `op(inputs, attrs)`; operand dtypes must be right already."""
        required: list[tuple[Size, Size]] = []
        with collecting(required):
            shape = op.result_shape(*(n.type.shape for n in inputs), **attrs)
        dtype = op.result_dtype(*(n.type.dtype for n in inputs), **attrs)
        node = self._intern(op, inputs, attrs, Type(dtype, shape))
        for pair in required:
            self.checks.setdefault(pair, self.origin(node))
        return node

    def _operand(self, arg: Any, dtype: str) -> Node:
        dtype = storage(dtype)
        if isinstance(arg, Node):
            if arg.graph is not self:
                raise GraphError(f"{arg!r} belongs to another graph")
            if arg.type.dtype == dtype:
                return arg
            if arg.op is EXTENT:
                return self.extent(arg.attrs["size"], dtype)
            if arg.op is CONSTANT and dtype != "bool":
                return self.constant(arg.literal, dtype)
            return self.insert(OPS["cast"], (arg,), {"dtype": dtype})
        if isinstance(arg, Dim):
            return self.extent(arg, dtype)
        return self.constant(number_as(arg, dtype), dtype)

    def _intern(self, op: Op, inputs: tuple[Node, ...], attrs: Attrs, type: Type) -> Node:
        key = (op, inputs, tuple(attrs.items()) if attrs else (), type)
        node = self._interned.get(key)
        if node is None:
            node = Node(op, inputs, attrs, type, self, len(self.nodes))
            self._interned[key] = node
            self.nodes.append(node)
            self._origins[node] = self._writing or Origin([here()])
        elif self._writing is not None and self._writing is not self._origins[node]:
            self._origins[node] = Origin.union(self._origins[node], self._writing)
        return node

    @contextmanager
    def writing(self, *origins: Origin) -> Iterator[None]:
        """Nodes inserted inside come from these origins."""
        before, self._writing = self._writing, Origin.union(*origins)
        try:
            yield
        finally:
            self._writing = before

    def origin(self, node: Node) -> Origin:
        """The user's lines that `node` comes from."""
        return self._origins[node]

    # -- walking and rewriting -----------------------------------------------------------------

    def roots(self) -> list[Node]:
        """The nodes that must be computed: outputs, new parameter values and checks on data."""
        return self.outputs + [value for _, value in self.updates] + self.data_checks

    def live(self) -> list[Node]:
        """The nodes that the roots need, in order of computation."""
        needed = {*self.roots(), *self.inputs, *(p for p, _ in self.updates)}
        for node in reversed(self.nodes):
            if node in needed:
                needed.update(node.inputs)
        return [n for n in self.nodes if n in needed]

    def users(self) -> dict[Node, list[Node]]:
        """For each node the nodes that read it, in order."""
        found: dict[Node, list[Node]] = {n: [] for n in self.nodes}
        for node in self.nodes:
            for operand in dict.fromkeys(node.inputs):
                found[operand].append(node)
        return found

    def rewrite(
        self,
        rule: Callable[[Graph, Node, tuple[Node, ...]], Node | None],
        nodes: Iterable[Node] | None = None,
    ) -> Graph:
        """A new graph in which `rule(new_graph, node, new_inputs)` stands for each node; None keeps the node."""
        new = Graph()
        image: dict[Node, Node] = {}
        for node in self.nodes if nodes is None else nodes:
            inputs = tuple([image[i] for i in node.inputs])
            new._writing = origin = self._origins[node]
            made = rule(new, node, inputs)
            if made is None:
                image[node] = new._intern(node.op, inputs, node.attrs, node.type)
                continue
            if made.type != node.type and node.op not in (INPUT, PARAMETER):
                raise GraphError(f"a rewrite changed {node!r} to {made!r} of another type")
            new._origins[made] = Origin.union(new._origins[made], origin)
            image[node] = made
        new._writing = None
        new.inputs = [image[n] for n in self.inputs]
        new.outputs = [image[n] for n in self.outputs]
        new.updates = [(image[p], image[v]) for p, v in self.updates]
        new.checks = dict(self.checks)
        new.data_checks = [n for n in dict.fromkeys(image[c] for c in self.data_checks) if n.op.checks_data]
        return new

    # -- reading -------------------------------------------------------------------------------

    def dims(self) -> list[str]:
        """The named dims that inputs and parameters bind, in order of first appearance."""
        found: dict[str, None] = {}
        for node in self.inputs:
            for size in node.type.shape:
                found.update(dict.fromkeys(names(size)))
        return list(found)

    def name(self, node: Node) -> str:
        """How the text form calls a node: its own name, or % and its place."""
        if node.op in (INPUT, PARAMETER):
            return str(node.attrs["name"])
        if node.op is CONSTANT and (node.type.shape == () or node.attrs["value"].array.size <= 4):
            return str(node.attrs["value"])
        if node.op is EXTENT:
            return f"size({node.attrs['size']})"
        return f"%{node.index}"

    def bodies(self) -> dict[Any, str]:
        """The bodies of the loops, with the names that the text form gives them."""
        found = dict.fromkeys(node.attrs["body"] for node in self.live() if "body" in node.attrs)
        return {body: f"body{k}" for k, body in enumerate(found)}

    def __str__(self) -> str:
        return self.text("graph")

    def text(self, title: str) -> str:
        """The text form: a line a node, numbers and sizes aside; and behind it the bodies of its loops."""
        bodies = {body: f"{'' if title == 'graph' else title + '.'}{name}" for body, name in self.bodies().items()}
        lines = [f"{title}({', '.join(map(self.name, self.inputs))})"]
        for node in self.live():
            if node.op in (CONSTANT, EXTENT) and not self.name(node).startswith("%"):
                continue
            call = node.op.name if node.op in (INPUT, PARAMETER) else self.call_text(node, bodies)
            lines.append(f"  {self.name(node)} = {call} : {node.type}  # {self.origin(node)}")
        results = [self.name(n) for n in self.outputs] + [f"{self.name(p)} <- {self.name(v)}" for p, v in self.updates]
        lines.append(f"return {', '.join(results)}")
        return "\n".join([*lines, *(body.graph.text(name) for body, name in bodies.items())])

    def call_text(self, node: Node, bodies: Mapping[Any, str] | None = None) -> str:
        """A node's op, operands and attributes, as the text form shows them."""
        if node.op is CONSTANT:
            return f"constant({node.attrs['value']})"
        if bodies is None:
            bodies = self.bodies() if "body" in node.attrs else {}
        attrs = {k: bodies.get(v, v) if k == "body" else v for k, v in node.attrs.items()}
        shown = [f"{k}={attr_text(v)}" for k, v in attrs.items() if v is not None and v is not False]
        return f"{node.op.name}({', '.join([self.name(n) for n in node.inputs] + shown)})"

    def _repr_svg_(self) -> str:
        from .show import to_svg

        return to_svg(self)

    def to_networkx(self) -> networkx.DiGraph:
        """The live graph as a networkx DiGraph: nodes keyed by their text name, edges carry the operand's position."""
        import networkx as nx

        result = nx.DiGraph()
        for node in self.live():
            result.add_node(
                self.name(node),
                op=node.op.name,
                family=node.op.family,
                type=str(node.type),
                origin=str(self.origin(node)),
            )
            for position, operand in enumerate(node.inputs):
                result.add_edge(self.name(operand), self.name(node), position=position)
        return result

    def check(self, is_body: bool = False) -> None:
        """Test every rule of the form above, in the bodies of loops too.

        Parameters
        ----------
        is_body : bool
            Whether it is the body of a loop, where updates are of the carries, which are inputs.

        Raises
        ------
        GraphError
            Naming the node that breaks a rule.
        """
        for body in dict.fromkeys(n.attrs["body"] for n in self.nodes if "body" in n.attrs):
            body.check()
        members = set(self.nodes)
        for place, node in enumerate(self.nodes):
            if node.graph is not self or node.index != place:
                raise GraphError(f"{node!r} is out of place")
            if any(i not in members or i.index >= place for i in node.inputs):
                raise GraphError(f"{node!r} reads a node that does not come before it")
            if not self._origins.get(node):
                raise GraphError(f"{node!r} has lost its source line")
            if node.op.family != "leaf":
                self._check_type(node)
        for parameter, value in self.updates:
            if parameter.op is not (INPUT if is_body else PARAMETER) or parameter.type != value.type:
                raise GraphError(f"the update {parameter!r} <- {value!r} does not fit")
        if any(n not in members for n in self.inputs + self.roots()):
            raise GraphError("a root is not a node of this graph")

    def _check_type(self, node: Node) -> None:
        shape = node.op.result_shape(*(i.type.shape for i in node.inputs), **node.attrs)
        dtype = node.op.result_dtype(*(i.type.dtype for i in node.inputs), **node.attrs)
        if Type(dtype, shape) != node.type:
            raise GraphError(f"{node!r} should have the type {Type(dtype, shape)}")


def attr_text(value: Any) -> str:
    """An attribute as the text form shows it."""
    return (
        shape_text(value) if isinstance(value, tuple) and not any(isinstance(v, tuple) for v in value) else str(value)
    )


def dtype_of(arg: Any) -> str:
    """The dtype name of an operand of any kind: weak for Python's numbers and for sizes."""
    if isinstance(arg, Node):
        return "int" if arg.op is EXTENT and arg.type.dtype == "int64" else arg.type.dtype
    if type(arg) is bool:
        return "bool"
    if isinstance(arg, Dim) or type(arg) is int:
        return "int"
    if type(arg) is float:
        return "float"
    name = np.asarray(arg).dtype.name
    if name not in DTYPES:
        raise DTypeError(f"{arg!r} is not a number: dtype {name} is not supported")
    return name


def located(error: SymnetError, op: Op, origin: Origin) -> SymnetError:
    """The same error, with the op and the user's line in front; once only."""
    return error.at(op.name, origin)


def bind_sizes(value: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute with every named dim in it replaced by its number."""
    if isinstance(value, Dim):
        return evaluate(value, sizes)
    return tuple(bind_sizes(v, sizes) for v in value) if isinstance(value, tuple) else value
