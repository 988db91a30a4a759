"""Pictures and dumps: nothing overlaps, everything is there once, and the text is well formed."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet as sn
from symnet.dtype import Type
from symnet.graph import CONSTANT, EXTENT, INPUT, PARAMETER, Graph, Node
from symnet.show import dump, lay_out, to_dot, to_json, to_svg
from symnet.show.layered import arrange, spread
from symnet.show.layout import Layout
from symnet.show.roles import Role, roles
from symnet.show.routes import Edge
from symnet.show.svg import FAMILIES, INK, MUTED, PAGE

SVG = "{http://www.w3.org/2000/svg}"


def network(depth: int = 1) -> tuple[Any, Any]:
    """A loss on a network of `depth` hidden layers, and the network."""
    x = sn.Variable("x", shape=("batch", 64), dtype="float32")
    y = sn.Variable("y", shape=("batch",), dtype="int64")
    layers: list[Any] = []
    for _ in range(depth):
        layers += [sn.nn.Linear(64, 64), sn.nn.ReLU()]
    net = sn.nn.Sequential(*layers, sn.nn.Linear(64, 10))
    logits = net(x)
    return sn.cross_entropy(logits, y), net


def step(depth: int = 1, optimiser: Any = None, **options: Any) -> sn.Function:
    """One training step."""
    loss, net = network(depth)
    updates = (optimiser or sn.optim.SGD(lr=0.1))(loss, net.parameters())
    return sn.compile(loss, updates=updates, mode="interpret", **options)


def slide() -> Graph:
    """The lecture's program."""
    a, b = (sn.Variable(n, shape=("n",), dtype="float64") for n in "AB")
    return sn.compile(b * a + sn.Constant(1), mode="interpret").graph


def random_graph(choices: list[tuple[int, int, int]], roots: list[int], updated: int) -> Graph:
    """A graph of small matrices; each choice is an op and two operands."""
    graph, kind = Graph(), Type("float32", (4, 4))
    graph.inputs = [graph.leaf(INPUT, kind, name=n) for n in ("x", "y")]
    parameters = [graph.leaf(PARAMETER, kind, name=f"w{k}") for k in range(3)]
    nodes: list[Node] = [*graph.inputs, *parameters]
    for op, first, second in choices:
        a, b = nodes[first % len(nodes)], nodes[second % len(nodes)]
        nodes.append(a + b if op == 0 else a @ b if op == 1 else a.T if op == 2 else a * 2.0)
    graph.outputs = [nodes[r % len(nodes)] for r in roots]
    graph.updates = [(p, nodes[-1 - k]) for k, p in enumerate(parameters[:updated])]
    return graph


graphs = st.builds(
    random_graph,
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)), max_size=40),
    st.lists(st.integers(0, 99), max_size=3),
    st.integers(0, 3),
).filter(lambda g: bool(g.roots()))


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of boxes that share ground."""
    found = []
    boxes = sorted(layout.boxes, key=lambda b: b.top)
    for k, a in enumerate(boxes):
        for b in boxes[k + 1 :]:
            if b.top >= a.bottom:
                break
            if a.left < b.right and b.left < a.right:
                found.append((a.label, b.label))
    return found


def along(edge: Edge) -> list[tuple[float, float]]:
    """Points on an edge's curve, as the picture draws it."""
    found = []
    for ((x0, y0), (x1, y1)), bend in zip(pairwise(edge.points), edge.bends, strict=True):
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        corner = [(x0, y1)] * 2 if bend == "d" else [(x1, y0)] * 2
        middle = {"v": [(x0, ym), (x1, ym)], "h": [(xm, y0), (xm, y1)]}
        (ax, ay), (bx, by) = middle.get(bend, corner)
        for k in range(17):
            t, s = k / 16, 1 - k / 16
            weights = s**3, 3 * s * s * t, 3 * s * t * t, t**3
            found.append(
                (
                    sum(w * v for w, v in zip(weights, (x0, ax, bx, x1), strict=True)),
                    sum(w * v for w, v in zip(weights, (y0, ay, by, y1), strict=True)),
                )
            )
    return found


