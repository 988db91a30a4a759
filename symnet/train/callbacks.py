"""What looks on while a Trainer trains, and may stop it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..optim import checks
from . import checkpoint

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of all callbacks: every method does nothing. Epochs count from 1, over all fits.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> class Shout(sn.train.Callback):
    ...     def on_epoch_end(self, trainer, epoch, measured):
    ...         print("EPOCH", epoch, sorted(measured))
    >>> model = sn.nn.Linear(1, 1, rng=0)
    >>> trainer = sn.train.Trainer(model, sn.nn.mse, sn.optim.SGD(lr=0.1))
    >>> x = np.ones((4, 1))
    >>> trainer.fit(x, x, callbacks=[Shout()], progress=False)
    EPOCH 1 ['loss', 'samples_per_second']
    <History of 1 epochs: loss, samples_per_second>
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first epoch of a fit."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before an epoch."""

    def on_batch_end(self, trainer: Trainer, step: int, loss: float) -> None:
        """After a step; steps count from 1 in every epoch."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Mapping[str, Any]) -> None:
        """After an epoch and its validation. ``trainer.stop()`` ends the fit here."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch of a fit; not where an exception ended it."""


class EarlyStopping(Callback):
    """Ends a fit that no longer gets better. Every fit starts it anew, also one that goes on from a checkpoint.

    Parameters
    ----------
    patience : int
        So many epochs in a row without an improvement end the fit.
    min_delta : float
        What counts as an improvement: more than this.
    restore_best : bool
        In the end, give the model's Parameters the values they had after the best epoch. What the optimiser
        keeps stays that of the last epoch.
    monitor : str, optional
        What must get better. Default: "val_loss" where there is validation, else "loss".
    mode : {"min", "max"}
        Whether less or more is better.

    Attributes
    ----------
    best : float
    best_epoch : int or None
    stopped : bool
        Whether it ended the latest fit.

    Raises
    ------
    ArgumentError
        An option is not what it must be; in the fit: nothing of the monitor's name is measured.

    Examples
    --------
    >>> import symnet as sn
    >>> stopping = sn.train.EarlyStopping(patience=3, restore_best=True)
    >>> stopping.best_epoch is None
    True
    """

    def __init__(
        self,
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = False,
        monitor: str | None = None,
        mode: str = "min",
    ) -> None:
        self.patience = checks.count("EarlyStopping: patience", patience)
        self.min_delta = checks.not_negative("EarlyStopping: min_delta", min_delta)
        self.restore_best = checks.flag("EarlyStopping: restore_best", restore_best)
        if mode not in ("min", "max"):
            raise ArgumentError(f"EarlyStopping: mode is {mode!r}; expected 'min' or 'max'")
        self.monitor, self.mode = monitor, mode
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch: int | None = None
        self.stopped = False
        self._waited = 0
        self._state: dict[str, np.ndarray] | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._reset()

    def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Mapping[str, Any]) -> None:
        value = self._value(measured)
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_epoch, self._waited = value, epoch, 0
            self._state = trainer.model.state_dict() if self.restore_best else None
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped = True
            trainer.stop()

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._state is not None:
            trainer.model.load_state_dict(self._state)
            self._state = None

    def _value(self, measured: Mapping[str, Any]) -> float:
        name = self.monitor or ("val_loss" if "val_loss" in measured else "loss")
        if np.ndim(measured.get(name, [])) != 0:
            raise ArgumentError(f"EarlyStopping: monitor is {name!r}; expected a number among {', '.join(measured)}")
        return float(measured[name])


class Checkpoint(Callback):
    """Saves the Trainer after epochs, as :meth:`Trainer.save` does.

    Parameters
    ----------
    path : str or Path
        Ends in .npz or .safetensors. "{epoch}" in it becomes the epoch's number; without it the newest
        checkpoint replaces the one before.
    every : int
        After every so many epochs.

    Raises
    ------
    ArgumentError
        The ending is unknown, or `every` no whole number above 0.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.train.Checkpoint("net-{epoch}.npz", every=10).every
    10
    """

    def __init__(self, path: str | Path, every: int = 1) -> None:
        self.path, self.every = str(path), checks.count("Checkpoint: every", every)
        checkpoint.check_ending(Path(self.path))

    def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Mapping[str, Any]) -> None:
        if epoch % self.every == 0:
            trainer.save(self.path.replace("{epoch}", str(epoch)))


class Callbacks:
    """Several callbacks as one; what none of them overrides costs nothing."""

    def __init__(self, callbacks: Any) -> None:
        self._all = list(callbacks)
        for callback in self._all:
            if not isinstance(callback, Callback):
                raise ArgumentError(f"callbacks has {callback!r}; expected instances of train.Callback")
        self.on_batches = [c for c in self._all if type(c).on_batch_end is not Callback.on_batch_end]

    def fit_begin(self, trainer: Trainer) -> None:
        """Tell all."""
        for callback in self._all:
            callback.on_fit_begin(trainer)

    def epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Tell all."""
        for callback in self._all:
            callback.on_epoch_begin(trainer, epoch)

    def batch_end(self, trainer: Trainer, step: int, loss: float) -> None:
        """Tell those who listen."""
        for callback in self.on_batches:
            callback.on_batch_end(trainer, step, loss)

    def epoch_end(self, trainer: Trainer, epoch: int, measured: Mapping[str, Any]) -> None:
        """Tell all."""
        for callback in self._all:
            callback.on_epoch_end(trainer, epoch, measured)

    def fit_end(self, trainer: Trainer) -> None:
        """Tell all."""
        for callback in self._all:
            callback.on_fit_end(trainer)
