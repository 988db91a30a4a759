"""The vectors of a tile's row as one long vector: a quarter of the text and of the time to write it.

LLVM parts a long vector into registers. The instructions are the same as for vectors of the registers' width, and so
are the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.scalar import COMPARE

from .loops import Loop, Output, postorder
from .schedule import Schedule, stride

# Words that LLVM parts without more ado. Of long polynomials each register's part would be computed beside the
# others', with more numbers at hand than there are registers.
_PARTED = COMPARE | {"add", "sub", "mul", "div", "neg", "abs", "sqrt", "min", "max", "and", "or", "not"}
_PARTED |= {"select", "cast", "const", "fold", "load"}
# So many vectors are made one, at most. Of 16, LLVM loads the parts out of order; what that costs is not known.
_MOST = 4


def can_be_wide(outputs: Sequence[Output], schedule: Schedule) -> bool:
    """Whether a tile's neighbouring vectors may be written as one.

    All that they load and store must lie side by side or be the same for all lanes.
    """
    words = postorder([o.value for o in outputs])
    if schedule.paired or not all(x.op in _PARTED for x in words):
        return False
    if any((x.op == "fold" and x.payload.kind.startswith("arg")) or (x.op == "load" and x.args) for x in words):
        return False
    addresses = [o.address for o in outputs] + [x.payload[1][0] for x in words if x.op == "load"]
    return all(stride(address, str(schedule.vector)) in (0, 1) for address in addresses)


def widened(vectors: int, loop: Loop) -> tuple[int, Loop]:
    """A loop over tiles of so many vectors; over tiles of one long vector, if that is a power of two of them."""
    if vectors > _MOST or vectors & (vectors - 1):
        return vectors, loop
    loop.lanes *= vectors
    return 1, loop
