"""What must run, as users write it."""

from __future__ import annotations

import builtins
import inspect
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import Constant, Parameter, Variable, compile, grad

MODES = ("native", "interpret")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def lecture(mode: str = "native") -> sn.Function:
    A = Variable("A")
    B = Variable("B")
    C = B * A
    D = C + Constant(1)
    return compile(D, mode=mode)


def test_the_lectures_program(mode: str) -> None:
    f = lecture(mode)
    d = f(A=np.ones(10), B=np.ones(10) * 2)
    np.testing.assert_array_equal(d, np.full(10, 3.0))
    assert d.dtype == np.float64


def test_one_function_serves_other_dtypes_lengths_ranks_and_broadcasting(mode: str) -> None:
    f = lecture(mode)
    rng = np.random.default_rng(0)
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((10,), (10,)), ((3, 4), (3, 4)), ((3, 1), (1, 4)), ((4,), (3, 4)), ((), (5,)), ((), ()), ((0,), (0,)), ((1,), (7,)),
    ]  # fmt: skip
    for dtype in ("float32", "float64", "int32", "int64"):
        for left, right in shapes:
            a, b = (rng.integers(-5, 5, s).astype(dtype) for s in (left, right))
            result = f(A=a, B=b)
            wanted = np.asarray(b * a + 1)
            np.testing.assert_array_equal(result, wanted)
            assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)


def test_lengths_do_not_recompile() -> None:
    f = lecture()
    for n in (2, 3, 100):
        f(np.ones(n), np.ones(n))
    assert f.n_compiles == 1


def test_scalar_gradients_of_the_lectures(mode: str) -> None:
    x, y, z = Variable("x"), Variable("y"), Variable("z")
    value = (2 * x + y) * z
    found = compile([value, *grad(value, [x, y, z])], mode=mode)(10.0, -2.0, -4.0)
    assert [float(v) for v in found] == [-72.0, -8.0, -4.0, 18.0]
    assert all(isinstance(v, np.ndarray) and v.shape == () for v in found)


def test_more_scalars(mode: str) -> None:
    x1, x2 = Variable("x1"), Variable("x2")
    value = x1 * x2 + np.sin(x1)
    found = compile((value, *grad(value, (x1, x2))), mode=mode)(2.0, 5.0)
    np.testing.assert_allclose(found, (10 + np.sin(2.0), 5 + np.cos(2.0), 2.0), rtol=1e-15)
    w = x1**2 * x2**2
    assert [float(g) for g in compile(grad(w, [x1, x2]), mode=mode)(3.0, 2.0)] == [24.0, 36.0]


def test_descent_from_the_lectures(mode: str) -> None:
    w1, w2 = Parameter(-1.0), Parameter(0.25)
    loss = w1**2 + 5 * w2**2
    step = compile(loss, updates=sn.optim.SGD(lr=0.01)(loss, [w1, w2]), mode=mode)
    losses = [float(step()) for _ in range(100)]
    assert losses[0] == 1.3125
    assert losses == sorted(losses, reverse=True)
    np.testing.assert_allclose([w1.value, w2.value], [-(0.98**100), 0.25 * 0.9**100], rtol=1e-12)


def test_a_named_dim_serves_a_thousand_batch_sizes_with_one_compilation() -> None:
    rng = np.random.default_rng(0)
    x = Variable("x", shape=("batch", 64), dtype="float32")
    w, b = rng.standard_normal((64, 10)).astype("f"), rng.standard_normal(10).astype("f")
    f = compile(sn.relu(x @ Parameter(w) + Parameter(b)))
    for n in range(1, 1001):
        data = rng.standard_normal((n, 64)).astype("f")
        np.testing.assert_allclose(f(data), np.maximum(data @ w + b, 0), atol=2e-5)
    assert f.n_compiles == 1


