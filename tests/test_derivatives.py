"""Derivatives beside the gradient of a scalar, and gradients where they are easily counted wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import Variable, compile, grad
from symnet.op import Composite, apply, register

from .cases import CASES, Case


@pytest.fixture(params=["native", "interpret"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class SquareTimes(Composite):
    """a² b, whose gradient is that of its expansion."""

    def result_shape(self, *shapes: Any, **attrs: Any) -> Any:
        return shapes[0]

    def numpy(self, *xs: np.ndarray, **attrs: Any) -> Any:
        return xs[0] * xs[0] * xs[1]

    def expand(self, *xs: Any, **attrs: Any) -> Any:
        return xs[0] * xs[0] * xs[1]


SQUARE_TIMES = register(SquareTimes("square_times_test"))


def test_operands_of_a_composite_that_depend_on_each_other_count_once(mode: str) -> None:
    x = Variable("x", shape=(), dtype="float64")
    twice, chained = apply(SQUARE_TIMES, x, x), apply(SQUARE_TIMES, x, np.sin(x))
    curved = grad(grad(chained, x), x)
    found = compile([grad(twice, x), grad(chained, x), curved, grad(grad(twice, x), x)], mode=mode)(2.0)
    sine, cosine = np.sin(2.0), np.cos(2.0)
    np.testing.assert_allclose(found, [12, 4 * sine + 4 * cosine, 2 * sine + 8 * cosine - 4 * sine, 12], rtol=1e-14)


def test_a_gradient_by_an_expression_is_differentiated_by_it_again(mode: str) -> None:
    x = Variable("x", shape=(), dtype="float64")
    h, k = x * 2, x * 2
    mixed = grad(np.sin(h) * h + grad(h**3, h), h)
    third = grad(grad(grad(h**3, h) * np.exp(h), h), h)
    other = grad(grad(h**3, h) * h, k, unconnected="zero")
    found = compile([mixed, third, other], mode=mode)(3.0)
    np.testing.assert_allclose(
        found, [36 + np.sin(6.0) + 6 * np.cos(6.0), np.exp(6.0) * (6 + 12 * 6 + 3 * 36), 0], rtol=1e-14
    )


def differences(f: Any, at: np.ndarray) -> np.ndarray:
    """Central difference quotients of a function of one array: shape (*result, *at)."""
    columns = []
    for place in np.ndindex(at.shape):
        step = np.zeros(at.shape)
        step[place] = 1e-5
        columns.append((np.asarray(f(at + step)) - np.asarray(f(at - step))) / 2e-5)
    return np.stack(columns, -1).reshape(*columns[0].shape, *at.shape)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def v(*shape: Any, name: str = "x", dtype: str = "float64") -> Variable:
    return Variable(name, shape, dtype)


def layer(x: Any) -> Any:
    """A function from (3,) to (2, 2) that uses its argument often."""
    weights = rng().standard_normal((4, 3))
    return np.tanh(weights @ x).reshape(2, 2) * np.exp(x[0]) + x.sum() * x[1]


POINT = np.array([0.3, -0.7, 1.1])


# -- value_and_grad, vjp, jvp ----------------------------------------------------------------------


def test_value_and_grad(mode: str) -> None:
    x, y = v(), v(name="y")
    value, (dx, dy) = sn.value_and_grad(x * y + np.sin(x), (x, y))
    assert [float(n) for n in compile([value, dx, dy], mode=mode)(2.0, 5.0)] == [10 + np.sin(2), 5 + np.cos(2), 2]
    value, slope = sn.value_and_grad(x**2, x)
    assert isinstance(slope, sn.Expr)
    assert [float(n) for n in compile([value, slope], mode=mode)(3.0)] == [9, 6]


def test_wrt_in_a_dict(mode: str) -> None:
    a, b = v(2, name="a"), v(2, name="b")
    total, ones, wrt = (a**3 * b).sum(), np.ones(2), {"a": a, "b": b}
    data = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    by_a, by_b = 3 * data[0] ** 2 * data[1], data[0] ** 3
    for given in (wrt, dict(reversed(wrt.items()))):
        value, slopes = sn.value_and_grad(total, given)
        assert list(slopes) == list(grad(total, given)) == list(given)
        product = sn.vjp({"y": a**3 * b}, given, {"y": ones})
        rows = sn.jacobian(a**3 * b, given)
        second = sn.hvp(total, given, {"b": ones, "a": 0.0 * ones})
        forward = sn.jvp({"y": a**3 * b}, given, {"b": ones, "a": 0.0 * ones})
        for found in (slopes, product, {k: r.sum(axis=0) for k, r in rows.items()}):
            answer = compile(found, inputs=[a, b], mode=mode)(*data)
            np.testing.assert_allclose(answer["a"], by_a)
            np.testing.assert_allclose(answer["b"], by_b)
        np.testing.assert_allclose(compile(forward["y"], inputs=[a, b], mode=mode)(*data), by_b)
        np.testing.assert_allclose(compile(second["a"], inputs=[a, b], mode=mode)(*data), 3 * data[0] ** 2)
        assert sn.hessian(total, given)["a"]["b"].shape == (2, 2)
        assert float(compile(value, mode=mode)(*data)) == 8 * 5 + 27 * 7


def test_vjp_of_one_output(mode: str) -> None:
    x = v(3)
    cotangent = rng().standard_normal((2, 2))
    found = compile(sn.vjp(layer(x), x, cotangent), mode=mode)(POINT)
    wanted = np.tensordot(cotangent, differences(layer, POINT), 2)
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_vjp_of_several_outputs_adds_what_each_sends_back(mode: str) -> None:
    x, y = v(3), v(3, name="y")
    shared = np.exp(x) * y
    outputs = [shared, shared.sum(), x, shared]  # one is an operand of others, one stands twice
    cotangents = [np.ones(3), 10.0, np.array([1.0, 2.0, 3.0]), sn.Constant(np.ones(3))]
    dx, dy = compile(sn.vjp(outputs, (x, y), cotangents), mode=mode)(POINT, 2 * POINT)
    np.testing.assert_allclose(dx, 12 * np.exp(POINT) * 2 * POINT + [1, 2, 3], rtol=1e-14)
    np.testing.assert_allclose(dy, 12 * np.exp(POINT), rtol=1e-14)


def test_several_outputs_cost_one_sweep() -> None:
    x = v(8)
    deep = x
    for _ in range(20):
        deep = np.sin(deep)
    one = compile(sn.vjp(deep, x, np.ones(8))).graph
    two = compile(sn.vjp([deep, deep * 2.0], x, [np.ones(8), np.ones(8)])).graph
    assert len(two.live()) < len(one.live()) + 5


def test_a_cotangent_is_a_constant_for_the_sweep_and_differentiable_after_it(mode: str) -> None:
    x = v()
    back = sn.vjp(x**2, x, x**3)  # 2x · x³
    assert [float(n) for n in compile([back, grad(back, x)], mode=mode)(2.0)] == [32, 64]


def test_jvp(mode: str) -> None:
    x, t = v(3), v(3, name="t")
    tangent = np.array([1.0, -2.0, 0.5])
    found = compile(sn.jvp(layer(x), x, t), inputs=[x, t], mode=mode)(POINT, tangent)
    np.testing.assert_allclose(found, differences(layer, POINT) @ tangent, rtol=1e-7)


def test_jvp_of_several_outputs_along_several(mode: str) -> None:
    x, y = v(3), v(name="y")
    along_x, along_y = compile(sn.jvp((x * y, np.sin(x).sum()), [x, y], [POINT, 2.0]), mode=mode)(POINT, 3.0)
    np.testing.assert_allclose(along_x, POINT * 3 + POINT * 2, rtol=1e-15)
    np.testing.assert_allclose(along_y, (np.cos(POINT) * POINT).sum(), rtol=1e-14)
    same = compile(sn.jvp([x, x], [x, x], [POINT, POINT]), mode=mode)(POINT)
    np.testing.assert_array_equal(same, [2 * POINT, 2 * POINT])


def test_jvp_leaves_no_trace_of_its_detour() -> None:
    x = v(3)
    f = compile(sn.jvp(np.sin(x), x, np.ones(3)))
    assert [n.attrs["name"] for n in f.graph.inputs] == ["x"]
    assert {n.op.name for n in f.graph.live()} <= {"input", "constant", "multiply", "cos"}
    np.testing.assert_allclose(compile(sn.jvp(np.sin(x), x, np.ones(3)), pipeline=[])(POINT), np.cos(POINT))


def test_shapes_may_be_open(mode: str) -> None:
    x, t = Variable("x"), Variable("t")
    forward = compile(sn.jvp(x * x, x, t), mode=mode)
    backward = compile(sn.vjp(x * x, x, t), mode=mode)
    twice = compile(sn.hvp((x * x * x).sum(), x, t), mode=mode)
    for shape in ((), (4,), (2, 3)):
        at, along = rng().standard_normal(shape), np.ones(shape)
        for f in (forward, backward):
            np.testing.assert_allclose(f(at, along), 2 * at, rtol=1e-14)
        np.testing.assert_allclose(twice(at, along), 6 * at, rtol=1e-14)
    with pytest.raises(sn.ShapeError, match="tangent of Variable 'x'"):
        forward(np.ones(3), np.ones(4))


def test_named_dims_compile_once() -> None:
    x = v("n", 3)
    f = compile(sn.jvp(sn.softmax(x), x, x))
    for n in (1, 2, 5):
        at = rng().standard_normal((n, 3))
        s = np.exp(at) / np.exp(at).sum(1, keepdims=True)
        np.testing.assert_allclose(f(at), s * (at - (s * at).sum(1, keepdims=True)), atol=1e-14)
    assert f.n_compiles == 1


def test_float32_stays_float32(mode: str) -> None:
    x = v(3, dtype="float32")
    for made in (
        sn.jvp(x * x, x, np.ones(3)), sn.vjp(x * x, x, [1, 2, 3]), sn.hvp((x**3).sum(), x, np.ones(3)), sn.hessian((x**3).sum(), x),
    ):  # fmt: skip
        assert made.dtype == np.float32
        assert compile(made, mode=mode)(POINT.astype("f")).dtype == np.float32


@pytest.mark.parametrize(
    "build",
    [
        lambda x: x.max(), lambda x: x.min(), lambda x: sn.maximum(x, 0.0).sum(), lambda x: sn.minimum(x, x * 2).sum(),
        lambda x: sn.clip(x, -1, 1).sum(),
    ],
)  # fmt: skip
def test_choices_of_float32_have_float32_gradients(build: Callable[[Any], Any], mode: str) -> None:
    x = v(3, dtype="float32")
    slope = grad(build(x), x)
    for made in (slope, grad((slope * x).sum(), x)):
        assert made.dtype == np.float32
        assert compile(made, inputs=[x], mode=mode)(POINT.astype("f")).dtype == np.float32


def test_a_loop_carries_float32_gradients_of_choices(mode: str) -> None:
    """They once were float64 numbers in memory for float32."""
    x = v(4, 3, dtype="float32")
    last, tops = sn.scan(lambda h, each: (h * 0.5 + each, (h + each).max()), np.zeros(3, np.float32), x)
    slope = compile(grad((last**2).sum() + (tops**2).sum(), x), mode=mode)
    wide = Variable("wide", (4, 3), "float64")
    last, tops = sn.scan(lambda h, each: (h * 0.5 + each, (h + each).max()), np.zeros(3), wide)
    expected = compile(grad((last**2).sum() + (tops**2).sum(), wide))
    point = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(slope(point.astype("f")), expected(point), rtol=1e-5, atol=1e-5)


def test_forward_and_backward_agree_for_expressions_on_the_way(mode: str) -> None:
    x = v(3)
    h = np.sin(x) * 2.0
    y = np.exp(h).sum() + (h * h).sum()
    at = 2 * np.sin(POINT)
    by_h, along = compile([sn.vjp(y, h, 1.0), sn.jvp(y, h, np.ones(3))], mode=mode)(POINT)
    np.testing.assert_allclose(by_h, np.exp(at) + 2 * at, rtol=1e-14)
    np.testing.assert_allclose(along, (np.exp(at) + 2 * at).sum(), rtol=1e-14)
    np.testing.assert_allclose(
        compile(sn.hessian(y, h), mode=mode)(POINT), np.diag(np.exp(at) + 2), rtol=1e-14, atol=1e-15
    )


DIFFERENTIABLE = [
    pytest.param(c, id=str(c)) for c in CASES if c.gradient and "float64" in c.dtypes and c.op != "check_exponent"
]


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_every_ops_jvp_is_the_transpose_of_its_vjp(case: Case) -> None:
    """<u, J t> = <Jᵀ u, t>: also says that every gradient rule is linear in the gradient it is given."""
    point = Case(**{**case.__dict__, "special": False}).operands("float64", seed=3)
    xs = [Variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(point)]
    moved = [x for x in xs if x.dtype.kind == "f"]
    y = case.call(*xs)
    tangents = [rng().standard_normal(x.shape) for x in moved]
    cotangent = rng().standard_normal(y.shape)
    forward = sn.jvp(y, moved, tangents)
    backward = sn.vjp(y, moved, cotangent)
    ahead, *back = compile([forward, *backward], inputs=xs, mode="interpret")(*point)
    left = (ahead * cotangent).sum()
    assert left == pytest.approx(sum((b * t).sum() for b, t in zip(back, tangents, strict=True)), rel=1e-10, abs=1e-10)


# -- jacobian, hessian, hvp ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 5])
def test_jacobian_by_rows_and_by_columns(mode: str, count: int) -> None:
    """Both directions: fewer rows than columns, as many, more."""
    weights = rng().standard_normal((count, 3))

    def f(x: Any) -> Any:
        return np.tanh(weights @ x) * x.sum()

    x = v(3)
    found = compile(sn.jacobian(f(x), x), mode=mode)(POINT)
    assert found.shape == (count, 3)
    np.testing.assert_allclose(found, differences(f, POINT), rtol=1e-7, atol=1e-9)


def test_jacobian_shapes(mode: str) -> None:
    x, y = v(3), v(2, 1, name="y")
    outer = x * y
    by_x, by_y = compile(sn.jacobian(outer, [x, y]), mode=mode)(POINT, np.array([[2.0], [5.0]]))
    np.testing.assert_array_equal(by_x, np.einsum("i,jk->ijk", [2.0, 5.0], np.eye(3)))
    np.testing.assert_array_equal(by_y, np.einsum("ik,j->ijk", np.eye(2), POINT)[..., None])
    np.testing.assert_array_equal(compile(sn.jacobian(x.sum(), x), mode=mode)(POINT), np.ones(3))
    scalar = v(name="s")
    np.testing.assert_array_equal(compile(sn.jacobian(scalar * POINT, scalar), mode=mode)(2.0), POINT)
    empty = v(0, name="empty")
    assert compile(sn.jacobian(empty * 2.0, empty), mode=mode)(np.zeros(0)).shape == (0, 0)
    assert compile(sn.jacobian(empty.sum() * x, x), inputs=[x, empty], mode=mode)(POINT, np.zeros(0)).shape == (3, 3)
    assert compile(sn.jacobian(x[:0], x), mode=mode)(POINT).shape == (0, 3)


def test_hessian_of_a_quadratic_form(mode: str) -> None:
    a = rng().standard_normal((3, 3))
    x = v(3)
    form = x @ sn.Constant(a) @ x
    found = compile([sn.hessian(form, x), grad(form, x), sn.hvp(form, x, np.array([1.0, 2.0, 3.0]))], mode=mode)(POINT)
    np.testing.assert_allclose(found[0], a + a.T, rtol=1e-14)
    np.testing.assert_allclose(found[1], (a + a.T) @ POINT, rtol=1e-14)
    np.testing.assert_allclose(found[2], (a + a.T) @ [1, 2, 3], rtol=1e-14)


def rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def test_hessian_of_rosenbrock(mode: str) -> None:
    x, vector = v(3), np.array([0.5, -1.0, 2.0])
    slope = compile(grad(rosenbrock(x), x), mode=mode)
    wanted = differences(slope, POINT)
    found = compile([sn.hessian(rosenbrock(x), x), sn.hvp(rosenbrock(x), x, vector)], mode=mode)(POINT)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[0], found[0].T, rtol=1e-14)
    np.testing.assert_allclose(found[1], found[0] @ vector, rtol=1e-13)


def test_blocks_of_a_hessian(mode: str) -> None:
    x, y = v(2), v(name="y")
    value = (x * x).sum() * y
    blocks = sn.hessian(value, [x, y])
    found = compile([b for row in blocks for b in row], mode=mode)(np.array([2.0, 3.0]), 5.0)
    np.testing.assert_array_equal(found[0], 10 * np.eye(2))
    np.testing.assert_array_equal(found[1], [4, 6])
    np.testing.assert_array_equal(found[2], [4, 6])
    assert found[3] == 0
    hx, hy = compile(sn.hvp(value, (x, y), (np.ones(2), 1.0)), mode=mode)(np.array([2.0, 3.0]), 5.0)
    np.testing.assert_array_equal(hx, [14, 16])
    assert hy == 10
    np.testing.assert_array_equal(compile(sn.hessian(x.sum(), x), mode=mode)(np.ones(2)), np.zeros((2, 2)))


def test_a_vector_that_is_an_expression_is_not_differentiated(mode: str) -> None:
    x = v(3)
    np.testing.assert_allclose(compile(sn.hvp((x**3).sum(), x, x), mode=mode)(POINT), 6 * POINT**2, rtol=1e-14)


def test_any_order(mode: str) -> None:
    """d⁴/dx⁴ of sin is sin, by every way that leads there."""
    x = v()
    backward = forward = np.sin(x)
    for _ in range(4):
        backward, forward = grad(backward, x), sn.jvp(forward, x, 1.0)
    mixed = sn.jvp(grad(sn.hessian(np.sin(x), x), x), x, 1.0)
    np.testing.assert_allclose(compile([backward, forward, mixed], mode=mode)(0.7), np.full(3, np.sin(0.7)), rtol=1e-14)
    cube = v(2)
    third = compile(sn.jacobian(sn.hessian(cube[0] ** 2 * cube[1], cube), cube), mode=mode)(np.array([2.0, 5.0]))
    wanted = np.zeros((2, 2, 2))
    wanted[0, 0, 1] = wanted[0, 1, 0] = wanted[1, 0, 0] = 2
    np.testing.assert_array_equal(third, wanted)


PIECEWISE_LINEAR: dict[str, Callable[[Any], Any]] = {
    "relu": sn.relu,
    "abs": sn.abs,
    "clip": lambda x: sn.clip(x, 0.0, 2.0),
    "remainder": lambda x: x % 2.0,
    "floor": sn.floor,
    "mask": lambda x: sn.where(x > 0, 3.0, 1.0),
    "mask as numbers": lambda x: sn.cast(x > 0, "float64"),
    "position": lambda x: sn.take(np.arange(9.0), sn.argmax(x)),
    "times": lambda x: x * 3.0,
}


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_second_derivatives_of_what_is_piecewise_linear_are_zeros(name: str, mode: str) -> None:
    x = v(3)
    first = grad(PIECEWISE_LINEAR[name](x).sum(), x)
    second = compile([grad(first.sum(), x), sn.jvp(first, x, np.ones(3))], mode=mode)(np.array([1.5, -1.0, 3.5]))
    np.testing.assert_array_equal(second, np.zeros((2, 3)))


def test_a_node_used_many_times(mode: str) -> None:
    x = v()
    shared = x * x
    total = shared
    for _ in range(30):
        total = total + shared * 0.5 + shared
    powers = x
    for _ in range(6):
        powers = powers * powers  # x⁶⁴ in six products
    found = compile([grad(total, x), sn.jvp(total, x, 1.0), grad(powers, x), sn.hessian(powers, x)], mode=mode)(1.5)
    np.testing.assert_allclose(found, [138, 138, 64 * 1.5**63, 64 * 63 * 1.5**62], rtol=1e-13)


# -- stop_gradient, custom_gradient ----------------------------------------------------------------


def test_stop_gradient(mode: str) -> None:
    x = v(3)
    held = sn.stop_gradient(x * x)
    f = compile([held, grad((x * held).sum(), x), grad(held.sum(), x), sn.jvp(held, x, np.ones(3))], mode=mode)
    for found, wanted in zip(f(POINT), [POINT**2, POINT**2, np.zeros(3), np.zeros(3)], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert "stop_gradient" not in {n.op.name for n in f.graph.live()}
    np.testing.assert_array_equal(sn.stop_gradient(POINT), POINT)
    tensor = sn.eager.tensor(POINT, requires_grad=True)
    (tensor * sn.stop_gradient(tensor)).sum().backward()
    np.testing.assert_array_equal(tensor.grad, POINT)


@sn.custom_gradient(lambda g, y, x: g * (1 - 1 / (1 + sn.exp(x))))
def log1pexp(x: Any) -> Any:
    """log(1 + exp(x)) as it is written in books."""
    return sn.log(1 + sn.exp(x))


def test_custom_gradient(mode: str) -> None:
    x = v(3)
    at = np.array([-1.0, 2.0, 100.0])
    value, slope = compile([log1pexp(x), grad(log1pexp(x).sum(), x)], mode=mode)(at)
    np.testing.assert_allclose(value, np.log1p(np.exp(at)), rtol=1e-14)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-at)), rtol=1e-14)
    np.testing.assert_allclose(compile(sn.jvp(log1pexp(x), x, np.ones(3)), mode=mode)(at), slope, rtol=1e-14)
    np.testing.assert_allclose(log1pexp(at), value, rtol=1e-14)
    assert log1pexp.__doc__ is not None
    sn.check_grads(log1pexp, POINT, order=2, mode=mode)


def test_custom_gradient_of_several_arguments_replaces_the_true_one(mode: str) -> None:
    def rule(g: Any, y: Any, a: Any, b: Any, labels: Any) -> Any:
        return 7.0, g * 3.0, None

    f = sn.custom_gradient(rule)(lambda a, b, labels: (a * b).sum() + labels.sum())
    a, b, labels = v(3, name="a"), v(name="b"), v(2, name="labels", dtype="int64")
    # Each argument depends on the first; a number stands for an array; `b` is used twice.
    da, db = compile(grad(f(a, b, labels) + b * b, [a, b]), inputs=[a, b, labels], mode=mode)(POINT, 2.0, [1, 2])
    np.testing.assert_array_equal(da, [7, 7, 7])
    assert db == 3 + 4
    inner = f(a, a.sum() * b, labels)
    np.testing.assert_array_equal(
        compile(grad(inner, a), inputs=[a, b, labels], mode=mode)(POINT, 2.0, [1, 2]), [13, 13, 13]
    )


def test_custom_gradient_of_tensors() -> None:
    tensor = sn.eager.tensor(POINT, requires_grad=True)
    log1pexp(tensor).sum().backward()
    np.testing.assert_allclose(tensor.grad, 1 / (1 + np.exp(-POINT)), rtol=1e-14)


def test_a_clipped_gradient_has_no_forward_derivative() -> None:
    clip = sn.custom_gradient(lambda g, y, x: sn.minimum(g, 1.0))(lambda x: x * 1.0)
    x = v()
    assert float(compile(grad(clip(x) * 5.0, x))(2.0)) == 1
    with pytest.raises(sn.GradientError, match=r"not linear.*test_derivatives"):
        compile(sn.jvp(clip(x) * 5.0, x, 1.0))


# -- check_grads -----------------------------------------------------------------------------------


def test_check_grads_accepts_what_is_right(mode: str) -> None:
    x, y = v(3, dtype="float32"), Variable("y")
    sn.check_grads(layer, POINT, order=2, mode=mode)
    sn.check_grads(x * y + np.sin(x), {"x": POINT, "y": 2.0}, mode=mode)
    sn.check_grads(grad((x**3 * y).sum(), x), [POINT, 2.0], order=2, mode=mode)
    sn.check_grads(sn.jvp(x**3, x, x), POINT, mode=mode)
    sn.check_grads(lambda z, labels: sn.cross_entropy(z, labels), [np.eye(3), np.array([0, 2, 1])], mode=mode)
    sn.check_grads(lambda *xs: xs[0] * xs[1], (1.0, 2.0), mode=mode)
    sn.check_grads(1e8 * x.sum() + x[0], POINT, mode=mode)
    named = Variable("x", ("n",), "float64")
    sn.check_grads(named / named.shape[0], POINT, mode=mode)


def test_check_grads_of_a_net_in_float32(mode: str) -> None:
    """Parameters are checked as Variables are; rounding to float32 does not disturb."""
    weights = sn.Parameter(rng().standard_normal((3, 2)).astype("f"), name="weights")
    x, labels = v("n", 3, dtype="float32"), v("n", name="labels", dtype="int64")
    loss = sn.cross_entropy(sn.cast(np.tanh(x @ weights), "float32"), labels)
    before = weights.value.copy()
    sn.check_grads(loss, {"x": rng().standard_normal((4, 3)), "labels": [0, 1, 1, 0]}, mode=mode)
    np.testing.assert_array_equal(weights.value, before)
    doubled = sn.custom_gradient(lambda g, y, w: 2.0 * g)(lambda w: w * 1.0)
    with pytest.raises(sn.GradientMismatch, match=r"by Parameter 'weights.*' is wrong at \[\d, \d\]"):
        sn.check_grads((x @ doubled(weights)).sum(), np.ones((1, 3)), mode=mode)


def test_check_grads_names_the_worst_element(mode: str) -> None:
    wrong = sn.custom_gradient(lambda g, y, x: g * 2.0 * x + np.array([0.0, 0.1, 5.0]))(lambda x: x * x)
    x = v(3)
    with pytest.raises(
        sn.GradientMismatch, match=r"by Variable 'x' is wrong at \[2\]: the rules give 7.*differences 2"
    ):
        sn.check_grads(wrong(x).sum(), np.ones(3), mode=mode)
    flat = sn.custom_gradient(lambda g, y, x: g * sn.stop_gradient(2.0 * x))(lambda x: x * x)
    sn.check_grads(flat, np.ones(3), mode=mode)
    with pytest.raises(sn.GradientMismatch, match="the derivative of order 2 by Variable 'x' is wrong"):
        sn.check_grads(flat, np.ones(3), order=2, mode=mode)
    undefined = sn.custom_gradient(lambda g, y, x: g * np.nan)(lambda x: x * x)
    with pytest.raises(AssertionError, match="the rules give nan"):
        sn.check_grads(undefined, 1.0, mode=mode)


# -- bad input -------------------------------------------------------------------------------------


def used_wrongly(rule: Any) -> Any:
    x = v(3)
    return compile(grad(sn.custom_gradient(rule)(lambda x: x * 2.0)(x).sum(), x))


REFUSED: list[tuple[str, Any, type[Exception], str]] = [
    (
        "vjp count",
        lambda: sn.vjp([v(3), v(3)], v(3), [np.ones(3)]),
        sn.ArgumentError,
        "cotangents is a list of 1; expected a list of 2, like Variable 'x'",
    ),
    (
        "vjp one for many",
        lambda: sn.vjp([v(3)], v(3), 1.0),
        sn.ArgumentError,
        "cotangents is one value; expected a list of 1",
    ),
    (
        "vjp shape",
        lambda: (lambda x: sn.vjp(x, x, np.ones(4)))(v(3)),
        sn.ShapeError,
        r"cotangent of Variable 'x' has shape \(4,\); expected its shape, \(3,\)",
    ),
    (
        "vjp text",
        lambda: (lambda x: sn.vjp(x, x, "a"))(v(3)),
        sn.ArgumentError,
        "cotangent of Variable 'x': expected numbers",
    ),
    ("vjp unconnected", lambda: sn.vjp(v(), v(name="y"), 1.0), sn.GradientError, "'y'.*not connected"),
    ("vjp nothing", lambda: sn.vjp([], v(), []), sn.ArgumentError, "outputs is empty"),
    (
        "vjp integers",
        lambda: (lambda i: sn.vjp(i, i, 1))(v(dtype="int64")),
        sn.GradientError,
        "Variable 'x'.*int64.*10.0",
    ),
    ("wrt number", lambda: sn.vjp(v(), 3, 1.0), sn.GradientError, "wrt is 3; expected a Variable"),
    (
        "cotangent keys",
        lambda: sn.vjp({"y": v(3)}, v(3), {"z": np.ones(3)}),
        sn.ArgumentError,
        "cotangents is a dict with the keys 'z'; expected a dict with the keys 'y'",
    ),
    ("wrt numbers", lambda: grad(v(), [3]), sn.GradientError, r"wrt\[0\] is 3; expected a Variable"),
    ("outputs array", lambda: sn.jvp([np.ones(3)], v(), 1.0), sn.GradientError, r"outputs\[0\] is array"),
    (
        "jvp shape",
        lambda: (lambda x: sn.jvp(x, x, 1.0))(v(3)),
        sn.ShapeError,
        r"tangent of Variable 'x' has shape \(\); expected its shape, \(3,\)",
    ),
    ("jvp no wrt", lambda: sn.jvp(v(), [], []), sn.ArgumentError, "wrt is empty"),
    (
        "jvp unconnected",
        lambda: (lambda x: sn.jvp([x, v(name="y")], x, 1.0))(v()),
        sn.GradientError,
        "'?input.*does not depend on Variable 'x'",
    ),
    (
        "jvp unconnected wrt",
        lambda: (lambda x: sn.jvp(x, [x, v(name="y")], [1.0, 1.0]))(v()),
        sn.GradientError,
        "does not depend on Variable 'y'",
    ),
    (
        "unconnected",
        lambda: (lambda x: sn.jvp(x, x, 1.0, unconnected="no"))(v()),
        sn.GradientError,
        "unconnected is 'no'",
    ),
    (
        "jacobian named",
        lambda: (lambda x: sn.jacobian(x * 2.0, x))(v("n", 3)),
        sn.ShapeError,
        r"has shape \(n, 3\), where n is open",
    ),
    (
        "jacobian open",
        lambda: (lambda x: sn.jacobian(x.sum(), x))(Variable("x")),
        sn.ShapeError,
        "shape of .* is not known; a Jacobian needs it",
    ),
    (
        "jacobian size",
        lambda: (lambda x: sn.jacobian(x * 2.0, x))(v(2000)),
        sn.ShapeError,
        "by Variable 'x' has 2000 rows and 2000 columns; expected at most 1024",
    ),
    ("hessian non-scalar", lambda: (lambda x: sn.hessian(x * 2.0, x))(v(3)), sn.GradientError, "non-scalar"),
    (
        "hessian named",
        lambda: (lambda x: sn.hessian(x.sum(), x))(v("n")),
        sn.ShapeError,
        "Variable 'x' has shape .n,., where n is open",
    ),
    (
        "hvp shape",
        lambda: (lambda x: sn.hvp(x.sum(), x, np.ones(2)))(v(3)),
        sn.ShapeError,
        r"vector of Variable 'x' has shape \(2,\); expected its shape, \(3,\)",
    ),
    (
        "hvp count",
        lambda: (lambda x: sn.hvp(x.sum(), [x], []))(v(3)),
        sn.ArgumentError,
        "vectors is a list of 0; expected a list of 1",
    ),
    ("rule is none", lambda: sn.custom_gradient(3), sn.ArgumentError, "takes the gradient rule.*got 3"),
    (
        "rule count",
        lambda: used_wrongly(lambda g, y, x: (g, g)),
        sn.GradientError,
        "rule of <lambda> gives 2 gradients; expected 1",
    ),
    (
        "rule shape",
        lambda: used_wrongly(lambda g, y, x: np.ones(4)),
        sn.GradientError,
        r"argument 0 a gradient of shape \(4,\); expected \(3,\)",
    ),
    (
        "rule wider",
        lambda: used_wrongly(lambda g, y, x: np.ones((2, 3))),
        sn.GradientError,
        r"shape \(2, 3\); expected \(3,\)",
    ),
    ("rule text", lambda: used_wrongly(lambda g, y, x: "a"), sn.ArgumentError, "rule of <lambda>: expected numbers"),
    (
        "closed over",
        lambda: sn.custom_gradient(lambda g, y, x: g)(lambda x: x * v(name="w"))(v()),
        sn.ArgumentError,
        "reads Variable 'w', which is not among its arguments",
    ),
    (
        "no value",
        lambda: sn.custom_gradient(lambda g, y, x: g)(lambda x: None)(v()),
        sn.ArgumentError,
        "returned None; expected one value",
    ),
    ("check what", lambda: sn.check_grads(3, 1.0), sn.ArgumentError, "takes an expression, or a function.*got 3"),
    ("check Function", lambda: sn.check_grads(compile(v()), 1.0), sn.ArgumentError, "takes an expression"),
    ("check order", lambda: sn.check_grads(v(), 1.0, order=0), sn.ArgumentError, "order is 0"),
    ("check names", lambda: sn.check_grads(v(), {"y": 1.0}), sn.ArgumentError, "unknown argument 'y'; expected x"),
    ("check missing", lambda: sn.check_grads(v() * v(name="y"), 1.0), sn.ArgumentError, "missing argument 'y'"),
    ("check shape", lambda: sn.check_grads(v(3), np.ones(4)), sn.ShapeError, r"'x'.*expected shape \(3,\), got \(4,\)"),
    ("check text", lambda: sn.check_grads(v(), "a"), sn.ArgumentError, "point of Variable 'x': expected numbers"),
    ("check integers", lambda: sn.check_grads(lambda x: x * 2, 3), sn.GradientError, "10.0 for 10"),
    ("check finite", lambda: sn.check_grads(lambda x: sn.log(x), -1.0), sn.GradientError, "value at the point is nan"),
    ("check result", lambda: sn.check_grads(lambda x: 3, 1.0), sn.ArgumentError, "returned 3; expected one expression"),
    (
        "check closed over",
        lambda: sn.check_grads(lambda x: x * v(name="w"), 1.0),
        sn.ArgumentError,
        "reads Variable 'w'",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED])
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, sn.SymnetError)