def crossed(layout: Layout) -> list[tuple[str, str]]:
    """Edges that run through a box that is none of their ends."""
    found = []
    for edge in layout.edges:
        for x, y in along(edge):
            for box in layout.boxes:
                inside = box.left + 0.5 < x < box.right - 0.5 and box.top + 0.5 < y < box.bottom - 0.5
                if inside and box.node not in (edge.source, edge.target):
                    found.append((repr(edge), box.label))
    return found


class TestLayout:
    @settings(max_examples=150, deadline=None)
    @given(graphs)
    def test_nothing_overlaps_and_every_node_has_one_box(self, graph: Graph) -> None:
        layout = lay_out(graph)
        assert not overlapping(layout)
        assert not crossed(layout)
        drawn = Counter(b.node for b in layout.boxes)
        assert set(drawn.values()) <= {1}
        needed = {n for n in graph.live() if n.op not in (CONSTANT, EXTENT, PARAMETER)}
        assert needed <= set(drawn)
        for box in layout.boxes:
            assert box.left >= 0 and box.right <= layout.width
            assert box.top >= 0 and box.bottom <= layout.height
            band = [b for b in layout.bands if b.top <= box.y <= b.bottom]
            assert len(band) == 1
        for edge in layout.edges:
            assert edge.source in edge.target.inputs and len(edge.points) == len(edge.bends) + 1

    @pytest.mark.parametrize("depth", [0, 1, 3])
    def test_networks_are_clean(self, depth: int) -> None:
        layout = lay_out(step(depth).graph if depth else slide())
        assert not overlapping(layout) and not crossed(layout)

    def test_an_optimiser_with_state_is_clean(self) -> None:
        layout = lay_out(step(optimiser=sn.optim.Adam(lr=0.01)).graph)
        assert not overlapping(layout) and not crossed(layout)

    def test_every_operand_is_an_edge_or_a_chip(self) -> None:
        layout = lay_out(step().graph)
        for box in layout.boxes:
            edges = sum(e.target is box.node for e in layout.edges)
            assert edges + len(box.chips) == len(set(box.node.inputs))

    def test_a_training_step_is_a_u(self) -> None:
        layout = lay_out(step(2).graph)
        assert list(layout.lanes) == ["parameters", "forward", "backward", "updates"]
        place = {b.node: b for b in layout.boxes}
        for edge in layout.edges:
            a, b = place[edge.source], place[edge.target]
            if a.lane == b.lane == "forward":
                assert a.y < b.y
            if a.lane == b.lane == "backward":
                assert a.y > b.y
        assert {e.kind for e in layout.edges} == {"value", "gradient", "saved", "update"}

    def test_bands_are_layers_and_the_loss(self) -> None:
        titles = [b.title for b in lay_out(step(2).graph).bands]
        assert len(titles) == 4 and "loss" in titles[-1] and "weight" in titles[0]

    def test_a_parameter_stands_in_the_band_of_its_gradient_and_update(self) -> None:
        graph = step(2).graph
        layout = lay_out(graph)
        bands, place = layout.bands, {b.node: b.y for b in layout.boxes}
        for parameter, value in graph.updates:
            assert any(b.top <= place[parameter] <= b.bottom and b.top <= place[value] <= b.bottom for b in bands)

    def test_a_long_chain_is_cut_by_depth(self) -> None:
        x = sn.Variable("x", shape=("n",), dtype="float32")
        y = x
        for _ in range(100):
            y = sn.sin(y)
        layout = lay_out(sn.compile(y, mode="interpret").graph)
        assert len(layout.bands) > 3 and "depth 0–" in layout.bands[0].title

    def test_two_thousand_nodes(self) -> None:
        graph = step(130, pipeline=[]).graph
        layout = lay_out(graph)
        assert len(graph.live()) > 2000
        assert not overlapping(layout)
        assert len(layout.edges) < 2 * len(layout.boxes)
        assert sum(len(e.points) for e in layout.edges) < 20 * len(layout.boxes)

    def test_deep_graphs_need_no_recursion(self) -> None:
        graph = Graph()
        node = graph.leaf(INPUT, Type("float32", (4,)), name="x")
        graph.inputs = [node]
        for k in range(5000):
            node = node * float(k + 2)
        graph.outputs = [node]
        assert len(lay_out(graph).boxes) == 5001

    def test_it_is_stable(self) -> None:
        graph = step().graph
        for write in (to_svg, to_dot, to_json):
            assert write(graph) == write(graph)


