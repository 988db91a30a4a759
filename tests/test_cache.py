"""Machine code on disk: found again by other processes, never believed when damaged, bounded."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.cli import main
from symnet.codegen import cache, native

PROGRAM = """
import numpy as np, symnet as sn
x = sn.Variable("x", ("n",), "float64")
f = sn.compile(sn.tanh(x) * 3.0 + 1.0)
assert np.allclose(f(np.ones(4)), np.tanh(1) * 3 + 1)
print(f.report.machine_code)
"""


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The call path has machine code of its own, which must not be counted here.
    sn.compile(sn.Variable("x", (), "float64") + 1.0)(1.0)
    monkeypatch.setenv("SYMNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SYMNET_CACHE", raising=False)
    # Only objects are counted here: test_whole_programs is about the rest.
    monkeypatch.setattr(native, "replaced", lambda: "not looked up")
    return tmp_path / "cache"


def program(number: float = 1.0) -> tuple[sn.Function, str]:
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile(x * number + 2.0)
    np.testing.assert_array_equal(f(np.ones(3)), np.full(3, number + 2.0))
    return f, f.report.machine_code


def entries(where: Path) -> list[Path]:
    return sorted(where.glob("*.symnet"))


def test_found_again(where: Path) -> None:
    assert "not met" in program()[1]
    assert len(entries(where)) == 1
    f, how = program()
    assert how == "from the cache" and "from the cache" in str(f.report)
    assert "not met" in program(5.0)[1] and len(entries(where)) == 2


def test_found_by_another_process(where: Path) -> None:
    found = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert "not met" in found[0] and found[1] == "from the cache"


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "other file", "appended"])
def test_damaged_entries_are_compiled_again(where: Path, damage: str) -> None:
    program()
    (entry,) = entries(where)
    raw = bytearray(entry.read_bytes())
    if damage == "flipped":
        for place in (3, 20, 40, len(raw) // 2, len(raw) - 1):
            flipped = bytearray(raw)
            flipped[place] ^= 0x10
            entry.write_bytes(flipped)
            assert "damaged" in program()[1]
            assert program()[1] == "from the cache"
        return
    broken = {"truncated": raw[:-7], "empty": b"", "other file": b"something else", "appended": raw + b"x"}[damage]
    entry.write_bytes(broken)
    assert "damaged" in program()[1]
    assert entry.read_bytes() == raw and program()[1] == "from the cache"


def test_a_full_disk_is_no_error(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    assert "could not be kept (No space left on device)" in program()[1]
    assert list(where.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SYMNET_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert program()[1].startswith("compiled")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_a_folder_that_others_may_write_is_not_believed(where: Path) -> None:
    program()
    where.chmod(0o777)
    assert "written by others" in program()[1]


def test_switched_off(where: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SYMNET_CACHE", "off")
    assert "off" in program()[1] and not where.exists()
    assert main(["cache", "info"]) == 0 and "off" in capsys.readouterr().out


def test_a_user_without_a_home_does_without(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert "not met" in program()[1]
    monkeypatch.delenv("SYMNET_CACHE_DIR")
    assert "off" in program()[1] and "home" in str(cache.info())


def test_the_bound_drops_what_was_used_longest_ago(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        program(float(number))
        for place, entry in enumerate(sorted(entries(where), key=lambda p: p.stat().st_mtime)):
            os.utime(entry, (1000.0 + place, 1000.0 + place))
    program(0.0)
    size = max(entry.stat().st_size for entry in entries(where))
    monkeypatch.setenv("SYMNET_CACHE_BYTES", str(3 * size))
    program(9.0)
    assert sum(entry.stat().st_size for entry in entries(where)) <= 3 * size
    assert program(0.0)[1] == program(9.0)[1] == "from the cache"
    assert "not met" in program(1.0)[1]


def test_many_processes_at_once(where: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.startswith(("compiled", "from the cache"))
    assert not list(where.glob("new.*"))


def test_info_and_clear(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program()
    assert main(["cache", "info"]) == 0
    assert str(where) in (text := capsys.readouterr().out) and "1 entries" in text
    assert main(["cache", "clear"]) == 0 and entries(where) == []
    assert "removed 1" in capsys.readouterr().out


def test_a_program_that_the_cache_has_needs_no_llvm(tmp_path: Path) -> None:
    """What LLVM would say of this processor is kept as well."""
    run = [sys.executable, "-c", PROGRAM + "import sys; print('llvmlite' in sys.modules)"]
    environment = {**os.environ, "SYMNET_CACHE_DIR": str(tmp_path)}
    outputs = [subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout for _ in "ab"]
    assert outputs[0].split()[-1] == "True"
    assert outputs[1].split()[-1] == str(not (sys.platform == "linux" and platform.machine() == "x86_64"))


def test_what_is_larger_than_the_bound_drives_nothing_out(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program()
    kept = entries(where)
    monkeypatch.setenv("SYMNET_CACHE_BYTES", str(sum(path.stat().st_size for path in kept) + 2000))
    x = sn.Variable("x", ("n",), "float64")
    f = sn.compile([sn.tanh(x * k) for k in range(1, 20)])
    f(np.ones(3))
    assert "larger than the whole cache" in f.report.machine_code
    assert set(kept) <= set(entries(where))
