"""Who takes part: one file a library, imported only in that library's own process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from ... import __version__
from ...errors import ArgumentError
from ..workloads import Workload

_THREADS = (
    "SYMNET_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS NUMBA_NUM_THREADS VECLIB_MAXIMUM_THREADS"
).split()


@dataclass(frozen=True)
class Program:
    """A row as a peer runs it.

    Attributes
    ----------
    call : callable
        Takes the peer's own arrays and returns when everything is computed.
    parameters : callable
        Their values now, as numpy arrays.
    native : callable
        A numpy array as the peer's own, before anything is measured.
    """

    call: Callable[..., Any]
    parameters: Callable[[], Mapping[str, Any]] = dict
    native: Callable[[np.ndarray], Any] = np.asarray


@dataclass(frozen=True)
class Peer:
    """A library.

    Attributes
    ----------
    name : str
    needs : tuple of str
        Packages; the first one's version is shown.
    module : str
        The file here with ``build(workload) -> Program | None``.
    environment : dict of str to str
        Set before its process starts, beside the number of threads.
    alone : dict of str to str
        Set too where it has one thread.
    by_default : bool
        Whether it takes part where no peer is named.
    """

    name: str
    needs: tuple[str, ...]
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: Mapping[str, str] = field(default_factory=dict)
    by_default: bool = True

    @property
    def is_installed(self) -> bool:
        return all(find_spec(package) is not None for package in self.needs)

    @property
    def version(self) -> str:
        return __version__ if self.name == "symnet" else version(self.needs[0])

    def settings(self, threads: int) -> dict[str, str]:
        """What its process finds in the environment."""
        own = {**self.environment, **(self.alone if threads == 1 else {})}
        return {**dict.fromkeys(_THREADS, str(threads)), **own}

    def build(self, workload: Workload) -> Program | None:
        """The row as this peer computes it best; None where it has no way to."""
        found: Program | None = import_module(f"{__name__}.{self.module}").build(workload)
        return found


_XLA = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}  # Else it takes as many threads as it is given processors.
_INDUCTOR = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
PEERS = {
    peer.name: peer
    for peer in (
        Peer("symnet", ("symnet",), "with_symnet"),
        Peer("numpy", ("numpy",), "with_numpy"),
        Peer("torch", ("torch",), "with_torch"),
        # Minutes of compilation for all rows, so only when it is asked for; so is pytensor.
        Peer("torch.compile", ("torch",), "with_torch_compile", _INDUCTOR, by_default=False),
        Peer("jax", ("jax",), "with_jax", {"JAX_PLATFORMS": "cpu"}, _XLA),
        Peer("onnxruntime", ("onnxruntime", "onnx"), "with_onnxruntime"),
        Peer("numba", ("numba", "scipy"), "with_numba"),
        Peer("pytensor", ("pytensor", "numba", "scipy"), "with_pytensor", by_default=False),
    )
}


def thread_count() -> int:
    """The threads of this process, for libraries that are told in code."""
    return int(os.environ.get("SYMNET_NUM_THREADS", "1"))


def find_peers(asked: str | None = None) -> list[Peer]:
    """symnet and its peers: those of a comma-separated list, else numpy and what is installed.

    Raises
    ------
    ArgumentError
        A peer that is named does not exist or is not installed; or none is named and none is installed.
    """
    others = [peer for peer in PEERS.values() if peer.name != "symnet"]
    if asked is None:
        chosen = [peer for peer in others if peer.by_default and peer.is_installed]
        if [peer.name for peer in chosen] == ["numpy"]:
            names = [peer.name for peer in others if peer.by_default and peer.name != "numpy"]
            raise ArgumentError(
                f"none of {', '.join(names)} is installed; install one, such as: pip install jax "
                "(or compare with numpy by hand: --peers numpy)"
            )
        return [PEERS["symnet"], *chosen]
    wanted = [word.strip() for word in asked.split(",")]
    for word in wanted:
        if word not in [peer.name for peer in others]:
            raise ArgumentError(f"no peer {word!r}; the peers are {', '.join(peer.name for peer in others)}")
        if not PEERS[word].is_installed:
            missing = [p for p in PEERS[word].needs if find_spec(p) is None]
            raise ArgumentError(f"{word} is not installed: pip install {' '.join(missing)}")
    return [PEERS["symnet"], *(peer for peer in others if peer.name in wanted)]
