"""Random programs: native code gives what numpy gives, at every size of the named dims and for every target.

A program is a list of steps, each drawn with the values there are so far. It is run three times: on
Variables, giving a graph; on arrays, where symnet's functions compute with numpy at once; and natively.
Inputs are small whole numbers, so that much arithmetic is exact: exact values must agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import symnet as sn
from symnet import Parameter, Variable, compile, grad

Step = Callable[[list[Any]], Any]
FLOATS = ("float32", "float64")
SHAPES: list[tuple[int | str, ...]] = [
    (),
    (1,),
    ("n",),
    (5,),
    ("n", 3),
    (3, "m"),
    ("n", 1, 2),
    (2, "m", 3),
    ("n", "n"),
    (0, 2),
]
SMOOTH = ("exp", "tanh", "sigmoid", "sin", "cos", "softplus", "erf", "log1p", "expm1")
EXACT_UNARY = ("negative", "abs", "sign", "floor", "ceil", "relu")
EXACT_BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
COMPARE = ("equal", "less", "greater_equal")


@dataclass
class Value:
    """A value on Variables and on the arrays drawn; `exact` if numpy and native code must agree to the bit."""

    symbol: Any
    array: np.ndarray
    exact: bool


class Program:
    """Draws steps; keeps every one, to be applied again to other arrays."""

    def __init__(self, draw: Any, dtypes: tuple[str, ...], smooth: bool = False) -> None:
        self.draw, self.smooth = draw, smooth
        self.inputs: list[Variable] = []
        self.values: list[Value] = []
        self.steps: list[Step] = []
        for k in range(draw(st.integers(1, 3))):
            shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(dtypes))
            self.inputs.append(Variable(f"x{k}", shape, dtype))
            self.values.append(Value(self.inputs[-1], self.data(self.inputs[-1], {"n": 3, "m": 2}, k), True))
        for _ in range(draw(st.integers(1, 9))):
            self.grow()

    def data(self, variable: Variable, sizes: dict[str, int], seed: int) -> np.ndarray:
        shape = tuple(n if isinstance(n, int) else sizes[str(n)] for n in variable.shape)
        return np.random.default_rng(seed).integers(-4, 5, shape).astype(variable.dtype)

    def arrays(self, sizes: dict[str, int], seed: int) -> list[np.ndarray]:
        return [self.data(v, sizes, seed + k) for k, v in enumerate(self.inputs)]

    def run(self, arrays: list[Any]) -> list[Any]:
        values = list(arrays)
        for step in self.steps:
            values.append(step(values))
        return values

    # -- growing -------------------------------------------------------------------------------

    def grow(self) -> None:
        place = self.draw(st.integers(0, len(self.values) - 1))
        kinds = [self.unary, self.binary, self.reduction, self.movement]
        if not self.smooth:
            kinds += [self.indexing, self.cast]
        kinds += [self.product, self.network]
        made = self.draw(st.sampled_from(kinds))(place)
        if made is not None:
            self.add(*made)

    def add(self, step: Step, exact: bool) -> None:
        array = np.asarray(step([v.array for v in self.values]))
        # Beyond this, sums of floats are not exact any more, and errors of exp and the like grow.
        large = array.size and array.dtype.kind in "iuf" and not np.abs(array).max() < (1e5 if exact else 1e3)
        if large or array.ndim > 5 or array.size > 4000:
            return
        symbol = step([v.symbol for v in self.values])
        self.values.append(Value(symbol, array, exact))
        self.steps.append(step)

    def of(self, place: int) -> Value:
        return self.values[place]

    def unary(self, place: int) -> tuple[Step, bool] | None:
        value = self.of(place)
        if value.array.dtype.kind == "b":
            return None
        if self.smooth or self.draw(st.booleans()):
            name = self.draw(st.sampled_from(SMOOTH))
            function = getattr(sn, name)
            inner = (lambda x: x * x) if name == "log1p" else (lambda x: x)
            return (lambda vs: function(inner(vs[place]))), False
        # What jumps is applied to exact values only.
        function = getattr(sn, self.draw(st.sampled_from(EXACT_UNARY)))
        return ((lambda vs: function(vs[place])), True) if value.exact else None

    def binary(self, place: int) -> tuple[Step, bool] | None:
        a = self.of(place)
        fitting = [k for k, b in enumerate(self.values) if b.symbol.shape in (a.symbol.shape, (), (1,))]
        other = self.draw(st.sampled_from(fitting))
        exact = a.exact and self.of(other).exact
        kind = self.draw(st.sampled_from(["arithmetic", "divide", "compare", "where"]))
        if kind == "divide":
            return (lambda vs: vs[place] / (vs[other] * vs[other] + 1)), False
        if kind == "arithmetic" or self.smooth:
            smooth = self.smooth and not exact
            function = getattr(sn, self.draw(st.sampled_from(EXACT_BINARY[: 3 if smooth else 5])))
            bools = {a.array.dtype.kind, self.of(other).array.dtype.kind} == {"b"}
            return None if bools else ((lambda vs: function(vs[place], vs[other])), exact)
        if not exact:
            return None
        if kind == "compare":
            function = getattr(sn, self.draw(st.sampled_from(COMPARE)))
            return (lambda vs: function(vs[place], vs[other])), True
        return (lambda vs: sn.where(vs[place] > 0, vs[other], vs[place])), True

    def reduction(self, place: int) -> tuple[Step, bool] | None:
        value = self.of(place)
        names = ["sum", "mean"] + (["max", "min", "argmax"] if value.exact and not self.smooth else [])
        name, keep = self.draw(st.sampled_from(names)), self.draw(st.booleans())
        rank = value.array.ndim
        if name in ("max", "min", "argmax") and (0 in value.array.shape or value.array.dtype.kind == "b" or not rank):
            return None
        if name == "mean" and 0 in value.array.shape:
            return None
        axis: Any = self.draw(st.one_of(st.none(), st.integers(-rank, rank - 1))) if rank else None
        if name == "argmax":
            axis = rank - 1
        elif rank > 1 and self.draw(st.booleans()):
            axis = (0, rank - 1)
        function = getattr(sn, name)
        return (lambda vs: function(vs[place], axis=axis, keepdims=keep)), value.exact and name != "mean"

    def movement(self, place: int) -> tuple[Step, bool] | None:
        value, rank = self.of(place), self.of(place).array.ndim
        steps: list[Step] = [lambda vs: sn.expand_dims(vs[place], -1), lambda vs: sn.reshape(vs[place], (-1,))]
        steps.append(lambda vs: sn.stack([vs[place], vs[place]], 0))
        if rank:
            steps += [lambda vs: vs[place][::-1], lambda vs: vs[place][..., 1:], lambda vs: vs[place][None, -2:]]
            steps += [lambda vs: sn.concatenate([vs[place], vs[place][:1]], 0)]
            steps += [lambda vs: sn.transpose(vs[place]), lambda vs: sn.broadcast_to(vs[place], (2, *vs[place].shape))]
            steps += [lambda vs: sn.reshape(vs[place][::-1], vs[place].shape[::-1])]
            steps += [lambda vs: sn.reshape(vs[place][1:], (-1,)), lambda vs: sn.reshape(vs[place][..., ::-1], (1, -1))]
            steps += [lambda vs: sn.reshape(sn.transpose(vs[place]), vs[place].shape)]
            steps += [lambda vs: sn.reshape(sn.broadcast_to(vs[place], (2, *vs[place].shape)), (*vs[place].shape, 2))]
            if value.array.size:
                steps.append(lambda vs: vs[place] + vs[place][(-1,) * rank])
            if value.array.dtype.kind != "b":
                steps.append(lambda vs: sn.pad(vs[place], (1, 2)))
        return self.draw(st.sampled_from(steps)), value.exact

    def indexing(self, place: int) -> tuple[Step, bool] | None:
        value = self.of(place)
        if not value.array.ndim or value.array.shape[0] < 2:
            return None
        picks = self.draw(st.sampled_from([[0], [1, 0, 1], [-1, -2], [[0, 1], [1, 1]]]))
        return (lambda vs: sn.take(vs[place], np.array(picks), 0)), value.exact

    def cast(self, place: int) -> tuple[Step, bool] | None:
        dtype = self.draw(st.sampled_from(["float32", "float64", "int32", "int64"]))
        value = self.of(place)
        return ((lambda vs: sn.cast(vs[place], dtype)), True) if value.exact else None

    def product(self, place: int) -> tuple[Step, bool] | None:
        value = self.of(place)
        if value.array.ndim < 2 or value.array.dtype.kind == "b":
            return None
        swapped = (*range(value.array.ndim - 2), value.array.ndim - 1, value.array.ndim - 2)
        forms: list[Step] = [
            lambda vs: vs[place] @ sn.transpose(vs[place], swapped),
            lambda vs: sn.transpose(vs[place], swapped) @ vs[place],
        ]
        return self.draw(st.sampled_from(forms)), value.exact

    def network(self, place: int) -> tuple[Step, bool] | None:
        value = self.of(place)
        if not value.array.ndim or value.array.dtype.kind != "f" or 0 in value.array.shape:
            return None
        function = getattr(sn, self.draw(st.sampled_from(["softmax", "log_softmax"])))
        return (lambda vs: function(vs[place], axis=-1)), False


# Ways to make a vector of two, for updates and loops, which store new values over old ones.
MIXES: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: sn.tanh(a * b),
    "sine": lambda a, b: sn.sin(a) - b,
    "flip": lambda a, b: a[::-1],
    "sum of a flip": lambda a, b: a + b[::-1],
    "flip between reshapes": lambda a, b: b * a.reshape((1, -1))[:, ::-1].reshape((-1,)),
    "shift": lambda a, b: b - sn.pad(a[:-1], (1, 0)),
    "element": lambda a, b: a + b[-1],
    "first elements": lambda a, b: a * b[:1],
    "taken": lambda a, b: a - sn.take(b, np.array([0])),
    "total": lambda a, b: a - 0.1 * b.sum(),
    "sorted": lambda a, b: sn.sort(a + b),
    "rotated": lambda a, b: sn.concatenate([a[1:], b[:1]]),
}
PLACES = st.integers(0, 8)
MIXED = st.lists(st.tuples(st.sampled_from(sorted(MIXES)), PLACES, PLACES), min_size=1, max_size=6)
PICKS = st.lists(PLACES, min_size=3, max_size=3)
LENGTHS = st.sampled_from([1, 3, 9, 17, 33])
TURNED = [("element", 0, 0), ("element", 0, 0), ("flip between reshapes", 0, 0), ("rotated", 0, 5)]


def mixed(steps: list[tuple[str, int, int]], picks: list[int], *given: Any) -> list[Any]:
    """Some of the values that some steps make."""
    values = list(given)
    for name, a, b in steps:
        values.append(MIXES[name](values[a % len(values)], values[b % len(values)]))
    return [values[-1 - k % len(values)] for k in picks]


def assert_agree(found: Any, wanted: Any, exact: bool, scale: float, error: float) -> None:
    wanted = np.asarray(wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    if exact or found.dtype.kind in "biu":
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found, wanted, rtol=error, atol=error * scale)


def scale_of(values: list[Any]) -> float:
    numbers = [np.abs(np.asarray(v, "float64")) for v in values]
    return float(max([1.0, *(n.max() for n in numbers if n.size)]))


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@given(st.data())
def test_native_is_numpy(target: str, data: st.DataObject) -> None:
    program = Program(data.draw, ("float32", "float64", "int32", "int64", "bool"))
    outputs = [v.symbol for v in program.values[len(program.inputs) :]]
    kept = Parameter(np.zeros(()), name="kept")
    total = sum((sn.cast(sn.sum(y), "float64") for y in outputs), start=kept * 0.5)
    f = compile(outputs, inputs=program.inputs, updates={kept: total}, target=target)
    for sizes in ({"n": 3, "m": 2}, {"n": 17, "m": 33}, {"n": 2, "m": 5}):
        before, arrays = float(kept.value), program.arrays(sizes, sum(sizes.values()))
        try:
            values = program.run(arrays)
        except sn.SymnetError as error:
            # Such as an index that is inside at other sizes: native code must refuse it too.
            with pytest.raises(type(error)):
                f(*arrays)
            continue
        wanted, scale = values[len(arrays) :], scale_of(values)
        error = 2e-4 if any(np.asarray(v).dtype == np.float32 for v in values) else 1e-10
        for found, right, value in zip(f(*arrays), wanted, program.values[len(arrays) :], strict=True):
            assert_agree(found, right, value.exact and scale < 1e6, scale, error)
        sums = 0.5 * before + sum(float(np.sum(w, dtype="float64")) for w in wanted)
        np.testing.assert_allclose(kept.value, sums, rtol=1e-3, atol=1e-3 * scale * 100)


@given(st.data())
def test_gradients_are_slopes(data: st.DataObject) -> None:
    program = Program(data.draw, ("float64",), smooth=True)
    loss = sum(
        (sn.mean(sn.tanh(v.symbol * 0.1)) for v in program.values if 0 not in v.array.shape), start=sn.Constant(0.0)
    )
    f = compile([loss, *grad(loss, program.inputs, unconnected="zero")], inputs=program.inputs)
    rng = np.random.default_rng(0)
    # Away from the kinks of maximum and minimum.
    arrays = [v.array + 0.37 * rng.standard_normal(v.array.shape) for v in program.values[: len(program.inputs)]]
    directions = [rng.standard_normal(a.shape) for a in arrays]
    _, *slopes = f(*arrays)
    ahead, behind = (f(*(a + step * d for a, d in zip(arrays, directions, strict=True)))[0] for step in (1e-6, -1e-6))
    along = sum(float(np.sum(g * d)) for g, d in zip(slopes, directions, strict=True))
    np.testing.assert_allclose(along, (ahead - behind) / 2e-6, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@example([("element", 0, 0), ("sorted", 1, 2)], [0, 1, 0], 3)  # a kernel that writes over what it reads later
@given(MIXED, PICKS, LENGTHS)
def test_updates_read_old_values(target: str, steps: Any, picks: list[int], n: int) -> None:
    old = [np.random.default_rng(n + k).normal(size=n) for k in range(2)]
    p, q = map(Parameter, old)
    new_p, new_q, result = mixed(steps, picks, p, q)
    f = compile(result, updates={p: new_p, q: new_q}, target=target)
    for _ in range(2):
        *new, wanted = mixed(steps, picks, *old)
        for found, right in zip((f(), p.value, q.value), (wanted, *new), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9 * scale_of([right]))
        old = new


@pytest.mark.parametrize("target", ["host", "avx2", "portable"])
@example(TURNED, [0, 0, 0], 3, False)  # a quotient of indices, in lanes, in a loop that runs once
@given(MIXED, PICKS, LENGTHS, st.booleans())
def test_loops_read_old_carries(target: str, steps: Any, picks: list[int], n: int, differentiate: bool) -> None:
    def step(carries: Any, x: Any) -> Any:
        a, b, y = mixed(steps, picks, *carries, x)
        return (a, b), y

    arrays = [np.random.default_rng(n + k).normal(size=shape) for k, shape in enumerate([n, n, (3, n)])]
    inputs = [Variable(name, array.shape, "float64") for name, array in zip("abx", arrays, strict=True)]
    (a, b), ys = sn.scan(step, tuple(inputs[:2]), inputs[2])
    wanted = [a, b, ys]
    if differentiate:
        total = sum((sn.sin(y).sum() for y in wanted), start=sn.Constant(0.0))
        wanted = grad(total, inputs, unconnected="zero")
    native = compile(wanted, inputs=inputs, target=target)
    oracle = compile(wanted, inputs=inputs, mode="interpret", pipeline=[])
    for found, right in zip(native(*arrays), oracle(*arrays), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-7, atol=1e-9 * scale_of([right]))