class TestRoles:
    def counted(self, graph: Graph) -> Counter[Role]:
        return Counter(roles(graph).values())

    def test_inference_is_all_forward(self) -> None:
        assert set(self.counted(slide())) == {Role.LEAF, Role.FORWARD}

    def test_gradients_as_outputs(self) -> None:
        w = sn.Parameter(np.ones((3, 2), "float32"), name="w")
        x = sn.Variable("x", shape=("n", 3), dtype="float32")
        hidden = sn.tanh(x @ w)
        loss = sn.sum(hidden * hidden)
        graph = sn.compile([loss, sn.grad(loss, w)], mode="interpret").graph
        found = roles(graph)
        assert found[graph.outputs[0]] == Role.FORWARD and found[graph.outputs[1]] == Role.BACKWARD

    @pytest.mark.parametrize("lines", [1, 2])
    def test_the_optimiser_is_told_from_the_gradient(self, lines: int) -> None:
        f = step()
        if lines == 1:
            x, w = sn.Variable("x", (9, 3), "float32"), sn.Parameter(np.ones((3, 2), "float32"))
            f = sn.compile(loss := sn.sum(sn.tanh(x @ w)), updates=sn.optim.SGD(0.1)(loss, [w]), mode="interpret")
        found = roles(f.graph)
        assert all(found[value] == Role.UPDATE for _, value in f.graph.updates)
        assert Counter(found.values())[Role.UPDATE] == 2 * len(f.graph.updates)

    @settings(max_examples=50, deadline=None)
    @given(graphs)
    def test_no_node_has_a_smaller_role_than_it_reads(self, graph: Graph) -> None:
        found = roles(graph)
        assert all(found[i] <= found[n] for n in found for i in n.inputs)


class TestLayered:
    @given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.floats(0, 10))
    def test_spread_keeps_order_distance_and_bounds(self, wanted: list[float], step: float) -> None:
        high = -50 + step * len(wanted)
        places = spread(wanted, [step] * (len(wanted) - 1), None, -50, high)
        assert all(b - a >= step - 1e-6 for a, b in pairwise(places))
        assert places[0] >= -50 - 1e-6 and places[-1] <= high + 1e-6

    def test_spread_leaves_what_fits(self) -> None:
        assert spread([0.0, 5.0, 20.0], [3.0, 3.0]) == [0.0, 5.0, 20.0]
        assert spread([1.0, 1.0], [2.0]) == [0.0, 2.0]

    def test_arrange_undoes_a_crossing(self) -> None:
        found = arrange([0, 0, 1, 1], [10.0] * 4, [(0, 3), (1, 2)], 5.0)
        assert (found.places[0] < found.places[1]) == (found.places[3] < found.places[2])

    def test_arrange_bends_a_long_link_around(self) -> None:
        found = arrange([0, 1, 2], [10.0] * 3, [(0, 1), (1, 2), (0, 2)], 5.0)
        assert found.bends[0] == [] and len(found.bends[2]) == 1
        assert abs(found.bends[2][0] - found.places[1]) >= 5.0