def test_relations_between_dims_are_settled_at_the_call(mode: str) -> None:
    x = Variable("x", shape=("n",), dtype="float64")
    y = Variable("y", shape=(3,), dtype="float64")
    z = Variable("z", shape=("m",), dtype="float64")
    f, g = compile(x + y, mode=mode), compile(x * z, mode=mode)
    for n in (3, 1):
        np.testing.assert_array_equal(f(np.arange(n), np.ones(3)), np.arange(n) + np.ones(3))
    with pytest.raises(sn.ShapeError, match=r"add at .*test_spine.*\(4,\) and \(3,\)"):
        f(np.ones(4), np.ones(3))
    np.testing.assert_array_equal(g(np.arange(5), np.arange(5)), np.arange(5) ** 2)
    np.testing.assert_array_equal(g(np.arange(5), np.ones(1)), np.arange(5))
    with pytest.raises(sn.ShapeError):
        g(np.ones(5), np.ones(4))


def test_structures(mode: str) -> None:
    x = Variable("x", shape=(), dtype="float64")
    assert compile({"a": x + 1, "b": x * 2}, mode=mode)(2.0) == {"a": 3.0, "b": 4.0}
    assert compile([x + 1], mode=mode)(2.0) == [3.0]
    assert compile((x, x), mode=mode)(2.0) == (2.0, 2.0)
    a, b = compile((x, x), mode=mode)(2.0)
    assert not np.shares_memory(a, b)


def test_positional_order_is_creation_order() -> None:
    b, a = Variable("b"), Variable("a")
    assert float(compile(a - b)(1.0, 5.0)) == 4.0
    assert list(inspect.signature(compile(a - b)).parameters) == ["b", "a", "out"]


def test_extra_inputs_are_checked_and_ignored(mode: str) -> None:
    x, unused = Variable("x"), Variable("unused", shape=(2,), dtype="float64")
    f = compile(x * 2, inputs=[unused, x], mode=mode)
    assert float(f(np.zeros(2), 4.0)) == 8.0
    with pytest.raises(sn.ShapeError, match="unused"):
        f(np.zeros(3), 4.0)


def test_updates_read_old_values_and_may_swap(mode: str) -> None:
    p, q = Parameter(np.arange(5.0)), Parameter(-np.arange(5.0))
    f = compile(p + q, updates={p: q, q: p}, mode=mode)
    np.testing.assert_array_equal(f(), np.zeros(5))
    np.testing.assert_array_equal(p.value, -np.arange(5.0))
    np.testing.assert_array_equal(q.value, np.arange(5.0))


def test_updates_that_read_each_other(mode: str) -> None:
    w = Parameter(np.eye(3) * 2)
    v = Parameter(np.ones(3))
    f = compile(None, updates=[(w, w @ w), (v, w @ v)], mode=mode)
    assert f() is None
    np.testing.assert_array_equal(w.value, np.eye(3) * 4)
    np.testing.assert_array_equal(v.value, np.full(3, 2.0))
    f()
    np.testing.assert_array_equal(w.value, np.eye(3) * 16)
    np.testing.assert_array_equal(v.value, np.full(3, 8.0))


def test_a_transposed_update_of_itself(mode: str) -> None:
    w = Parameter(np.arange(9.0).reshape(3, 3))
    compile(None, updates={w: w.T + 0.0}, mode=mode)()
    np.testing.assert_array_equal(w.value, np.arange(9.0).reshape(3, 3).T)


def test_a_failed_check_leaves_parameters_alone(mode: str) -> None:
    w = Parameter(np.zeros((4, 3), "f"))
    y = Variable("y", shape=("n",), dtype="int64")
    loss = sn.cross_entropy(w, y)
    step = compile(loss, updates=sn.optim.SGD(lr=1.0)(loss, [w]), mode=mode)
    with pytest.raises(sn.IndexOutOfBounds, match="3"):
        step(np.array([0, 1, 3, 2]))
    np.testing.assert_array_equal(w.value, np.zeros((4, 3)))
    # A label is a class, not a place counted from the end.
    with pytest.raises(sn.IndexOutOfBounds, match="-1"):
        step(np.array([0, 1, 2, -1]))
    np.testing.assert_array_equal(w.value, np.zeros((4, 3)))
    step(np.array([0, 1, 2, 2]))
    assert w.value.any()


