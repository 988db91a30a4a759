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
    stacks: dict[bool, list[Node]] = {}
    # Those left over stand at the end: last forwards, first backwards.
    for is_left_over in (True, False) if is_reversed else (False, True):
        if is_left_over:
            if whole == length:
                continue
            rest = [sliced(x, normal_key(slice(whole, None))) for x in slices]
            found = insert_scan(graph, body, [*carries, *rest, *same], length - whole, is_reversed)
            stacks[is_left_over] = found[n:]
        else:
            first = slices if whole == length else [sliced(x, normal_key(slice(0, whole))) for x in slices]
            apart = [reshape(x, (count, steps, *x.shape[1:])) for x in first]
            segment = _segment(body, steps, is_reversed)
            found = insert_scan(graph, segment, [*carries, *apart, *same], count, is_reversed)
            stacks[is_left_over] = [reshape(y, (whole, *y.shape[2:])) for y in found[n:]]
        carries = found[:n]
    together = zip(*(stacks[k] for k in sorted(stacks)), strict=True)
    return [*carries, *(concatenate(parts) if len(parts) > 1 else parts[0] for parts in together)]


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
