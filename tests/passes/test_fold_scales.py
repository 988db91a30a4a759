"""fold_scales_into_layers: scales and shifts that become part of the layer before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symnet.dims import Dim
from symnet.graph import Graph, Node
from symnet.passes import fold_scales
from symnet.passes.dead_nodes import eliminate_dead_nodes
from symnet.passes.fold_scales import fold_scales_into_layers

from .tools import new_graph, op, run, text

N = Dim.named("n")
PLAIN = {"stride": (1, 1), "dilation": (1, 1), "padding": ((0, 0), (0, 0)), "groups": 1}
# Each layer of x: the shape of x, of its weight, its channels, and how a number for each channel is shaped.
LAYERS: dict[str, tuple[tuple[Any, ...], tuple[int, ...], int, tuple[int, ...], dict[str, Any]]] = {
    "matmul": ((N, 4), (4, 6), 6, (6,), {}),
    "conv2d": ((N, 4, 5, 5), (6, 2, 3, 3), 6, (6, 1, 1), {**PLAIN, "groups": 2, "padding": ((1, 1), (0, 0))}),
    "conv_transpose2d": (
        (N, 4, 3, 3),
        (4, 3, 2, 2),
        6,
        (6, 1, 1),
        {**PLAIN, "groups": 2, "stride": (2, 2), "output_padding": (0, 0)},
    ),
    "conv1d": ((N, 2, 7), (3, 2, 3), 3, (3, 1), {"stride": (1,), "dilation": (2,), "padding": ((1, 1),), "groups": 1}),
}


def layer(name: str, bias: bool = False, dtype: str = "float64") -> tuple[Graph, Any, Callable[..., Any]]:
    """A graph, a layer of its input with constant weights, and what makes a constant of a number for each channel."""
    shape, weight, channels, along, attrs = LAYERS[name]
    graph, (x,) = new_graph(x=(dtype, shape))
    rng = np.random.default_rng(0)

    def constant(shape: Any = None) -> Node:
        return graph.constant(rng.uniform(0.5, 2, along if shape is None else shape), dtype)

    operands = [x, constant(weight)]
    if bias and name != "matmul":
        return graph, op(name, *operands, constant((channels,)), **attrs), constant
    made = op(name, *operands, **attrs)
    return graph, made + constant() if bias else made, constant


def folded(graph: Graph) -> Graph:
    """The graph after the pass, checked; the numbers are the same."""
    after = fold_scales_into_layers(graph)
    after.check()
    sizes = tuple(3 if size is N else size for size in graph.inputs[0].shape)
    values = {"x": np.random.default_rng(1).normal(size=sizes).astype(graph.inputs[0].dtype)}
    bound = 1e-12 if graph.inputs[0].dtype == "float64" else 1e-5
    for before, later in zip(run(graph, values, {"n": 3}), run(after, values, {"n": 3}), strict=True):
        np.testing.assert_allclose(later, before, rtol=bound, atol=bound)
    return eliminate_dead_nodes(after)


def normalised(y: Any, constant: Callable[..., Any]) -> Any:
    """As batch normalisation in inference is written."""
    return (y - constant()) * constant() + constant()


def test_text() -> None:
    graph, y, constant = layer("conv1d", bias=False)
    graph.outputs = [normalised(y, constant)]
    after = folded(graph)
    (line, end) = text(after)
    assert line.startswith("%0 = conv1d(x, <18 numbers>, [") and end == "return %0"
    assert after.nodes[-1].inputs[2].shape == (3,)
    graph, y, constant = layer("matmul", bias=True)
    graph.outputs = [normalised(y, constant)]
    assert text(folded(graph)) == ["%0 = matmul(x, <24 numbers>)", "%1 = add(%0, <6 numbers>)", "return %1"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_normalisation_becomes_part_of_the_layer(name: str, bias: bool, dtype: str) -> None:
    graph, y, constant = layer(name, bias, dtype)
    graph.outputs = [op("relu", normalised(normalised(y, constant), constant))]
    after = folded(graph)
    assert [n.op.name for n in after.nodes if n.op.family != "leaf"] == (
        ["matmul", "add", "relu"] if name == "matmul" else [name, "relu"]
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda y, c: c() * y,
        lambda y, c: y / c(),
        lambda y, c: c() - y,
        lambda y, c: y * c(()),
        lambda y, c: y * c((1,)) - c((1, 1)),
    ],
)
@pytest.mark.parametrize("name", ["matmul", "conv2d"])
def test_every_way_to_write_it(name: str, write: Callable[..., Any]) -> None:
    graph, y, constant = layer(name, True)
    graph.outputs = [write(y, constant)]
    after = folded(graph)
    assert not {"multiply", "divide", "subtract"} & {n.op.name for n in after.nodes}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("matmul", lambda y, c: c() / y),
        ("matmul", lambda y, c: y + c()),  # a product with its bias is written so
        ("matmul", lambda y, c: y * y),
        ("conv2d", lambda y, c: y * c((1, 5, 1))),
        ("conv2d", lambda y, c: y * c((3,))),
        ("conv2d", lambda y, c: y * (c() * 0.0) / (c() * 0.0)),
    ],
)
def test_what_is_no_scale_of_channels_stays(name: str, write: Callable[..., Any]) -> None:
    graph, y, constant = layer(name)
    graph.outputs = [write(y, constant)]
    assert not fold_scales_into_layers(graph).fired


def test_what_somebody_else_reads_is_not_computed_twice() -> None:
    graph, y, constant = layer("conv2d")
    graph.outputs = [y * constant(), y]
    assert not fold_scales_into_layers(graph).fired
    graph, y, constant = layer("matmul", bias=True)
    graph.outputs = [y * constant(), op("exp", y.inputs[0])]
    assert not fold_scales_into_layers(graph).fired
    graph, y, constant = layer("conv2d")
    shifted = y + constant()
    graph.outputs = [shifted * constant(), shifted]
    assert fold_scales_into_layers(graph).fired == {"into-layer": 1}


@pytest.mark.parametrize("part", ["weight", "bias", "scale"])
def test_parameters_are_no_constants(part: str) -> None:
    graph, (x, w, b, s) = new_graph(
        x=("float64", (N, 4, 5, 5)), w=("float64", (6, 4, 3, 3)), b=("float64", (6,)), s=("float64", (6, 1, 1))
    )
    given = {"weight": w, "bias": b, "scale": s}
    known = {k: graph.constant(np.full(n.shape, 2.0), "float64") for k, n in given.items()}  # type: ignore[arg-type]
    known[part] = given[part]
    graph.outputs = [op("conv2d", x, known["weight"], known["bias"], **PLAIN) * known["scale"]]
    assert not fold_scales_into_layers(graph).fired


@pytest.mark.parametrize("number", [1e300, np.inf, np.nan])
def test_numbers_that_leave_the_dtype_stay_outside(number: float) -> None:
    graph, (x,) = new_graph(x=("float64", (N, 2)))
    weight = graph.constant(np.full((2, 2), 1e300), "float64")
    graph.outputs = [op("matmul", x, weight) * graph.constant(number, "float64")]
    assert not fold_scales_into_layers(graph).fired


@pytest.mark.parametrize(("dtype", "size", "scale"), [("float32", 1.2e-6, 1e-38), ("float64", 1e-200, 1e-200)])
def test_weights_too_small_for_all_their_digits_stay_outside(dtype: str, size: float, scale: float) -> None:
    graph, (x,) = new_graph(x=(dtype, (N, 2)))
    weight = graph.constant(np.full((2, 2), size), dtype)
    graph.outputs = [op("matmul", x, weight) * graph.constant(scale, dtype)]
    assert not fold_scales_into_layers(graph).fired


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the groups the weights of a transposed convolution would get the scales of other channels."""

    def without_groups(core: Node, scale: np.ndarray) -> np.ndarray:
        return scale[: core.inputs[1].shape[1]].reshape(-1, 1, 1)

    graph, y, constant = layer("conv_transpose2d")
    graph.outputs = [y * constant()]
    folded(graph)
    monkeypatch.setattr(fold_scales, "_on_weight", without_groups)
    with pytest.raises(AssertionError):
        folded(graph)
