"""Loops in segments: a loop over runs of so many steps, whose derivative runs them again instead of keeping all."""

from __future__ import annotations

from collections.abc import Sequence

from ..dims import Size, floordiv
from ..dtype import Type
from ..graph import INPUT, Graph, Node
from .movement import concatenate, reshape
from .scan import Body, insert_scan
from .slicing import normal_key, sliced


def insert_segments(
    graph: Graph, body: Body, inputs: Sequence[Node], length: Size, is_reversed: bool, steps: int
) -> list[Node]:
    """The nodes of all results of a loop, as a loop of loops of `steps` steps, and one of the steps left over.

    The derivative of the loop outside keeps its carries, those before each segment; with the values of one segment
    at a time that is little for about the square root of `length` steps (Griewank & Walther, Evaluating
    Derivatives, 2008, ch. 12).
    """
    count = floordiv(length, steps)
    whole = count * steps
    if count == 0:
        return insert_scan(graph, body, inputs, length, is_reversed)
    n = body.n_carries
    carries, slices, same = inputs[:n], inputs[n : n + body.n_slices], inputs[n + body.n_slices :]

    def run(step: Body, slices: Sequence[Node], times: Size) -> list[Node]:
        """What is stacked, going on from the carries."""
        nonlocal carries
        found = insert_scan(graph, step, [*carries, *slices, *same], times, is_reversed)
        carries = found[:n]
        return found[n:]

    def in_segments() -> list[Node]:
        first = slices if whole == length else [sliced(x, normal_key(slice(0, whole))) for x in slices]
        apart = [reshape(x, (count, steps, *x.shape[1:])) for x in first]
        stacks = run(_segment(body, steps, is_reversed), apart, count)
        return [reshape(y, (whole, *y.shape[2:])) for y in stacks]

    def left_over() -> list[Node]:
        return run(body, [sliced(x, normal_key(slice(whole, None))) for x in slices], length - whole)

    # Those left over stand at the end: they come last forwards, first backwards.
    rest = left_over() if is_reversed and whole != length else None
    stacks = in_segments()
    if rest is None and whole != length:
        rest = left_over()
    if rest is not None:
        stacks = [concatenate(pair) for pair in zip(stacks, rest, strict=True)]
    return [*carries, *stacks]


def _segment(body: Body, steps: int, is_reversed: bool) -> Body:
    """So many steps of a loop as one step."""
    graph = Graph()
    for k, leaf in enumerate(body.graph.inputs):
        is_slice = body.n_carries <= k < body.n_carries + body.n_slices
        with graph.writing(body.graph.origin(leaf)):
            type = Type(leaf.dtype, (steps, *leaf.shape)) if is_slice else leaf.type
            graph.inputs.append(graph.leaf(INPUT, type, name=f"segment{k}"))
    with graph.writing(*map(body.graph.origin, body.results)):
        results = insert_scan(graph, body, graph.inputs, steps, is_reversed)
    graph.updates = list(zip(graph.inputs, results, strict=False))[: body.n_carries]
    graph.outputs = results[body.n_carries :]
    return Body(graph, body.n_carries, body.n_slices, is_segment=True)
