"""Random numbers: the published answers, what is drawn, that both modes draw the same, and that steps go on."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.ops.random import fraction, normal
from symnet.permutations import permuted, tables_shape
from symnet.random import Generator, philox

MODES = ["native", "interpret"]
TARGETS = ["host", "avx2", "portable"]
N = 200_000

# Random123 1.14, kat_vectors: counter, key, answer of philox4x32 with 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def int64(low: int, high: int) -> np.ndarray:
    return np.array(low | high << 32, np.uint64).astype(np.int64)


def drawn(expr: Any, mode: str = "native") -> np.ndarray:
    return sn.compile(expr, mode=mode)()


def exceeds(statistic: float, freedom: int) -> bool:
    """Whether a chi-square statistic is one of a thousand: Wilson and Hilferty's approximation."""
    spread = 2 / (9 * freedom)
    return ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread) > 3.09


def chi_square(counts: np.ndarray, expected: Any) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


def kolmogorov(sample: np.ndarray, distribution: Any) -> float:
    """sqrt(n) times the largest distance between the distributions; over 1.95 once in a thousand."""
    below = distribution(np.sort(sample.ravel().astype(np.float64)))
    steps = np.arange(below.size + 1) / below.size
    distance = max(np.abs(below - steps[1:]).max(), np.abs(below - steps[:-1]).max())
    return float(math.sqrt(below.size) * distance)


# -- the words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_published_answers(counter: Any, key: Any, answer: Any) -> None:
    operands = int64(*key), int64(*counter[:2]), int64(*counter[2:])
    assert tuple(map(int, philox(*operands))) == answer
    variables = [sn.Variable(name, (), "int64") for name in ("key", "low", "high")]
    for mode in MODES:
        assert tuple(map(int, sn.compile(philox(*variables), mode=mode)(*operands))) == answer


@pytest.mark.parametrize("target", TARGETS)
def test_published_answers_in_vectors(target: str) -> None:
    counters = [int64(*half) for counter, _, _ in KNOWN for half in (counter[:2], counter[2:])]
    low, high = np.tile(counters[::2], 7), np.tile(counters[1::2], 7)
    key = np.tile([int64(*key) for _, key, _ in KNOWN], 7)
    variables = [sn.Variable(name, ("n",), "int64") for name in ("key", "low", "high")]
    found = np.stack(sn.compile(philox(*variables), target=target)(key, low, high), -1)
    np.testing.assert_array_equal(found, np.tile([answer for _, _, answer in KNOWN], (7, 1)))


def test_a_draw_is_the_words_that_its_state_says() -> None:
    generator = Generator(seed=2**64 - 5)
    generator.uniform((3,))
    second = drawn(generator.uniform((2, 3), dtype="float64"))
    a, b, _, _ = philox(-5, np.arange(6) + (1 << 40), 0)
    np.testing.assert_array_equal(second.ravel(), (a * 2**21 + (b >> 11)) * 2.0**-53)


def test_positions_are_counted_and_not_kept() -> None:
    generator = Generator(seed=0)
    f = sn.compile(generator.permutation(3000))
    f()
    assert f.memory is not None and not any(n.shape == (3000,) and n.literal is not None for n in f.graph.live())


# -- modes, steps, seeds ---------------------------------------------------------------------------

DRAWS: dict[str, Any] = {
    "uniform": lambda g: g.uniform((7, 33)),
    "uniform-double": lambda g: g.uniform((301,), dtype="float64"),
    "uniform-range": lambda g: g.uniform((7, 33), -3.0, 7.1),
    "uniform-range-double": lambda g: g.uniform((5,), -1e3, 0.1, dtype=np.float64),
    "bernoulli": lambda g: g.bernoulli(0.3, (5, 1, 9)),
    "bernoulli-float": lambda g: g.bernoulli(0.3, 99, dtype="float32"),
    "randint": lambda g: g.randint(-5, 1000, (40, 3)),
    "randint-wide": lambda g: g.randint(-(2**31), 0, 99, dtype="int32"),
    "randint-one": lambda g: g.randint(4, 5),
    "permutation": lambda g: g.permutation(57),
    "long-permutation": lambda g: g.permutation(2003),
    "scalar": lambda g: g.uniform(),
    "none": lambda g: g.uniform((0, 3)),
    "no-places": lambda g: g.permutation(0),
}


