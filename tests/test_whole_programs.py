"""Whole programs on disk: the same numbers and reports as without, named by all that decides them, else generated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet as sn
from symnet.codegen import native, outline, program_key
from symnet.codegen.cache import SUFFIX
from symnet.codegen.packing import NO_PACKING, Packing
from symnet.codegen.processor import Facts
from symnet.dims import Dim, Quotient
from symnet.graph import Graph, Literal

from .test_random_programs import LENGTHS, MIXED, PICKS, Program, mixed

ROOT = Path(__file__).parent.parent
CHILD = Path(__file__).with_name("programs_kept.py")
FOUND = "from the cache"
# Bytes: the outlines of these programs are smaller.
SMALLEST_OBJECT = 400
SMALL = """
import sys, numpy as np, symnet as sn
def compiled(number=3.0):
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(sn.tanh(x) * number)
    np.testing.assert_allclose(f(np.ones(4)), np.tanh(1) * number)
    return f.report.program
"""


def run(*command: str, folder: Path, source: Path = ROOT, seed: int = 0) -> str:
    environment = {**os.environ, "SYMNET_CACHE_DIR": str(folder), "PYTHONHASHSEED": str(seed)}
    environment |= {"PYTHONPATH": str(source), "SYMNET_CACHE": ""}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """Files that were saved while a process began count as too new for it."""
    newest = max(
        path.stat().st_ctime for folder in ("symnet", "codegen", "passes") for path in (ROOT / folder).rglob("*")
    )
    time.sleep(max(0.0, newest + 2.5 - time.time()))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for this process, whose code counts as untouched: tests import parts of it apart."""
    monkeypatch.setattr(native, "replaced", lambda: "")
    monkeypatch.setattr(program_key, "is_known", lambda op: type(op).__module__.startswith("symnet."))
    monkeypatch.setenv("SYMNET_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("SYMNET_CACHE", raising=False)
    return tmp_path


# -- the same as without ---------------------------------------------------------------------------


def test_another_process_has_the_same_numbers_and_reports(tmp_path: Path) -> None:
    cold = json.loads(run(str(CHILD), folder=tmp_path, seed=1))
    warm = json.loads(run(str(CHILD), folder=tmp_path, seed=2))
    assert {p["program"] for p in cold.values()} == {"generated: the cache has not met it"}
    assert {(p["program"], p["code"]) for p in warm.values()} == {(FOUND, FOUND)}
    for name, program in warm.items():
        assert program["results"] == cold[name]["results"], name
        assert program["told"] == cold[name]["told"], name


def test_a_program_that_is_found_brings_no_generator(tmp_path: Path) -> None:
    for name in ("training", "loops_with_constants"):
        first, second = (json.loads(run(str(CHILD), name, folder=tmp_path))[name] for _ in range(2))
        assert "symnet.codegen.program" in first["brought"] and second["brought"] == []
        assert second["results"] == first["results"]


@pytest.mark.usefixtures("here")
@settings(max_examples=40)
@given(st.data())
def test_random_programs(data: st.DataObject) -> None:
    drawn = Program(data.draw, ("float32", "float64", "int32", "int64", "bool"))
    outputs = [v.symbol for v in drawn.values[len(drawn.inputs) :]]
    loss = sum((sn.mean(sn.cast(y, "float64")) for y in outputs if 0 not in y.shape), start=sn.Constant(0.0))
    kept = sn.Parameter(np.zeros(()), name="kept")
    sizes = {"n": 3, "m": 2}
    programs = [sn.compile([*outputs, loss], inputs=drawn.inputs, updates={kept: kept + loss}) for _ in range(2)]
    assert programs[1].report.program == FOUND
    assert_equal(*programs, *drawn.arrays(sizes, 5))


@pytest.mark.usefixtures("here")
@settings(max_examples=40)
@given(MIXED, PICKS, LENGTHS)
def test_random_loops(steps: Any, picks: list[int], n: int) -> None:
    def step(carries: Any, x: Any) -> Any:
        a, b, y = mixed(steps, picks, *carries, x)
        return (a, b), y

    inputs = [sn.Variable(name, shape, "float64") for name, shape in zip("abx", [(n,), (n,), (3, n)], strict=True)]
    (a, b), ys = sn.scan(step, tuple(inputs[:2]), inputs[2])
    wanted = [a, b, ys, *sn.grad((a * b).sum() + ys.sum(), inputs, unconnected="zero")]
    programs = [sn.compile(wanted, inputs=inputs) for _ in range(2)]
    assert programs[1].report.program == FOUND
    assert_equal(*programs, *(np.random.default_rng(k).normal(size=v.shape) for k, v in enumerate(inputs)))


def assert_equal(cold: sn.Function, warm: sn.Function, *arrays: np.ndarray) -> None:
    try:
        wanted = cold(*arrays)
    except sn.SymnetError as error:
        with pytest.raises(type(error)):
            warm(*arrays)
        return
    for found, right in zip(warm(*arrays), wanted, strict=True):
        assert found.dtype == right.dtype and found.tobytes() == right.tobytes()
    assert str(warm.memory) == str(cold.memory)
    assert warm._current().llvm() == cold._current().llvm()


# -- what names a program --------------------------------------------------------------------------

X, Y = sn.Variable("x", ("n", 4), "float32"), sn.Variable("y", ("n", 4), "float32")
P, Q = sn.Parameter(np.ones(4, "f"), name="p"), sn.Parameter(np.full(4, 2, "f"), name="q")
TABLE = np.arange(4, dtype="f")


def looped(factor: float = 2.0, reverse: bool = False) -> Any:
    return sn.scan(lambda h, x: (h * factor + x, h), sn.Constant(TABLE), X, reverse=reverse)[1]


def with_bit(array: np.ndarray) -> np.ndarray:
    """The array with the last bit of one number changed."""
    changed = array.copy()
    changed.view(np.uint8)[0] ^= 1
    return changed


CHANGES: dict[str, Callable[[bool], sn.Function]] = {
    "a constant's bit": lambda c: sn.compile(X * sn.Constant(with_bit(TABLE) if c else TABLE)),
    "a number's bit": lambda c: sn.compile(X * np.float32(1.0 if c else np.nextafter(np.float32(1), np.float32(2)))),
    "the sign of zero": lambda c: sn.compile(sn.maximum(X, -0.0 if c else 0.0), pipeline=[]),
    "an op": lambda c: sn.compile(sn.sin(X) if c else sn.cos(X)),
    "an attribute": lambda c: sn.compile(sn.sum(X, axis=0 if c else 1)),
    "a dtype": lambda c: sn.compile(sn.Variable("x", (3,), "float32" if c else "float64") + 1),
    "a size": lambda c: sn.compile(sn.Variable("x", (3 if c else 4,), "float32") + 1),
    "a dim's name": lambda c: sn.compile(sn.Variable("x", ("a" if c else "b",), "float32") + 1),
    "the order of operands": lambda c: sn.compile([X, Y, X - Y if c else Y - X], inputs=[X, Y]),
    "the order of inputs": lambda c: sn.compile(X - Y, inputs=[X, Y] if c else [Y, X]),
    "an input that nothing reads": lambda c: sn.compile(X * 2, inputs=[X, Y] if c else [X]),
    "the order of outputs": lambda c: sn.compile([X + 1, X * 2] if c else [X * 2, X + 1]),
    "the order of updates": lambda c: sn.compile(None, updates=[(P, P * 2), (Q, Q + 1)][:: 1 if c else -1]),
    "what is updated": lambda c: sn.compile(P + Q, updates={P if c else Q: P * Q}),
    "a check on data": lambda c: sn.compile(sn.take(X, sn.Variable("i", (2,), "int64"), 0 if c else 1)),
    "a check of sizes": lambda c: sn.compile(X + sn.Variable("z", ("n" if c else "m", 4), "float32")),
    "the body of a loop": lambda c: sn.compile(looped(2.0 if c else 3.0)),
    "the direction of a loop": lambda c: sn.compile(looped(reverse=c)),
    "max_bytes": lambda c: sn.compile(X @ sn.transpose(X), max_bytes=1000 if c else 1001),
    "a bound at all": lambda c: sn.compile(X @ sn.transpose(X), max_bytes=1000 if c else None),
    "threads": lambda c: sn.compile(X @ sn.transpose(X), threads=1 if c else 2),
    "the target": lambda c: sn.compile(X @ sn.transpose(X), target="portable" if c else "avx2"),
    "what is kept, not computed": lambda c: sn.compile(X * 1 if c else X * 2, pipeline=[]),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("change", CHANGES)
def test_everything_that_decides_a_program_names_it(change: str) -> None:
    one, same, other = (CHANGES[change](c) for c in (True, True, False))
    assert key(one) == key(same) != key(other)
    assert one.report.program != FOUND == same.report.program and other.report.program != FOUND


def key(f: sn.Function) -> tuple[str, ...]:
    program: Any = f._current()
    return program_key.program_key(program.graph, program.target, program._max_bytes)


@pytest.mark.usefixtures("here")
def test_names_numbers_and_lines_of_parameters_decide_nothing() -> None:
    def step(name: str, value: float) -> sn.Function:
        p = sn.Parameter(np.full(4, value, "f"), name=name)
        return sn.compile(p * X, updates={p: p + 1})

    one, other = step("one", 1.0), step("other", 5.0)
    assert other.report.program == FOUND
    assert one._current().llvm() == other._current().llvm()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(other(np.ones((2, 4))), np.full((2, 4), 5))
    np.testing.assert_array_equal(other(np.ones((2, 4))), np.full((2, 4), 6))
    np.testing.assert_array_equal(one(np.ones((2, 4))), np.ones((2, 4)))


def test_the_versions_and_files_are_in_the_name(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    f = sn.compile(X + 1)
    others: dict[str, Any] = {"facts": Facts("", "", "another"), "fingerprint": "another"}
    for name, other in others.items():
        before = key(f)
        monkeypatch.setattr(program_key, name, lambda other=other: other)
        assert key(f) != before


def test_kinds_of_attributes_are_told_apart() -> None:
    n, m = Dim.named("n"), Dim.named("m")
    values: list[Any] = [1, True, 1.0, "1", None, "None", (1,), ((1,),), (), "()", "a,b", ("a", "b"), "a'", 0.0, -0.0]
    values += [float("nan"), float("inf"), 2**70, n, m, n + 1, n * m, n * n, "n", Dim.named(Quotient(n, 2)), n * 2]
    values += [Literal(np.array(v)) for v in (1, True, 1.0, np.float32(1), [1], [[1]], [True], [], 0.0, -0.0)]
    texts = [program_key._Writer([]).value(v) for v in values]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("value", [object(), [1], {"a": 1}, np.float32(1), np.int64(1), len, Dim.named(object()), 1j])
def test_what_has_no_certain_text_has_none(value: Any) -> None:
    with pytest.raises(program_key.Unnamed):
        program_key._Writer([]).value(value)


def test_a_graph_of_another_class_has_no_name(here: Path) -> None:
    class Mine(Graph):
        pass

    f = sn.compile(X + 1)
    f.graph.__class__ = Mine
    with pytest.raises(program_key.Unnamed):
        key(f)


# -- what is not kept or found ---------------------------------------------------------------------


def test_a_users_op_is_generated_every_time(tmp_path: Path) -> None:
    code = (
        SMALL
        + """
from symnet.ops.elementwise import elementwise
factor = float(sys.argv[1])
scaled = elementwise("scaled", numpy=lambda x: x * factor, element=lambda x: x * factor, grad=lambda g, y, x: (g,))
x = sn.Variable("x", (3,), "float64")
for f in (sn.compile(scaled(x)), sn.compile(sn.scan(lambda h, e: (h + scaled(e), h), 0.0, x)[0])):
    np.testing.assert_array_equal(f(np.ones(3)), f._current().graph.outputs[0].ndim and [factor] * 3 or 3 * factor)
    print(f.report.program)
print(compiled())
"""
    )
    for factor in ("2", "3"):
        *mine, plain = run("-c", code, factor, folder=tmp_path).splitlines()
        assert mine == ["generated: scaled is no op of symnet's own"] * 2
    assert plain == FOUND


PLANTS = [
    "from symnet.codegen import schedule; schedule.PACKED_ROWS = 1",
    "from symnet.codegen import program; program.PART = 3",
    "from symnet.codegen import words; words.LIMIT = 3",
    "from symnet.codegen import kernels; kernels._Planner._order = lambda self: list(range(len(self.groups)))",
    "from symnet.passes import form_kernels; form_kernels._Former._sink = lambda self: None",
    "from symnet.op import OPS; rule = OPS['tanh'].element; OPS['tanh'].element = lambda *args: rule(*args)",
    "from symnet.op import OPS; OPS['tanh'] = OPS['sin']",
    "from symnet.graph import Graph; Graph.live = lambda self: list(self.nodes)",
    "from symnet.dims import Dim; Dim.mine = 1",
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.split(";")[1].split("=")[0].strip())
def test_code_that_was_replaced_neither_finds_nor_leaves_programs(tmp_path: Path, plant: str) -> None:
    run("-c", SMALL + "compiled()", folder=tmp_path)
    kept = outlines(tmp_path)
    for before in ("", "assert compiled() == 'from the cache'"):
        found = run("-c", f"{SMALL}\n{before}\n{plant}\nprint(compiled())\nprint(compiled(5.0))", folder=tmp_path)
        for reason in found.splitlines():
            assert reason.startswith("generated: ") and reason.endswith(("was replaced", "imported apart", "own"))
        assert outlines(tmp_path) == kept


def test_a_fault_that_was_taken_back_is_remembered(tmp_path: Path) -> None:
    code = (
        SMALL
        + """
compiled()
from symnet.codegen import vector_math
kept = vector_math.expand
vector_math.expand = lambda *args: kept(*args)
print(compiled())
vector_math.expand = kept
print(compiled(), compiled(7.0), sep="\\n")
"""
    )
    found = run("-c", code, folder=tmp_path).splitlines()
    assert len(found) == 3 and all("was replaced" in line for line in found)


def test_ops_are_told_apart_by_their_names(tmp_path: Path) -> None:
    code = (
        SMALL
        + """
import symnet.linalg
from symnet.op import Op
from symnet import untouched
ops = [each for each in untouched._known.values() if isinstance(each, Op)]
assert len(ops) > 100 and len({op.name for op in ops}) == len(ops)
"""
    )
    run("-c", code, folder=tmp_path)


def test_everything_that_users_import_leaves_the_code_as_it_is(tmp_path: Path) -> None:
    code = (
        SMALL
        + """
from importlib import import_module
for room in "bench check_gradients data demo eager linalg nn optim random show train".split():
    import_module(f"symnet.{room}")
compiled()
f = sn.compile(sn.linalg.inv(sn.Variable("x", (3, 3), "float64")))
f(np.eye(3)), f.memory, f._current().llvm(), f._current().machine_code()
print(compiled(), compiled(9.0), sep="\\n")
"""
    )
    run("-c", code, folder=tmp_path)
    assert run("-c", code, folder=tmp_path).splitlines() == [FOUND] * 2


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """symnet's files, some seconds old."""
    for folder in ("symnet", "codegen", "passes"):
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder, symlinks=True)
    time.sleep(2.5)
    return tmp_path / "copy"


def test_edited_files(tmp_path: Path, copy: Path) -> None:
    folder, edited = tmp_path / "cache", copy / "codegen" / "tiles.py"
    code = SMALL + "assert sn.__file__.startswith(sys.argv[1]); print(compiled())"
    found = [run("-c", code, str(copy), folder=folder, source=copy).strip() for _ in range(2)]
    assert found[0].startswith("generated: the cache has not met it") and found[1] == FOUND
    # Saved while a process runs: what it has loaded is another code than what the files say.
    late = f"{SMALL}\nopen({str(edited)!r}, 'a').write('')\nimport os; os.utime({str(edited)!r})\nprint(compiled())"
    assert (
        run("-c", late, folder=folder, source=copy).strip()
        == "generated: symnet's files are newer than this process, or none"
    )
    # Saved before one begins, of the same length and time.
    state = edited.stat()
    edited.write_text(edited.read_text().replace("e", "e"))
    os.utime(edited, ns=(state.st_atime_ns, state.st_mtime_ns))
    time.sleep(2.5)
    assert edited.stat().st_mtime_ns == state.st_mtime_ns and edited.stat().st_size == state.st_size
    assert run("-c", code, str(copy), folder=folder, source=copy).startswith("generated: the cache has not met it")


# -- entries ---------------------------------------------------------------------------------------


def outlines(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob(f"*{SUFFIX}") if p.stat().st_size < SMALLEST_OBJECT)


def small(number: float = 3.0) -> str:
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(x * number + 2.0)
    np.testing.assert_array_equal(f(np.ones(3)), np.full(3, number + 2.0))
    return f.report.program


def test_damaged_outlines_are_made_again(here: Path) -> None:
    small()
    (entry,) = outlines(here)
    raw = entry.read_bytes()
    broken = [raw[:-7], b"", b"something else", raw + b"x"]
    for place in (3, 20, 40, len(raw) // 2, len(raw) - 1):
        flipped = bytearray(raw)
        flipped[place] ^= 0x10
        broken.append(bytes(flipped))
    for body in broken:
        entry.write_bytes(body)
        assert small() == "generated: the cache's entry was damaged"
        assert entry.read_bytes() == raw and small() == FOUND


def test_an_outline_under_another_name_is_damaged(here: Path) -> None:
    small(3.0), small(4.0)
    one, other = outlines(here)
    other.write_bytes(one.read_bytes())
    assert sorted([small(3.0), small(4.0)]) == [FOUND, "generated: the cache's entry was damaged"]


def test_an_outline_without_its_object(here: Path) -> None:
    small()
    (kept,) = outlines(here)
    for entry in here.glob(f"*{SUFFIX}"):
        if entry != kept:
            entry.unlink()
    assert small() == "generated: the cache has not met it"
    assert small() == FOUND


def test_an_object_that_was_damaged(here: Path) -> None:
    small()
    (kept,) = outlines(here)
    for entry in here.glob(f"*{SUFFIX}"):
        if entry != kept:
            entry.write_bytes(entry.read_bytes()[:-1])
    assert small() == "generated: the cache's entry was damaged"
    assert small() == FOUND


def test_switched_off(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMNET_CACHE", "off")
    assert small() == small() == "generated: the cache is off" and not list(here.iterdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_a_folder_that_others_may_write_is_not_believed(here: Path) -> None:
    small()
    here.chmod(0o777)
    assert "written by others" in small()


def test_a_generator_that_changed_meanwhile_is_not_believed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small()
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(x * 3.0 + 2.0)
    assert f.report.program == FOUND
    from symnet.codegen import program

    monkeypatch.setattr(program, "ATTRIBUTES", program.ATTRIBUTES + " ; another")
    with pytest.raises(sn.CompileError, match="generates other code now"):
        f._current().llvm()  # type: ignore[attr-defined]


def test_the_report_tells_where_a_program_comes_from(here: Path) -> None:
    x = sn.Variable("x", ("n",), "float64")
    cold, warm = (sn.compile(sn.exp(x)) for _ in range(2))
    assert "program: generated: the cache has not met it\nmachine code: compiled" in str(cold.report)
    assert f"program: {FOUND}\nmachine code: {FOUND}" in str(warm.report)
    assert cold.timings["kernels"] > 0 and warm.timings["kernels"] == warm.timings["llvm"] == 0
    formed = [[p.name for p in f.report.passes].count("form_kernels") for f in (cold, warm)]
    assert formed == [1, 0]


def test_outlines_are_read_as_they_were_written() -> None:
    place, packing = outline.Place(2, 3), Packing(1, 2, 3, 4, 5, 16, 8, True)
    constants = [outline.KeptConstant(place, NO_PACKING), outline.KeptConstant(outline.Place(0, 9), packing)]
    given = outline.Outline("abc", [place, outline.Place(0, 1)], constants, [outline.KeptCopy(1, packing)], 7, 6, True)
    assert outline.Outline.from_bytes(given.to_bytes()) == given
