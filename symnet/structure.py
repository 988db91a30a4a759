"""Values in tuples, lists and dicts, nested: the results of functions, and what loops carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ArgumentError


class Structure:
    """How flat results are put together for the user.

    A list inside that holds no symbolic value is one leaf: an array written as a list.

    Attributes
    ----------
    kind : str
        "one", "tuple", "list", "dict" or "none".
    keys : tuple
        Of a dict, in order.
    parts : list of Structure
        Of a tuple, list or dict.
    leaves : list
        All values, in order.
    """

    def __init__(self, outputs: Any) -> None:
        self.keys: tuple[Any, ...] = ()
        self.parts: list[Structure] = []
        self.leaves: list[Any] = []
        if outputs is None:
            self.kind = "none"
        elif isinstance(outputs, (dict, tuple, list)):
            # A named tuple becomes a plain one, as native code packs results; a subclass of list a tuple too.
            self.kind = "dict" if isinstance(outputs, dict) else "list" if type(outputs) is list else "tuple"
            self.keys = tuple(outputs) if isinstance(outputs, dict) else ()
            self.parts = [_part(value) for value in (outputs.values() if isinstance(outputs, dict) else outputs)]
            self.leaves = [leaf for part in self.parts for leaf in part.leaves]
        else:
            self.kind, self.leaves = "one", [outputs]

    @property
    def is_nested(self) -> bool:
        """Whether a part has parts."""
        return any(part.kind != "one" for part in self.parts)

    def names(self, whole: str) -> list[str]:
        """What messages call the leaves of the value called `whole`."""
        if self.kind == "one":
            return [whole]
        return [name for key, part in self._items() for name in part.names(f"{whole}[{key!r}]")]

    def pack(self, results: Sequence[Any]) -> Any:
        """The flat results in the user's structure."""
        if self.kind == "one":
            return results[0]
        if self.kind == "none":
            return None
        packed, start = [], 0
        for part in self.parts:
            packed.append(part.pack(results[start : start + len(part.leaves)]))
            start += len(part.leaves)
        if self.kind == "dict":
            return dict(zip(self.keys, packed, strict=True))
        return tuple(packed) if self.kind == "tuple" else packed

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
        return self._leaves_of(Structure(value), what, whose)

    def _leaves_of(self, given: Structure, what: str, whose: str) -> list[Any]:
        if given.kind == "one" != self.kind:
            given = Structure(given.leaves[0])  # a list that was taken for an array
        same = given.kind == self.kind or {given.kind, self.kind} == {"tuple", "list"}
        if not same or set(given.keys) != set(self.keys) or len(given.parts) != len(self.parts):
            raise ArgumentError(f"{what} is {given}; expected {self}, like {whose}")
        if self.kind == "one":
            return given.leaves
        found = dict(given._items())
        pairs = [(part, found[key], f"[{key!r}]") for key, part in self._items()]
        return [leaf for part, own, at in pairs for leaf in part._leaves_of(own, what + at, whose)]

    def _items(self) -> list[tuple[Any, Structure]]:
        return list(zip(self.keys or range(len(self.parts)), self.parts, strict=True))

    def __str__(self) -> str:
        if self.kind == "dict":
            return f"a dict with the keys {', '.join(map(repr, self.keys))}"
        return {"one": "one value", "none": "None"}.get(self.kind, f"a {self.kind} of {len(self.parts)}")


def _part(value: Any) -> Structure:
    """The structure of what a tuple, list or dict holds; None, which is no value, is left to be refused."""
    if isinstance(value, (dict, tuple)) or (isinstance(value, list) and _is_symbolic(value)):
        return Structure(value)
    part = Structure(())
    part.kind, part.leaves = "one", [value]
    return part


def _is_symbolic(value: Any) -> bool:
    """Whether lists, tuples and dicts hold a symbolic value anywhere."""
    if isinstance(value, dict):
        return any(map(_is_symbolic, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(_is_symbolic, value))
    return hasattr(type(value), "__symnet_apply__")


# What a loop carries and stacks: None is no value, and named tuples stay what they are.


def flatten(tree: Any) -> list[Any]:
    """The values in nested tuples, lists and dicts, in order; None is no value."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in flatten(value)]
    if isinstance(tree, (tuple, list)):
        return [leaf for value in tree for leaf in flatten(value)]
    return [tree]


def unflatten(tree: Any, leaves: Sequence[Any]) -> Any:
    """Other values in the same structure."""
    return _rebuilt(tree, iter(leaves))


def _rebuilt(tree: Any, leaves: Any) -> Any:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _rebuilt(value, leaves) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return _sequence_like(tree, [_rebuilt(value, leaves) for value in tree])
    return next(leaves)


def same_structure(tree: Any, other: Any, what: str) -> list[Any]:
    """The values in `other`, in the order of those in `tree`.

    Raises
    ------
    ArgumentError
        Its structure is another; the message says `what` has it.
    """
    if _shape_of(tree) != _shape_of(other):
        raise ArgumentError(f"{what} of the structure {_shape_of(other)}; expected {_shape_of(tree)}")
    return _in_order(tree, other)


def _in_order(tree: Any, other: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _in_order(value, other[key])]
    if isinstance(tree, (tuple, list)):
        return [leaf for a, b in zip(tree, other, strict=True) for leaf in _in_order(a, b)]
    return [] if tree is None else [other]


def _shape_of(tree: Any) -> Any:
    """A structure without its values, for comparisons and messages."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _shape_of(value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return _sequence_like(tree, [_shape_of(value) for value in tree])
    return "value"


def _sequence_like(tree: Any, values: list[Any]) -> Any:
    """A tuple, a named one, or a list."""
    return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
