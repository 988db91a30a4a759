"""The chain rule, gate by gate: values flow forward along the wires, derivatives flow back.

A plus gate hands the derivative on to both sides, a times gate multiplies it by the other side's value.
"""

from matplotlib.patches import FancyArrowPatch
from picture import GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

x, y, z = (sn.Variable(name, shape=(), dtype="float64") for name in "xyz")
double = 2 * x
total = double + y
result = total * z

wires = {"x": x, "y": y, "z": z, "2x": double, "2x + y": total, "f = (2x + y) z": result}
circuit = sn.compile([*wires.values(), *sn.grad(result, list(wires.values()))])
found = [float(v) for v in circuit(x=10.0, y=-2.0, z=-4.0)]
values, slopes = (dict(zip(wires, part, strict=True)) for part in (found[: len(wires)], found[len(wires) :]))

print(f"{'wire':15} {'value':>6} {'df/dwire':>9}")
for name in wires:
    print(f"{name:15} {values[name]:6g} {slopes[name]:9g}")
assert values["f = (2x + y) z"] == -72
assert (slopes["x"], slopes["y"], slopes["z"]) == (-8, -4, 18)
# The same by hand, backwards: the gate's own derivative times what comes from behind.
assert slopes["2x + y"] == 1 * values["z"] and slopes["z"] == 1 * values["2x + y"]
assert slopes["2x"] == slopes["y"] == 1 * slopes["2x + y"] and slopes["x"] == 2 * slopes["2x"]

gates = {"x": (0, 3), "y": (0, 1.5), "z": (0, 0), "times": (1.4, 3), "plus": (2.8, 2.2), "mult": (4.2, 1.2)}
signs = {"x": "x", "y": "y", "z": "z", "times": "2·", "plus": "+", "mult": "×"}
links = [("x", "times", "x"), ("times", "plus", "2x"), ("y", "plus", "y"), ("plus", "mult", "2x + y")]
links += [("z", "mult", "z"), ("mult", (5.6, 1.2), "f = (2x + y) z")]

figure, axes = panels(width=8.4, height=4)
for start, end, wire in links:
    (x0, y0), (x1, y1) = gates[start], gates.get(end, end)
    axes.add_patch(FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=14, color=GREY, shrinkB=17))
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    for number, color, offset, side in ((values, GREEN, 5, "bottom"), (slopes, ORANGE, -5, "top")):
        axes.annotate(f"{number[wire]:g}", middle, (0, offset), textcoords="offset points", ha="center", va=side,
                      color=color, fontsize=13)  # fmt: skip
for name, place in gates.items():
    axes.annotate(signs[name], place, ha="center", va="center", fontsize=15, bbox={"boxstyle": "circle", "fc": "white"})
axes.plot([], [], color=GREEN, label="value, forward")
axes.plot([], [], color=ORANGE, label="derivative of f, backward")
axes.set(xlim=(-0.4, 5.9), ylim=(-0.5, 3.5))
axes.axis("off")
label(axes, "(2x + y) z at x = 10, y = -2, z = -4")
axes.legend(loc="upper right", labelcolor="linecolor", handlelength=0.8)
save(figure)