class TestSvg:
    def test_it_is_well_formed_and_draws_every_box_once(self) -> None:
        graph = step().graph
        root = ElementTree.fromstring(to_svg(graph))
        titles = [t.text or "" for t in root.iter(f"{SVG}title")]
        assert len(titles) == len(lay_out(graph).boxes) == len(set(titles))
        assert any("f32[batch, 64]" in t and "test_show.py:" in t for t in titles)

    def test_names_are_escaped(self) -> None:
        graph = Graph()
        graph.inputs = [graph.leaf(INPUT, Type("float32", (4,)), name='<b>&"')]
        graph.outputs = [graph.inputs[0] + 1.0]
        root = ElementTree.fromstring(to_svg(graph))
        assert '<b>&"' in [t.text for t in root.iter(f"{SVG}text")]
        assert "<b>" not in to_svg(graph)
        assert '<b>&\\"' in to_dot(graph)
        assert json.loads(to_json(graph))["nodes"][0]["name"] == '<b>&"'

    @settings(max_examples=30, deadline=None)
    @given(graphs)
    def test_any_graph_is_well_formed(self, graph: Graph) -> None:
        ElementTree.fromstring(to_svg(graph))

    def test_numbers_and_far_parameters_are_chips(self) -> None:
        chips = {c for box in lay_out(step().graph).boxes for c in box.chips}
        assert "0.1" in chips and any(c.startswith("weight") for c in chips)

    def test_a_small_graph_has_no_legend(self) -> None:
        assert 'class="legend"' not in to_svg(slide()) and 'class="legend"' in to_svg(step().graph)

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_contrast(self, theme: str) -> None:
        for fills in FAMILIES.values():
            assert contrast(INK[theme], fills[theme == "dark"][0]) >= 10
        for page in PAGE[theme]:
            assert contrast(MUTED[theme], page) >= 4.5

    def test_light_dark_and_print(self) -> None:
        assert "@media screen and (prefers-color-scheme:dark)" in to_svg(slide())


def contrast(a: str, b: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


class TestText:
    def test_dot_has_every_node_and_edge(self) -> None:
        graph = step().graph
        text = to_dot(graph)
        for node in graph.live():
            assert f"  n{node.index} [" in text
            assert all(f"  n{i.index} -> n{node.index};" in text for i in node.inputs)
        assert text.count("style=dashed") == len(graph.updates)

    def test_json_tells_the_whole_graph(self) -> None:
        graph = step().graph
        whole = json.loads(to_json(graph))
        by_id = {n["id"]: n for n in whole["nodes"]}
        assert len(by_id) == len(graph.live())
        assert [by_id[k]["name"] for k in whole["inputs"]] == ["x", "y"]
        assert [u["value"] for u in whole["updates"]] == [v.index for _, v in graph.updates]
        linear = next(n for n in whole["nodes"] if n["attrs"].get("activation") == "relu")
        assert linear["type"] == "f32[batch, 64]" and linear["shape"] == ["batch", 64]
        assert re.fullmatch(r"test_show\.py:\d+", linear["origin"][0])
        assert all(i in by_id for n in whole["nodes"] for i in n["inputs"])


class TestDump:
    @pytest.mark.parametrize(
        ("ending", "part"),
        [("txt", "return "), ("dot", "digraph"), ("svg", "<svg"), ("json", '"nodes"')],
    )
    def test_endings_of_any_mode(self, tmp_path: Path, ending: str, part: str) -> None:
        path = tmp_path / f"step.{ending}"
        assert dump(step(), path) == path
        assert part in path.read_text(encoding="utf-8")

    @pytest.mark.parametrize(("ending", "part"), [("ll", "define"), ("s", ".text"), ("loops", "for ")])
    def test_endings_of_native_code(self, tmp_path: Path, ending: str, part: str) -> None:
        x = sn.Variable("x", shape=("n",), dtype="float32")
        assert part in dump(sn.compile(x + 1.0), str(tmp_path / f"f.{ending}")).read_text()
        with pytest.raises(sn.ArgumentError, match="interpreted"):
            dump(sn.compile(x + 1.0, mode="interpret"), tmp_path / f"g.{ending}")
        assert not (tmp_path / f"g.{ending}").exists()

    def test_unknown_endings_are_explained(self, tmp_path: Path) -> None:
        with pytest.raises(sn.ArgumentError, match=r"\.txt, \.dot, \.svg"):
            dump(step(), tmp_path / "step.png")
        with pytest.raises(sn.ArgumentError, match="not there yet"):
            dump(step(), tmp_path / "step.html")

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "step.txt"
        path.write_text("old")

        def fail(*_: Any) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            dump(step(), path)
        assert path.read_text() == "old" and os.listdir(tmp_path) == ["step.txt"]
