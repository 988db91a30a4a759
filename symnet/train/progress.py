"""How training shows how far it is: tqdm's bar where it is installed, else a line an epoch, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Silent:
    """Shows nothing.

    Parameters
    ----------
    epochs, samples : int
        How many epochs there will be, and the samples of one.
    """

    #: Called with the rows of every batch; None where nobody looks.
    batch: Callable[[int], Any] | None = None

    def __init__(self, epochs: int, samples: int) -> None:
        self.epochs, self.samples, self.done = epochs, samples, 0

    def epoch(self, measured: Mapping[str, Any]) -> None:
        """One epoch is over."""
        self.done += 1

    def close(self) -> None:
        """Training is over."""


class Lines(Silent):
    """Prints a line an epoch."""

    def epoch(self, measured: Mapping[str, Any]) -> None:
        self.done += 1
        print(f"epoch {self.done}/{self.epochs}: {text(measured)}", flush=True)


class Bar(Silent):
    """tqdm's bar over all samples of all epochs."""

    def __init__(self, epochs: int, samples: int) -> None:
        from tqdm import tqdm

        super().__init__(epochs, samples)
        self.bar = tqdm(total=epochs * samples, desc="training", unit=" samples", unit_scale=True)
        self.batch = self.bar.update

    def epoch(self, measured: Mapping[str, Any]) -> None:
        self.done += 1
        self.bar.set_description(f"epoch {self.done}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(text({n: v for n, v in measured.items() if n != "samples_per_second"}))

    def close(self) -> None:
        self.bar.close()


def text(measured: Mapping[str, Any]) -> str:
    """The numbers among what was measured, in words."""
    numbers = {n: float(v) for n, v in measured.items() if np.ndim(v) == 0}
    rate = numbers.pop("samples_per_second", None)
    words = [f"{name} {value:.4g}" for name, value in numbers.items()]
    return ", ".join(words if rate is None else [*words, f"{rate:,.0f} samples/s"])


def reporter(shown: bool, epochs: int, samples: int) -> Silent:
    """What shows the progress of a fit."""
    if not shown:
        return Silent(epochs, samples)
    try:
        return Bar(epochs, samples)
    except ImportError:
        return Lines(epochs, samples)
