"""The command line, the demonstration and the benchmark, run small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import symnet as sn
from symnet.cli import main

PROGRAM = """
import symnet as sn
A, B = sn.Variable("A", ("n",), "float64"), sn.Variable("B", ("n",), "float64")
f = sn.compile(B * A + 1)
number = 3
"""


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "out"), "--epochs", "12"]) == 0
    text = capsys.readouterr().out
    assert "native compilations for every batch size: 1" in text and "confusion matrix" in text
    accuracy = float(text.split("test accuracy ")[1].split("%")[0])
    assert accuracy >= 94
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"curves.png", "confusion.png", "benchmark.png", "step.txt", "step.svg", "step.ll"} <= written
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.01", "--plot", str(tmp_path / "bench.png")]) == 0
    text = capsys.readouterr().out
    for word in ("imperative", "interpreted", "compiled", "peak memory", "µs"):
        assert word in text
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["txt", "dot", "svg", "json", "ll", "s", "loops"])
def test_dump(tmp_path: Path, ending: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    target = tmp_path / f"f.{ending}"
    assert main(["dump", f"{tmp_path / 'program.py'}:f", str(target)]) == 0
    assert target.stat().st_size > 50


@pytest.mark.parametrize("where", ["nothing", "absent.py:f", "program.py:number", "program.py:missing"])
def test_dump_of_something_else(tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    given = where.replace("program.py", str(tmp_path / "program.py"))
    assert main(["dump", given, str(tmp_path / "f.txt")]) == 1
    assert "expected" in capsys.readouterr().err
    assert not (tmp_path / "f.txt").exists()


def test_benchmark_of_a_step() -> None:
    x, w = sn.Variable("x", ("n",), "float64"), sn.Parameter([1.0], name="w")
    result = sn.benchmark(
        sn.exp(x).sum(),
        {"x": np.ones(100)},
        updates={w: w * 0.5},
        imperative=lambda: np.exp(np.ones(100)).sum(),
        title="a sum",
        seconds=0.01,
    )
    assert [row.name for row in result.rows] == ["imperative", "interpreted", "compiled"]
    assert str(result).startswith("a sum") and w.value[0] < 0.5
