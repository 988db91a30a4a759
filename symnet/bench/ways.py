"""The same work imperatively (eager), interpreted and compiled, measured in one run."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import eager, nn, ops, optim
from ..compile import compile
from ..errors import ArgumentError
from ..expr import Constant, Parameter, Variable
from ..function import Function
from ..gradient import grad
from ..structure import Structure

Call = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One way of computing.

    Attributes
    ----------
    name : str
    microseconds : float
        Median time of a call.
    compile_ms : float
        Before the first result; 0 for the eager way.
    peak_bytes : int
        Largest temporary memory of a call, results included.
    """

    name: str
    microseconds: float
    compile_ms: float
    peak_bytes: int


@dataclass(frozen=True)
class Result:
    """A benchmark: its rows, compiled last. Prints as a table."""

    title: str
    rows: tuple[Row, ...]

    def speedup(self, name: str) -> float:
        """How many times faster compiled code is than the row of this name."""
        by_name = {row.name: row.microseconds for row in self.rows}
        return by_name[name] / by_name["compiled"]

    def __str__(self) -> str:
        lines = [self.title, f"  {'':12} {'per call':>12} {'compiled is':>12} {'compile':>10} {'peak memory':>13}"]
        for row in self.rows:
            lines.append(
                f"  {row.name:12} {row.microseconds:9.2f} µs {self.speedup(row.name):10.1f}× "
                f"{row.compile_ms:7.1f} ms {row.peak_bytes / 1024:9.1f} KiB"
            )
        return "\n".join(lines)

    def plot(self, path: str | Path) -> None:
        """Draw the times as bars."""
        plot_results([self], path)


def benchmark(
    outputs: Any,
    feeds: Mapping[str, Any],
    updates: Mapping[Parameter, Any] | None = None,
    imperative: Call | None = None,
    title: str = "benchmark",
    seconds: float = 0.3,
) -> Result:
    """Measure a program interpreted and compiled, and an imperative twin where one is given.

    The ways take turns, in slices, so that what else the machine does meets all of them; the first
    slice of each is not counted.

    Parameters
    ----------
    outputs, updates
        As for :func:`symnet.compile`.
    feeds : mapping of str to array
        The arguments of each call.
    imperative : callable, optional
        The same work at once, such as a training step with :mod:`symnet.eager`.
    title : str
    seconds : float
        For each way.

    Returns
    -------
    Result

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = sn.Variable("x", shape=("n",), dtype="float64")
    >>> result = sn.benchmark(sn.exp(x).sum(), {"x": np.ones(100)}, seconds=0.01)
    >>> [row.name for row in result.rows]
    ['interpreted', 'compiled']
    """
    calls: dict[str, tuple[Call, float, Function | None]] = {}
    if imperative is not None:
        calls["imperative"] = (imperative, 0.0, None)
    for name, mode in (("interpreted", "interpret"), ("compiled", "native")):
        start = time.perf_counter()
        function = compile(outputs, updates=updates, mode=mode)
        function(**feeds)
        elapsed = (time.perf_counter() - start) * 1e3
        calls[name] = (partial(function, **feeds), elapsed, function)
    times = _interleaved({name: call for name, (call, _, _) in calls.items()}, seconds)
    rows = [
        Row(name, times[name] * 1e6, elapsed, _peak(call, function))
        for name, (call, elapsed, function) in calls.items()
    ]
    return Result(title, tuple(rows))


