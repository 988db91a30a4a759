"""The same work in symnet and in other libraries: checked against float64, then measured in turns, in one run."""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import pickle
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import by_hand
from .peers import Peer
from .peers.with_symnet import build as build_symnet
from .worker import CHECKED, Block, as_arrays
from .workloads import ROWS, Workload

SLICE = 0.06  # seconds
ROUNDS = 5
REST = 0.1  # seconds between turns of several threads: OpenBLAS's keep a processor busy for long after their last call
LONGEST = 300.0  # seconds to build a row
Answer = tuple[list[list[np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Compared:
    """A row: the median seconds of a call by peer, and why others have none."""

    row: str
    title: str
    seconds: Mapping[str, float]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def best_peer(self) -> str | None:
        """The fastest but symnet."""
        others = {name: s for name, s in self.seconds.items() if name != "symnet"}
        return min(others, key=others.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """The best peer's time over symnet's: more than 1 where symnet is faster."""
        best = self.best_peer
        return None if best is None or "symnet" not in self.seconds else self.seconds[best] / self.seconds["symnet"]


@dataclass(frozen=True)
class Table:
    """All rows and where they were measured. Prints as Markdown."""

    rows: Sequence[Compared]
    columns: Sequence[str]
    where: str = ""

    def __str__(self) -> str:
        head = ["row", "work", *self.columns, "best peer / symnet"]
        lines = [self.where, ""] if self.where else []
        lines += [_line(head), _line(["---", "---"] + ["--:"] * (len(head) - 2))]
        for row in self.rows:
            cells = [_cell(row, name) for name in self.columns]
            ratio = "–" if row.ratio is None else f"{row.ratio:.2f} ({row.best_peer})"
            lines.append(_line([row.row, row.title, *cells, ratio]))
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(row: Compared, name: str) -> str:
    if name not in row.seconds:
        return row.notes.get(name, "–")
    text = microseconds(row.seconds[name])
    return f"**{text}**" if row.seconds[name] == min(row.seconds.values()) else text


def microseconds(seconds: float) -> str:
    """Three digits: 0.123, 12.3, 1,230."""
    value = seconds * 1e6
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{min(3, max(0, 2 - math.floor(math.log10(value))))}f}"


def reference(workload: Workload) -> Answer:
    """What the first calls give in float64: by hand where it is written, else by symnet's interpreter."""
    found = by_hand.build(workload, "float64")
    if found is not None:
        call, parameters = found
    else:
        program = build_symnet(workload, "float64", "interpret")
        call, parameters = program.call, dict(program.parameters())
    batches = [tuple(by_hand.in_dtype(a, "float64") for a in batch) for batch in workload.batches]
    outputs = [as_arrays(call(*batches[k % len(batches)])) for k in range(CHECKED)]
    if found is None:
        parameters = dict(program.parameters())
    return outputs, parameters


def error_of(workload: Workload, answer: Answer, expected: Answer) -> float:
    """The largest error of outputs, each relative to its largest element, and of Parameters, relative to their change.

    Those are root mean squares: Adam moves a weight whose gradient is nothing but rounding by a whole step.
    """
    errors = [np.inf if len(a) != len(b) else 0.0 for a, b in zip(answer[0], expected[0], strict=True)]
    for got, wanted in zip(answer[0], expected[0], strict=True):
        for a, b in zip(got, wanted, strict=False):
            errors.append(np.abs(a - b).max() / (np.abs(b).max() + 1e-30) if a.shape == b.shape else np.inf)
    if workload.optimizer:
        changes = {name: _size(expected[1][name] - v) for name, v in workload.parameters.items()}
        # The bias of the keys has no gradient but rounding.
        smallest = 1e-3 * max(changes.values())
        errors += [_size(answer[1][name] - expected[1][name]) / max(c, smallest) for name, c in changes.items()]
    worst = float(np.max(errors))  # NaN if any is
    return worst if math.isfinite(worst) else math.inf


def _size(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype="float64"))))


