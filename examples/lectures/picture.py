"""What the programs of this folder share: figures of one look, and the place where they are written."""

import sys
from pathlib import Path

from matplotlib import rcParams
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#2f6db5", "#c2410c", "#2e8b57", "#8a8a8a"

rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})


def panels(columns=1, rows=1, width=4.2, height=3.5):
    """A figure and its axes, a list of them where there are several."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    return figure, axes[0] if len(axes) == 1 else axes


def label(axes, title="", x="", y="", legend=True):
    """Name what is drawn, and the curves that have names."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")


def save(figure):
    """Write the picture under the program's name, into the folder given as argument."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/lectures")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(sys.argv[0]).stem}.png"
    figure.savefig(path, dpi=120)
    print("picture:", path)
