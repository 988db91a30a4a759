"""Imports point one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each may import those before it, and its own.
ORDER = [
    {"origin", "errors", "dims", "scalar", "structure", "report", "untouched"},
    {"dtype"},
    {"op", "operators", "numpy_protocol"},
    {"graph"},
    {"ops", "expr"},
    {
        "reference",
        "show",
        "eager",
        "gradient",
        "arguments",
        "specialize",
        "scan",
        "build_loop",
        "linalg",
        "control",
        "cumulative",
        "nn",
        "data",
        "random",
        "updating",
        "freezing",
        "permutations",
        "rewriting",
        "batched",
    },
    {"passes", "codegen"},
    {"function", "compile"},
    {"derivatives", "check_gradients"},
    {"optim", "train"},
    {"sklearn", "bench", "demo", "cli", "__init__", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def room(path: Path) -> str:
    relative = path.relative_to(ROOT)
    parts = relative.parts[1:] if relative.parts[0] == "symnet" else relative.parts
    return parts[0].removesuffix(".py")


# Imports inside functions that point the other way, because two rooms need each other: methods that users write
# on values, and pictures of graphs in notebooks.
INSIDE = {
    ("operators", "ops"),
    ("numpy_protocol", "ops"),
    ("numpy_protocol", "linalg"),
    ("numpy_protocol", "cumulative"),
    ("graph", "show"),
    ("eager", "passes"),
}


def imported(path: Path, inside: bool) -> set[str]:
    """The rooms a file imports: when it is imported itself, or `inside` functions."""
    package = path.relative_to(ROOT).with_suffix("").parts
    package = package if package[0] == "symnet" else ("symnet", *package)
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node not in tree.body) == inside:
            base = package[: len(package) - node.level] if node.level else ()
            full = [*base, *(node.module or "").split(".")] if node.module else list(base)
            names = [full] if len(full) > 1 else [[*full, alias.name] for alias in node.names]
            found.update(n[1] for n in names if n[0] == "symnet" and len(n) > 1)
    return {n for n in found if n in RANK}


FILES = [p for folder in ("symnet", "passes", "codegen") for p in sorted((ROOT / folder).rglob("*.py"))]
FILES = [p for p in FILES if not any(part.is_symlink() for part in [p, *p.parents])]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    own = room(path)
    for other in imported(path, inside=False):
        assert other == own or RANK[other] <= RANK[own], f"{path.name} imports {other}"
        assert {own, other} != {"passes", "codegen"}
    for other in imported(path, inside=True):
        assert other == own or RANK[other] <= RANK[own] or (own, other) in INSIDE, f"{path.name} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_codegen_knows_llvm(path: Path) -> None:
    if room(path) != "codegen":
        assert "llvmlite" not in path.read_text()


def test_codegen_lists_its_files_for_those_who_read_it() -> None:
    listed = set(re.findall(r"`(\w+)`", ast.get_docstring(ast.parse((ROOT / "codegen/__init__.py").read_text())) or ""))
    assert {p.stem for p in (ROOT / "codegen").glob("*.py")} - {"__init__"} <= listed