def test_any_number_of_checks_in_one_program(mode: str) -> None:
    i, x, y = Variable("i", ("n",), "int64"), Variable("x", ("n",), "float64"), Variable("y")
    several, places, values = compile(x[i] + x[i - 1] + x[i * 0], mode=mode), np.array([2, 0, 1]), np.arange(3.0)
    np.testing.assert_array_equal(several(i=places, x=values), values[places] + values[places - 1] + values[places * 0])
    cube, first = np.arange(8.0).reshape(2, 2, 2), np.array([0])
    np.testing.assert_array_equal(compile(y[first, first, first], mode=mode)(cube), [0.0])
    for wrong in ([3, 0, 1], [0, -3, 1]):
        with pytest.raises(sn.IndexOutOfBounds):
            several(i=np.array(wrong), x=values)


def test_out(mode: str) -> None:
    x = Variable("x", shape=("n",), dtype="float64")
    f = compile(x * 2, mode=mode)
    data = np.arange(5.0)
    result = np.empty(5)
    assert f(data, out=result) is result
    np.testing.assert_array_equal(result, [0, 2, 4, 6, 8])
    f(data, out=data)
    np.testing.assert_array_equal(data, [0, 2, 4, 6, 8])
    overlapping = np.arange(10.0)
    f(overlapping[:5], out=overlapping[2:7])
    np.testing.assert_array_equal(overlapping, [0, 1, 0, 2, 4, 6, 8, 7, 8, 9])
    strided = np.zeros(10)
    f(np.ones(5), out=strided[::2])
    np.testing.assert_array_equal(strided[::2], np.full(5, 2.0))


def test_weak_and_strong_numbers(mode: str) -> None:
    x = Variable("x", shape=(2,), dtype="float32")

    def dtype(expression: Any) -> str:
        return str(compile(expression, mode=mode)(np.ones(2, "f")).dtype)

    assert dtype(x * 2.5) == dtype(x + Constant(1)) == dtype(x + (Constant(1) + Constant(2.5))) == "float32"
    assert dtype(x * np.float64(2.5)) == dtype(x + np.ones(2)) == "float64"
    i = Variable("i", shape=(), dtype="int32")
    assert compile(i + 1, mode=mode)(1).dtype == np.int32
    assert compile(i + 1.0, mode=mode)(1).dtype == np.float64
    with pytest.raises(sn.OverflowInArgument):
        i + 2**40


def test_constants_are_copied() -> None:
    numbers = np.ones(3)
    c = Constant(numbers)
    numbers[:] = 7
    np.testing.assert_array_equal(compile(c + 0)(), np.ones(3))


def test_parameter_values() -> None:
    p = Parameter([1.0, 2.0], name="w_test")
    assert p.value.ctypes.data % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        p.value[0] = 3
    p.value = [5, 6]
    np.testing.assert_array_equal(p.value, [5.0, 6.0])
    assert Parameter(1.0, name="w_test").name != p.name
    with pytest.raises(sn.ShapeError, match="w_test"):
        p.value = np.ones(3)
    with pytest.raises(sn.DTypeError):
        Parameter([1, 2]).value = [0.5, 1.5]


def test_numpy_functions_build_graph() -> None:
    def body(v: Any, w: Any) -> Any:
        return np.exp(v) @ w + np.maximum(v, 0).sum(axis=0)[..., 1:3].mean() + v.T.reshape(-1)[0]

    v, w = Variable("v", (3, 4), "float64"), Variable("w", (4, 2), "float64")
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    np.testing.assert_allclose(compile(body(v, w))(*arrays), body(*arrays), rtol=1e-13)


def test_a_star_hides_nothing_of_pythons() -> None:
    names: dict[str, Any] = {}
    exec("from symnet import *", names)
    assert set(vars(builtins)) & set(sn.__all__) == {"compile"}
    assert names["exp"] is sn.exp and names["compile"] is sn.compile
    assert "sum" not in names and callable(sn.sum)


