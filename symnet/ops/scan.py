"""Loops in the graph: what a scan does at each step is a graph of its own.

A scan node is one result of the loop; the nodes of one loop have the same inputs and the same Body, and
differ in `position`. Its inputs are those of the Body's graph: what the carries start from, the arrays
that are taken apart along their first axis, and what is the same at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..dims import Size
from ..dtype import Shape, Type, require_shape, shape_text
from ..errors import GraphError
from ..graph import INPUT, Graph, Node
from ..op import Op, register


class Body:
    """One step of a loop.

    Attributes
    ----------
    graph : Graph
        Its inputs are the carries, then the slices of this step, then what is the same at every step. Its
        updates give each carry its next value, its outputs are stacked along a new first axis.
    n_carries, n_slices : int
    is_segment : bool
        Whether a step is a run of steps of another loop, which a derivative runs again: of it nothing but the
        carries is kept from step to step.

    Raises
    ------
    GraphError
        Two of the inputs are one node.
    """

    def __init__(self, graph: Graph, n_carries: int, n_slices: int, is_segment: bool = False) -> None:
        if len(set(graph.inputs)) < len(graph.inputs):
            raise GraphError(f"the inputs of a loop's body are not told apart: {graph.inputs}")
        self.graph, self.n_carries, self.n_slices, self.is_segment = graph, n_carries, n_slices, is_segment

    @property
    def carries(self) -> list[Node]:
        """The carries as a step reads them."""
        return self.graph.inputs[: self.n_carries]

    @property
    def slices(self) -> list[Node]:
        """What is read of the arrays that are taken apart."""
        return self.graph.inputs[self.n_carries : self.n_carries + self.n_slices]

    @property
    def captured(self) -> list[Node]:
        """What is the same at every step."""
        return self.graph.inputs[self.n_carries + self.n_slices :]

    @property
    def results(self) -> list[Node]:
        """What each position is made of: next carries, then what is stacked."""
        return [*(value for _, value in self.graph.updates), *self.graph.outputs]

    def check(self) -> None:
        """Test the graph, and that its updates are of the carries.

        Raises
        ------
        GraphError
        """
        try:
            self.graph.check(is_body=True)
        except GraphError as error:
            raise GraphError(f"in the body of a loop: {error}") from None
        updated = [leaf for leaf, _ in self.graph.updates]
        if updated != self.carries or any(leaf.op is not INPUT for leaf in self.graph.inputs):
            raise GraphError(f"the body of a loop has next values of {updated}; expected those of {self.carries}")

    def stacked(self, node: Node) -> int:
        """The position at which a node of the body is stacked; it is from now on, if it was not."""
        if node not in self.graph.outputs:
            self.graph.outputs.append(node)
        return self.n_carries + self.graph.outputs.index(node)


class Scan(Op):
    """One result of a loop.

    Attributes: `body`; `position` of the result, a carry's last value or a stack of outputs; `length`, the number
    of steps; `is_reversed`, whether the last step comes first.
    """

    def __init__(self) -> None:
        super().__init__("scan", "scan")

    def operand_dtypes(self, *dtypes: str, **attrs: Any) -> tuple[str, ...]:
        return dtypes

    def result_dtype(self, *dtypes: str, body: Body, position: int, **attrs: Any) -> str:  # type: ignore[override]
        return body.results[position].dtype

    def result_shape(  # type: ignore[override]
        self, *shapes: Shape, body: Body, position: int, length: Size, is_reversed: bool
    ) -> Shape:
        if len(shapes) != len(body.graph.inputs):
            raise GraphError(f"a scan of {len(body.graph.inputs)} inputs is given {len(shapes)}")
        for k, (given, wanted) in enumerate(zip(shapes, body.graph.inputs, strict=True)):
            is_slice = body.n_carries <= k < body.n_carries + body.n_slices
            shape = (length, *wanted.shape) if is_slice else wanted.shape
            require_shape(given, shape, f"scan is given {shape_text(given)}; expected {shape_text(shape)}")
        shape = body.results[position].shape
        return shape if position < body.n_carries else (length, *shape)


SCAN = register(Scan())


def insert_scan(graph: Graph, body: Body, inputs: Sequence[Node], length: Size, is_reversed: bool) -> list[Node]:
    """The nodes of all results of a loop."""
    for pair, origin in body.graph.checks.items():
        graph.checks.setdefault(pair, origin)
    return [scan_result(graph, body, inputs, length, is_reversed, k) for k in range(len(body.results))]


def loop(
    step: Callable[..., tuple[Sequence[Node], Sequence[Node]]],
    carries: Sequence[Node],
    slices: Sequence[Node],
    is_reversed: bool = False,
) -> list[Node]:
    """A loop written where a composite expands: the last carries, then what is stacked.

    Parameters
    ----------
    step : callable
        From the carries and the slices of one step, one argument each, to the next carries, of the same types,
        and to what is stacked. It reads nothing else.
    carries, slices : sequences of Node
        What the loop starts from; what it takes apart along first axes, at least one.
    is_reversed : bool
        Whether the last slices come first.
    """
    outer, inner = slices[0].graph, Graph()
    origin = outer.origin(slices[0])
    types = [*(n.type for n in carries), *(Type(n.dtype, n.shape[1:]) for n in slices)]
    with inner.writing(origin):
        inner.inputs = [inner.leaf(INPUT, t, name=f"step{k}") for k, t in enumerate(types)]
        nexts, ys = step(*inner.inputs)
    inner.updates = list(zip(inner.inputs, nexts, strict=False))
    inner.outputs = list(ys)
    body = Body(inner, len(carries), len(slices))
    return insert_scan(outer, body, [*carries, *slices], slices[0].shape[0], is_reversed)


def scan_result(
    graph: Graph, body: Body, inputs: Sequence[Node], length: Size, is_reversed: bool, position: int
) -> Node:
    """The node of one result of a loop."""
    attrs = {"body": body, "position": position, "length": length, "is_reversed": is_reversed}
    return graph.insert(SCAN, tuple(inputs), attrs)


def siblings(nodes: Sequence[Node]) -> dict[tuple[Body, tuple[Node, ...]], list[Node]]:
    """The scan nodes among `nodes`, those of one loop together."""
    found: dict[tuple[Body, tuple[Node, ...]], list[Node]] = {}
    for node in nodes:
        if node.op is SCAN:
            found.setdefault((node.attrs["body"], node.inputs), []).append(node)
    return found
