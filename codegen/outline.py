"""The little that is kept of a whole program beside its object: what binding it to Python needs.

outline  ::= object  frame_size  cost_at  stores_early  3 counts  place*  constant*  copy*     words
place    ::= graph  node                                    a parameter
constant ::= place  packing                                 one that lies as it is has a packing of zeros
copy     ::= number of a parameter  packing
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from symnet.graph import Graph, Node

from .packing import Packing

if TYPE_CHECKING:
    from .program import Assembly


class Place(NamedTuple):
    """A node: the number of its graph among those of the program, and its place there."""

    graph: int
    node: int


class KeptConstant(NamedTuple):
    """A constant, by its node, and how it lies in memory."""

    place: Place
    packing: Packing


class KeptCopy(NamedTuple):
    """A copy of a parameter, by its number, and how it is laid out."""

    parameter: int
    packing: Packing


@dataclass(frozen=True)
class Outline:
    """What binding a program needs to know of its text.

    Attributes
    ----------
    object : str
        The name of its machine code in the cache.
    parameters : list of Place
        The nodes whose memory the entry is given, in that order.
    constants : list of KeptConstant
        Those it is given next.
    copies : list of KeptCopy
        And those of parameters.
    frame_size, cost_at : int
        See :class:`symnet.codegen.binding.Binding`.
    stores_early : bool
    """

    object: str
    parameters: list[Place]
    constants: list[KeptConstant]
    copies: list[KeptCopy]
    frame_size: int
    cost_at: int
    stores_early: bool

    @staticmethod
    def of(assembly: Assembly, object: str, graphs: Sequence[Graph]) -> Outline:
        """The outline of a program whose text was made."""
        from .plan import stores_early

        numbers = {graph: number for number, graph in reversed(list(enumerate(graphs)))}
        plan, frame = assembly.plan, assembly.frame

        def place(node: Node) -> Place:
            return Place(numbers[node.graph], node.index)

        return Outline(
            object,
            [place(node) for node in plan.parameters.values()],
            [KeptConstant(place(c.node), c.packing) for c in plan.constants.values()],
            [KeptCopy(list(plan.parameters).index(name), packing) for name, packing in plan.copies.values()],
            frame.size,
            frame.cost_at,
            stores_early(plan),
        )

    def to_bytes(self) -> bytes:
        """As it is kept."""
        numbers: list[int] = [self.frame_size, self.cost_at, self.stores_early]
        numbers += [len(self.parameters), len(self.constants), len(self.copies)]
        numbers += [number for place in self.parameters for number in place]
        numbers += [number for c in self.constants for number in (*c.place, *astuple(c.packing))]
        numbers += [number for c in self.copies for number in (c.parameter, *astuple(c.packing))]
        return " ".join([self.object, *(str(int(number)) for number in numbers)]).encode()

    @staticmethod
    def from_bytes(body: bytes) -> Outline:
        """What was kept."""
        object, *words = body.decode().split()
        numbers = map(int, words)
        frame_size, cost_at, early, n_parameters, n_constants, n_copies = islice(numbers, 6)
        parameters = [_place(numbers) for _ in range(n_parameters)]
        constants = [KeptConstant(_place(numbers), _packing(numbers)) for _ in range(n_constants)]
        copies = [KeptCopy(next(numbers), _packing(numbers)) for _ in range(n_copies)]
        return Outline(object, parameters, constants, copies, frame_size, cost_at, bool(early))


def _place(numbers: Iterable[int]) -> Place:
    return Place(*islice(numbers, 2))


def _packing(numbers: Iterable[int]) -> Packing:
    start, down, across, rows, columns, width, lanes, is_paired = islice(numbers, 8)
    return Packing(start, down, across, rows, columns, width, lanes, bool(is_paired))
