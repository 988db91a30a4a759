"""Convolution and pooling: numbers against plain loops, named sizes, gradients, complaints, memory bounds."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet import eager

from .test_guard_pages import SCRIPT

MODES = ["native", "interpret"]
RNG = np.random.default_rng(7)


def v(*shape: int | str, dtype: str = "float64", name: str = "x") -> sn.Variable:
    return sn.Variable(name, shape, dtype)


def pair(n: int | tuple[int, int]) -> tuple[int, int]:
    return (n, n) if isinstance(n, int) else n


def looped(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    """The definition, one product after the other."""
    (sy, sx), (py, px), (dy, dx) = map(pair, (stride, padding, dilation))
    n, _, h, width = x.shape
    o, part, kh, kw = w.shape
    rows, columns = (h + 2 * py - dy * (kh - 1) - 1) // sy + 1, (width + 2 * px - dx * (kw - 1) - 1) // sx + 1
    y = np.zeros((n, o, rows, columns))
    for at in itertools.product(range(n), range(o), range(rows), range(columns), range(part), range(kh), range(kw)):
        sample, out, p, q, channel, i, j = at
        row, column = p * sy - py + i * dy, q * sx - px + j * dx
        if 0 <= row < h and 0 <= column < width:
            y[sample, out, p, q] += (
                x[sample, out // (o // groups) * part + channel, row, column] * w[out, channel, i, j]
            )
    return y + b[:, None, None]


SETTINGS = [
    pytest.param(*case, id="-".join(map(str, case)))
    for case in itertools.product((1, 2, (3, 1)), (0, 2, (1, 0)), (1, (2, 1)), (1, 2))
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_a_convolution_is_its_definition(stride: Any, padding: Any, dilation: Any, groups: int, mode: str) -> None:
    """And the transposed one, with the gradient by the weights, is its adjoint: <conv(x), y> = <x, transposed(y)>."""
    x, w, b = RNG.standard_normal((2, 4, 7, 8)), RNG.standard_normal((6, 4 // groups, 3, 2)), RNG.standard_normal(6)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    wanted = looped(x, w, b, **settings)
    f = sn.compile(sn.conv2d(v(*x.shape), sn.Constant(w), sn.Constant(b), **settings), mode=mode)
    np.testing.assert_allclose(f(x), wanted, rtol=1e-12, atol=1e-12)

    y = RNG.standard_normal(wanted.shape)
    product = float(((wanted - b[:, None, None]) * y).sum())
    reach = sn.conv_transpose2d(y, w, **settings).shape
    more = tuple(n - m for n, m in zip(x.shape[2:], reach[2:], strict=True))
    g = sn.compile(sn.conv_transpose2d(v(*y.shape), sn.Constant(w), output_padding=more, **settings), mode=mode)
    assert float((g(y) * x).sum()) == pytest.approx(product)
    weights = v(*w.shape, name="w")
    h = sn.compile(sn.grad(sn.conv2d(x, weights, **settings), weights, cotangent=y), mode=mode)
    assert float((h(w) * w).sum()) == pytest.approx(product)


def pooled(x: np.ndarray, kernel: Any, stride: Any, padding: Any, of: Callable[..., Any], fill: float) -> np.ndarray:
    (kh, kw), (sy, sx), (py, px) = map(pair, (kernel, stride, padding))
    padded = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)), constant_values=fill)
    rows, columns = (padded.shape[2] - kh) // sy + 1, (padded.shape[3] - kw) // sx + 1
    y = np.zeros((*x.shape[:2], rows, columns))
    for p, q in np.ndindex(rows, columns):
        y[:, :, p, q] = of(padded[:, :, p * sy : p * sy + kh, q * sx : q * sx + kw], axis=(2, 3))
    return y


WINDOWS = [((2, 2), 2, 0), (3, 2, 1), ((3, 2), (1, 3), (1, 1)), (1, 2, 0), (4, 1, 2)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)
def test_pools_are_their_definition(kernel: Any, stride: Any, padding: Any, mode: str) -> None:
    x = RNG.standard_normal((2, 3, 9, 11))
    settings = {"kernel_size": kernel, "stride": stride, "padding": padding}
    variable = v("n", 3, "h", "w")
    f = sn.compile([pool(variable, **settings) for pool in (sn.max_pool2d, sn.avg_pool2d)], mode=mode)
    for array in (x, x[:1, :, :5, :6], x[:0]):
        largest, means = f(array)
        np.testing.assert_array_equal(largest, pooled(array, kernel, stride, padding, np.max, -np.inf))
        np.testing.assert_allclose(means, pooled(array, kernel, stride, padding, np.mean, 0.0), rtol=1e-12, atol=1e-14)
    assert f.n_compiles == 1


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_a_maximum_goes_to_the_first(mode: str) -> None:
    inf, nan = np.inf, np.nan
    x = np.array([[1, 1, 2, 3], [1, 0, 3, 3], [-inf, -inf, nan, 5], [-inf, -inf, 7, nan]])[None, None]
    variable = v(*x.shape)
    f = sn.compile(sn.grad(sn.max_pool2d(variable, 2), variable, cotangent=[[[[1, 2.0], [3, 4]]]]), mode=mode)
    np.testing.assert_array_equal(f(x)[0, 0], [[1, 0, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    # Overlapping windows add; padding, which comes first in its window, never wins.
    least = np.full((1, 1, 3, 3), -inf)
    variable = v(*least.shape)
    g = sn.compile(sn.grad(sn.max_pool2d(variable, 3, 1, 1).sum(), variable), mode=mode)
    np.testing.assert_array_equal(g(least)[0, 0], [[4, 2, 0], [2, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "settings", [{}, {"padding": "same"}, {"stride": 2, "padding": 1}, {"stride": (3, 2), "dilation": 2}]
)
def test_named_sizes_are_compiled_once(settings: dict[str, Any], mode: str) -> None:
    """Batch, height and width, with first and second gradients, and one program for all of them."""
    x, w = v("n", 2, "h", "w"), v(3, 2, 3, 2, name="k")
    y = sn.conv2d(x, w, **settings)
    slopes = sn.grad((y * y).sum(), [x, w])
    f = sn.compile([y, *slopes, sn.grad((slopes[0] * slopes[0]).sum(), w)], mode=mode)
    kernel = RNG.standard_normal(w.shape)
    for shape in [(2, 2, 9, 9), (1, 2, 5, 33), (3, 2, 8, 4), (0, 2, 7, 7)]:
        array = RNG.standard_normal(shape)
        fixed = v(*shape)
        z = sn.conv2d(fixed, w, **settings)
        inner = sn.grad((z * z).sum(), [fixed, w])
        g = sn.compile([z, *inner, sn.grad((inner[0] * inner[0]).sum(), w)], [fixed, w], mode="interpret")
        for found, right in zip(f(array, kernel), g(array, kernel), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9)
    assert f.n_compiles == 1
    with pytest.raises(sn.ShapeError, match="window"):
        f(np.ones((1, 2, 0, 9)), kernel)


@pytest.mark.parametrize("mode", MODES)
def test_transposed_convolution_of_named_sizes(mode: str) -> None:
    x, w = v("n", 2, "h", "w"), v(2, 3, 3, 3, name="k")
    y = sn.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)
    assert [str(n) for n in y.shape] == ["n", "3", "2*h", "2*w"]
    f = sn.compile([y, *sn.grad((y * y).sum(), [x, w])], mode=mode)
    for shape in [(2, 2, 3, 5), (1, 2, 1, 9)]:
        array, kernel, step = RNG.standard_normal(shape), RNG.standard_normal((2, 3, 3, 3)), 1e-6
        value, by_x, by_w = f(array, kernel)
        assert value.shape == (shape[0], 3, 2 * shape[2], 2 * shape[3])
        for slope, ahead in ((by_x, (step, 0)), (by_w, (0, step))):
            high, low = (f(array + s * ahead[0], kernel + s * ahead[1])[0] for s in (1, -1))
            assert float(slope.sum()) == pytest.approx(float(((high**2).sum() - (low**2).sum()) / (2 * step)), rel=1e-6)
    assert f.n_compiles == 1


def test_open_shapes_and_the_imperative_twin() -> None:
    x, w = sn.Variable("x"), sn.Variable("w")
    f = sn.compile(sn.nn.Flatten()(sn.max_pool2d(sn.conv2d(x, w, padding="same"), 2)))
    array, kernel = RNG.standard_normal((2, 1, 6, 6)), RNG.standard_normal((3, 1, 3, 3))
    wanted = sn.max_pool2d(sn.conv2d(array, kernel, padding="same"), 2).reshape(2, -1)
    np.testing.assert_allclose(f(array, kernel), wanted)
    tensor = eager.tensor(array, requires_grad=True)
    sn.avg_pool2d(sn.upsample(tensor, 2), 2).sum().backward()
    np.testing.assert_allclose(tensor.grad, np.ones_like(array))


WRONG: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("channels", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 2, 3, 3)), sn.ShapeError, r"conv2d at .*test_convolution.py:\d+: .*\(8, 3, 9, 9\).*\(4, 2, 3, 3\).*takes 2 channels, expected 3"),
    ("kernel", lambda: sn.conv2d(v(8, 3, 4, 9), v(4, 3, 7, 3), padding=1), sn.ShapeError, r"\(8, 3, 4, 9\).*a window of 7 in 6 padded"),
    ("dilated kernel", lambda: sn.conv1d(v(8, 3, 4), v(4, 3, 3), dilation=2), sn.ShapeError, "a window of 5 in 4 padded"),
    ("no kernel", lambda: sn.conv1d(v(8, 3, 4), v(4, 3, 0)), sn.ShapeError, "no elements"),
    ("no transposed kernel", lambda: sn.conv_transpose1d(v(8, 4, 4), v(4, 3, 0)), sn.ShapeError, "no elements"),
    ("negative padding", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), padding=-1), sn.ArgumentError, "conv2d at .*padding is -1; expected an integer of at least 0, or 2"),
    ("padding", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), padding="full"), sn.ArgumentError, "padding is 'full'"),
    ("same", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), padding="same", stride=2), sn.ArgumentError, "'same' with stride 1 only"),
    ("groups of x", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 1, 3, 3), groups=2), sn.ShapeError, "2 groups do not divide 3 channels"),
    ("groups of w", lambda: sn.conv2d(v(8, 4, 9, 9), v(5, 2, 3, 3), groups=2), sn.ShapeError, "2 groups do not divide 5 results"),
    ("no groups", lambda: sn.conv2d(v(8, 4, 9, 9), v(5, 2, 3, 3), groups=0), sn.ArgumentError, "groups is 0"),
    ("stride", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), stride=0), sn.ArgumentError, "stride is 0; expected an integer of at least 1"),
    ("strides", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), stride=(1, 2, 3)), sn.ArgumentError, r"stride is \(1, 2, 3\)"),
    ("float stride", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), stride=1.5), sn.ArgumentError, r"stride is 1\.5"),
    ("rank", lambda: sn.conv2d(v(3, 9, 9), v(4, 3, 3, 3)), sn.ShapeError, r"\(3, 9, 9\).*expected x \(samples, channels, height, width\)"),
    ("rank of w", lambda: sn.conv1d(v(3, 9, 9), v(4, 3)), sn.ShapeError, r"w \(out, channels / groups, kernel length\)"),
    ("bias", lambda: sn.conv2d(v(8, 3, 9, 9), v(4, 3, 3, 3), v(3)), sn.ShapeError, r"b has shape \(3,\); expected b \(4,\)"),
    ("bools", lambda: sn.conv1d(v(8, 3, 9, dtype="bool"), v(4, 3, 3, dtype="bool")), sn.DTypeError, "bool"),
    ("arrays", lambda: sn.conv2d(np.ones((8, 3, 9, 9)), np.ones((4, 2, 3, 3))), sn.ShapeError, "takes 2 channels, expected 3"),
    ("transposed", lambda: sn.conv_transpose2d(v(8, 3, 9, 9), v(4, 2, 3, 3)), sn.ShapeError, "conv_transpose2d.*takes 4 channels, expected 3"),
    ("all padding", lambda: sn.conv_transpose1d(v(8, 4, 1), v(4, 2, 1), padding=1), sn.ShapeError, "has -1 elements"),
    ("output padding", lambda: sn.conv_transpose1d(v(8, 4, 3), v(4, 2, 3), output_padding=1), sn.ArgumentError, "output_padding is 1"),
    ("pool rank", lambda: sn.max_pool2d(v(9, 9), 2), sn.ShapeError, r"max_pool2d at .*\(9, 9\); expected \(samples"),
    ("pool window", lambda: sn.avg_pool2d(v(1, 1, 9, 2), 3), sn.ShapeError, "a window of 3 in 2 padded"),
    ("pool padding", lambda: sn.max_pool2d(v(1, 1, 9, 9), 3, padding=2), sn.ArgumentError, "at most half"),
    ("pool kernel", lambda: sn.max_pool1d(v(1, 1, 9), 0), sn.ArgumentError, "kernel_size is 0"),
    ("pool stride", lambda: sn.avg_pool1d(v(1, 1, 9), 2, 0), sn.ArgumentError, "stride is 0"),
    ("global", lambda: sn.global_avg_pool2d(v(1, 9, 9)), sn.ShapeError, r"\(1, 9, 9\); expected \(samples"),
    ("scale", lambda: sn.upsample(v(1, 1, 9), 0), sn.ArgumentError, "scale_factor is 0"),
    ("scales", lambda: sn.upsample(v(1, 1, 9), (2, 2)), sn.ShapeError, "2 spatial axes"),
    ("flat order", lambda: sn.nn.Flatten(2, 1)(v(1, 2, 3)), sn.ShapeError, "no order"),
    ("layer groups", lambda: sn.nn.Conv2d(3, 4, 3, groups=2), sn.ArgumentError, "3 to 4 channels in 2 groups"),
    ("layer kernel", lambda: sn.nn.Conv2d(3, 4, (3, 3, 3)), sn.ArgumentError, "expected 2 sizes"),
    ("layer dtype", lambda: sn.nn.Conv1d(3, 4, 3, dtype="int64"), sn.DTypeError, "Conv1d with dtype int64"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "error", "message"), [pytest.param(*case[1:], id=case[0]) for case in WRONG])
def test_bad_input_is_refused_where_it_is_written(
    write: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        write()
    assert isinstance(caught.value, sn.SymnetError)


@pytest.mark.parametrize("mode", MODES)
def test_bad_input_of_open_shape_is_refused_at_the_call(mode: str) -> None:
    f = sn.compile(sn.conv2d(sn.Variable("x"), sn.Variable("w"), groups=2), mode=mode)
    for _ in range(2):
        with pytest.raises(sn.ShapeError, match="2 groups do not divide 3 channels"):
            f(np.ones((1, 3, 5, 5)), np.ones((4, 2, 3, 3)))
    assert f(np.ones((1, 4, 5, 5)), np.ones((4, 2, 3, 3))).shape == (1, 4, 3, 3)


def test_layers() -> None:
    conv = sn.nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, groups=2, rng=0)
    assert conv.weight.shape == (6, 2, 3, 5) and conv.bias is not None and conv.bias.shape == (6,)
    bound = 1 / np.sqrt(2 * 3 * 5)
    assert 0.9 * bound < np.abs(conv.weight.value).max() <= bound and np.abs(conv.bias.value).max() <= bound
    np.testing.assert_array_equal(conv.weight.value, sn.nn.Conv2d(4, 6, (3, 5), groups=2, rng=0).weight.value)
    transposed = sn.nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2, bias=False, dtype="float64")
    assert transposed.weight.shape == (4, 3, 3, 3) and transposed.bias is None
    assert np.abs(transposed.weight.value).max() <= 1 / np.sqrt(3 * 3 * 3)
    layers: list[tuple[sn.nn.Module, tuple[int, ...], tuple[int, ...]]] = [
        (conv, (2, 4, 9, 9), (2, 6, 5, 4)),
        (transposed, (2, 4, 5, 5), (2, 6, 12, 12)),
        (sn.nn.Conv1d(2, 3, 5, padding="same"), (2, 2, 9), (2, 3, 9)),
        (sn.nn.MaxPool1d(3, 2, 1), (2, 2, 9), (2, 2, 5)),
        (sn.nn.MaxPool2d(2), (2, 2, 9, 8), (2, 2, 4, 4)),
        (sn.nn.AvgPool1d(2), (2, 2, 9), (2, 2, 4)),
        (sn.nn.AvgPool2d((3, 1), 1), (2, 2, 9, 8), (2, 2, 7, 8)),
        (sn.nn.GlobalAvgPool2d(), (2, 3, 4, 5), (2, 3)),
        (sn.nn.GlobalAvgPool1d(), (2, 3, 4), (2, 3)),
        (sn.nn.ConvTranspose1d(3, 4, 4, stride=2, padding=1, rng=0), (2, 3, 5), (2, 4, 10)),
        (sn.nn.Upsample(scale_factor=(2, 3)), (2, 3, 4, 5), (2, 3, 8, 15)),
        (sn.nn.Flatten(start_dim=2), (2, 3, 4, 5), (2, 3, 20)),
        (sn.nn.Flatten(0, 1), (2, 3, 4, 5), (6, 4, 5)),
    ]
    for layer, shape, wanted in layers:
        assert sn.compile(layer(v(*shape)))(RNG.standard_normal(shape)).shape == wanted


def test_a_small_network_learns() -> None:
    """Bars that stand or lie, wherever they are, at two batch sizes and with one compilation."""
    x, y = v("batch", 1, 8, 8, dtype="float32"), v("batch", dtype="int64", name="y")
    net = sn.nn.Sequential(
        sn.nn.Conv2d(1, 4, 3, padding=1, rng=0),
        sn.nn.ReLU(),
        sn.nn.MaxPool2d(2),
        sn.nn.Flatten(),
        sn.nn.Linear(64, 2, rng=1),
    )
    loss = sn.nn.cross_entropy(net(x), y)
    step = sn.compile(loss, updates=sn.optim.SGD(lr=0.2)(loss, net.parameters()))
    rng = np.random.default_rng(0)
    for k in range(120):
        n = 32 if k % 2 else 17
        pictures, labels = np.zeros((n, 1, 8, 8), "f"), rng.integers(0, 2, n)
        for picture, label, place in zip(pictures, labels, rng.integers(0, 8, n), strict=True):
            (picture[0] if label else picture[0].T)[place] = 1
        last = float(step(pictures, labels))
    assert last < 0.1 and step.n_compiles == 1


PROGRAMS = """
h, w, target, precision = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], None
named = sn.Variable("named", ("n", 2, "h", "w"), "float32")
known = sn.Variable("known", (3, 2, h, w), "float32")
kernel = sn.Variable("kernel", (4, 2, 3, 3), "float32")
turned = sn.Variable("turned", (2, 4, 3, 3), "float32")
thin = sn.Variable("thin", (4, 1, 2, 1), "float32")
programs = {}
for x in (named, known):
    for settings in ({"padding": 1}, {"padding": 2, "stride": 2}, {"padding": (2, 4), "dilation": (2, 4), "stride": (1, 3)}):
        y = sn.conv2d(x, kernel, **settings)
        programs[f"convolution {x} {settings}"] = [y, *sn.grad((y * y).sum(), [x, kernel])]
    programs[f"groups {x}"] = sn.conv2d(x, thin, groups=2, padding=1)
    programs[f"transposed {x}"] = sn.conv_transpose2d(x, turned, stride=2, padding=1, output_padding=1)
    for pool in (sn.max_pool2d, sn.avg_pool2d):
        for settings in ((3, 2, 1), (2, 1, 1), (1, 3, 0)):
            y = pool(x, *settings)
            programs[f"{pool.__name__} {x} {settings}"] = [y, sn.grad((y * y).sum(), x)]
    programs[f"larger {x}"] = [sn.upsample(x, 3), sn.grad((sn.upsample(x, 3) ** 2).sum(), x)]
shapes = {"named": (3, 2, h, w), "known": (3, 2, h, w), "kernel": (4, 2, 3, 3), "turned": (2, 4, 3, 3), "thin": (4, 1, 2, 1)}
arrays = {name: rng.standard_normal(shape).astype("f") for name, shape in shapes.items()}
"""


@pytest.mark.parametrize("target", ["host", "portable"])
@pytest.mark.parametrize(("h", "w"), [(1, 1), (3, 7), (5, 16), (2, 33)])
def test_nothing_outside_is_touched(h: int, w: int, target: str) -> None:
    """Arrays that end where the readable memory ends; see test_guard_pages."""
    if sys.platform != "linux":
        pytest.skip("guard pages are made with Linux' mmap and mprotect")
    helpers, rest = SCRIPT.split("m, n, target =")
    script = helpers + PROGRAMS + "for name, expression" + rest.split("for name, expression")[1]
    run = subprocess.run(
        [sys.executable, "-c", script, str(h), str(w), target], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0 and "all inside" in run.stdout, run.stderr[-2000:]
