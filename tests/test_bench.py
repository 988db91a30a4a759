"""The comparison with other libraries: what it computes is right, whom it measures, and what it prints."""

from __future__ import annotations

import importlib.util
import math
import os
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnet.bench import by_hand, compare, peers, worker
from symnet.bench.compare import Answer, Compared, Table, error_of, microseconds, reference
from symnet.bench.peers.with_symnet import build
from symnet.bench.workloads import ROWS, Workload, row_names
from symnet.cli import main
from symnet.errors import ArgumentError


def answer(peer: str, row: str) -> Answer | None:
    found: Answer | None = worker.Worker(peer).build(row)
    return found


@pytest.mark.parametrize("row", ROWS)
def test_symnet_and_numpy_agree_with_float64(row: str) -> None:
    workload = ROWS[row]()
    expected = reference(workload)
    ours = answer("symnet", row)
    assert ours is not None and error_of(workload, ours, expected) <= workload.tolerance
    by_numpy = answer("numpy", row)
    assert (by_numpy is None) == (by_hand.build(workload) is None)
    assert by_numpy is None or error_of(workload, by_numpy, expected) <= workload.tolerance


@pytest.mark.parametrize("row", ["W3-1e3", "W4-b1", "W5-digits", "W5-regression", "W6", "W10-xeg", "W10-ln"])
def test_the_two_references_agree(row: str) -> None:
    workload = ROWS[row]()
    program = build(workload, "float64", "interpret")
    batches = [[by_hand.in_dtype(a, "float64") for a in batch] for batch in workload.batches]
    outputs = [worker.as_arrays(program.call(*batches[k % len(batches)])) for k in range(worker.CHECKED)]
    assert error_of(workload, (outputs, dict(program.parameters())), reference(workload)) < 1e-9


def test_what_is_wrong_is_seen() -> None:
    workload = ROWS["W5-digits"]()
    outputs, parameters = reference(workload)
    assert error_of(workload, (outputs, parameters), (outputs, parameters)) == 0
    assert error_of(workload, ([[v * 1.01] for (v,) in outputs], parameters), (outputs, parameters)) > 5e-3
    unchanged = {name: v.astype("float64") for name, v in workload.parameters.items()}
    assert error_of(workload, (outputs, unchanged), (outputs, parameters)) == pytest.approx(1)
    nan = {name: v * math.nan for name, v in parameters.items()}
    assert error_of(workload, (outputs, nan), (outputs, parameters)) == math.inf
    assert error_of(workload, ([[]] * 3, parameters), (outputs, parameters)) == math.inf


class Stub(compare.Process):
    """A peer that answers without a process."""

    def __init__(self, name: str, change: Callable[[Any], Any], microseconds: float) -> None:
        super().__init__(peers.PEERS[name])
        self.change, self.microseconds = change, microseconds

    def ask(self, what: str, argument: Any, seconds: float = 0) -> Any:
        if what == "build":
            return self.change(reference(ROWS[argument]()))
        return [(self.microseconds * 1e-6, True)] * 5 + [(1.0, False)] * 9


def broken(found: Answer) -> Any:
    return [[v + 1 for v in values] for values in found[0]], found[1]


def test_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    processes = [
        Stub("symnet", lambda found: found, 10.0),
        Stub("numpy", broken, 1.0),
        Stub("torch", lambda found: found, 20.0),
        Stub("jax", lambda found: found, 15.0),
        Stub("onnxruntime", lambda found: None, 1.0),
        Stub("numba", lambda found: RuntimeError("no compiler"), 1.0),
    ]
    row = compare.compare_row("W10-ln", processes)
    assert row.best_peer == "jax" and row.ratio == pytest.approx(1.5)
    assert set(row.seconds) == {"symnet", "torch", "jax"} and row.notes["numba"] == "failed"
    assert "numba failed: no compiler" in capsys.readouterr().err
    text = str(Table([row], [p.peer.name for p in processes], "here"))
    assert "| W10-ln | layer norm (256, 1024) | **10.0** | wrong (" in text
    assert "| 20.0 | 15.0 | – | failed | 1.50 (jax) |" in text and text.startswith("here\n\n| row | work |")


