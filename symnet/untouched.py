"""Whether symnet's code in this process is what its files say: nobody replaced a function, a number or an op of it.

What is kept on disk for a whole program is named by the graph and by the state of symnet's files (`fingerprint`). A
process whose code is another one must neither read nor write it: tests replace functions to plant faults, and an
editor may have saved a file since it was loaded. So the modules are remembered as they are when their import ends,
and compared with that before every look-up. One that came in another way than by `symnet` itself or a compilation may
have been changed before anybody looked: then nothing is looked up.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from operator import is_
from types import ModuleType
from typing import Any

# Files older than this by the clock that cannot be set back are those that were loaded.
_STARTED = time.time_ns() - 2_000_000_000
# What decides how a graph is compiled. The layers below them are loaded and remembered with symnet.
_ROOMS = ("symnet.codegen", "symnet.ops", "symnet.passes")
_SUFFIXES = (".py", ".ll")

# Something that holds others; under which names, and what it held.
_Watched = tuple[Any, tuple[Any, ...], tuple[Any, ...]]
_remembered: dict[str, list[_Watched]] = {}
_known: dict[int, Any] = {}
_faults: list[str] = []


def remember(name: str) -> None:
    """Take a module and all that its import brought as they are now; called where that import ends."""
    # Modules stand in the order in which their imports began; those that have ended, in which they ended. So what
    # stands behind one whose import is about to end was brought by it.
    loaded = list(sys.modules)
    for each in loaded[loaded.index(name) :]:
        if each.split(".")[0] == "symnet" and each not in _remembered:
            _remembered[each] = list(_watched(sys.modules[each]))


def replaced() -> str:
    """What of symnet's code is not as its files have it, or once was not, in words; empty if all is."""
    # Once, for ever: what was computed meanwhile may have been kept, as functions keep their answers.
    if not _faults:
        _faults.extend(_replaced())
    return _faults[0] if _faults else ""


def _replaced() -> Iterator[str]:
    for name in list(sys.modules):
        if name.startswith(_ROOMS) and name not in _remembered:
            yield f"{name} was imported apart"
    for name, watched in _remembered.items():
        for holder, keys, values in watched:
            held = _held(holder)
            if not all(map(is_, map(held.get, keys), values)) or (
                len(held) > len(keys) and not _may_grow(holder, name)
            ):
                yield f"a part of {name} was replaced"


def is_known(thing: object) -> bool:
    """Whether it is an object that was remembered: an op of symnet's own, not one that a user added."""
    return id(thing) in _known


def _watched(module: ModuleType) -> Iterator[_Watched]:
    """The module and what it holds: dicts, and the classes and objects of symnet; and what those hold."""
    found: list[Any] = [module]
    for holder in found:
        if id(holder) not in _known:
            _known[id(holder)] = holder
            held = _held(holder)
            values = tuple(held.values())
            yield holder, tuple(held), values
            found += filter(_is_holder, values)


def _is_holder(value: Any) -> bool:
    kind: Any = type(value)
    return _is_ours(value) if isinstance(value, type) else _holds(kind)


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("symnet.")


@cache
def _holds(kind: type) -> bool:
    """Whether objects of a class hold what may be replaced."""
    return kind is dict or (_is_ours(kind) and kind.__dictoffset__ != 0)


def _may_grow(holder: Any, name: str) -> bool:
    """Whether names may come later: of modules in their packages, of ops that a user adds, of Parameters."""
    return hasattr(holder, "__path__") or (type(holder) is dict and not name.startswith(_ROOMS))


def _held(holder: Any) -> Mapping[Any, Any]:
    return holder if type(holder) is dict else vars(holder)


@cache
def _files() -> list[str]:
    """The paths of the files that decide how a graph is compiled; none where the code is not in files of its own."""
    walks = [next(os.walk(folder), ("", [], [])) for folder in sys.modules["symnet"].__path__]
    walks += [walk for room in _ROOMS for folder in sys.modules[room].__path__ for walk in os.walk(folder)]
    found = [os.path.join(at, file) for at, _, files in walks for file in sorted(files) if file.endswith(_SUFFIXES)]
    return found if __file__ in found else []


def fingerprint() -> str:
    """The state of symnet's files: names, sizes and times; empty where they may not be those that were loaded."""
    try:
        states = [(path, os.stat(path)) for path in _files()]
    except OSError:
        return ""
    if any(max(state.st_mtime_ns, state.st_ctime_ns) >= _STARTED for _, state in states):
        return ""
    return "\n".join(f"{path} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for path, s in states)
