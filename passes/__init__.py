"""The passes: Graph -> Graph, one file each, run in the order of PIPELINE.

Your own pass is a function that takes a Graph and returns one; give ``pipeline=[*PIPELINE, mine]``
to ``compile``. Three passes are not in the list: ``differentiate`` answers gradients while the graph is
built, with ``stabilize`` run first on what is differentiated; ``round_products`` comes last where less precision
is asked for; ``form_kernels`` groups the finished graph's nodes into kernels.
"""

from __future__ import annotations

from collections.abc import Callable

from symnet.graph import Graph

from .common_subexpressions import eliminate_common_subexpressions
from .dead_nodes import eliminate_dead_nodes
from .expand_composites import expand_composites
from .fold_constants import fold_constants
from .fold_linear import fold_linear_of_linear
from .fold_scales import fold_scales_into_layers
from .fuse_linear import fuse_linear
from .hoist_from_loops import hoist_from_loops
from .loop_bodies import eliminate_dead_loop_parts
from .simplify import simplify
from .stabilize import stabilize

Pass = Callable[[Graph], Graph]

PIPELINE: list[Pass] = [
    eliminate_dead_nodes,
    eliminate_dead_loop_parts,
    stabilize,  # while softmax and its kin are still one node
    expand_composites,
    fold_constants,
    simplify,
    eliminate_common_subexpressions,
    fold_scales_into_layers,
    fold_linear_of_linear,
    hoist_from_loops,
    eliminate_dead_nodes,  # so that fusion sees true readers
    fuse_linear,
    eliminate_dead_nodes,
]
