"""The passes: Graph -> Graph, one file each, run in the order of PIPELINE.

Your own pass is a function that takes a Graph and returns one; give ``pipeline=[*PIPELINE, mine]``
to ``compile``.
"""

from __future__ import annotations

from collections.abc import Callable

from symnet.graph import Graph

from .dead_nodes import eliminate_dead_nodes
from .expand_composites import expand_composites

Pass = Callable[[Graph], Graph]

PIPELINE: list[Pass] = [
    eliminate_dead_nodes,
    expand_composites,
    eliminate_dead_nodes,
]
