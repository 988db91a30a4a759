"""Programs of every kind, compiled and run; prints what came of each, for `test_whole_programs`.

Run in a process of its own: ``python programs_kept.py [name...]``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import symnet as sn

PROGRAMS: dict[str, Callable[[], Any]] = {}
RNG = np.random.default_rng(0)


def program(make: Callable[[], Any]) -> Callable[[], Any]:
    PROGRAMS[make.__name__] = make
    return make


@program
def open_sizes() -> Any:
    x, y = sn.Variable("x", ("n", "m"), "float32"), sn.Variable("y", ("m",), "float32")
    f = sn.compile({"a": sn.tanh(x) * y, "b": sn.softmax(x, axis=-1).sum(0), "c": x.reshape((-1,))[1:]})
    return f, [f(np.ones((k, 5), "f"), np.arange(5, dtype="f")) for k in (1, 3, 30)]


@program
def training() -> Any:
    x, y = sn.Variable("x", ("batch", 20), "float32"), sn.Variable("y", ("batch",), "int64")
    net = sn.nn.Sequential(sn.nn.Linear(20, 16, rng=0), sn.nn.ReLU(), sn.nn.Linear(16, 4, rng=1))
    loss = sn.nn.cross_entropy(net(x), y)
    f = sn.compile(loss, updates=sn.optim.Adam(lr=0.01)(loss, net.parameters()))
    data = RNG.normal(size=(9, 20)).astype("f"), RNG.integers(0, 4, 9)
    return f, [[f(*data) for _ in range(3)], [p.value for p in net.parameters()]]


@program
def loops_with_constants() -> Any:
    x = sn.Variable("x", ("steps", 4), "float64")
    table, inner = np.arange(4.0), np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.0, 1.0, 2.0]])

    def step(h: Any, each: Any) -> Any:
        total, _ = sn.scan(lambda t, row: (sn.sin(t + row * each), t), h, sn.Constant(inner))
        return total * table, total + table[::-1]

    h, ys = sn.scan(step, sn.Constant(np.ones(4)), x)
    f = sn.compile([h, ys, *sn.grad(ys.sum() + h.sum(), [x])])
    return f, f(RNG.normal(size=(5, 4)))


@program
def random_numbers() -> Any:
    generator = sn.random.Generator(seed=3)
    x = sn.Variable("x", ("n",), "float32")
    f = sn.compile(sn.nn.dropout(x, 0.5, generator=generator) + generator.normal(x.shape))
    return f, [f(np.ones(7)), f(np.ones(7))]


@program
def frozen() -> Any:
    layer = sn.nn.Linear(6, 5, rng=2)
    x = sn.Variable("x", (3, 6), "float32")
    f = sn.compile(layer(x), freeze=True)
    return f, f(np.ones((3, 6)))


@program
def equations() -> Any:
    a, b = sn.Variable("a", ("n", "n"), "float64"), sn.Variable("b", ("n",), "float64")
    f = sn.compile(sn.linalg.solve(a, b))
    found = f(np.eye(4) * 3 + 1, np.arange(4.0))
    return f, [found, message(f, np.zeros((2, 2)), np.ones(2))]


@program
def checked_data() -> Any:
    x, i = sn.Variable("x", ("n",), "float64"), sn.Variable("i", ("k",), "int64")
    seen = sn.Parameter(0.0, name="seen")
    taken = sn.take(x, i, 0)
    f = sn.compile(taken * 2, updates={seen: seen + taken.sum()})
    found = f(np.arange(5.0), [0, 4])
    return f, [found, message(f, np.arange(3.0), [0, 7]), seen.value]


@program
def bounded() -> Any:
    x = sn.Variable("x", ("n",), "float32")
    f = sn.compile(sn.cumsum(sn.sort(sn.exp(x))[::-1]), max_bytes=10_000)
    return f, [f(np.ones(8)), message(f, np.ones(100_000))]


@program
def two_threads() -> Any:
    x = sn.Variable("x", ("n", 300), "float32")
    f = sn.compile(sn.tanh(x @ sn.Parameter(np.ones((300, 200), "f"), name="wide")), threads=2)
    return f, f(np.ones((130, 300)))


@program
def rounded() -> Any:
    x = sn.Variable("x", (16, 30), "float32")
    f = sn.compile(x @ x.T, precision="bf16")
    return f, f(np.ones((16, 30)) / 30)


@program
def portable() -> Any:
    x = sn.Variable("x", ("n", 30), "float32")
    f = sn.compile(sn.erf(x @ x.T), target="portable", precision="bf16")
    return f, f(np.ones((7, 30)) / 30)


def message(f: sn.Function, *arrays: Any) -> str:
    try:
        f(*arrays)
    except sn.SymnetError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("it was to be refused")


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return list(map(plain, value))
    return value if isinstance(value, str) else [str(value.dtype), list(value.shape), value.tobytes().hex()]


def told(f: sn.Function) -> dict[str, str]:
    """What a program tells of itself."""
    found = {"memory": str(f.memory)}
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".txt", ".loops", ".ll", ".s", ".json"):
            text = f.dump(Path(folder, f"f{ending}")).read_text()
            found[ending] = hashlib.sha256(text.encode()).hexdigest()
    return found


def main(names: list[str]) -> None:
    found = {}
    for name in names or PROGRAMS:
        f, results = PROGRAMS[name]()
        program, code = f.report.program, f.report.machine_code
        brought = sorted(m for m in ("symnet.codegen.program", "networkx", "numpy.ma") if m in sys.modules)
        found[name] = {"program": program, "code": code, "brought": brought, "results": plain(results)}
        if not names:
            found[name]["told"] = told(f)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
