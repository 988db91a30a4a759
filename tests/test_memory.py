"""The arena: buffers in use at the same time never share memory, little is wasted, too much is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symnet as sn
from symnet import Parameter, Variable, compile, grad
from symnet.codegen.memory import ALIGNMENT, COMPARED, _bytes, arrange, lower_bound
from symnet.dims import Dim, Size, evaluate, maximum, minimum

BATCH, TIME = Dim.named("batch"), Dim.named("time")
SIZES: list[Size] = [64, 128, 4096, BATCH * 64, BATCH * 128, TIME * 64, BATCH * TIME * 64]
# As buffers have them: rounded up to whole lines, of arrays that are slices or hold a row more.
SIZES += [_bytes((size,), "float32") for size in (BATCH, BATCH * 10, BATCH * 100 + 3, BATCH * TIME * 10)]
SIZES += [_bytes((maximum(BATCH - 3, 0), 3), "int64"), _bytes((minimum(BATCH, 9),), "int64"), (BATCH + 1) * 64]
# Names, first steps and lengths of life of buffers.
LIVES = st.lists(st.tuples(st.sampled_from(SIZES), st.integers(0, 12), st.integers(0, 9)), max_size=14)


def lives_of(drawn: list[tuple[Size, int, int]]) -> dict[str, tuple[Size, int, int]]:
    started = sorted(drawn, key=lambda item: item[1])
    return {f"b{k}": (size, first, first + length) for k, (size, first, length) in enumerate(started)}


def assert_sound(lives: dict[str, tuple[Size, int, int]], sizes: dict[str, int]) -> int:
    """No overlap and everything inside, for these dims; the bytes of the arena."""
    arena = arrange(lives)
    total = arena.bytes(sizes)
    stretches = []
    for name, (size, first, last) in lives.items():
        start, number = evaluate(arena.offsets[name], sizes), evaluate(size, sizes)
        assert start % ALIGNMENT == 0 and start + number <= total
        for begin, end, a, b in stretches:
            assert first > b or last < a or start >= end or start + number <= begin, name
        stretches.append((start, start + number, first, last))
    return total


@given(LIVES, st.integers(0, 70), st.integers(0, 70))
def test_buffers_in_use_together_lie_apart(drawn: Any, batch: int, time: int) -> None:
    assert_sound(lives_of(drawn), {"batch": batch, "time": time})


@given(LIVES)
def test_numbers_only(drawn: Any) -> None:
    lives = {n: (s, a, b) for n, (s, a, b) in lives_of(drawn).items() if isinstance(s, int)}
    assert assert_sound(lives, {}) >= lower_bound(lives, {})


@pytest.mark.parametrize("size", [4096, BATCH * 64])
def test_many_buffers(size: Size) -> None:
    count = 4 * COMPARED
    stack = {f"s{k}": (size, k, 2 * count - k) for k in range(count)}
    queue = {f"q{k}": (size, k, k + 1) for k in range(count)}
    assert assert_sound(stack, {"batch": 3}) == lower_bound(stack, {"batch": 3})
    assert assert_sound(queue, {"batch": 3}) == lower_bound(queue, {"batch": 3})


def network(*widths: int, batch: int | str, rule: Any) -> sn.Function:
    x = Variable("x", (batch, widths[0]), "float32")
    y = Variable("y", (batch,), "int64")
    layers: list[Any] = []
    for a, b in itertools.pairwise(widths):
        layers += [sn.nn.Linear(a, b, rng=0), sn.nn.ReLU()]
    net = sn.nn.Sequential(*layers[:-1])
    loss = sn.cross_entropy(net(x), y)
    step = compile(loss, updates=rule(loss, net.parameters()))
    rows = batch if isinstance(batch, int) else 100
    step(np.ones((rows, widths[0]), "f"), np.zeros(rows, "int64"))
    return step


def attention(batch: int | str) -> sn.Function:
    q, k, v = (Variable(n, (batch, 32, 16), "float32") for n in "qkv")
    scores = sn.softmax(q @ k.transpose((0, 2, 1)) * 0.25) @ v
    f = compile([scores, *grad((scores * scores).sum(), (q, k, v))])
    rows = batch if isinstance(batch, int) else 7
    f(*(np.ones((rows, 32, 16), "f") for _ in range(3)))
    return f


def chain(depth: int) -> sn.Function:
    x = Variable("x", ("n",), "float64")
    y: Any = x
    for _ in range(depth):
        y = sn.sin(y / y.sum())
    f = compile([y, grad(y.sum(), x)])
    f(np.ones(1000))
    return f


SGD, ADAM = sn.optim.SGD(lr=0.1), sn.optim.Adam(lr=0.1)
WORKLOADS: dict[str, Callable[[], sn.Function]] = {
    "digits": lambda: network(64, 32, 10, batch=32, rule=SGD),
    "digits, any batch": lambda: network(64, 32, 10, batch="batch", rule=SGD),
    "mnist": lambda: network(784, 256, 128, 10, batch=128, rule=SGD),
    "mnist, any batch": lambda: network(784, 256, 128, 10, batch="batch", rule=SGD),
    "adam": lambda: network(784, 256, 128, 10, batch=128, rule=ADAM),
    "deep": lambda: network(*[64] * 12, 10, batch="batch", rule=SGD),
    "attention": lambda: attention(4),
    "attention, any batch": lambda: attention("batch"),
    "chain": lambda: chain(200),
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_little_more_than_the_lower_bound(name: str) -> None:
    memory = WORKLOADS[name]().memory
    assert memory.lower_bound <= memory.arena <= 1.05 * memory.lower_bound


def test_the_report_names_the_lines() -> None:
    step = network(64, 32, 10, batch="batch", rule=SGD)
    memory = step.memory
    assert memory.parameters == 4 * (64 * 32 + 32 + 32 * 10 + 10)
    assert memory.results == 4
    assert "test_memory.py" in str(memory) and f"{memory.arena:,} bytes" in str(memory)
    assert [b.bytes for b in memory.buffers] == sorted((b.bytes for b in memory.buffers), reverse=True)


def outer(**options: Any) -> sn.Function:
    x, y = Variable("x", ("n", 1), "float32"), Variable("y", ("m",), "float32")
    kept = Parameter([1.0], name="kept")
    z = sn.exp(x * y)
    return compile((z / z.sum()).sum(), updates={kept: kept + 1.0}, **options)


def test_a_bound_on_memory() -> None:
    f = outer(max_bytes=10_000)
    assert float(f(np.ones((3, 1), "f"), np.ones(4, "f"))) == pytest.approx(1.0)
    for _ in range(2):
        with pytest.raises(sn.OutOfMemory, match=r"480,\d* bytes .*test_memory\.py.*max_bytes=10,000"):
            f(np.ones((300, 1), "f"), np.ones(400, "f"))
    assert float(f(np.ones((5, 1), "f"), np.ones(6, "f"))) == pytest.approx(1.0)
    assert f.n_compiles == 1
    with pytest.raises(sn.ArgumentError, match="max_bytes"):
        outer(max_bytes=-1)
    with pytest.raises(sn.ArgumentError, match="native"):
        outer(max_bytes=1000, mode="interpret")


def test_more_memory_than_there_is() -> None:
    f = outer()
    with pytest.raises(MemoryError, match="more than there is"):
        f(np.broadcast_to(np.float32(1), (2**25, 1)), np.broadcast_to(np.float32(1), (2**25,)))
    assert float(f(np.ones((3, 1), "f"), np.ones(4, "f"))) == pytest.approx(1.0)


def test_sizes_that_overflow_are_refused() -> None:
    a, b = Variable("a", ("n", "k"), "float32"), Variable("b", ("m", "k"), "float32")
    f = compile(a @ b.T)
    empty = np.zeros((2**40, 0), "f")
    with pytest.raises(sn.OutOfMemory, match="more than there is"):
        f(empty, empty)
    np.testing.assert_array_equal(f(np.ones((2, 3), "f"), np.ones((1, 3), "f")), [[3.0], [3.0]])
