"""Files that hold a state of training: arrays by name and a few facts, written whole or not at all."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import ArgumentError, CheckpointError
from ..expr import Parameter

FORMAT = 1
FACTS = "symnet"


@dataclass(frozen=True)
class State:
    """What a checkpoint holds.

    Attributes
    ----------
    arrays : dict of str to array
        "model/..." under the names of `Module.named_parameters`, "optimizer/0" and so on.
    facts : dict
        What JSON can hold: the epoch, the state of the shuffling, the history, the kinds of data.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


def check_ending(path: Path) -> None:
    """Refuse a path that names no known form.

    Raises
    ------
    ArgumentError
    """
    if path.suffix not in (".npz", ".safetensors"):
        raise ArgumentError(f"a checkpoint at {path}: expected a path that ends in .npz or .safetensors")


def write(path: Path, state: State) -> None:
    """Write a checkpoint: a reader finds the file that was there before, or all of this one.

    Raises
    ------
    ArgumentError
        The ending is unknown, or safetensors is not installed.
    """
    check_ending(path)
    facts = json.dumps({"format": FORMAT, **state.facts})
    # Beside the file, so that it can take its place in one step of the file system.
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            _write_npz(file, state.arrays, facts) if path.suffix == ".npz" else _write_st(file, state.arrays, facts)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> State:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        The file is no checkpoint of this form, or damaged.
    FileNotFoundError
    """
    check_ending(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}")
    arrays, text = _read_npz(path) if path.suffix == ".npz" else _read_st(path)
    try:
        facts = json.loads(text)
        found = facts["format"]
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path}: no checkpoint of symnet: it lacks the facts of training") from None
    if found != FORMAT:
        raise CheckpointError(f"{path}: a checkpoint of form {found}; expected {FORMAT}")
    return State(arrays, facts)


def matching(whose: str, wanted: Mapping[str, Parameter], found: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are not the numbers of these Parameters.

    Parameters
    ----------
    whose : str
        What the message says of them, such as "net.npz is of another network".

    Raises
    ------
    CheckpointError
        A name is missing or unknown, or a shape or dtype differs.
    """
    for name, parameter in wanted.items():
        expected = parameter.value
        if name not in found:
            raise CheckpointError(f"{whose}: it lacks {name}, of shape {expected.shape} and dtype {expected.dtype}")
        met = found[name]
        if met.shape != expected.shape or met.dtype != expected.dtype:
            raise CheckpointError(
                f"{whose}: {name} has shape {met.shape} and dtype {met.dtype}; "
                f"expected {expected.shape} and {expected.dtype}"
            )
    unknown = [name for name in found if name not in wanted]
    if unknown:
        raise CheckpointError(f"{whose}: it has {unknown[0]}, which is unknown here")


def _write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray], facts: str) -> None:
    named: dict[str, Any] = {FACTS: np.frombuffer(facts.encode(), np.uint8), **arrays}
    np.savez(file, **named)


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], str]:
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
        if damaged is not None:
            raise CheckpointError(f"{path}: damaged in {damaged}")
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, KeyError, NotImplementedError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: truncated, damaged or no .npz file: {error}") from None
    facts = arrays.pop(FACTS, np.zeros(0, np.uint8))
    return arrays, facts.tobytes().decode(errors="replace")


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ArgumentError("a .safetensors file needs its package: pip install 'symnet[safetensors]'") from None
    return safetensors


def _write_st(file: IO[bytes], arrays: Mapping[str, np.ndarray], facts: str) -> None:
    plain = {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}
    file.write(_safetensors().numpy.save(plain, metadata={FACTS: facts}))


def _read_st(path: Path) -> tuple[dict[str, np.ndarray], str]:
    package = _safetensors()
    try:
        with package.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            return arrays, (file.metadata() or {}).get(FACTS, "")
    except package.SafetensorError as error:
        raise CheckpointError(f"{path}: truncated, damaged or no .safetensors file: {error}") from None