class Process:
    """A peer's process: held on as many processors as it has threads, where the system can. Started when needed."""

    def __init__(self, peer: Peer, threads: int = 1) -> None:
        self.peer, self.threads = peer, threads
        self.process: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.worker", self.peer.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.peer.settings(self.threads), "PYTHONPATH": os.pathsep.join(paths)},
        )

    def ask(self, what: str, argument: Any, seconds: float = LONGEST) -> Any:
        """The worker's answer; an exception where it failed, ended or took too long."""
        if self.process is None:
            self.process = self._start()
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            pickle.dump((what, argument), process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.close()
            return RuntimeError("its process ended")
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def median(blocks: Sequence[Block]) -> float:
    """The median of the blocks that nothing interrupted; of all where those are fewer than 5."""
    undisturbed = [seconds for seconds, is_quiet in blocks if is_quiet]
    return statistics.median(undisturbed if len(undisturbed) >= 5 else [seconds for seconds, _ in blocks])


def compare_row(name: str, processes: Sequence[Process], rounds: int = ROUNDS, seconds: float = SLICE) -> Compared:
    """Build a row everywhere, check it, and measure it in turns."""
    workload = ROWS[name]()
    expected = reference(workload)
    notes, taking_part = {}, []
    for process in processes:
        answer = process.ask("build", name)
        if answer is None:
            continue
        if isinstance(answer, Exception):
            notes[process.peer.name] = "failed"
            print(f"{name}: {process.peer.name} failed: {answer}", file=sys.stderr)
        elif (error := error_of(workload, answer, expected)) > workload.tolerance:
            notes[process.peer.name] = f"wrong ({error:.0e})"
        else:
            taking_part.append(process)
    blocks: dict[str, list[Block]] = {process.peer.name: [] for process in taking_part}
    for _ in range(rounds):
        for process in taking_part:
            time.sleep(REST if process.threads > 1 else 0)
            answer = process.ask("time", seconds)
            if not isinstance(answer, Exception):
                blocks[process.peer.name] += answer
    times = {peer: median(found) for peer, found in blocks.items() if found}
    return Compared(name, workload.title, times, notes)


def compare(
    peers: Sequence[Peer],
    rows: Sequence[str],
    rounds: int = ROUNDS,
    seconds: float = SLICE,
    progress: Callable[[Compared], None] | None = None,
    threads: int = 1,
) -> Table:
    """Measure rows in symnet and its peers.

    Parameters
    ----------
    peers : sequence of Peer
        As of :func:`symnet.bench.peers.find_peers`.
    rows : sequence of str
        Names of :data:`symnet.bench.workloads.ROWS`.
    rounds : int
        How often each peer's turn comes.
    seconds : float
        The length of a turn.
    progress : callable, optional
        Called with each row that is done.
    threads : int
        Of every library, each on a processor of its own.

    Returns
    -------
    Table

    Raises
    ------
    ArgumentError
        There are fewer processors than threads.
    """
    if not 1 <= threads <= processors():
        raise ArgumentError(f"{threads} threads; expected 1 to {processors()}, the processors of this process")
    before, done = load(), []
    with contextlib.ExitStack() as stack:
        processes = [Process(peer, threads) for peer in peers]
        for process in processes:
            stack.callback(process.close)
        for name in rows:
            done.append(compare_row(name, processes, rounds, seconds))
            if progress is not None:
                progress(done[-1])
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in peers)
    where = (
        f"Microseconds a call (median of {rounds} turns of {seconds * 1e3:.0f} ms), "
        f"{'one thread' if threads == 1 else f'{threads} threads'}, "
        f"{datetime.date.today()}: {processor()}, {platform.system()}, Python {platform.python_version()}, "
        f"{versions}. Load average {before} before and {load()} after."
    )
    return Table(done, [peer.name for peer in peers], where)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name, and how many the system has."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name} ({os.cpu_count()} processors)"


def load() -> str:
    """The load average of the last minute, where the system says it."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
