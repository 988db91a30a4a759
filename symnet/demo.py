"""The demonstration behind ``make demo``: train on real handwritten digits, measure, look inside."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from . import data, nn, ops, optim
from .bench import digits_benchmark
from .compile import compile
from .errors import ArgumentError
from .expr import Variable
from .function import Function

Curves = dict[str, list[float]]
BATCH = 32


def run_demo(out: Path, epochs: int = 40) -> float:
    """Train, print and draw; everything written goes to the folder `out`.

    Returns
    -------
    float
        The accuracy on digits the network has not seen.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        raise ArgumentError("the demo needs its extra: pip install 'symnet[demo]'") from None
    out.mkdir(parents=True, exist_ok=True)
    digits = data.digits()
    print(f"scikit-learn's digits: {len(digits.x_train)} to train, {len(digits.x_test)} to test")
    step, evaluate = programs()
    curves: Curves = {"train loss": [], "test loss": [], "train accuracy": [], "test accuracy": []}
    rng = np.random.default_rng(0)
    inside = 0.0
    with tqdm(range(epochs), desc="training", unit="epoch") as progress:
        for _ in progress:
            for x, y in data.batches([digits.x_train, digits.y_train], BATCH, rng):
                start = time.perf_counter()
                step(x, y)
                inside += time.perf_counter() - start
            _measure(evaluate, digits, curves)
            progress.set_postfix(accuracy=f"{curves['test accuracy'][-1]:.3f}", loss=f"{curves['test loss'][-1]:.3f}")
    accuracy = curves["test accuracy"][-1]
    steps = epochs * -(-len(digits.x_train) // BATCH)
    print(f"{steps} steps in {inside * 1e3:.1f} ms of compiled code; test accuracy {accuracy:.1%}")
    print(f"native compilations for every batch size: {step.n_compiles}")
    confusion = confusion_matrix(digits.y_test, evaluate(x=digits.x_test, y=digits.y_test)["predicted"])
    print(f"\nconfusion matrix (rows: what it is, columns: what the network says)\n{confusion}\n")
    result = digits_benchmark()
    print(result)
    written = [
        draw_curves(curves, out / "curves.png"),
        draw_confusion(confusion, out / "confusion.png"),
        out / "benchmark.png",
        *(step.dump(out / f"step.{ending}") for ending in ("txt", "svg", "dot", "json", "ll", "s")),
    ]
    result.plot(out / "benchmark.png")
    print("\nwrote", *written, sep="\n  ")
    return accuracy


def programs() -> tuple[Function, Function]:
    """The training step (forward, backward, update: one native call), and the evaluation."""
    x = Variable("x", shape=("batch", 64), dtype="float32")
    y = Variable("y", shape=("batch",), dtype="int64")
    net = nn.Sequential(nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1))
    logits = net(x)
    loss = nn.cross_entropy(logits, y)
    step = compile(loss, updates=optim.SGD(lr=0.3)(loss, net.parameters()))
    predicted = ops.argmax(logits, axis=1)
    right = ops.cast(ops.equal(predicted, y), "float32")
    evaluate = compile({"loss": loss, "accuracy": right.mean(), "predicted": predicted})
    return step, evaluate


def _measure(evaluate: Function, digits: data.Split, curves: Curves) -> None:
    for part, x, y in (("train", digits.x_train, digits.y_train), ("test", digits.x_test, digits.y_test)):
        found = evaluate(x=x, y=y)
        curves[f"{part} loss"].append(float(found["loss"]))
        curves[f"{part} accuracy"].append(float(found["accuracy"]))


def confusion_matrix(actual: np.ndarray, predicted: np.ndarray, classes: int = 10) -> np.ndarray:
    """How often each class (row) was taken for each class (column)."""
    return np.bincount(actual * classes + predicted, minlength=classes**2).reshape(classes, classes)


def draw_curves(curves: Curves, path: Path) -> Path:
    """Loss and accuracy by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, color in (("train", "#2f6db5"), ("test", "#c2410c")):
            axes.plot(range(1, len(curves[f"{part} {what}"]) + 1), curves[f"{part} {what}"], label=part, color=color)
        axes.set_xlabel("epoch")
        axes.set_title(what)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    return path


def draw_confusion(confusion: np.ndarray, path: Path) -> Path:
    """The confusion matrix as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.log1p(confusion), cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            axes.text(column, row, str(count), ha="center", va="center", color="white" if row == column else "black")
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.savefig(path, dpi=120)
    return path
