"""The structure of results: one value, a tuple, a list or a dict of them, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ArgumentError


class Structure:
    """How flat results are put together for the user.

    Attributes
    ----------
    kind : str
        "one", "tuple", "list", "dict" or "none".
    keys : tuple
        Of a dict, in order.
    """

    def __init__(self, outputs: Any) -> None:
        self.keys: tuple[Any, ...] = ()
        if outputs is None:
            self.kind, self.leaves = "none", []
        elif isinstance(outputs, dict):
            self.kind, self.keys, self.leaves = "dict", tuple(outputs), list(outputs.values())
        elif isinstance(outputs, (tuple, list)):
            self.kind, self.leaves = type(outputs).__name__, list(outputs)
            if self.kind not in ("tuple", "list"):
                self.kind = "tuple"
        else:
            self.kind, self.leaves = "one", [outputs]

    def pack(self, results: Sequence[Any]) -> Any:
        """The flat results in the user's structure."""
        if self.kind == "one":
            return results[0]
        if self.kind == "none":
            return None
        if self.kind == "dict":
            return dict(zip(self.keys, results, strict=True))
        return tuple(results) if self.kind == "tuple" else list(results)

    def flatten(self, value: Any, what: str) -> list[Any]:
        """The leaves of a value that must have this structure.

        Raises
        ------
        ArgumentError
            It has another.
        """
        given = Structure(value)
        same = given.kind == self.kind or {given.kind, self.kind} == {"tuple", "list"}
        if not same or given.keys != self.keys or len(given.leaves) != len(self.leaves):
            raise ArgumentError(f"{what} must have the structure of the outputs: {self.kind} of {len(self.leaves)}")
        return given.leaves
