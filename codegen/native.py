"""NativeProgram: a graph compiled, linked and bound to the memory of its parameters."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from symnet.claims import Claim, exclusively
from symnet.dims import evaluate, product
from symnet.dtype import Type
from symnet.errors import CompileError, OutOfMemory, SymnetError
from symnet.expr import aligned_copy
from symnet.graph import Graph
from symnet.reference import interpret
from symnet.report import BufferRecord, MemoryReport

from .call import Binding, InputSpec, ResultSpec, run
from .elements import Group
from .jit import Loaded, compile_object, target_machine
from .memory import lifetimes, lower_bound
from .packing import Packing
from .plan import Plan, every_step, stores_early
from .program import Assembly
from .targets import Target
from .team import team_of
from .versions import Copy, table_of


class Memory(Protocol):
    """What holds a parameter's numbers."""

    storage: np.ndarray
    claim: Claim


class NativeProgram:
    """Machine code for one graph.

    Attributes
    ----------
    graph : Graph
    types : tuple of Type
    report : object
        Of the passes, kept for the user.
    timings : dict of str to float
        Milliseconds of each stage of code generation.
    binding : Binding
        What the native call path needs.
    """

    def __init__(
        self,
        graph: Graph,
        groups: Sequence[Group],
        types: tuple[Type, ...],
        parameters: Mapping[str, Memory],
        report: Any,
        structure: Any,
        target: Target,
        max_bytes: int | None = None,
    ) -> None:
        self.graph, self.types, self.report, self.target = graph, types, report, target
        self._parameters = parameters
        start = time.perf_counter()
        self.assembly = Assembly(graph, groups, target, max_bytes)
        emitted = time.perf_counter()
        self.code, report.machine_code = compile_object(self.assembly.text, target)
        compiled = time.perf_counter()
        loaded = Loaded(self.code, ("plan", "entry"))
        self.binding = self._bind(loaded, structure)
        linked = time.perf_counter()
        self.timings = {
            "passes": sum(p.milliseconds for p in report.passes),
            "kernels": (emitted - start) * 1e3,
            "llvm": (compiled - emitted) * 1e3,
            "link": (linked - compiled) * 1e3,
        }

    def _bind(self, loaded: Loaded, structure: Any) -> Binding:
        plan = self.assembly.plan
        inputs = tuple(
            InputSpec(str(n.attrs["name"]), n.dtype, tuple(s if isinstance(s, int) else str(s) for s in n.shape))
            for n in self.graph.inputs
        )
        names = [str(n.attrs["name"]) for n in plan.parameters.values()]
        memory = [self._parameters[name].storage for name in names]
        memory += [constant.in_memory() for constant in plan.constants.values()]
        copies = [self._copy(plan, source, packing) for source, packing in plan.packed.values()]
        memory += [copy.memory for copy in copies]
        updated = {str(p.attrs["name"]) for p, _ in self.graph.updates}
        if self.assembly.has_versions:
            memory.append(table_of([self._parameters[name].claim for name in sorted(updated)], copies))
        memory += [team_of(self.target.threads).memory] if self.target.threads > 1 else []
        return Binding(
            loaded.addresses["plan"],
            loaded.addresses["entry"],
            inputs,
            tuple(ResultSpec(n.dtype, n.ndim) for n in self.graph.outputs),
            tuple(self.assembly.dims),
            self.assembly.frame.size,
            parameters=tuple(memory),
            updated=tuple(k for k, name in enumerate(names) if name in updated),
            structure=structure.kind,
            keys=structure.keys,
            keep=loaded,
            stores_early=stores_early(plan),
            claims=tuple(self._parameters[name].claim for name in names),
            cost_at=self.assembly.frame.cost_at,
        )

    def _copy(self, plan: Plan, source: str, packing: Packing) -> Copy:
        """Memory for a copy of a parameter."""
        parameter = self._parameters[str(plan.parameters[source].attrs["name"])]
        empty = aligned_copy(np.zeros(packing.size, parameter.storage.dtype))
        return Copy(parameter.storage, parameter.claim, empty, packing)

    def run(
        self,
        arrays: Sequence[np.ndarray],
        sizes: Mapping[str, int],
        targets: Sequence[np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Compute the results, into `targets` where they are given, and apply the updates.

        Raises
        ------
        IndexOutOfBounds, NegativeExponent
            The data fail a check; nothing was stored, in parameters or targets.
        OutOfMemory
            The working memory or the results cannot be allocated.
        """
        try:
            outcome = run(self.binding, arrays, targets)
        except (MemoryError, OSError):
            raise self._too_large(sizes) from None
        if outcome.status == 0:
            return outcome.results
        if outcome.stage == "plan":
            # The caller has tested the checks of the graph: what is left is the memory.
            raise self._too_large(sizes)
        raise self._explained(outcome.status, arrays, sizes)

    @property
    def memory(self) -> MemoryReport:
        """The memory of the program, for the sizes of its last call."""
        sizes, plan, held = self.binding.last_sizes(), self.assembly.plan, iter(self.binding.parameters)

        def bytes_of(buffers: Collection[str]) -> int:
            return sum(array.nbytes for array in islice(held, len(buffers)))

        fixed = MemoryReport(
            parameters=bytes_of(plan.parameters), constants=bytes_of(plan.constants), copies=bytes_of(plan.packed)
        )
        if sizes is None:
            return fixed
        return replace(
            fixed,
            arena=self.binding.arena_bytes,
            lower_bound=lower_bound(lifetimes(plan), sizes),
            results=self._result_bytes(sizes),
            steps=len(list(every_step(plan.steps))),
            buffers=tuple(sorted(self._buffers(sizes), key=lambda r: r.bytes, reverse=True)),
        )

    def _buffers(self, sizes: Mapping[str, int]) -> Iterator[BufferRecord]:
        steps = list(every_step(self.assembly.plan.steps))
        for size, first, last in lifetimes(self.assembly.plan).values():
            yield BufferRecord(evaluate(size, sizes), first, last, str(steps[first].origin))

    def _result_bytes(self, sizes: Mapping[str, int]) -> int:
        return sum(evaluate(product(n.shape), sizes) * np.dtype(n.dtype).itemsize for n in self.graph.outputs)

    def _too_large(self, sizes: Mapping[str, int]) -> OutOfMemory:
        needed, most = self.assembly.arena.bytes(sizes), self.assembly.frame.max_bytes
        bound = f"max_bytes={most:,} allows" if most is not None and needed > most else "there is"
        largest = sorted(self._buffers(sizes), key=lambda r: r.bytes, reverse=True)[:3]
        of = "".join(f"; {r.bytes:,} bytes of it from {r.origin}" for r in largest)
        return OutOfMemory(
            f"the call needs {needed:,} bytes of working memory{of}; and {self._result_bytes(sizes):,} of results: "
            f"more than {bound}"
        )

    def _explained(self, status: int, arrays: Sequence[np.ndarray], sizes: Mapping[str, int]) -> Exception:
        """What a failed check on data was about, found by computing it again in numpy."""
        # Copies: another thread may write to the caller's arrays.
        values = dict(zip(self.graph.inputs, (array.copy() for array in arrays), strict=True))
        for node in self.assembly.plan.parameters.values():
            values[node] = self._parameters[str(node.attrs["name"])].storage
        claims = [self._parameters[str(n.attrs["name"])].claim for n in self.assembly.plan.parameters.values()]
        node = self.assembly.checks[status - 1]
        try:
            exclusively(claims, lambda: interpret(self.graph, values, sizes), readers=True)
        except SymnetError as error:
            return error
        return CompileError(
            f"native code refused data that numpy accepts, at {self.graph.origin(node)}; does another thread write to "
            "the arguments or Parameters during the call?"
        )

    def llvm(self) -> str:
        """The LLVM text the program was compiled from."""
        return self.assembly.text

    def machine_code(self) -> str:
        """The program as the target's assembly."""
        import llvmlite.binding as llvm

        return str(target_machine(self.target).emit_assembly(llvm.parse_assembly(self.assembly.text)))

    def loops(self) -> str:
        """The loop IR of every kernel, in the order they run."""
        return "\n\n".join(
            f"# {step.origin}\n# of {', '.join(b.name for b in step.buffers)}\n{step.kernel}"
            for step in every_step(self.assembly.plan.steps)
        )
