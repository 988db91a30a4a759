"""A Trainer's state, to a checkpoint and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, CheckpointError, SymnetError
from ..optim import Optimizer
from . import checkpoint
from .feed import Kind
from .history import History
from .programs import Programs

if TYPE_CHECKING:
    from .trainer import Trainer


def save(trainer: Trainer, path: Path) -> Path:
    """Write all that decides how training goes on.

    Raises
    ------
    ArgumentError
        The path's ending is unknown, or nothing was trained yet.
    """
    programs = trainer.programs
    if programs is None or programs.targets is None:
        raise ArgumentError("there is nothing to save before the first fit; model.state_dict() has the Parameters")
    kept = {f"model/{n}": p.value for n, p in trainer.model.named_parameters().items()}
    kept |= {f"optimizer/{k}": p.value for k, p in enumerate(programs.state)}
    facts = {
        "epoch": trainer.epoch,
        "shuffling": None if trainer.rng is None else trainer.rng.bit_generator.state,
        "history": trainer.history.to_json(),
        "optimizer": _name(trainer.optimizer),
        "inputs": [programs.inputs.shape, programs.inputs.dtype],
        "targets": [programs.targets.shape, programs.targets.dtype],
    }
    checkpoint.write(path, checkpoint.State(kept, facts))
    return path


def load(trainer: Trainer, path: Path) -> None:
    """Take up a checkpoint: all of it, or nothing where an exception is raised.

    Raises
    ------
    CheckpointError
        The file is damaged, or of another network, another optimiser or other data.
    FileNotFoundError
    """
    state = checkpoint.read(path)
    model = {f"model/{n}": p for n, p in trainer.model.named_parameters().items()}
    of_rule = {n: a for n, a in state.arrays.items() if n.startswith("optimizer/")}
    of_model = {n: a for n, a in state.arrays.items() if n not in of_rule}
    checkpoint.matching(f"{path} is of another network", model, of_model)
    try:
        programs, rng = _programs(trainer, state.facts, path), _generator(state.facts["shuffling"])
        epoch, history = int(state.facts["epoch"]), History.from_json(state.facts["history"])
        kept = {f"optimizer/{k}": p for k, p in enumerate(programs.state)}
    except CheckpointError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, SymnetError) as error:
        raise CheckpointError(f"{path}: its facts of training do not fit: {error}") from None
    checkpoint.matching(f"{path} is of other options of the optimiser", kept, of_rule)
    for name, parameter in {**model, **kept}.items():
        parameter.value = state.arrays[name]
    trainer.programs, trainer.rng, trainer.epoch, trainer.history = programs, rng, epoch, history


def _programs(trainer: Trainer, facts: Mapping[str, Any], path: Path) -> Programs:
    """The programs for the data of a checkpoint: those at hand where they fit."""
    inputs, targets = (Kind(tuple(facts[n][0]), str(facts[n][1])) for n in ("inputs", "targets"))
    own = _name(trainer.optimizer)
    if facts["optimizer"] != own:
        raise CheckpointError(f"{path} is of the optimiser {facts['optimizer']}; expected {own}, that of this Trainer")
    held = trainer.programs
    if held is not None and (held.inputs != inputs or held.targets not in (targets, None)):
        raise CheckpointError(f"{path} is of other data: {inputs}, {targets}; expected {held.inputs}, {held.targets}")
    if held is not None and held.targets is not None:
        return held
    return Programs(trainer.model, trainer.loss, trainer.optimizer, inputs, targets)


def _name(optimizer: Any) -> str:
    return type(optimizer).__name__ if isinstance(optimizer, Optimizer) else "a function"


def _generator(state: Any) -> np.random.Generator | None:
    """A generator of random numbers in the state that a checkpoint holds."""
    if state is None:
        return None
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng
