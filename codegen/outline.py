"""The little that is kept of a whole program beside its object: what binding it to Python needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from symnet.graph import Graph, Node

from .packing import Packing

if TYPE_CHECKING:
    from .program import Assembly

# A node: the number of its graph among those of the program, and its place there.
Place = tuple[int, int]


@dataclass(frozen=True)
class KeptConstant:
    """A constant, by its node, and how it lies in memory; None is as it is."""

    place: Place
    packing: Packing | None


@dataclass(frozen=True)
class KeptCopy:
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
    parameters : list of pairs of int
        The nodes whose memory the entry is given, in that order.
    constants : list of KeptConstant
        Those it is given next.
    copies : list of KeptCopy
        And the copies that are kept of parameters.
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
            return numbers[node.graph], node.index

        return Outline(
            object,
            [place(node) for node in plan.parameters.values()],
            [KeptConstant(place(c.node), c.packing) for c in plan.constants.values()],
            [KeptCopy(list(plan.parameters).index(name), packing) for name, packing in plan.packed.values()],
            frame.size,
            frame.cost_at,
            stores_early(plan),
        )

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def from_bytes(body: bytes) -> Outline:
        """What was kept."""
        known = json.loads(body)
        known["constants"] = [KeptConstant(c["place"], _packing(c["packing"])) for c in known["constants"]]
        known["copies"] = [KeptCopy(c["parameter"], Packing(**c["packing"])) for c in known["copies"]]
        return Outline(**known)


def _packing(known: dict[str, Any] | None) -> Packing | None:
    return None if known is None else Packing(**known)