def test_gradient_choices() -> None:
    x = Variable("x", shape=(3,), dtype="float64")

    def slope(expression: Any, at: list[float]) -> list[float]:
        return [float(g) for g in compile(grad(expression, x))(np.array(at))]

    assert slope(sn.max(x), [2.0, 2.0, 1.0]) == [0.5, 0.5, 0.0]
    assert slope(sn.maximum(x, 2.0).sum(), [2.0, 3.0, 1.0]) == [0.5, 1.0, 0.0]
    assert slope(sn.relu(x).sum(), [0.0, 1.0, -1.0]) == [0.0, 1.0, 0.0]
    assert slope(sn.abs(x).sum(), [0.0, 1.0, -1.0]) == [0.0, 1.0, -1.0]


def test_gradients_of_gradients_and_of_expressions_on_the_way(mode: str) -> None:
    x = Variable("x", shape=(), dtype="float64")
    cube = x**3
    assert float(compile(grad(grad(cube, x), x), mode=mode)(2.0)) == 12.0
    a, b = x * 2, x * 2
    total = a * a + b
    assert [float(g) for g in compile(grad(total, [a, b, x]), mode=mode)(3.0)] == [12.0, 1.0, 26.0]
    assert float(compile(grad(total, x, cotangent=10.0), mode=mode)(3.0)) == 260.0
    other = Variable("other", shape=(2,), dtype="float64")
    np.testing.assert_array_equal(
        compile(grad(total, other, unconnected="zero"), inputs=[x, other])(1.0, np.ones(2)), [0, 0]
    )


def test_stable_formulas_and_their_gradients() -> None:
    x = Variable("x", shape=("n",), dtype="float64")
    data = np.array([1000.0, -1000.0, 0.0])
    forms = {
        "softmax": sn.log(sn.softmax(x)),
        "softplus": sn.log(1 + sn.exp(x)),
        "sigmoid": sn.log(sn.sigmoid(x)),
        "logsumexp": sn.log(sn.sum(sn.exp(x))),
        "written softmax": sn.exp(x) / sn.sum(sn.exp(x), axis=-1, keepdims=True),
    }
    found = compile(forms)(data)
    np.testing.assert_allclose(found["softmax"], [0, -2000, -1000])
    np.testing.assert_allclose(found["softplus"], [1000, 0, np.log(2)])
    np.testing.assert_allclose(found["sigmoid"], [0, -1000, -np.log(2)])
    np.testing.assert_allclose(found["logsumexp"], 1000)
    for name, form in forms.items():
        slopes = compile(grad(form.sum(), x))(data)
        assert np.isfinite(slopes).all(), name


def test_warmup_compiles_without_a_call() -> None:
    f = lecture().warmup(A=((5,), "float32"), B=np.zeros(5, "float32"))
    assert f.n_compiles == 1
    f(np.ones(9, "f"), np.ones(9, "f"))
    assert f.n_compiles == 1


def test_an_outside_pass(mode: str) -> None:
    def spell(graph: sn.Graph) -> sn.Graph:
        graph.fired["spelled"] += 1
        return graph

    x = Variable("x", shape=(), dtype="float64")
    f = compile(x + 1, mode=mode, pipeline=[*sn.PIPELINE, spell])
    assert [p.fired for p in f.report.passes if p.name == "spell"] == [{"spelled": 1}]
    assert float(f(1.0)) == 2.0


def test_dumps(tmp_path: Any) -> None:
    f = lecture().warmup(A=((5,), "float64"), B=((5,), "float64"))
    for ending, part in {
        "txt": "return %", "dot": "digraph", "svg": "<svg", "json": '"op": "add"', "ll": "define", "s": ".text", "loops": "for j",
    }.items():  # fmt: skip
        assert part in f.dump(tmp_path / f"net.{ending}").read_text()
    with pytest.raises(sn.ArgumentError, match=r"\.svg"):
        f.dump(tmp_path / "net.png")
    with pytest.raises(sn.ArgumentError, match="interpreted"):
        lecture("interpret").warmup(A=((5,), "f"), B=((5,), "f")).dump(tmp_path / "net.ll")


def test_networkx() -> None:
    f = lecture().warmup(A=((5,), "float64"), B=((5,), "float64"))
    assert set(f.graph.to_networkx().predecessors("%2")) == {"A", "B"}


