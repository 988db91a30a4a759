"""The Trainer: epochs of compiled steps, with what is measured and kept around them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, NonFiniteLoss
from ..function import Function
from ..nn import Module
from ..optim import checks
from . import resume
from .blame import source_of
from .callbacks import Callback, Callbacks
from .feed import Feed, Kind, same_length, samples
from .history import History
from .metrics import Metrics, named
from .programs import Loss, Programs, Rule
from .progress import Silent, reporter


class Trainer:
    """Trains a model: every batch is one compiled call, forward, backward and update.

    What the samples are is learned from the first data met: floating numbers are cast to the dtype of the
    model's Parameters, whole numbers stay whole. One native function serves all batch sizes.

    Parameters
    ----------
    model : nn.Module
        From a batch of samples to one row of outputs for each.
    loss : function
        From outputs and targets to a scalar, such as `nn.cross_entropy`; the mean over a batch.
    optimizer : optim.Optimizer
        Or any function from a loss and its Parameters to updates.
    metrics : list or dict of functions or names
        Functions from all targets and all outputs (arrays) to a number or an array; or "accuracy", "f1", "r2",
        "confusion_matrix". In training they see the outputs of a whole epoch, each from before its step.

    Attributes
    ----------
    epoch : int
        The epochs trained so far.
    history : History
        Of all fits.
    programs : Programs or None
        What is compiled: `programs.step` and the others.
    rng : numpy.random.Generator or None
        What shuffles.

    Raises
    ------
    ArgumentError
        Something given is not what it must be.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> trainer = sn.train.Trainer(sn.nn.Linear(1, 1, rng=0), sn.nn.mse, sn.optim.SGD(lr=0.3), metrics=["r2"])
    >>> history = trainer.fit(x, 2 * x + 1, epochs=30, batch_size=8, progress=False)
    >>> trainer.evaluate(x, 2 * x + 1)["r2"] > 0.999
    True
    >>> trainer.predict([[0.5]]).round(2)
    array([[2.]], dtype=float32)
    """

    def __init__(self, model: Module, loss: Loss, optimizer: Rule, metrics: Metrics = ()) -> None:
        if not isinstance(model, Module):
            raise ArgumentError(f"Trainer: the model is {model!r}; expected an nn.Module")
        for name, given in (("loss", loss), ("optimizer", optimizer)):
            if not callable(given) or isinstance(given, type):
                raise ArgumentError(f"Trainer: {name} is {given!r}; expected a function or an instance")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = named(metrics)
        self.epoch = 0
        self.history = History()
        self.programs: Programs | None = None
        self.rng: np.random.Generator | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Trainer of {type(self.model).__name__} after {self.epoch} epochs>"

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int = 1,
        batch_size: int = 32,
        validation: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        seed: int = 0,
        callbacks: Iterable[Callback] = (),
        progress: bool = True,
    ) -> History:
        """Train for some epochs more.

        Parameters
        ----------
        x, y : arrays
            Samples and targets, in rows. In order the rows are not copied; shuffled, once an epoch.
        epochs : int
        batch_size : int
            The last batch of an epoch may be short.
        validation : tuple of two arrays, optional
            Samples and targets that are measured after every epoch.
        shuffle : bool
        seed : int
            Where shuffling starts. A further fit, or one after `load`, carries on from where it is.
        callbacks : list of Callback
        progress : bool
            Show a bar where tqdm is installed, else print a line an epoch.

        Returns
        -------
        History
            Of all fits of this Trainer.

        Raises
        ------
        NonFiniteLoss
            The loss is NaN or infinite; the message tells the step, and the op and line where it began. That step
            has changed nothing; those before it stay, also one whose gradient was not finite while its loss was.
        ArgumentError, ShapeError, DTypeError
            The data or an option is not what it must be.
        IndexOutOfBounds
            A label is no class. That step has changed nothing.
        """
        epochs, batch_size = checks.count("epochs", epochs, 0), checks.count("batch_size", batch_size)
        seed, listeners = checks.count("seed", seed, 0), Callbacks(callbacks)
        feed = Feed(self._pair(x, y, ("x", "y")), batch_size)
        held = None if validation is None else self._validation(validation)
        if self.rng is None:
            self.rng = np.random.default_rng(seed)
        self._stopping = False
        shown = reporter(progress, epochs, feed.length)
        try:
            listeners.fit_begin(self)
            for _ in range(epochs):
                self._one_epoch(feed, self.rng if shuffle else None, held, listeners, shown)
                if self._stopping:
                    break
            listeners.fit_end(self)
        finally:
            shown.close()
        return self.history

    def stop(self) -> None:
        """End the fit after this epoch; for callbacks."""
        self._stopping = True

    def _one_epoch(
        self,
        feed: Feed,
        rng: np.random.Generator | None,
        held: tuple[np.ndarray, np.ndarray] | None,
        listeners: Callbacks,
        shown: Silent,
    ) -> None:
        listeners.epoch_begin(self, self.epoch + 1)
        order = None if rng is None else rng.permutation(feed.length)
        step = self._step()
        start = time.perf_counter()
        measured, outputs = self._steps(step, feed.epoch(order), _Rows(feed.length, order), listeners, shown)
        seconds = time.perf_counter() - start
        if outputs is not None:
            measured |= self._measured(feed.arrays[1], outputs)
        if held is not None:
            measured |= {f"val_{n}": v for n, v in self._evaluated(*held, max(feed.size, 256)).items()}
        measured["samples_per_second"] = feed.length / max(seconds, 1e-9)
        self.epoch += 1
        self.history.add(self.epoch, measured)
        shown.epoch(measured)
        listeners.epoch_end(self, self.epoch, measured)

    def _step(self) -> Function:
        """The compiled step, with the outputs where metrics need them."""
        assert self.programs is not None
        return self.programs.watched_step if self.metrics else self.programs.step

    def _steps(
        self,
        step: Function,
        batches: Iterable[tuple[np.ndarray, ...]],
        rows: _Rows,
        listeners: Callbacks,
        shown: Silent,
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        """All steps of an epoch: the mean loss, and all outputs where metrics need them."""
        total, count, watched = 0.0, 0, bool(self.metrics)
        for number, (xb, yb) in enumerate(batches, 1):
            found = step(xb, yb)
            if watched:
                found, output = found
                rows.add(output)
            loss = float(found)
            if not math.isfinite(loss):
                raise self._bad_loss(loss, number, (xb, yb))
            total += loss * len(xb)
            count += len(xb)
            if shown.batch is not None:
                shown.batch(len(xb))
            if listeners.on_batches:
                listeners.batch_end(self, number, loss)
        return {"loss": total / count}, rows.array

    def _bad_loss(self, loss: float, step: int, batch: tuple[np.ndarray, ...]) -> NonFiniteLoss:
        assert self.programs is not None
        source = source_of(self.programs.training[0], [self.programs.x, self.programs.y], batch)
        return NonFiniteLoss(
            f"the loss is {loss} in epoch {self.epoch + 1}, step {step}; expected a finite number."
            f"{source and f' It comes from {source}.'} The Parameters are as they were before this step: look for NaN "
            "in the data, or take a smaller learning rate"
        )

    # -- measuring -------------------------------------------------------------------------------

    def evaluate(self, x: Any, y: Any, batch_size: int = 256) -> dict[str, Any]:
        """The loss and the metrics on some data; nothing is trained.

        Parameters
        ----------
        x, y : arrays
        batch_size : int
            How many samples are computed at a time.

        Returns
        -------
        dict of str to number or array
        """
        return self._evaluated(*self._pair(x, y, ("x", "y")), checks.count("batch_size", batch_size))

    def predict(self, x: Any, batch_size: int = 256) -> np.ndarray:
        """The model's outputs.

        Parameters
        ----------
        x : array
        batch_size : int
            How many samples are computed at a time.

        Returns
        -------
        array
        """
        (array, kind), size = self._inputs(x, "x"), checks.count("batch_size", batch_size)
        if self.programs is None:
            self.programs = Programs(self.model, self.loss, self.optimizer, kind)
        program, outputs = self.programs.predict, _Rows(len(array))
        for (xb,) in Feed([array], size).epoch():
            outputs.add(program(xb))
        return program(array) if outputs.array is None else outputs.array

    def _evaluated(self, x: np.ndarray, y: np.ndarray, size: int) -> dict[str, Any]:
        assert self.programs is not None
        total, outputs = 0.0, _Rows(len(x))
        for xb, yb in Feed([x, y], size).epoch():
            loss, output = self.programs.evaluate(xb, yb)
            total += float(loss) * len(xb)
            outputs.add(output)
        assert outputs.array is not None
        return {"loss": total / len(x), **self._measured(y, outputs.array)}

    def _measured(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
        return {name: metric(targets, outputs) for name, metric in self.metrics.items()}

    # -- data ------------------------------------------------------------------------------------

    def _inputs(self, x: Any, name: str) -> tuple[np.ndarray, Kind]:
        return samples(name, x, self._floating(), self.programs.inputs if self.programs else None)

    def _pair(self, x: Any, y: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Samples and targets as the programs take them; the first ones met decide what the programs are."""
        inputs, kind = self._inputs(x, names[0])
        known = self.programs.targets if self.programs else None
        targets, wanted = samples(names[1], y, self._floating(), known)
        same_length(inputs, targets, names)
        if self.programs is None or known is None:
            # Kept only once its loss and updates are found to make sense.
            programs = Programs(self.model, self.loss, self.optimizer, kind, wanted)
            programs.training  # noqa: B018
            self.programs = programs
        return inputs, targets

    def _validation(self, given: Any) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise ArgumentError(f"validation is {type(given).__name__}; expected a pair of arrays (x, y)")
        return self._pair(given[0], given[1], ("validation x", "validation y"))

    def _floating(self) -> str:
        found = [p.dtype.name for p in self.model.parameters() if p.dtype.kind == "f"]
        return found[0] if found else "float64"

    # -- keeping ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint from which training goes on exactly as if it had not ended.

        It holds the model's Parameters, what the optimiser keeps, the state of the shuffling, the epoch and
        the history. It is written beside the path and moved there when whole.

        Parameters
        ----------
        path : str or Path
            Ends in .npz, or in .safetensors where that package is installed.

        Returns
        -------
        Path

        Raises
        ------
        ArgumentError
            The ending is unknown, or nothing was trained yet.
        """
        return resume.save(self, Path(path))

    def load(self, path: str | Path) -> Trainer:
        """Take up a checkpoint: all of it, or nothing where an exception is raised.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Trainer
            Itself.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another network (names, shapes and dtypes of Parameters), another
            optimiser, or other data.
        FileNotFoundError
        """
        resume.load(self, Path(path))
        return self


class _Rows:
    """Rows that come in parts, in one array: one after the other, or each at its place in an order."""

    def __init__(self, length: int, order: np.ndarray | None = None) -> None:
        self.array: np.ndarray | None = None
        self._length, self._order, self._filled = length, order, 0

    def add(self, part: np.ndarray) -> None:
        """The next rows."""
        if self.array is None:
            self.array = np.empty((self._length, *part.shape[1:]), part.dtype)
        rows = slice(self._filled, self._filled + len(part))
        self.array[rows if self._order is None else self._order[rows]] = part
        self._filled += len(part)
