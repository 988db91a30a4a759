"""Bad input: one clear exception naming what was met and expected; nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import Constant, Parameter, Variable, compile, grad


@pytest.fixture(params=["native", "interpret"])
def f(request: pytest.FixtureRequest) -> sn.Function:
    x = Variable("x", shape=("batch", 3), dtype="float32")
    y = Variable("y", shape=("batch",), dtype="int64")
    return compile(x.sum(axis=1) + y, mode=str(request.param))


X, Y = np.ones((2, 3), "f"), np.zeros(2, "int64")

BAD_CALLS: list[tuple[str, Callable[[sn.Function], Any], type[Exception], str]] = [
    ("missing", lambda f: f(X), TypeError, "missing argument 'y'"),
    ("unknown", lambda f: f(X, Y, z=1), TypeError, "unknown argument 'z'.*expected x, y"),
    ("twice", lambda f: f(X, x=X, y=Y), TypeError, "'x' is given twice"),
    ("too many", lambda f: f(X, Y, Y), TypeError, "3 positional arguments for 2"),
    ("rank", lambda f: f(X[0], Y), ValueError, r"'x'.*expected shape \(batch, 3\), got \(3,\)"),
    ("size", lambda f: f(np.ones((2, 4), "f"), Y), ValueError, r"'x'.*expected shape \(batch, 3\), got \(2, 4\)"),
    (
        "two sizes",
        lambda f: f(X, np.zeros(5, "int64")),
        ValueError,
        r"'batch' is 2 in argument 'x' \(declared at .*\) and 5 in argument 'y'",
    ),
    ("kind", lambda f: f(X, Y + 0.5), TypeError, "'y'.*expected int64, got float64"),
    ("complex", lambda f: f(X * 1j, Y), TypeError, "'x'.*complex64"),
    ("text", lambda f: f("abc", Y), TypeError, "'x'.*expected numbers, got str"),
    ("object", lambda f: f(object(), Y), TypeError, "'x'.*expected numbers"),
    ("ragged", lambda f: f([[1], [2, 3]], Y), TypeError, "'x'.*expected numbers, got list"),
    ("none", lambda f: f(None, Y), TypeError, "'x'"),
    ("symbolic", lambda f: f(Variable("v"), Y), TypeError, "symbolic"),
    (
        "out shape",
        lambda f: f(X, Y, out=np.zeros(3)),
        ValueError,
        r"out= has shape \(3,\); expected \(2,\), that of the result of .* at test_bad_input",
    ),
    ("out dtype", lambda f: f(X, Y, out=np.zeros(2, "f")), TypeError, "out= has dtype float32"),
    ("out kind", lambda f: f(X, Y, out=[0.0, 0.0]), TypeError, "out="),
]


@pytest.mark.parametrize(("call", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD_CALLS])
def test_bad_calls(f: sn.Function, call: Callable[[sn.Function], Any], error: type[Exception], message: str) -> None:
    for _ in range(2):
        with pytest.raises(error, match=message) as caught:
            call(f)
        assert isinstance(caught.value, sn.SymnetError)
        np.testing.assert_array_equal(f(X, Y), [3, 3])


def test_int32_arguments_must_fit() -> None:
    i = Variable("i", shape=(), dtype="int32")
    f = compile(i * 2)
    assert int(f(np.int64(5))) == 10
    with pytest.raises(TypeError, match="does not fit int32"):
        f(2**40)


def awkward() -> dict[str, np.ndarray]:
    base = np.arange(24, dtype="f").reshape(4, 6)
    raw = np.zeros(4 * 3 * 4 + 1, np.uint8)
    misaligned = raw[1:].view("f").reshape(4, 3)
    misaligned[...] = base[:, :3]
    readonly = base[:, :3].copy()
    readonly.setflags(write=False)
    return {
        "strided": base[:, ::2],
        "fortran": np.asfortranarray(base[:, :3]),
        "reversed": base[::-1, 2::-1],
        "byte-swapped": base[:, :3].astype(">f4"),
        "read-only": readonly,
        "misaligned": misaligned,
        "empty": np.zeros((0, 3), "f"),
        "float64": base[:, :3].astype("float64"),
        "int": base[:, :3].astype("int32"),
        "list": base[:, :3].tolist(),  # type: ignore[dict-item]
    }


@pytest.mark.parametrize("name", awkward())
def test_awkward_arrays_simply_work(f: sn.Function, name: str) -> None:
    array = awkward()[name]
    rows = len(array)
    wanted = np.asarray(array, "f").sum(axis=1) + np.arange(rows)
    np.testing.assert_array_equal(f(array, np.arange(rows)), wanted)


WRITTEN_WRONG: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("broadcast", lambda: v(3) + v(4), ValueError, r"add at .*test_bad_input.*\(3,\) and \(4,\)"),
    ("matmul", lambda: v(2, 3) @ v(2, 3), ValueError, r"matmul at .*\(2, 3\) and \(2, 3\)"),
    ("matmul scalar", lambda: v() @ v(3), ValueError, "use \\*"),
    ("axis", lambda: v(2, 3).sum(axis=2), ValueError, "axis 2 is out of bounds"),
    ("reshape", lambda: v(2, 3).reshape(4, 2), ValueError, r"cannot reshape \(2, 3\) to \(4, 2\)"),
    ("index", lambda: v(3)[5], IndexError, "index 5 is out of bounds"),
    ("mask", lambda: v(3)[np.array([True, False, True])], TypeError, "sn.where"),
    ("bool minus", lambda: v(3, dtype="bool") - v(3, dtype="bool"), TypeError, "not defined for bool"),
    ("empty max", lambda: sn.max(v(0)), ValueError, "no elements"),
    ("truth", lambda: bool(v(3)), TypeError, "sn.where"),
    ("len", lambda: len(v(3)), TypeError, "shape"),
    ("iterate", lambda: list(v(3)), TypeError, "index it"),
    ("array", lambda: np.asarray(v(3)), TypeError, "sn.compile"),
    ("float", lambda: float(v()), TypeError, "sn.compile"),
    ("reduce", lambda: np.add.reduce(v(3)), TypeError, "np.add.reduce"),
    ("unmapped", lambda: np.fft.fft(v(3)), TypeError, "np.fft"),
    ("ufunc out", lambda: np.exp(v(3), out=np.zeros(3)), TypeError, "out"),
    ("labels", lambda: sn.cross_entropy(v(2, 3), v(2)), TypeError, "labels have dtype float64"),
    ("label rows", lambda: sn.cross_entropy(v(2, 3), v(3, dtype="int64")), ValueError, "one label for each row"),
    ("non-scalar", lambda: grad(v(3) * 2, v(3)), ValueError, "non-scalar"),
    ("unconnected", lambda: grad(v().sum(), v()), ValueError, "not connected"),
    ("integer", lambda: (lambda i: grad(i * 2.0, i))(v(dtype="int64")), ValueError, "10.0"),
    ("no number", lambda: v(3) + "a", TypeError, "expected numbers"),
    ("function", lambda: compile(lambda x: x), TypeError, "call it on Variables"),
    ("nothing", lambda: compile(None), TypeError, "nothing to compile"),
    ("names", lambda: compile(v(3, name="a") + v(3, name="a")), TypeError, "two Variables are named 'a'"),
    ("lacking", lambda: compile(v(3, name="a"), inputs=[]), TypeError, "lacks Variable 'a'"),
    ("mode", lambda: compile(v(), mode="fast"), TypeError, "'fast'"),
    ("target", lambda: compile(v(), target="z80"), RuntimeError, "z80"),
    ("bad name", lambda: Variable("1x"), TypeError, "identifier"),
    ("bad shape", lambda: Variable("x", shape=(-1,)), ValueError, "axis 0"),
    ("bad dtype", lambda: Variable("x", dtype="float16"), TypeError, "float16"),
    ("unknown dtype", lambda: Variable("x", dtype="flot32"), TypeError, "flot32"),
    ("parameter of text", lambda: Parameter("a"), TypeError, "expected numbers"),
    ("constant of objects", lambda: Constant([object()]), TypeError, "expected numbers"),
    ("update of no parameter", lambda: compile(v(), updates={v(): v()}), TypeError, "expected a Parameter"),
    ("update shape", lambda: compile(None, updates={Parameter([1.0]): Constant([1.0, 2.0])}), ValueError, "update of"),
    ("update dtype", lambda: compile(None, updates={Parameter([1]): Constant([1.5])}), TypeError, "float64"),
]


def v(*shape: int, dtype: str = "float64", name: str = "v") -> Variable:
    return Variable(name, shape, dtype)


@pytest.mark.parametrize(("write", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in WRITTEN_WRONG])
def test_errors_at_the_line(write: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        write()
    assert isinstance(caught.value, sn.SymnetError)


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_integers_as_numpy_has_them(mode: str) -> None:
    a, b = Variable("a", ("n",), "int32"), Variable("b", ("n",), "int32")
    f = compile([a + b, a * b, a // b, a % b, -a, abs(a)], mode=mode)
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    x, y = np.array([high, low, low, 7, -7, 0], "int32"), np.array([1, -1, 2, 0, 2, 0], "int32")
    with np.errstate(all="ignore"):
        wanted = [x + y, x * y, x // y, x % y, -x, abs(x)]
    for found, right in zip(f(x, y), wanted, strict=True):
        np.testing.assert_array_equal(found, right)


def test_an_open_integer_gradient_is_refused_at_the_call() -> None:
    x = Variable("x")
    f = compile(grad(x * 2.0, x))
    with pytest.raises(sn.GradientError, match=r"10\.0"):
        f(3)
    assert float(f(3.0)) == 2.0


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_other_dtypes_are_cast_where_a_dtype_is_declared(mode: str) -> None:
    x, i = Variable("x", ("n",), "float32"), Variable("i", ("n",), "int64")
    f = compile([x * 2, i + 1], mode=mode)
    for dtype, other in (
        ("float16", "uint8"),
        ("float64", "uint64"),
        (">f4", ">i4"),
        ("longdouble", "int16"),
        ("uint8", "bool"),
    ):
        doubled, more = f(np.array([1, 3]).astype(dtype), np.array([0, 1]).astype(other))
        assert doubled.dtype == np.float32 and more.dtype == np.int64
        np.testing.assert_array_equal(doubled, [2, 6])
        np.testing.assert_array_equal(more, [1, 2])
    with pytest.raises(sn.OverflowInArgument, match="'i'"):
        f(np.ones(1), np.array([2**64 - 1], np.uint64))
    open_dtype = compile(Variable("y") + 1, mode=mode)
    with pytest.raises(sn.DTypeError, match=r"'y' \(declared at .*uint8 is not supported"):
        open_dtype(np.ones(3, np.uint8))
    with pytest.raises(OverflowError, match="'y'"):
        open_dtype(2**70)


def test_inputs_lists_a_variable_once() -> None:
    x = v()
    with pytest.raises(sn.ArgumentError, match="twice"):
        compile(x, inputs=[x, x])


def test_programs_for_certain_sizes_only_do_not_pile_up() -> None:
    x, y = Variable("x", ("n",)), Variable("y", ("m",))
    f = compile(x + y)
    for n in range(2, 120):
        np.testing.assert_array_equal(f(np.ones(n), np.ones(1)), np.full(n, 2.0))
    assert f.n_compiles >= 118 and len(f._programs) < 100
    np.testing.assert_array_equal(f(np.ones(2), np.ones(1)), [2.0, 2.0])


def test_names_of_parameters_are_unique() -> None:
    a, b, c = (Parameter([x], name=n) for x, n in ((1.0, "same_2"), (10.0, "same"), (100.0, "same")))
    assert len({a.name, b.name, c.name}) == 3
    step = compile(a + b * 2 + c * 3, updates={a: a + 1, c: c + 10})
    assert float(step()[0]) == 321.0
    assert (a.value[0], b.value[0], c.value[0]) == (2.0, 10.0, 110.0)
    with pytest.raises(sn.ArgumentError, match="name"):
        Parameter([1.0], name=5)  # type: ignore[arg-type]


def test_a_parameter_refuses_integers_that_do_not_fit() -> None:
    p = Parameter(np.array([1, 2], np.int32))
    with pytest.raises(sn.OverflowInArgument, match="1099511627776"):
        p.value = np.array([2**40, 1])
    np.testing.assert_array_equal(p.value, [1, 2])


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_bits_of_integers(mode: str) -> None:
    x = Variable("x", ("n",), "int32")
    f = compile([x & 3, x | 8, x ^ 5, ~x], mode=mode)
    data = np.array([6, -7, 0, 2**31 - 1], np.int32)
    for found, wanted in zip(f(data), (data & 3, data | 8, data ^ 5, ~data), strict=True):
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(sn.DTypeError, match="bools or integers"):
        compile(v(3) & v(3, name="w"))


def test_numbers_of_python_do_not_wrap() -> None:
    x = Variable("x", (), "float32")
    large = Constant(2**40) * Constant(2**40)
    assert float(compile(x * large)(1.0)) == pytest.approx(2.0**80)
    with pytest.raises(OverflowError):
        compile(Constant(2**70))()


def test_an_error_met_again_keeps_no_arguments() -> None:
    x = Variable("x", ("n",))
    f = compile(x + Variable("y", ("n",)))
    frames = []
    for _ in range(5):
        with pytest.raises(sn.ShapeError) as caught:
            f(np.ones(3), np.ones(4))
        frames.append(len(caught.traceback))
    assert len(set(frames)) <= 2


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_any_pipeline_can_be_compiled(mode: str) -> None:
    x = v(3)
    assert float(compile(sn.softmax(x).mean(), pipeline=[], mode=mode)(np.ones(3))) == pytest.approx(1 / 3)


def test_axes_of_numpy_integers() -> None:
    x = v(2, 3)
    assert compile(x.sum(axis=np.int64(1)))(np.ones((2, 3))).shape == (2,)
    with pytest.raises(sn.ArgumentError, match="axis is"):
        x.sum(axis=1.0)


@pytest.mark.parametrize("name", ["2*n", "a b", "A.0", ""])
def test_names_of_dims(name: str) -> None:
    with pytest.raises(sn.ShapeError, match="identifier"):
        Variable("x", (name,))


@pytest.mark.parametrize("b", [0, 1, 2, 0.0])
def test_gradients_of_powers_at_zero(b: float) -> None:
    x = v()
    first = grad(x**b, x)
    assert float(compile(first)(0.0)) == (1.0 if b == 1 else 0.0)
    assert float(compile(grad(first, x, unconnected="zero"))(0.0)) == (2.0 if b == 2 else 0.0)
    y = v(name="y")
    assert float(compile(grad(x**y, x))(0.0, 0.0)) == 0.0


@pytest.mark.parametrize("name", ["class", "None", "lambda"])
def test_a_keyword_of_python_is_no_name(name: str) -> None:
    with pytest.raises(sn.ArgumentError, match="identifier"):
        Variable(name)


def test_outputs_have_one_level() -> None:
    for outputs in ({"a": [v()]}, [(v(), v())], [{"a": v()}]):
        with pytest.raises(sn.ArgumentError, match="one level"):
            compile(outputs)