@pytest.mark.parametrize("name", DRAWS)
def test_both_modes_draw_the_same_bits(name: str) -> None:
    native, twin = (sn.compile(DRAWS[name](Generator(seed=11)), mode=mode) for mode in MODES)
    for _ in range(3):
        found, wanted = native(), twin()
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_modes_draw_normals_within_8_units(dtype: str, target: str) -> None:
    generator = Generator(seed=3)
    draws = [generator.normal((300, 301), dtype=dtype), generator.uniform((3000,), -1.0, 3.1, dtype)]
    found, same = sn.compile(draws, target=target)()
    generator.reseed(3)
    wanted, uniform = sn.compile(draws, mode="interpret")()
    assert found.dtype == wanted.dtype == dtype
    assert (np.abs(found - wanted) <= 8 * np.spacing(np.abs(wanted))).all()
    np.testing.assert_array_equal(same, uniform)


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 6.661), ("float64", 9.420)])
def test_the_most_extreme_words(dtype: str, largest: float) -> None:
    lowest, highest = np.zeros(3, np.int64), np.full(3, 2**32 - 1)
    assert fraction((lowest, lowest), dtype).tolist() == [0.0] * 3
    assert fraction((highest, highest), dtype)[0] == np.nextafter(np.array(1, dtype), 0)
    np.testing.assert_allclose(normal((lowest,) * 4, dtype), largest, rtol=1e-4)
    np.testing.assert_array_equal(normal((highest,) * 4, dtype), 0.0)
    half = np.full(3, 2**31)
    np.testing.assert_allclose(normal((lowest, lowest, half, lowest), dtype), -largest, rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_every_call_is_a_step(mode: str) -> None:
    generator = Generator(seed=5)
    f = sn.compile(generator.uniform((50,)), mode=mode)
    first, second, third = f(), f(), f()
    assert generator.state.value.tolist() == [5, 0, 3]
    assert len(np.unique([first, second, third])) == 150
    generator.reseed(5)
    np.testing.assert_array_equal(f(), first)
    saved = generator.state.value.copy()
    np.testing.assert_array_equal(f(), second)
    generator.state.value = saved
    np.testing.assert_array_equal(f(), second)


@pytest.mark.parametrize("mode", MODES)
def test_steps_said_openly_and_steps_held(mode: str) -> None:
    generator = Generator(seed=5)
    draw = generator.randint(0, 1000, (20,))
    openly = sn.compile(draw, updates=generator.updates(), mode=mode)
    silently = sn.compile(draw, mode=mode)
    held = sn.compile(draw, updates={generator.state: generator.state}, mode=mode)
    first, second = openly(), silently()
    assert generator.state.value[2] == 2 and not np.array_equal(first, second)
    np.testing.assert_array_equal(held(), held())
    assert generator.state.value[2] == 2
    np.testing.assert_array_equal(held(), silently())


def test_an_update_that_reads_a_draw_advances_too() -> None:
    generator, w = Generator(seed=0), sn.Parameter(np.zeros(4))
    step = sn.compile(None, updates={w: w + generator.normal((4,), dtype="float64")})
    step()
    first = w.value.copy()
    step()
    assert not np.isclose(w.value, 2 * first).any() and generator.state.value[2] == 2


def test_draws_of_one_step_are_independent() -> None:
    generator = Generator(seed=8)
    f = sn.compile([generator.normal((N,)), generator.normal((N,)), generator.uniform((N,))])
    samples = [*f(), *f(), drawn(generator.normal((N,))), drawn(Generator(seed=9).normal((N,)))]
    correlations = np.corrcoef(samples) - np.eye(len(samples))
    assert np.abs(correlations).max() < 4.5 / math.sqrt(N)
    # Neighbours in one draw, too.
    assert abs(np.corrcoef(samples[0][1:], samples[0][:-1])[0, 1]) < 4.5 / math.sqrt(N)


def test_the_same_program_and_seed_draw_the_same() -> None:
    def program() -> list[np.ndarray]:
        generator = Generator(seed=77)
        f = sn.compile([generator.uniform((5,)), generator.permutation(9), generator.bernoulli(0.5, (6,))])
        return [*f(), *f()]

    for a, b in zip(program(), program(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert Generator().seed != Generator().seed


@pytest.mark.parametrize("mode", MODES)
def test_named_sizes(mode: str) -> None:
    x = sn.Variable("x", ("batch", 3), "float32")
    generator = Generator(seed=1)
    noise = generator.uniform((x.shape[0], 2))
    f = sn.compile([x + generator.normal(x.shape), noise], inputs=[x], mode=mode)
    for batch in (0, 1, 4, 100):
        moved, other = f(np.zeros((batch, 3), np.float32))
        assert moved.shape == (batch, 3) and other.shape == (batch, 2)
    assert f.n_compiles <= 2
    with pytest.raises(sn.ShapeError, match="batch"):
        sn.compile(noise, mode=mode)()


# -- distributions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_uniform(mode: str, dtype: str) -> None:
    sample = drawn(Generator(seed=21).uniform((400, N // 400), dtype=dtype), mode)
    assert sample.min() >= 0 and sample.max() < 1
    assert sample.mean(dtype=np.float64) == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / N))
    assert sample.var(dtype=np.float64) == pytest.approx(1 / 12, rel=0.01)
    assert kolmogorov(sample, lambda x: x) < 1.95
    assert not exceeds(chi_square(np.histogram(sample, 100, (0, 1))[0], N / 100), 99)


def test_uniform_numbers_stay_below_high() -> None:
    # In float32 there are 2**23 numbers from 1 to 2, and 2**24 results: half of them round.
    sample = drawn(Generator(seed=0).uniform((1 << 22,), 1.0, 1.0 + 2**-20))
    assert set(np.unique(sample)) == {np.float32(1 + k * 2**-23) for k in range(8)}
    assert set(drawn(Generator(seed=0).uniform((9,), 2.5, 2.5))) == {2.5}
    assert set(drawn(Generator(seed=0).uniform((9,), 1.0, 1.0 + 1e-12))) == {1.0}
    scaled = drawn(Generator(seed=0).uniform((N,), -4.0, 2.0, "float64"))
    assert kolmogorov(scaled, lambda x: (x + 4) / 6) < 1.95


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_normal(mode: str, dtype: str) -> None:
    sample = drawn(Generator(seed=33).normal((N,), dtype=dtype), mode).astype(np.float64)
    moments = [np.mean(sample**k) for k in range(1, 5)]
    deviations = [math.sqrt(v / N) for v in (1, 2, 15, 96)]
    for found, wanted, deviation in zip(moments, (0, 1, 0, 3), deviations, strict=True):
        assert abs(found - wanted) < 4 * deviation
    erf = np.vectorize(math.erf)
    assert kolmogorov(sample, lambda x: (1 + erf(x / math.sqrt(2))) / 2) < 1.95
    assert 4 < np.abs(sample).max() < 6.7
    moved = drawn(Generator(seed=33).normal((N,), 5.0, 0.5, dtype), mode)
    np.testing.assert_allclose(moved, sample * 0.5 + 5.0, rtol=1e-6)


@pytest.mark.parametrize("p", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_bernoulli(p: float) -> None:
    hits = int(drawn(Generator(seed=4).bernoulli(p, (N,))).sum())
    assert abs(hits - p * N) <= 4 * math.sqrt(p * (1 - p) * N)


def test_probabilities_and_moments_may_be_symbolic() -> None:
    p, std = sn.Variable("p", (3,), "float64"), sn.Parameter(2.0)
    generator = Generator(seed=4)
    x = sn.Variable("x", ("batch",), "float64")
    f = sn.compile(generator.bernoulli(p, (x.shape[0], 3)).mean(axis=0), inputs=[p, x])
    np.testing.assert_allclose(f([0.1, 0.5, 0.8], np.zeros(N)), [0.1, 0.5, 0.8], atol=0.005)
    noise = generator.normal((N,), 1.0, std, "float64")
    value, slope = sn.compile([noise, sn.grad(noise.sum(), [std])[0]])()
    assert slope == pytest.approx(((value - 1.0) / 2.0).sum())
    with pytest.raises(sn.ShapeError):
        generator.bernoulli(p, (4,))


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-3, 4), (10, 110)])
def test_integers_are_equally_likely(low: int, high: int) -> None:
    sample = drawn(Generator(seed=6).randint(low, high, (N,)))
    assert sample.min() >= low and sample.max() < high
    counts = np.bincount(sample - low, minlength=high - low)
    assert not exceeds(chi_square(counts, N / (high - low)), high - low - 1)


def test_integers_are_64_bits_times_the_range() -> None:
    a, b, _, _ = philox(12, np.arange(1000), 0)
    for low, high in ((0, 2**31), (-(2**31), -1), (5, 10**9)):
        wanted = [low + (((x << 32) + y) * (high - low) >> 64) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
        assert drawn(Generator(seed=12).randint(low, high, (1000,))).tolist() == wanted


def test_permutations_are_equally_likely() -> None:
    generator = Generator(seed=2)
    f = sn.compile([generator.permutation(4) for _ in range(24)])
    counts = dict.fromkeys(permutations(range(4)), 0)
    for _ in range(100):
        for order in f():
            counts[tuple(order.tolist())] += 1
    assert not exceeds(chi_square(np.array(list(counts.values())), 100.0), 23)
    long = drawn(generator.permutation(5000))
    np.testing.assert_array_equal(np.sort(long), np.arange(5000))
    assert abs(np.corrcoef(long, np.arange(5000))[0, 1]) < 4 / math.sqrt(5000)


def test_the_rounds_of_long_permutations_make_all_orders_equally_likely() -> None:
    """As few numbers that all orders can be counted; of 5, a sixth stands in the grid."""
    for n in (4, 5):
        f = sn.compile(permuted(sn.Variable("words", tables_shape(n), "int64"), n))
        counts = dict.fromkeys(permutations(range(n)), 0)
        for words in np.random.default_rng(n).integers(0, 2**32, (100 * len(counts), *tables_shape(n))):
            counts[tuple(f(words).tolist())] += 1
        assert not exceeds(chi_square(np.array(list(counts.values())), 100.0), len(counts) - 1)


@pytest.mark.parametrize("n", [1025, 1156, 1999, 60_000])
def test_long_permutations_hold_every_number_once(n: int) -> None:
    f = sn.compile(Generator(seed=1).permutation(n))
    first, second = f(), f()
    assert not np.array_equal(first, second)
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        # Neither places nor neighbours tell anything: sums of n terms within 4.5 standard deviations.
        assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 4.5 / math.sqrt(n)
        assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4.5 / math.sqrt(n)
        assert abs((np.diff(order) > 0).sum() - (n - 1) / 2) < 4.5 * math.sqrt(n / 12)
        assert (order == np.arange(n)).sum() < 10


@pytest.mark.parametrize("mode", MODES)
def test_rows_shuffled_inside_a_function(mode: str) -> None:
    x = sn.Variable("x", (50, 2), "int64")
    f = sn.compile(sn.take(x, Generator(seed=0).permutation(50), 0), mode=mode)
    rows = np.arange(100).reshape(50, 2)
    first, second = f(rows), f(rows)
    assert not np.array_equal(first, second) and not np.array_equal(first, rows)
    for shuffled in (first, second):
        np.testing.assert_array_equal(shuffled[np.argsort(shuffled[:, 0])], rows)


# -- bad input -------------------------------------------------------------------------------------

BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda g: g.uniform((3, -1)), sn.ShapeError, "axis 1 of shape has -1"),
    (lambda g: g.normal((2.5,)), sn.ShapeError, "axis 0 of shape has 2.5"),
    (lambda g: g.uniform((True,)), sn.ShapeError, "True"),
    (lambda g: g.uniform("batch"), sn.ArgumentError, "'batch'"),
    (lambda g: g.uniform(None), sn.ArgumentError, "None"),
    (lambda g: g.uniform((), 2.0, 1.0), sn.ArgumentError, "low <= high"),
    (lambda g: g.uniform((), 0.0, math.inf), sn.ArgumentError, "finite"),
    (lambda g: g.uniform((), 0.0, 1e300), sn.ArgumentError, "finite number of float32"),
    (lambda g: g.uniform((), -1.5e308, 1.5e308, "float64"), sn.ArgumentError, "finitely"),
    (lambda g: g.uniform((), "0"), sn.ArgumentError, "'0'"),
    (lambda g: g.uniform((), dtype="int32"), sn.DTypeError, "int32; expected one of float32, float64"),
    (lambda g: g.normal((), dtype="bool"), sn.DTypeError, "bool"),
    (lambda g: g.normal((), dtype="float16"), sn.DTypeError, "float16"),
    (lambda g: g.normal((), std=-1.0), sn.ArgumentError, "-1.0; expected a number >= 0"),
    (lambda g: g.normal((), mean=math.nan), sn.ArgumentError, "nan"),
    (lambda g: g.bernoulli(1.5), sn.ArgumentError, "1.5; expected a number from 0 to 1"),
    (lambda g: g.bernoulli(-0.1), sn.ArgumentError, "-0.1"),
    (lambda g: g.bernoulli(math.nan), sn.ArgumentError, "nan"),
    (lambda g: g.bernoulli("0.5"), sn.ArgumentError, "'0.5'"),
    (lambda g: g.bernoulli(0.5, dtype="complex64"), sn.DTypeError, "complex64"),
    (lambda g: g.randint(3, 3), sn.ArgumentError, "low < high"),
    (lambda g: g.randint(0, 2**31 + 1), sn.ArgumentError, r"2\*\*31"),
    (lambda g: g.randint(0.0, 4), sn.ArgumentError, "0.0; expected an int"),
    (lambda g: g.randint(0, 4, dtype="float32"), sn.DTypeError, "float32; expected int32 or int64"),
    (lambda g: g.randint(2**31, 2**31 + 4, dtype="int32"), sn.OverflowInArgument, "int32"),
    (lambda g: g.permutation(-1), sn.ArgumentError, "-1"),
    (lambda g: g.permutation(2**30 + 1), sn.ArgumentError, "1073741824"),
    (lambda g: g.permutation(3.0), sn.ArgumentError, "3.0"),
    (lambda g: Generator(-1), sn.ArgumentError, "-1; expected an int from 0"),
    (lambda g: Generator(2**64), sn.ArgumentError, "18446744073709551616"),
    (lambda g: Generator(1.5), sn.ArgumentError, "1.5"),
    (lambda g: g.reseed("a"), sn.ArgumentError, "'a'"),
    (lambda g: philox(1.5, 0, 0), sn.DTypeError, "key of philox has dtype float"),
    (lambda g: philox(0, 0, True), sn.DTypeError, "high of philox has dtype bool"),
]


@pytest.mark.parametrize(("use", "error", "text"), BAD)
def test_bad_input_is_refused(use: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        use(Generator(seed=0))


def test_a_generator_has_only_so_many_draws() -> None:
    generator = Generator(seed=0)
    generator._draws = 2**23 - 1
    drawn(generator.uniform())
    with pytest.raises(sn.ArgumentError, match="another Generator"):
        generator.uniform()


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_every_step_of_a_loop_draws_anew(mode: str) -> None:
    """The steps have the rows of one draw of all steps, in one loop or in two."""
    x = sn.Variable("x", ("n", "m"), "float32")
    inside, outside = sn.random.Generator(seed=3), sn.random.Generator(seed=3)
    zero = sn.Constant(np.float32(0))

    def row(total: Any, values: Any) -> tuple[Any, Any]:
        return sn.scan(lambda s, v: (s + v, inside.normal((2,))), total, values)  # type: ignore[no-any-return]

    _, once = sn.scan(lambda s, r: (s, inside.uniform(r.shape)), zero, x, reverse=True)
    _, nested = sn.scan(row, zero, x)
    _, rows = sn.scan(lambda s, r: (s, sn.scan(row, s, x)[1]), zero, x)
    f = sn.compile([once, nested, rows], mode=mode)
    n, m = x.shape
    g = sn.compile([outside.uniform((n, m)), outside.normal((n, m, 2)), outside.normal((n, n, m, 2))], [x], mode=mode)
    given = np.zeros((4, 3), "f")
    seen = []
    for _ in range(2):
        found, wanted = f(given), g(given)
        for a, b in zip([found[0][::-1], *found[1:]], wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        seen += [a.ravel() for a in found]
    assert len(np.unique(np.concatenate(seen))) > 0.99 * sum(map(len, seen))
    np.testing.assert_array_equal(inside.state.value, [3, 0, 2])


def drawing_loops(mode: str) -> list[Any]:
    generator = sn.random.Generator(seed=5)
    zero = sn.Constant(np.float32(0))
    last, steps = sn.while_loop(lambda c: c < 3, lambda c: c + generator.uniform(()), zero, 20)
    words = sn.scan(lambda c, _: (c, generator.randint(0, 1000, (3,))), last, length=4)[1]
    f = sn.compile([last, steps, words], mode=mode)
    return [*f(), *f()]


def test_draws_in_loops_are_the_same_native_and_interpreted() -> None:
    found = drawing_loops("native")
    for a, b in zip(found, drawing_loops("interpret"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert 3 < int(found[1]) < 20 and len(np.unique([found[2], found[5]])) > 20


def test_a_draw_that_a_loop_captures_is_the_same_at_every_step() -> None:
    draw = sn.random.Generator(seed=0).normal(())
    total, _ = sn.scan(lambda s, _: (s + draw, None), sn.Constant(np.float32(0)), length=4)
    found, one = sn.compile([total, draw])()
    np.testing.assert_allclose(found, 4 * one, rtol=1e-6)