@pytest.mark.parametrize("length", ["n", 1_000_003])
def test_long_sums_keep_their_digits(length: int | str) -> None:
    x = Variable("x", (length,), "float32")
    total, mean, largest = compile([x.sum(), (x * x).mean(), x.max()])(np.full(1_000_003, 0.1, "f"))
    assert float(total) == pytest.approx(100_000.3, rel=1e-5)
    assert float(mean) == pytest.approx(0.01, rel=1e-5)
    assert largest == np.float32(0.1)


def test_sizes_of_updates_and_cotangents_are_settled_at_the_call(mode: str) -> None:
    v, c = Variable("v", ("n",), "float64"), Variable("c", ("m",), "float64")
    p = Parameter(np.zeros(4))
    f = compile(None, updates={p: v * 2}, mode=mode)
    f(np.arange(4.0))
    np.testing.assert_array_equal(p.value, [0, 2, 4, 6])
    with pytest.raises(sn.ShapeError, match=r"update of Parameter .*\(3,\).*\(4,\)"):
        f(np.arange(3.0))
    for cotangent in (c, np.arange(3.0)):
        g = compile(grad(v * 2, v, cotangent=cotangent), inputs=[v, c], mode=mode)
        np.testing.assert_array_equal(g(np.ones(3), np.arange(3.0)), [0, 2, 4])
        with pytest.raises(sn.ShapeError, match=r"cotangent of .* has shape"):
            g(np.ones(2), np.arange(3.0))


NAMES = ["n0", "r0", "i0", "i1", "k0", "k1", "j", "j_2", "b0", "acc_3", "d0", "size", "entry", "frame", "flag3"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_dim_meets_a_name_of_ours(name: str, mode: str) -> None:
    x, w = Variable("x", ("a", name), "float64"), Variable("w", (name, "b"), "float64")
    y = sn.softmax(x @ w) + x.max(axis=1, keepdims=True)
    f = compile([y, grad(y.sum(), w)], mode=mode)
    rng = np.random.default_rng(0)
    xv, wv = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    z = np.exp(xv @ wv)
    np.testing.assert_allclose(f(xv, wv)[0], z / z.sum(1, keepdims=True) + xv.max(1, keepdims=True))


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_nested_outputs(mode: str) -> None:
    """Any nesting of tuples, lists and dicts comes back, into `out=` too; a list of numbers is an array."""
    x = sn.Variable("x", ("n",), "float64")
    outputs = {"a": (x, [x.sum(), {"b": x * 2.0}]), "c": [1.0, 2.0], "d": (), "e": x + 1.0}
    f = sn.compile(outputs, mode=mode)
    for size in (2, 3, 2):
        values = np.arange(float(size))
        found = f(values)
        assert [*found] == ["a", "c", "d", "e"] and isinstance(found["a"], tuple) and found["d"] == ()
        np.testing.assert_array_equal(found["a"][0], values)
        np.testing.assert_array_equal(found["a"][1][0], values.sum())
        np.testing.assert_array_equal(found["a"][1][1]["b"], values * 2)
        np.testing.assert_array_equal(found["c"], [1.0, 2.0])
        np.testing.assert_array_equal(found["e"], values + 1)
    out = {"e": np.zeros(2), "c": np.zeros(2), "d": [], "a": [np.zeros(2), (np.zeros(()), {"b": np.zeros(2)})]}
    assert f(np.ones(2), out=out) is out
    np.testing.assert_array_equal(out["a"][1][1]["b"], [2.0, 2.0])
    np.testing.assert_array_equal(out["e"], [2.0, 2.0])


@pytest.mark.parametrize("mode", ["native", "interpret"])
def test_a_value_and_its_gradients_in_a_dict_are_compiled_as_they_are(mode: str) -> None:
    a, b = sn.Variable("a", (), "float64"), sn.Variable("b", (2,), "float64")
    f = sn.compile(sn.value_and_grad(a * b.sum(), {"a": a, "b": b}), mode=mode)
    value, slopes = f(3.0, np.array([1.0, 2.0]))
    assert float(value) == 9.0 and float(slopes["a"]) == 3.0
    np.testing.assert_array_equal(slopes["b"], [3.0, 3.0])
