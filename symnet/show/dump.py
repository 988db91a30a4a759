"""Write a Function in the form that a path's ending names."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, FolderNotFound
from .dot import to_dot
from .graph_json import to_json
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


def dump(function: Any, path: str | Path) -> Path:
    """Write a graph or its code to a file, all of it or nothing.

    Parameters
    ----------
    function : Function or Program
        A Function writes the program it used last.
    path : str or Path
        Ends in .txt (the graph as text), .dot, .svg, .json, .loops (loop IR), .ll (LLVM) or .s (assembly).

    Returns
    -------
    Path

    Raises
    ------
    ArgumentError
        The ending names no form, or an interpreted program is asked for code.
    FolderNotFound
        The path's folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FolderNotFound(f"cannot dump to {str(path)!r}: expected {str(path.parent)!r} to be a folder that exists")
    known = f"expected an ending of {', '.join(FORMS)}"
    if path.suffix == ".html":
        raise ArgumentError(f"cannot dump to {path.name!r}: the HTML viewer is not there yet; {known}")
    form = FORMS.get(path.suffix)
    if form is None:
        raise ArgumentError(f"cannot dump to {path.name!r}: {known}")
    program = function._current() if hasattr(function, "_current") else function
    _write(path, form(program))
    return path


def _native(program: Any) -> Any:
    if not hasattr(program, "llvm"):
        raise ArgumentError("an interpreted program has no loops and no code: compile it with mode='native'")
    return program


def _write(path: Path, text: str) -> None:
    """Write beside the place, then move: a reader sees the old file or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
