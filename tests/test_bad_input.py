"""Bad input: one clear exception naming what was met and expected; nothing changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
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
# What every message starts with: the op, if it is one that complains, and the user's line.
LINE = re.compile(r"(\w+ )?at test_bad_input\.py:\d+: ")
MASKED = np.ma.masked_array(np.ones((2, 3), "f"), np.eye(2, 3))
ONE = np.lib.stride_tricks.as_strided(np.zeros(1), (2,), (0,))
WINDOWS = np.lib.stride_tricks.as_strided(np.zeros(2), (2,), (4,))

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
    ("out of one element", lambda f: f(X, Y, out=ONE), TypeError, r"out= has elements that overlap \(strides \(0,\)\)"),
    ("out of windows", lambda f: f(X, Y, out=WINDOWS), TypeError, "out= has elements that overlap"),
    ("masked", lambda f: f(MASKED, Y), TypeError, "'x'.*expected numbers, got a masked array"),
    ("out structure", lambda f: f(X, Y, out=(np.zeros(2),)), TypeError, "out= is a tuple of 1; expected one value"),
    ("out kind", lambda f: f(X, Y, out=[0.0, 0.0]), TypeError, "out="),
]


@pytest.mark.parametrize(("call", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD_CALLS])
def test_bad_calls(f: sn.Function, call: Callable[[sn.Function], Any], error: type[Exception], message: str) -> None:
    for _ in range(2):
        with pytest.raises(error, match=message) as caught:
            call(f)
        assert isinstance(caught.value, sn.SymnetError)
        assert LINE.match(str(caught.value))
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
    (
        "update of text",
        lambda: compile(None, updates={Parameter(1.0, name="w"): "a"}),
        TypeError,
        r"Parameter 'w.*made at test_bad.*got str",
    ),
    (
        "updated twice",
        lambda: (lambda p: compile(None, updates=[(p, p), (p, p)]))(Parameter(1.0, name="w")),
        TypeError,
        "'w.*updated twice",
    ),
    ("output None", lambda: compile([v(), None]), TypeError, r"outputs\[1\]: expected numbers, got NoneType"),
    ("output text", lambda: compile({"a": v(), "b": "q"}), TypeError, r"outputs\['b'\]: expected numbers, got str"),
    ("inputs number", lambda: compile(v(), inputs=3), TypeError, "inputs is 3; expected a list"),
    (
        "inputs bare",
        lambda: (lambda x: compile(x, inputs=x))(v()),
        TypeError,
        "inputs is Variable 'v'; expected a list",
    ),
    ("target of the interpreter", lambda: compile(v(), mode="interpret", target="avx2"), TypeError, "native mode only"),
    (
        "threads of the interpreter",
        lambda: compile(v(), mode="interpret", threads=2),
        TypeError,
        "threads is 2 in mode 'interpret'; expected a number of threads, in native mode",
    ),
    ("threads of text", lambda: compile(v(), threads="2"), TypeError, "threads is '2'"),  # type: ignore[arg-type]
    (
        "update of a Variable",
        lambda: compile(None, updates={v(): 1.0}),
        TypeError,
        "the key Variable 'v'; expected a P",
    ),  # type: ignore[dict-item]
    ("empty name", lambda: Parameter(1.0, name=""), TypeError, "name is ''; expected a str of printable"),
    ("surrogate", lambda: Parameter(1.0, name="\ud800"), TypeError, r"name is '\\ud800'; expected a str of printable"),
    ("surrogate Variable", lambda: Variable("\ud800"), TypeError, r"identifier; got '\\ud800'"),
    ("float shape", lambda: Variable("x", shape=3.5), ValueError, "Variable 'x': shape is 3.5"),
    ("dtype of a Variable", lambda: Variable("x", dtype="foo"), TypeError, "Variable 'x': 'foo' is not a dtype"),
    ("step 0", lambda: v(3)[::0], ValueError, "step is 0"),
    ("open step 0", lambda: compile(Variable("x")[::0])(np.ones(3)), ValueError, "step is 0"),
    ("reshape to text", lambda: v(4).reshape("q"), TypeError, "reshape: the shape is"),
    ("reshape to floats", lambda: v(4).reshape(2.0, 2), TypeError, r"reshape: the shape is \(2.0, 2\)"),
    ("transpose by text", lambda: v(3, 3).transpose("x"), TypeError, "transpose: axis is"),
    ("argmax over two", lambda: v(3, 3).argmax(axis=(0, 1)), TypeError, r"argmax: axis is \(0, 1\); expected an int"),
    ("axis of text", lambda: v(3).sum(axis="x"), TypeError, "sum: axis is 'x'"),
    ("swapaxes of text", lambda: v(3).swapaxes("a", 0), TypeError, "swapaxes: axis is 'a'"),
    ("stack by two", lambda: sn.stack([v(3)], axis=(0, 1)), TypeError, "stack: axis is"),
    ("take by text", lambda: sn.take(v(3), [0], axis="x"), TypeError, "take: axis is 'x'"),
    ("expand nothing", lambda: sn.expand_dims(v(3), None), TypeError, "expand_dims: axis is None"),  # type: ignore[arg-type]
    ("broadcast to a float", lambda: sn.broadcast_to(v(3), 3.5), TypeError, "broadcast_to: the shape is 3.5"),
    ("one_hot of a float", lambda: sn.one_hot(v(dtype="int64"), 2.5), TypeError, r"one_hot: the shape is \(2.5,\)"),  # type: ignore[arg-type]
    ("ddof", lambda: v(3).var(ddof="x"), TypeError, "ddof is 'x'"),  # type: ignore[arg-type]
    ("concatenate nothing", lambda: sn.concatenate([]), ValueError, "concatenate: the list is empty"),
    ("concatenate one", lambda: sn.concatenate(v(3)), TypeError, "concatenate: got .*; expected a list"),
    ("pad", lambda: sn.pad(v(3), -1), ValueError, "pad_width is -1"),
    ("pad with text", lambda: sn.pad(v(3), 1, "q"), TypeError, "constant_values"),  # type: ignore[arg-type]
    ("astype", lambda: v(3).astype("foo"), TypeError, "astype: 'foo' is not a dtype"),
    ("index by a float", lambda: v(3)[1.5], TypeError, "cannot index with 1.5"),
    ("indices", lambda: v(3, 3)[[0, 1, 2], [0, 1]], ValueError, r"shapes \(3,\) and \(2,\) do not broadcast"),
    ("open indices", lambda: Variable("x")[[0, 1, 2], 0, [0, 1]], ValueError, r"\(3,\) and \(2,\) do not broadcast"),
    ("named indices", lambda: v("n", 2)[None, [0, 1], [0, 1, 1]], ValueError, r"\(2,\) and \(3,\) do not broadcast"),
    ("assignment", lambda: v(3).__setitem__(0, 1.0), TypeError, "no elements to assign to.*sn.where"),
    ("deletion", lambda: v(3).__delitem__(0), TypeError, "no elements to assign to"),
    ("shift", lambda: v(dtype="int64") << 1, TypeError, "<<"),
    ("reflected shift", lambda: 1 >> v(dtype="int64"), TypeError, ">>"),
    ("round", lambda: round(v()), TypeError, "sn.floor"),  # type: ignore[call-overload]
    ("contains", lambda: 3 in v(3), TypeError, "sn.any"),
    ("near", lambda: np.nansum(v(3)), TypeError, "np.nansum is not defined.*np.sum"),
    ("convolve", lambda: np.convolve(v(3), v(2)), TypeError, r"np.convolve is not defined.*; use sn.conv1d$"),
    ("nothing near", lambda: np.unwrap(v(3)), TypeError, "np.unwrap is not defined.*; symnet's ops are listed"),
    ("flip", lambda: sn.flip(v(3), 1), ValueError, "axis 1 is out of bounds"),
    ("fliplr", lambda: np.fliplr(v(3)), ValueError, "axis 1 is out of bounds"),
    ("roll by a float", lambda: np.roll(v(3), 1.5), TypeError, "roll: shift is 1.5; expected an int"),  # type: ignore[call-overload]
    ("roll by three", lambda: sn.roll(v(3, 3), (1, 2, 3), (0, 1)), ValueError, "roll: 3 shifts for 2 axes"),
    ("roll of an axis", lambda: sn.roll(v(3), 1, 2), ValueError, "axis 2 is out of bounds"),
    ("wrt number", lambda: grad(v(), 3), ValueError, "wrt is 3; expected"),
    ("wrt of a dict", lambda: grad(v(), {"a": 3}), ValueError, r"wrt\['a'\] is 3; expected"),
    ("cotangent", lambda: (lambda x: grad(x, x, cotangent="q"))(v()), TypeError, "the cotangent of Variable 'v'"),
    (
        "open non-scalar",
        lambda: (lambda x: compile(grad(x * 2.0, x))(np.ones(3)))(Variable("x")),
        ValueError,
        r"has shape \(\?,\); reduce",
    ),
    ("folder", lambda: compile(v()).dump("/nonexistent/x.txt"), OSError, "cannot dump to '/nonexistent/x.txt'"),
    ("constant masked", lambda: Constant(MASKED), TypeError, "masked"),
    ("update dtype", lambda: compile(None, updates={Parameter([1]): Constant([1.5])}), TypeError, "float64"),
]


def v(*shape: int | str, dtype: str = "float64", name: str = "v") -> Variable:
    return Variable(name, shape, dtype)


@pytest.mark.parametrize(("write", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in WRITTEN_WRONG])
def test_errors_at_the_line(write: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        write()
    assert isinstance(caught.value, sn.SymnetError)
    assert LINE.match(str(caught.value))


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


def test_what_outputs_hold_is_named() -> None:
    for outputs, message in (
        ({"a": [v(), "text"]}, r"outputs\['a'\]\[1\]: expected numbers, got str"),
        ([v(), None], r"outputs\[1\]: expected numbers, got NoneType"),
        ([{"a": (v(), None)}], r"outputs\[0\]\['a'\]\[1\]: expected numbers, got NoneType"),
    ):
        with pytest.raises(sn.ArgumentError, match=message):
            compile(outputs)
    x = v()
    f = compile({"a": (x, [x * 2.0]), "b": x})
    for out, message in (
        ({"a": np.zeros(()), "b": np.zeros(())}, r"out=\['a'\] is one value; expected a tuple of 2, like the outputs"),
        ({"a": (np.zeros(()),) * 2, "b": np.zeros(())}, r"out=\['a'\]\[1\] is one value; expected a list of 1"),
    ):
        with pytest.raises(sn.ArgumentError, match=message):
            f(1.0, out=out)


PLAIN = np.ones(2)
TENSOR, WITH_GRAD = sn.eager.tensor(PLAIN), sn.eager.tensor(PLAIN, requires_grad=True)
MATRIX = np.ones((2, 3))
WRONG_NUMBERS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("complex", lambda: sn.exp(1j), TypeError, "exp at .*operand 1: expected numbers, got complex"),
    ("None", lambda: sn.exp(None), TypeError, "exp at .*operand 1: expected numbers, got NoneType"),
    ("text", lambda: sn.sum("abc"), TypeError, "sum at .*expected numbers, got str"),
    ("second", lambda: sn.add(PLAIN, None), TypeError, "add at .*operand 2: expected numbers, got NoneType"),
    ("object", lambda: sn.sigmoid(object()), TypeError, "sigmoid at .*expected numbers, got object"),
    ("dict", lambda: sn.relu({}), TypeError, "relu at .*expected numbers, got dict"),
    ("ragged", lambda: sn.exp([[1], [2, 3]]), TypeError, "exp at .*expected numbers, got list"),
    ("condition", lambda: sn.where("q", 1, 2), TypeError, "where at .*operand 1"),
    ("softmax axis", lambda: sn.softmax(PLAIN, axis="q"), TypeError, "softmax: axis is 'q'"),  # type: ignore[arg-type]
    ("ragged index", lambda: sn.take(PLAIN, [[1], [2, 3]]), TypeError, "indices: expected numbers, got list"),
    ("ragged width", lambda: sn.pad(PLAIN, [[1], [2, 3]]), TypeError, "pad_width: expected numbers, got list"),
    ("ragged labels", lambda: sn.cross_entropy(MATRIX, [[1], [2, 3]]), TypeError, "expected numbers, got list"),
    ("activation", lambda: sn.linear(MATRIX, MATRIX.T, PLAIN, "q"), TypeError, "linear: activation is 'q'"),
    ("masked", lambda: sn.exp(MASKED), TypeError, "exp at .*masked"),
    ("composite", lambda: sn.softmax("q"), TypeError, "softmax at .*expected numbers"),
    ("large", lambda: sn.abs(2**70), OverflowError, "abs at .*out of bounds for int64"),
    ("broadcast", lambda: sn.add(np.ones(3), np.ones(4)), ValueError, r"add at .*\(3,\) and \(4,\)"),
    ("matmul", lambda: sn.matmul(MATRIX, MATRIX), ValueError, r"matmul at .*\(2, 3\) and \(2, 3\)"),
    ("reshape", lambda: sn.reshape([1.0, 2.0], 3), ValueError, r"reshape at .*\(2,\) to \(3,\)"),
    ("axis", lambda: sn.sum(PLAIN, axis=4), ValueError, "sum at .*axis 4 is out of bounds"),
    ("stack", lambda: sn.stack([PLAIN, np.ones(3)]), ValueError, "concatenate at .*cannot concatenate"),
    ("negative power", lambda: sn.power(2, -1), ValueError, "power at"),
    ("tensor", lambda: TENSOR + np.ones(7), ValueError, r"add at .*\(2,\) and \(7,\)"),
    ("tensor matmul", lambda: sn.eager.tensor(MATRIX) @ MATRIX, ValueError, "matmul at"),
    ("tensor reshape", lambda: TENSOR.reshape(5), ValueError, "reshape at"),
    ("tensor index", lambda: TENSOR[9], IndexError, "getitem at .*index 9"),
    ("tensor text", lambda: TENSOR + "q", TypeError, "add at .*operand 2"),
    ("tensor None", lambda: TENSOR * None, TypeError, "multiply at .*operand 2"),
    ("tensor truth", lambda: bool(TENSOR), ValueError, r"shape \(2,\).*expected one element"),
    ("tensor float", lambda: float(TENSOR), ValueError, "expected one element"),
    ("tensor length", lambda: len(TENSOR.sum()), TypeError, "no length"),
    ("no gradient", lambda: TENSOR.backward(), ValueError, "requires_grad"),
    ("no scalar", lambda: WITH_GRAD.backward(), ValueError, "non-scalar"),
    ("gradient", lambda: WITH_GRAD.sum().backward("q"), TypeError, "gradient=: expected numbers"),
]


@pytest.mark.parametrize(("call", "error", "message"), [pytest.param(*w[1:], id=w[0]) for w in WRONG_NUMBERS])
def test_numbers_and_tensors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    test_errors_at_the_line(call, error, message)


@pytest.mark.parametrize("new", ["q", np.ones(3), 1j, [0.5, 0.5]])
def test_a_wrong_value_of_a_parameter_names_its_line(new: Any) -> None:
    p = Parameter([1, 2], name="counts")
    with pytest.raises(
        (TypeError, ValueError), match=r"Parameter 'counts.*' \(made at test_bad_input.py:\d+\)"
    ) as caught:
        p.value = new
    assert isinstance(caught.value, sn.SymnetError) and LINE.match(str(caught.value))
    np.testing.assert_array_equal(p.value, [1, 2])


@pytest.mark.parametrize("start", [[1.0, 2.0], 3.0, True, np.zeros((0, 3)), np.arange(6, dtype="int32").reshape(2, 3)])
def test_the_value_of_a_parameter_cannot_be_unlocked(start: Any) -> None:
    p = Parameter(start)
    value = p.value
    assert value.shape == p.storage.shape and value.dtype == p.storage.dtype
    assert np.shares_memory(value, p.storage) or not value.size
    assert value.size == 0 or value.ctypes.data % 64 == 0
    for array in (value, value.view(), value.reshape(-1)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_each_result_has_memory_of_its_own(mode: str) -> None:
    x = v(4)
    f = compile([x, x * 2], mode=mode)
    one, both = np.zeros(4), np.zeros(8)
    for out in ([one, one], [both[:4], both[3:7]]):
        with pytest.raises(sn.ArgumentError, match="out= has arrays that overlap"):
            f(np.ones(4), out=out)
    assert not one.any() and not both.any()
    f(np.ones(4), out=[both[::2], both[1::2]])
    np.testing.assert_array_equal(both, [1.0, 2.0] * 4)


def test_names_of_numpy() -> None:
    x = v(2, 3)
    data = np.arange(6.0).reshape(2, 3)
    pairs = [(f, f(x)) for f in (np.ravel, np.amax, np.amin, lambda a: a.dot(np.ones(3)))]
    for f, expr in pairs:
        np.testing.assert_array_equal(compile(expr)(data), f(data))
    assert (x.size, np.shape(x), np.ndim(x)) == (6, (2, 3), 2)
    assert Variable("x", ("n", 2)).size == Variable("y", ("n",)).size * 2
    quotient, rest = compile(list(divmod(x, 4.0)))(data)
    np.testing.assert_array_equal(quotient, data // 4)
    np.testing.assert_array_equal(rest, data % 4)
    np.testing.assert_array_equal(compile(divmod(7.0, x)[1])(data + 1), 7 % (data + 1))


@pytest.mark.parametrize("mode", ["native", "interpret"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_of_negative_zero(mode: str, dtype: str) -> None:
    x = Variable("x", ("n",), dtype)
    for n in (1, 3, 37):
        found = compile(sn.relu(x), mode=mode)(np.full(n, -0.0, dtype))
        assert not np.signbit(found).any() and not found.any()


def test_an_interpreted_program_counts_its_results() -> None:
    f = compile(v(3) * 2, mode="interpret")
    f(np.ones(3))
    assert f.memory.results == 24


def test_lists_are_values() -> None:
    np.testing.assert_array_equal(sn.swapaxes([[1.0, 2.0]], 0, 1), [[1.0], [2.0]])
    assert float(sn.var([1.0, 2.0])) == 0.25


def test_an_error_met_again_names_the_line_of_its_call() -> None:
    p = Parameter([1.0])
    x = Variable("x")
    f = compile(None, updates={p: x})
    lines = []
    for _ in range(2):
        with pytest.raises(sn.ShapeError, match="update of") as first:
            f(np.ones(2))
        lines.append(first.value.line.number)
    with pytest.raises(sn.ShapeError, match="update of") as later:
        f(np.ones(2))
    assert lines[0] == lines[1] < later.value.line.number


def test_dump_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        compile(v()).dump(tmp_path / "missing" / "x.txt")
    assert not list(tmp_path.iterdir())


def test_open_shapes_wait_for_the_call() -> None:
    x = Variable("x")
    data = np.arange(6.0).reshape(2, 3)
    f = compile([x.swapaxes(0, 1), x.var(axis=0), sn.take(x, [1], axis=1), sn.broadcast_to(x, (4, 2, 3)), x.argmax()])
    wanted = data.T, data.var(axis=0), data[:, [1]], np.broadcast_to(data, (4, 2, 3)), data.argmax()
    for found, right in zip(f(data), wanted, strict=True):
        np.testing.assert_allclose(found, right)
