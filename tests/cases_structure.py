"""More cases of movement, indexing and network ops: empty and single axes, ranks 0 to 4, sizes that are named.

`STRUCTURE` are cases like those in `cases.py`, for fixed shapes. `NAMED` are calls over named dims,
with the shapes to try: what inference says of symbolic sizes must hold for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symnet as sn
from symnet.op import OPS, apply

from .cases import ALL, FLOATS, Case

_KEYS: dict[str, Any] = {
    "all": np.s_[...],
    "scalar": np.s_[0, -1, 2],
    "middle": np.s_[1, ..., ::-2],
    "back": np.s_[:, 3:0:-2],
    "back-out": np.s_[9:-9:-1, ..., 1],
    "beyond": np.s_[5:, -9:2],
    "new-between": np.s_[:, None, 1:, None, -1],
    "one-past": np.s_[2:2, 1:],
}
_WIDTHS: list[Any] = [0, 2, (1, 3), ((1, 0), (0, 2)), ((3,), (1,))]
_BATCHED = np.array([[0, 3], [2, -1], [-4, 1]])

STRUCTURE: list[Case] = [
    *(Case("getitem", lambda x, k=k: x[k], ((3, 4, 5),), ALL, label=f"getitem-{n}") for n, k in _KEYS.items()),
    *(
        Case("reshape", lambda x, s=s: sn.reshape(x, s), (shape,), ALL, label=f"reshape-{shape}-{s}")
        for shape, s in [((), (1, -1)), ((0, 3), (3, 0)), ((0, 3), (-1, 3)), ((1, 6, 1), (2, 1, 3)), ((4,), 4)]
    ),
    *(Case("pad", lambda x, w=w: sn.pad(x, w), ((3, 4),), FLOATS, label=f"pad-{w}") for w in _WIDTHS),
    Case("pad", lambda x: sn.pad(x, (2, 1), constant_values=-0.0), ((0,),), FLOATS, label="pad-empty-negative-zero"),
    Case("pad", lambda x: sn.pad(x, 1, constant_values=np.nan), ((2, 1),), gradient=False, label="pad-nan"),
    Case("expand_dims", lambda x: sn.expand_dims(x, -1), ((),), ALL, label="expand_dims-scalar"),
    Case("expand_dims", lambda x: sn.expand_dims(x, (-1, 0)), ((2, 3),), ALL, label="expand_dims-both"),
    Case("squeeze", lambda x: sn.squeeze(x, (-1, 0)), ((1, 3, 1),), ALL, label="squeeze-both"),
    Case("squeeze", lambda x: sn.squeeze(x), ((2, 3),), ALL, label="squeeze-nothing"),
    Case("transpose", lambda x: sn.transpose(x, (-1, 0, -2, 1)), ((2, 1, 3, 4),), ALL, label="transpose-4"),
    Case("concatenate", lambda x, y: sn.concatenate([x, y], -1), ((2, 0), (2, 3)), ALL, label="concatenate-empty"),
    Case("concatenate", lambda x, y: sn.concatenate([x, y], None), ((2, 3), (1, 4)), ALL, label="concatenate-flat"),
    Case("concatenate", lambda x, y: sn.stack([x, y]), ((), ()), ALL, label="stack-scalars"),
    Case("broadcast_to", lambda x: sn.broadcast_to(x, (2, 0, 3)), ((1, 3),), ALL, label="broadcast_to-empty"),
    *(
        Case("roll", lambda x, k=k, a=a: sn.roll(x, k, a), ((3, 4),), ALL, label=f"roll-{k}-{a}")
        for k, a in [(1, None), (-2, 0), (9, -1), ((1, -1), (0, 1)), (1, (0, 0)), ((1, 2), 1), (4, 1), (0, 0)]
    ),
    Case("roll", lambda x: sn.roll(x, 2, 0), ((0, 3),), ALL, label="roll-empty"),
    *(
        Case("getitem", lambda x, a=a: sn.flip(x, a), ((2, 1, 3),), ALL, label=f"flip-{a}")
        for a in (None, 0, -1, (0, 2), ())
    ),
    Case("gather", lambda x: sn.take(x, _BATCHED), ((2, 2),), ALL, label="take-flat"),
    Case("gather", lambda x: sn.take(x, _BATCHED, -1), ((2, 4),), ALL, label="take-last"),
    Case("gather", lambda x: sn.take(x, np.array(-1), 1), ((2, 4),), ALL, label="take-one"),
    Case("gather", lambda x: sn.take(x, np.array([], np.int64), 0), ((3, 2),), ALL, label="take-nothing"),
    Case(
        "embed",
        lambda g: apply(OPS["embed"], g, key=(("new",), ("int", 1), ("slice", None, None, -2)), shape=(3, 5)),
        ((1, 3),),
        ALL,
        label="embed-back",
    ),
    Case(
        "softmax", lambda x: sn.softmax(x, 1), ((2, 1, 3),), FLOATS, relative=4e-6, special=False, label="softmax-one"
    ),
    Case(
        "cross_entropy",
        lambda z: sn.cross_entropy(z, np.array([[0, 2], [1, 2]])),
        ((2, 2, 3),),
        FLOATS,
        relative=4e-6,
        special=False,
        label="cross_entropy-3d",
    ),
    Case(
        "cross_entropy",
        lambda z: sn.cross_entropy(z + 1e4, np.array([0, 1, 1])),
        ((3, 2),),
        FLOATS,
        relative=4e-6,
        special=False,
        gradient=False,
        label="cross_entropy-large",
    ),
]


@dataclass(frozen=True)
class Named:
    """A call on one value whose sizes are named.

    Attributes
    ----------
    name : str
    call : callable
        From a value to the result: numpy's own syntax where it can be, so that an array gives the oracle.
    dims : tuple of str or int
        The shape as it is declared.
    shapes : tuple
        The shapes that the function is called with.
    """

    name: str
    call: Callable[[Any], Any]
    dims: tuple[int | str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        return self.name


_LENGTHS = tuple((n,) for n in (0, 1, 2, 3, 7, 33))
_SLICES: list[Any] = [
    np.s_[:3], np.s_[1:], np.s_[:-1], np.s_[-2:], np.s_[1:-1:2], np.s_[5:2], np.s_[::-1], np.s_[::-3],
    np.s_[3:0:-1], np.s_[:1:-2], np.s_[-2::-1], np.s_[9:-9:-1], np.s_[-1:-4:-1], np.s_[None, 1:],
]  # fmt: skip

NAMED: list[Named] = [
    *(Named(f"slice-{k}", lambda x, k=k: x[k], ("n",), _LENGTHS) for k in _SLICES),
    Named("first", lambda x: x[0], ("n",), ((1,), (2,), (9,))),
    Named("third-last", lambda x: x[-3], ("n", 2), ((3, 2), (8, 2))),
    Named("rows", lambda x: np.take(x, [0, -1, 1], 0), ("n", "m"), ((2, 1), (5, 3))),
    Named("columns", lambda x: np.take(x, [[-1], [0]], 1), ("n", "m"), ((0, 1), (5, 3))),
    Named("flat", lambda x: np.take(x, [3, -1]), ("n", 2), ((2, 2), (5, 2))),
    Named("in-pairs", lambda x: np.reshape(x, (-1, 2)), ("n",), ((0,), (2,), (8,))),
    Named("merged", lambda x: np.reshape(x, (-1, 3)), ("n", 3, "m"), ((2, 3, 4), (1, 3, 0))),
    Named("padded", lambda x: np.pad(x, ((1, 2), (0, 1))), ("n", "m"), ((0, 1), (2, 3))),
    *(Named(f"rolled-{k}", lambda x, k=k: np.roll(x, k), ("n", "m"), ((0, 1), (2, 3), (1, 7))) for k in (-8, -1, 2)),
    Named("rolled-rows", lambda x: np.roll(x, (1, -2), (0, 1)) + x, ("n", "m"), ((0, 1), (2, 3), (1, 7))),
    Named("flipped", lambda x: np.flip(x, 0) + np.fliplr(x) * np.flipud(x), ("n", "m"), ((0, 1), (2, 3), (1, 7))),
    Named("joined", lambda x: np.concatenate([x, x[:1], x[::-1]]), ("n",), ((0,), (1,), (5,))),
    Named("side-by-side", lambda x: np.stack([x, x * 2.0], -1), ("n",), ((0,), (1,), (5,))),
]