def test_a_row_without_peers() -> None:
    row = Compared("W1", "a", {"symnet": 1e-6})
    assert row.ratio is None and row.best_peer is None and "| **1.00** | – |" in str(Table([row], ["symnet"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0612, "0.061"), (0.5, "0.500"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_three_digits(value: float, text: str) -> None:
    assert microseconds(value * 1e-6) == text


def test_measure() -> None:
    seen: list[Any] = []
    blocks = worker.measure(lambda x: seen.append(x), [(1,), (2,)], 0.01)
    assert len(blocks) >= 2 and all(seconds > 0 for seconds, _ in blocks) and set(seen) == {1, 2}


def test_rows_by_name() -> None:
    assert row_names(None) == list(ROWS)
    assert row_names("W5, W1") == ["W1", "W5-b32", "W5-b128", "W5-digits", "W5-regression"]
    assert row_names("W10-xe") == ["W10-xe"]
    with pytest.raises(ArgumentError, match="no row 'W99'"):
        row_names("W1,W99")


def test_peers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: name in ("numpy", "symnet", "jax", "torch") or None)
    assert [p.name for p in peers.find_peers()] == ["symnet", "numpy", "torch", "jax"]
    assert [p.name for p in peers.find_peers("jax,torch.compile")] == ["symnet", "torch.compile", "jax"]
    with pytest.raises(ArgumentError, match=r"onnxruntime is not installed: pip install onnxruntime onnx"):
        peers.find_peers("jax,onnxruntime")
    with pytest.raises(ArgumentError, match="no peer 'theano'; the peers are numpy, torch"):
        peers.find_peers("theano")


def test_no_peer_is_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(peers, "find_spec", lambda name: found(name) if name in ("numpy", "symnet") else None)
    assert main(["bench", "--peers"]) == 1
    assert "none of torch, jax, onnxruntime, numba is installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "W1"], "--rows goes with --peers"),
        (["--threads", "2"], "--threads goes with --peers"),
        (["--peers", "numpy", "--rows", "W12"], "no row 'W12'"),
        (["--peers", "numpy", "--threads", "0"], "0 threads; expected 1 to "),
        (["--peers", "numpy", "--threads", "100000"], "100000 threads; expected 1 to "),
        (["--peers", "nothing"], "no peer 'nothing'"),
        (["--peers", "numpy", "--plot", "a.png"], "--plot"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """In real processes."""
    assert main(["bench", "--peers", "numpy", "--rows", "W1,W5-digits,W7-b1", "--seconds", "0.05"]) == 0
    text = capsys.readouterr().out
    assert f"numpy {np.__version__}" in text and "one thread" in text
    for line, peer in zip(text.splitlines()[-3:], ("(numpy) |", "(numpy) |", "– |"), strict=True):
        assert line.startswith("| W") and line.endswith(peer) and "wrong" not in line and "failed" not in line


@pytest.mark.skipif(compare.processors() < 2, reason="needs two processors")
def test_two_threads(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--peers", "numpy", "--rows", "W5-digits", "--threads", "2", "--seconds", "0.05"]
    assert main(["bench", *arguments]) == 0
    text = capsys.readouterr().out
    assert ", 2 threads, " in text and text.rstrip().endswith("(numpy) |")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are held on processors on Linux")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_is_held_on_as_many_processors_as_it_has_threads(threads: int) -> None:
    if compare.processors() < threads:
        pytest.skip("has too few processors")
    process = compare.Process(peers.PEERS["numpy"], threads)
    process.ask("build", "W1")
    assert process.process is not None
    tasks = [int(task.name) for task in Path(f"/proc/{process.process.pid}/task").iterdir()]
    held = [os.sched_getaffinity(task) for task in tasks]
    process.close()
    assert {len(processors) for processors in held} == {threads}


def test_settings() -> None:
    jax = peers.PEERS["jax"]
    one, two = jax.settings(1), jax.settings(2)
    assert one["OMP_NUM_THREADS"] == "1" and two["SYMNET_NUM_THREADS"] == two["OPENBLAS_NUM_THREADS"] == "2"
    assert one["JAX_PLATFORMS"] == two["JAX_PLATFORMS"] == "cpu"
    assert "XLA_FLAGS" in one and "XLA_FLAGS" not in two


@pytest.mark.parametrize("row", ["W2", "W4-b1", "W5-regression"])
@pytest.mark.parametrize("peer", [p.name for p in peers.PEERS.values() if p.name not in ("symnet", "numpy")])
def test_a_peer_agrees_with_float64(peer: str, row: str) -> None:
    if not peers.PEERS[peer].is_installed:
        pytest.skip(f"{peer} is not installed")
    process = compare.Process(peers.PEERS[peer])
    found = process.ask("build", row)
    process.close()
    workload = ROWS[row]()
    assert not isinstance(found, Exception)
    assert found is None or error_of(workload, found, reference(workload)) <= workload.tolerance


def test_a_process_that_ends(capfd: pytest.CaptureFixture[str]) -> None:
    process = compare.Process(peers.PEERS["numpy"])
    assert isinstance(process.ask("time", 0.01), RuntimeError)
    assert process.process is not None
    process.process.kill()
    assert str(process.ask("build", "W1")) == "its process ended"
    assert process.ask("build", "W7-b1") is None  # A new one has started.
    process.close()


def test_every_row_has_its_size() -> None:
    for name, make in ROWS.items():
        workload: Workload = make()
        assert workload.name == name and workload.flops > 0 and workload.batches and workload.title


def test_the_roofline() -> None:
    script = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "roofline.py"))
    picture = ElementTree.fromstring(script["svg"]({"W5-b128": (56.0, 243.0)}, 254.0, {"L2": 250.0, "memory": 43.0}))
    texts = {"".join(t.itertext()) for t in picture.iter() if t.tag.endswith("text")}
    assert {"W5-b128", "L2 250 GB/s", "memory 43 GB/s", "largest product: 254 GFLOP/s"} <= texts
    call, flops, moved = script["row"]("W5-digits")
    assert np.isfinite(call()) and flops / moved == pytest.approx(11.7, abs=0.1)
    assert set(script["DRAWN"] + script["EXPLAINED"]) <= set(script["POINTS"]) <= set(ROWS)
