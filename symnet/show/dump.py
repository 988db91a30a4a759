"""Write a Function in the form that a path's ending names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from symnet.errors import ArgumentError

from .forms import to_dot, to_json
from .svg import to_svg

FORMS: dict[str, Callable[[Any], str]] = {
    ".txt": lambda program: f"{program.graph}\n",
    ".dot": lambda program: to_dot(program.graph),
    ".svg": lambda program: to_svg(program.graph),
    ".json": lambda program: to_json(program.graph),
    ".loops": lambda program: _native(program).loops() + "\n",
    ".ll": lambda program: _native(program).llvm(),
    ".s": lambda program: _native(program).machine_code(),
}


def dump(program: Any, path: str | Path) -> Path:
    """Write a program's optimised graph, loop IR or code; all of the file or nothing.

    Raises
    ------
    ArgumentError
        The ending names no form, or the program is interpreted and has no code.
    """
    path = Path(path)
    form = FORMS.get(path.suffix)
    if form is None:
        raise ArgumentError(f"cannot dump to {path.name!r}: expected an ending of {' '.join(FORMS)}")
    text = form(program)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    return path


def _native(program: Any) -> Any:
    if program.binding is None:
        raise ArgumentError("an interpreted program has no loops and no code: compile it with mode='native'")
    return program
