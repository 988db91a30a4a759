"""What the op harness runs of orders along axes, and of linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet as sn
from symnet.op import OPS, apply

from .case import ALL, FLOATS, INTS, Case

_ALONG = np.array([[0, 3, 1], [2, 2, 0]])
ORDER = [
    Case("take_along_axis", lambda x: sn.take_along_axis(x, _ALONG, 1), ((2, 4),), ALL),
    Case("take_along_axis", lambda x: sn.take_along_axis(x, _ALONG[:, :1], 0), ((4, 3),), ALL, label="take_along_axis-0"),
    Case(
        "scatter_along_axis",
        lambda x: apply(OPS["scatter_along_axis"], x, _ALONG, axis=1, size=4),
        ((2, 3),),
        (*FLOATS, *INTS),
        relative=2e-6,
        special=False,
    ),
    *(
        Case(name, lambda x, n=name, a=axis, d=down, m=more: apply(OPS[n], x, axis=a, descending=d, **m), ((3, 17, 2),), ALL, gradient=False, label=f"{name}-{axis}-{down}")
        for name, more in (("ranks", {}), ("argsort", {"count": None}))
        for axis in (0, 1, 2)
        for down in (False, True)
    ),
    Case("argsort", lambda x: apply(OPS["argsort"], x, axis=1, descending=False, count=5), ((3, 700),), ALL, gradient=False, label="argsort-network"),
    Case("argsort", sn.sort, ((3, 17),), ALL, label="sort"),
    Case("sorts_before", lambda x, y: apply(OPS["sorts_before"], x, y), ((40,), (40,)), ALL, gradient=False),
]  # fmt: skip


def _regular(x: Any) -> Any:
    """A matrix that is far from singular."""
    return x + np.eye(x.shape[-1], dtype=np.float32) * np.where(np.arange(x.shape[-1]) % 2, -8, 9).astype(np.float32)


_SOLVED = {"relative": 1e-5, "special": False}
LINALG = [
    Case("check_pivots", lambda x: apply(OPS["check_pivots"], _regular(x), positive=False), ((2, 4, 4),), special=False),
    *(
        Case("cholesky", lambda x: sn.linalg.cholesky(x @ sn.swapaxes(x, -1, -2) + np.eye(4, dtype=np.float32)), (shape,), label=f"cholesky-{len(shape)}", **_SOLVED)
        for shape in ((4, 4), (2, 3, 4, 4))
    ),
    *(
        Case("triangular_solve", lambda x, y, a=low, u=unit: sn.linalg.triangular_solve(_regular(x), y, a, u), ((4, 4), (4, 2)), label=f"triangular_solve-{low}-{unit}", relative=1e-4, special=False)
        for low in (False, True)
        for unit in (False, True)
    ),
    Case("triangular_solve", lambda x, y: sn.linalg.triangular_solve(_regular(x), y), ((4, 4), (3, 4, 2)), label="triangular_solve-stack", **_SOLVED),
    Case("lu", lambda x: apply(OPS["lu"], _regular(x)[::-1]), ((6, 6),), gradient=False, **_SOLVED),
    Case("lu", lambda x: apply(OPS["lu"], _regular(x)[..., ::-1]), ((2, 2, 5, 5),), gradient=False, label="lu-stack", **_SOLVED),
    *(
        Case("solve", lambda x, y, b=back: apply(OPS["solve"], _regular(x)[..., ::-1, :], y, transposed=b), shapes, label=f"solve-{len(shapes[0])}-{len(shapes[1])}-{back}", **_SOLVED)
        for shapes in (((4, 4), (4, 2)), ((2, 4, 4), (4, 3)), ((4, 4), (2, 4, 1)))
        for back in (False, True)
    ),
    *(
        Case(name, lambda x, f=call: f(_regular(x)[..., ::-1]), (shape,), gradient=name != "det_sign", label=f"{name}-{len(shape)}", **_SOLVED)
        for shape in ((5, 5), (3, 4, 4))
        for name, call in {"inv": sn.linalg.inv, "det_sign": lambda x: apply(OPS["det_sign"], x), "log_abs_det": lambda x: apply(OPS["log_abs_det"], x)}.items()
    ),
]  # fmt: skip