def _interleaved(calls: Mapping[str, Call], seconds: float, rounds: int = 5) -> dict[str, float]:
    """The median over rounds of the mean time of a call in one slice."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(seconds / rounds / max(time.perf_counter() - start, 1e-7)))
    slices: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            slices[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(found[1:]) for name, found in slices.items()}


def _peak(call: Call, function: Function | None) -> int:
    """Bytes allocated within a call at most; for native code the arena is counted too."""
    tracemalloc.start()
    call()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    kept = call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Large results lie in memory that was there before the call.
    pooled = sum(r.nbytes for r in Structure(kept).leaves if isinstance(r, np.ndarray) and r.base is not None)
    del kept
    return peak - before + pooled + (function.memory.arena if function is not None else 0)


def standard_benchmarks(seconds: float = 0.3) -> Iterator[Result]:
    """The lectures' program, scalar gradients, and the training step on digits."""
    a, b = Variable("A", ("n",), "float64"), Variable("B", ("n",), "float64")
    x, y = np.ones(10), np.full(10, 2.0)
    yield benchmark(
        b * a + Constant(1),
        {"A": x, "B": y},
        imperative=lambda: ops.add(ops.multiply(eager.tensor(y), eager.tensor(x)), 1),
        title="the lectures' program: B * A + 1, 10 numbers",
        seconds=seconds,
    )
    yield scalar_benchmark(seconds)
    yield digits_benchmark(seconds)


def scalar_benchmark(seconds: float = 0.3) -> Result:
    """(2x + y) z and its three gradients."""
    variables = [Variable(n, (), "float64") for n in "xyz"]
    numbers = [np.asarray(v) for v in (10.0, -2.0, -4.0)]

    def formula(x: Any, y: Any, z: Any) -> Any:
        return (2 * x + y) * z

    def imperative() -> list[Any]:
        tensors = [eager.tensor(v, requires_grad=True) for v in numbers]
        formula(*tensors).backward()
        return [t.grad for t in tensors]

    value = formula(*variables)
    feeds = dict(zip("xyz", numbers, strict=True))
    outputs = [value, *grad(value, variables)]
    return benchmark(outputs, feeds, None, imperative, "(2x + y) z and its gradients, scalars", seconds)


def digits_benchmark(seconds: float = 0.3, batch: int = 32) -> Result:
    """Forward, backward and update of a 64-32-10 network."""
    rng = np.random.default_rng(0)
    xb, yb = rng.random((batch, 64), np.float32), rng.integers(0, 10, batch)
    x, y = Variable("x", ("batch", 64), "float32"), Variable("y", ("batch",), "int64")
    net = nn.Sequential(nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1))
    loss = nn.cross_entropy(net(x), y)
    updates = optim.SGD(lr=0.1)(loss, net.parameters())
    step = eager_step([p.value for p in net.parameters()], xb, yb, lr=0.1)
    title = f"a training step of 64-32-10 at batch {batch}"
    return benchmark(loss, {"x": xb, "y": yb}, updates, step, title, seconds)


def eager_step(weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray, lr: float) -> Call:
    """The same step as people write it imperatively: tape, backward, update."""
    w1, b1, w2, b2 = (eager.tensor(w.copy(), requires_grad=True) for w in weights)

    def step() -> Any:
        loss = ops.cross_entropy(ops.relu(eager.tensor(x) @ w1 + b1) @ w2 + b2, y)
        loss.backward()
        for parameter in (w1, b1, w2, b2):
            assert parameter.grad is not None
            parameter.data -= lr * parameter.grad
            parameter.grad = None
        return loss

    return step


def drawing() -> Any:
    """matplotlib's Figure.

    Raises
    ------
    ArgumentError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ArgumentError("drawing needs matplotlib: pip install 'symnet[demo]'") from None
    return Figure


def plot_results(results: Sequence[Result], path: str | Path) -> None:
    """Bars of the time of each way, a panel for each benchmark, on a logarithmic axis.

    Raises
    ------
    ArgumentError
        matplotlib is not installed.
    """
    figure = drawing()(figsize=(4 * len(results), 3.6), layout="constrained")
    for axes, result in zip(np.atleast_1d(figure.subplots(1, len(results))), results, strict=True):
        names = [row.name for row in result.rows]
        values = [row.microseconds for row in result.rows]
        colors = ["#b8b2a7", "#d9a441", "#2f6db5"][-len(names) :]
        bars = axes.bar(names, values, color=colors)
        axes.bar_label(bars, [f"{v:.3g} µs" for v in values], padding=2)
        axes.set_yscale("log")
        axes.set_ylabel("µs a call")
        axes.margins(y=0.2)
        axes.set_title(result.title, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
