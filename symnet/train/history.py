"""What training measured, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError


class History(Mapping[str, list[Any]]):
    """A list of values for each thing measured, one a epoch; "val_" stands before what validation measures.

    Attributes
    ----------
    epochs : list of int
        The numbers of the epochs, from 1.

    Examples
    --------
    >>> import symnet as sn
    >>> history = sn.train.History()
    >>> history.add(1, {"loss": 0.5})
    >>> history["loss"], history.last
    ([0.5], {'loss': 0.5})
    """

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self._values: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<History of {len(self.epochs)} epochs: {', '.join(self._values)}>"

    def add(self, epoch: int, measured: Mapping[str, Any]) -> None:
        """Take in one epoch. What was not measured in an epoch is None there.

        Parameters
        ----------
        epoch : int
        measured : dict of str to number or array
        """
        for name in [*self._values, *(n for n in measured if n not in self._values)]:
            values = self._values.setdefault(name, [None] * len(self.epochs))
            values.append(measured.get(name))
        self.epochs.append(epoch)

    @property
    def last(self) -> dict[str, Any]:
        """What the last epoch measured."""
        return {name: values[-1] for name, values in self._values.items() if values[-1] is not None}

    def plot(self, path: str | Path) -> Path:
        """Draw a curve of every number measured, training and validation side by side.

        Parameters
        ----------
        path : str or Path
            Its ending says the format, such as .png or .svg.

        Returns
        -------
        Path

        Raises
        ------
        ArgumentError
            matplotlib is not installed, or nothing was measured.
        """
        names = [n for n in self._values if not n.startswith("val_") and self._points(n)[1]]
        if not names:
            raise ArgumentError("the history has no numbers to draw: train first")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ArgumentError("drawing needs matplotlib: pip install 'symnet[plot]'") from None
        figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            self._draw(axes, name)
        figure.savefig(path, dpi=120)
        return Path(path)

    def _draw(self, axes: Any, name: str) -> None:
        for label, key, color in (("train", name, "#2f6db5"), ("validation", f"val_{name}", "#c2410c")):
            epochs, values = self._points(key)
            if values:
                axes.plot(epochs, values, label=label, color=color)
        axes.set_xlabel("epoch")
        axes.set_title(name.replace("_", " "))
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)

    def _points(self, name: str) -> tuple[list[int], list[float]]:
        """The epochs that measured a number under this name, and the numbers."""
        pairs = zip(self.epochs, self._values.get(name, []), strict=False)
        found = [(epoch, float(value)) for epoch, value in pairs if value is not None and np.ndim(value) == 0]
        return [epoch for epoch, _ in found], [value for _, value in found]

    def to_json(self) -> dict[str, Any]:
        """The history as what JSON can hold."""
        plain = {n: [v.tolist() if hasattr(v, "tolist") else v for v in values] for n, values in self._values.items()}
        return {"epochs": self.epochs, "values": plain}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> History:
        """The history that `to_json` wrote; lists become arrays again."""
        history = cls()
        history.epochs = [int(epoch) for epoch in found["epochs"]]
        for name, values in found["values"].items():
            history._values[name] = [np.asarray(v) if isinstance(v, list) else v for v in values]
        return history
