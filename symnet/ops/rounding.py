"""Rounding to bfloat16, which ``precision="bf16"`` puts before the operands of matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalar as s
from ..dtype import Shape
from ..op import IndexTuple, Op, Operand
from ..scalar import Scalar


class Bfloat16(Op):
    """A float32 rounded to the nearest bfloat16, ties to the even one, still as float32.

    NaN stays NaN, what is too large becomes infinite, and subnormal numbers become zeros. Its readers read
    through it: rounded numbers get no memory of their own. Only a pass makes it, so it has no name for users and no
    gradient: products are rounded when gradients are there.
    """

    is_lazy = True

    def __init__(self) -> None:
        super().__init__("bfloat16", "elementwise")

    def result_shape(self, x: Shape) -> Shape:  # type: ignore[override]
        return x

    def numpy(self, x: np.ndarray) -> Any:  # type: ignore[override]
        bits = np.ascontiguousarray(x).view(np.uint32).reshape(x.shape)
        to_even = (bits >> np.uint32(16)) & np.uint32(1)
        rounded = ((bits + np.uint32(0x7FFF) + to_even) & np.uint32(0xFFFF0000)).view(np.float32)
        is_tiny = np.abs(x) < np.finfo(np.float32).tiny
        return np.where(np.isnan(x), x, np.where(is_tiny, np.copysign(np.float32(0), x), rounded))

    def element(self, i: IndexTuple, x: Operand) -> Scalar:  # type: ignore[override]
        return s.bfloat16(x[i])


BFLOAT16 = Bfloat16()

__all__: list[str] = []
