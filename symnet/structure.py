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

    def names(self, whole: str) -> list[str]:
        """What messages call the leaves of the value called `whole`."""
        if self.kind == "one":
            return [whole]
        return [f"{whole}[{key!r}]" for key in (self.keys or range(len(self.leaves)))]

    def pack(self, results: Sequence[Any]) -> Any:
        """The flat results in the user's structure."""
        if self.kind == "one":
            return results[0]
        if self.kind == "none":
            return None
        if self.kind == "dict":
            return dict(zip(self.keys, results, strict=True))
        return tuple(results) if self.kind == "tuple" else list(results)

    def flatten(self, value: Any, what: str, whose: str) -> list[Any]:
        """The leaves of a value that must have this structure; dicts in any order.

        Parameters
        ----------
        value : object
        what, whose : str
            What messages call the value, and what it is structured like.

        Raises
        ------
        ArgumentError
            It has another structure.
        """
        given = Structure(value)
        same = given.kind == self.kind or {given.kind, self.kind} == {"tuple", "list"}
        if not same or set(given.keys) != set(self.keys) or len(given.leaves) != len(self.leaves):
            raise ArgumentError(f"{what} is {given}; expected {self}, like {whose}")
        found = dict(zip(given.keys, given.leaves, strict=False))
        return [found[key] for key in self.keys] or given.leaves

    def __str__(self) -> str:
        if self.kind == "dict":
            return f"a dict with the keys {', '.join(map(repr, self.keys))}"
        return {"one": "one value", "none": "None"}.get(self.kind, f"a {self.kind} of {len(self.leaves)}")
