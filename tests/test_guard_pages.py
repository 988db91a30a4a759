"""Native code never touches memory outside its buffers: arrays that end where the readable memory ends.

Each case runs in a process of its own, since a fault kills it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from symnet.codegen.targets import host

if sys.platform != "linux":
    pytest.skip("guard pages are made with Linux' mmap and mprotect", allow_module_level=True)

SCRIPT = """
import ctypes, mmap, sys
import numpy as np
import symnet as sn

libc = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE

def guarded(array, before):
    '''A copy of an array with an unreadable page right behind it (or right before it).'''
    pages = -(-max(array.nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    wall = start if before else start + pages * PAGE
    assert libc.mprotect(ctypes.c_void_p(wall), PAGE, 0) == 0
    place = start + PAGE if before else wall - array.nbytes
    raw = (ctypes.c_char * array.nbytes).from_address(place)
    copy = np.frombuffer(raw, array.dtype).reshape(array.shape)
    copy[...] = array
    kept.append(memory)
    return copy

kept = []
rng = np.random.default_rng(0)
m, n, target = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
precision = sys.argv[4] if len(sys.argv) > 4 else None
x = sn.Variable("x", shape=("m", "n"), dtype="float32")
w = sn.Variable("w", shape=("n", "k"), dtype="float32")
i = sn.Variable("i", shape=("m",), dtype="int64")
v = sn.Variable("v", shape=("k", "n"), dtype="float32")
known_x = sn.Variable("known_x", shape=(m, n), dtype="float32")
known_v = sn.Variable("known_v", shape=(5, n), dtype="float32")
known_w = sn.Variable("known_w", shape=(n, 5), dtype="float32")
programs = {
    "map": sn.tanh(x) * 2.0 + 1.0,
    "rows": sn.softmax(x),
    "columns": sn.sum(x, axis=0),
    "all": sn.mean(x),
    "position": sn.argmax(x, axis=1),
    "transpose": sn.transpose(x) + 0.0,
    "slices": sn.concatenate([x[:, ::-1], x], 1)[::2],
    "pad": sn.pad(x, ((1, 2), (3, 0))),
    "bool": (x > 0.0),
    "product": sn.relu(x @ w),
    "gradient": sn.grad((x @ w).sum(), [x, w]),
    "turned": x @ v.T,
    "turned, known sizes": known_x @ known_v.T,
    "product, known sizes": known_x @ known_w,
    "labels": sn.grad(sn.cross_entropy(x, i), x),
    "rows by number": sn.take(x, i, 0),
}
arrays = {
    "x": rng.standard_normal((m, n)).astype("f"),
    "w": rng.standard_normal((n, 5)).astype("f"),
    "v": rng.standard_normal((5, n)).astype("f"),
    "known_x": rng.standard_normal((m, n)).astype("f"),
    "known_v": rng.standard_normal((5, n)).astype("f"),
    "known_w": rng.standard_normal((n, 5)).astype("f"),
    "i": rng.integers(0, min(m, n), m),
}
for name, expression in programs.items():
    f = sn.compile(expression, target=target, precision=precision)
    g = sn.compile(expression, mode="interpret", precision=precision)
    used = {v.name: arrays[v.name] for v in f.inputs}
    wanted = g(**used)
    for before in (False, True):
        fenced = {k: guarded(a, before) for k, a in used.items()}
        if isinstance(wanted, list):
            out = [guarded(np.zeros_like(a), before) for a in wanted]
        else:
            out = guarded(np.zeros_like(wanted), before)
        f(**fenced, out=out)
        for found, right in zip(out if isinstance(out, list) else [out], wanted if isinstance(wanted, list) else [wanted]):
            assert np.allclose(found, right, atol=1e-4), name
print("all inside")
"""


@pytest.mark.parametrize("target", ["host", "portable"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 7), (6, 16), (13, 33), (64, 64), (7, 100)])
def test_nothing_outside_is_touched(m: int, n: int, target: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(m), str(n), target], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0 and "all inside" in run.stdout, run.stderr[-2000:]


@pytest.mark.parametrize("target", ["host", "portable"])
@pytest.mark.parametrize(("m", "n"), [(3, 7), (13, 33), (64, 64)])
def test_strips_stay_inside(m: int, n: int, target: str) -> None:
    """The same with every product in packed strips, which otherwise only large ones are."""
    forced = """
from symnet.codegen import schedule
schedule.PACKED_ROWS, schedule._strip_pays = 1, lambda *known: True
"""
    run = subprocess.run(
        [sys.executable, "-c", forced + SCRIPT, str(m), str(n), target],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0 and "all inside" in run.stdout, run.stderr[-2000:]


@pytest.mark.skipif(not host().has_bf16, reason="this processor has no bfloat16 products")
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 7), (8, 9), (13, 33), (64, 64), (9, 101)])
def test_pairs_stay_inside(m: int, n: int) -> None:
    forced = "from symnet.passes import round_products\nround_products.FEWEST = 1\n"
    run = subprocess.run(
        [sys.executable, "-c", forced + SCRIPT, str(m), str(n), "host", "bf16"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0 and "all inside" in run.stdout, run.stderr[-2000:]


def test_the_fence_bites() -> None:
    """A planted fault: reading one element too many must kill the process."""
    planted = (
        SCRIPT.split("rng =")[0] + "a = guarded(np.zeros(4), False)\nctypes.string_at(a.ctypes.data, a.nbytes + 1)\n"
    )
    run = subprocess.run([sys.executable, "-c", planted], capture_output=True, timeout=300, check=False)
    assert run.returncode < 0
