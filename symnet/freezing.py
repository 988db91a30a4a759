"""Programs in which Parameters are constants: what `compile` makes of `freeze=`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .claims import exclusively
from .errors import ArgumentError
from .expr import Constant, Expr, Parameter
from .rewriting import Rewriter

Pairs = Sequence[tuple[Parameter, Expr]]


def chosen(freeze: Any, parameters: Sequence[Parameter], updates: Pairs) -> list[Parameter]:
    """Which Parameters of a program become constants.

    Parameters
    ----------
    freeze : bool or collection of Parameter
        True is all but those that update themselves: the states of random generators.
    parameters : sequence of Parameter
        Those of the program.
    updates : pairs of Parameter and Expr

    Raises
    ------
    ArgumentError
        One of them is updated, or `freeze` is something else.
    """
    if isinstance(freeze, bool):
        wanted = {p for p in parameters if freeze and p.default_update is None}
    else:
        wanted = _listed(freeze)
    for parameter, new in updates:
        if parameter in wanted:
            raise ArgumentError(
                f"{parameter} (made at {parameter.line}) is frozen, and updated (written at {new.line}): expected one "
                "of the two; layers that keep statistics update them until eval()"
            )
    return [p for p in parameters if p in wanted]


def _listed(freeze: Any) -> set[Parameter]:
    listed = list(freeze) if isinstance(freeze, Iterable) and not isinstance(freeze, (str, Expr)) else [freeze]
    for each in listed:
        if not isinstance(each, Parameter):
            raise ArgumentError(f"freeze is {freeze!r}; expected True, False or a list of Parameters")
    return set(listed)


def frozen(
    roots: Sequence[Expr], updates: Pairs, parameters: Sequence[Parameter], leaves: Sequence[Expr]
) -> tuple[list[Expr], list[tuple[Parameter, Expr]]]:
    """The expressions with the present numbers of some Parameters, read at one moment, in their place.

    Parameters
    ----------
    roots, updates
        The program.
    parameters : sequence of Parameter
        Those that become constants.
    leaves : sequence of Expr
        All Variables and Parameters of the program.
    """
    claims = [p.claim for p in parameters]
    numbers: dict[Expr, Expr] = exclusively(claims, lambda: {p: Constant(p.storage) for p in parameters}, readers=True)
    for parameter, constant in numbers.items():
        constant.line = parameter.line
    image: dict[Expr, Expr] = {leaf: numbers.get(leaf, leaf) for leaf in leaves}
    found = Rewriter(image).rewrite([*roots, *(e for _, e in updates)])
    return found[: len(roots)], [(p, e) for (p, _), e in zip(updates, found[len(roots) :], strict=True)]
