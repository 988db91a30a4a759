"""Expressions written again, with others in place of some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .expr import Constant, Expr, apply_symbolic
from .gradient import REQUEST, GradientRequest
from .graph import EXTENT
from .scan import LOOP, Loop
from .updating import CARRIER


def in_order(roots: Sequence[Expr]) -> list[Expr]:
    """Expressions and all that they are computed from, operands first."""
    found = set(roots)
    stack = list(found)
    while stack:
        for operand in stack.pop().operands:
            if operand not in found:
                found.add(operand)
                stack.append(operand)
    return sorted(found, key=lambda e: e.order)


class Rewriter:
    """Writes expressions again. What updates they bring is left out.

    Parameters
    ----------
    image : mapping of Expr to Expr
        What stands for what, of all leaves at least.

    Attributes
    ----------
    image : dict of Expr to Expr
        Grows with everything that is written again.
    """

    def __init__(self, image: Mapping[Expr, Expr]) -> None:
        self.image = dict(image)
        self.requests: dict[GradientRequest, list[Expr]] = {}
        self.loops: dict[Loop, list[Expr]] = {}

    def rewrite(self, roots: Sequence[Expr]) -> list[Expr]:
        """The images of expressions."""
        for expr in in_order(roots):
            if expr not in self.image:
                self.image[expr] = made = self._rewritten(expr)
                if expr.op is not CARRIER:
                    made.line = expr.line
        return [self.image[e] for e in roots]

    def constant(self, expr: Constant) -> Expr:
        """The image of a Constant. Default: itself."""
        return expr

    def attr(self, value: Any) -> Any:
        """The image of an attribute. Default: itself."""
        return value

    def _rewritten(self, expr: Expr) -> Expr:
        if isinstance(expr, Constant):
            return self.constant(expr)
        if expr.op is EXTENT:
            return expr
        if expr.op is CARRIER:
            return self.image[expr.operands[0]]
        if expr.op is REQUEST:
            request = expr.attrs["request"]
            if request not in self.requests:
                self.requests[request] = request.mapped(self.image).results()
            return self.requests[request][expr.attrs["position"]]
        if expr.op is LOOP:
            loop = expr.attrs["loop"]
            if loop not in self.loops:
                self.loops[loop] = self._loop(loop).results()
            return self.loops[loop][expr.attrs["position"]]
        attrs = {k: self.attr(v) for k, v in expr.attrs.items()}
        return apply_symbolic(expr.op, [self.image[o] for o in expr.operands], attrs)

    def _loop(self, loop: Loop) -> Loop:
        image = self.image
        firsts, arrays = [image[e] for e in loop.firsts], [image[e] for e in loop.arrays]
        made = Loop(firsts, arrays, loop.length, loop.is_reversed, loop.checkpoint)
        formals = zip([*loop.carries, *loop.slices], [*made.carries, *made.slices], strict=True)
        image.update(formals)
        self.rewrite([*loop.nexts, *loop.ys])
        made.close([image[e] for e in loop.nexts], [image[e] for e in loop.ys])
        return made
