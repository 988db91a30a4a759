"""NativeProgram: a graph compiled, linked and bound to the memory of its parameters.

A program that the cache knows whole is linked as it is: its text, and all that is told of it (loops, memory), is made
only when somebody asks. What making it needs is imported then, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from symnet.claims import Claim, exclusively
from symnet.dims import evaluate, product
from symnet.dtype import Type
from symnet.errors import CompileError, OutOfMemory, SymnetError
from symnet.graph import Graph, Node
from symnet.reference import interpret
from symnet.report import MemoryReport
from symnet.untouched import fingerprint, remember, replaced

from .cache import find, folder, keep, name_of
from .call import Binding, InputSpec, ResultSpec, run
from .jit import Loaded, compile_object, object_name
from .outline import Outline, Place
from .packing import Packing, laid_out
from .program_key import Unnamed, graphs, program_key
from .targets import Target, find_target
from .team import team_of, thread_count
from .versions import Copy, table_of

if TYPE_CHECKING:
    from .elements import Group
    from .program import Assembly


def chosen_target(target: str | None, threads: int | None) -> Target:
    """What code is generated for: a target's name, and the threads that share a kernel."""
    return replace(find_target(target), threads=thread_count(threads))


class Memory(Protocol):
    """What holds a parameter's numbers."""

    storage: np.ndarray
    claim: Claim


class NativeProgram:
    """Machine code for one graph.

    Parameters
    ----------
    graph : Graph
    groups : callable
        Puts the graph's nodes in groups; called where the program's text has to be made.
    types : tuple of Type
    parameters : mapping of str to Memory
    report : object
        Of the passes; told here where the program comes from.
    structure : Structure
        What a call returns.
    target : Target
    max_bytes : int, optional

    Attributes
    ----------
    graph, types, report
        As given.
    timings : dict of str to float
        Milliseconds of each stage of code generation.
    binding : Binding
        What the native call path needs.
    """

    def __init__(
        self,
        graph: Graph,
        groups: Callable[[], Sequence[Group]],
        types: tuple[Type, ...],
        parameters: Mapping[str, Memory],
        report: Any,
        structure: Any,
        target: Target,
        max_bytes: int | None = None,
    ) -> None:
        self.graph, self.types, self.report, self.target = graph, types, report, target
        self._groups, self._parameters, self._max_bytes = groups, parameters, max_bytes
        self._graphs = graphs(graph)
        self._assembly: Assembly | None = None
        self.timings = dict.fromkeys(("passes", "cache", "kernels", "llvm", "link"), 0.0)
        start = time.perf_counter()
        name, self.code = self._looked_up()
        self.timings["cache"] = _since(start)
        if not self.code:
            self._generate(name)
        start = time.perf_counter()
        self.binding = self._bind(Loaded(self.code, ("plan", "entry")), structure)
        self.timings["link"] = _since(start)
        self.timings["passes"] = sum(p.milliseconds for p in report.passes)

    def _looked_up(self) -> tuple[str, bytes]:
        """The name of the program in the cache, and its machine code; empty where there is none."""
        try:
            if why := replaced() or ("" if folder() else "the cache is off"):
                raise Unnamed(why)
            name = name_of(program_key(self.graph, self.target, self._max_bytes))
        except Unnamed as reason:
            self.report.program = f"generated: {reason}"
            return "", b""
        outline, why = find(name)
        if outline is not None:
            self.outline = Outline.from_bytes(outline)
            code, why = find(self.outline.object)
            if code is not None:
                self.report.program = self.report.machine_code = "from the cache"
                return name, code
        self.report.program = f"generated: {why}"
        return name, b""

    def _generate(self, name: str) -> None:
        """Make the program's text and compile it; kept whole for other processes, if it has a name."""
        self._assembly = assembly = self._assembled()
        start = time.perf_counter()
        self.code, self.report.machine_code, object = compile_object(assembly.text, self.target)
        self.timings["llvm"] = _since(start)
        self.outline = Outline.of(assembly, object, self._graphs)
        # Files saved since would have been another name.
        if name and fingerprint():
            self.report.program += keep(name, self.outline.to_bytes())

    def _assembled(self) -> Assembly:
        from .program import Assembly

        groups = self._groups()
        start = time.perf_counter()
        assembly = Assembly(self.graph, groups, self.target, self._max_bytes)
        self.timings["kernels"] = _since(start)
        return assembly

    @property
    def assembly(self) -> Assembly:
        """The program's text, and the plan of its memory."""
        if self._assembly is None:
            assembly = self._assembled()
            if object_name(assembly.text, self.target) != self.outline.object:
                raise CompileError("symnet generates other code now than that of the program, which the cache had")
            self._assembly = assembly
        return self._assembly

    def _bind(self, loaded: Loaded, structure: Any) -> Binding:
        inputs = tuple(
            InputSpec(str(n.attrs["name"]), n.dtype, tuple(s if isinstance(s, int) else str(s) for s in n.shape))
            for n in self.graph.inputs
        )
        names = self._names()
        memory = [self._parameters[name].storage for name in names]
        memory += [laid_out(self._node(c.place).attrs["value"].array, c.packing) for c in self.outline.constants]
        copies = [self._copy(names[copy.parameter], copy.packing) for copy in self.outline.copies]
        memory += [copy.memory for copy in copies]
        updated = {str(p.attrs["name"]) for p, _ in self.graph.updates}
        if self.outline.copies or self.graph.updates:
            memory.append(table_of([self._parameters[name].claim for name in sorted(updated)], copies))
        memory += [team_of(self.target.threads).memory] if self.target.threads > 1 else []
        return Binding(
            loaded.addresses["plan"],
            loaded.addresses["entry"],
            inputs,
            tuple(ResultSpec(n.dtype, n.ndim) for n in self.graph.outputs),
            tuple(self.graph.dims()),
            self.outline.frame_size,
            parameters=tuple(memory),
            updated=tuple(k for k, name in enumerate(names) if name in updated),
            structure=structure.kind,
            keys=structure.keys,
            keep=loaded,
            stores_early=self.outline.stores_early,
            claims=tuple(self._parameters[name].claim for name in names),
            cost_at=self.outline.cost_at,
        )

    def _copy(self, name: str, packing: Packing) -> Copy:
        """Memory for a copy of a parameter."""
        parameter = self._parameters[name]
        return Copy(parameter.storage, parameter.claim, packing.empty(parameter.storage.dtype), packing)

    def _node(self, place: Place) -> Node:
        number, index = place
        return self._graphs[number].nodes[index]

    def _names(self) -> list[str]:
        """The parameters' names, in the order in which the entry is given them."""
        return [str(self._node(place).attrs["name"]) for place in self.outline.parameters]

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
        sizes, outline, held = self.binding.last_sizes(), self.outline, iter(self.binding.parameters)
        kinds = (outline.parameters, outline.constants, outline.copies)
        parameters, constants, copies = (sum(m.nbytes for m in islice(held, len(kind))) for kind in kinds)
        fixed = MemoryReport(parameters=parameters, constants=constants, copies=copies)
        if sizes is None:
            return fixed
        from .account import memory_report

        fixed = replace(fixed, arena=self.binding.arena_bytes, results=self._result_bytes(sizes))
        return memory_report(self.assembly, sizes, fixed)

    def _result_bytes(self, sizes: Mapping[str, int]) -> int:
        return sum(evaluate(product(n.shape), sizes) * np.dtype(n.dtype).itemsize for n in self.graph.outputs)

    def _too_large(self, sizes: Mapping[str, int]) -> OutOfMemory:
        from .account import too_large

        return OutOfMemory(too_large(self.assembly, sizes, self._result_bytes(sizes)))

    def _explained(self, status: int, arrays: Sequence[np.ndarray], sizes: Mapping[str, int]) -> Exception:
        """What a failed check on data was about, found by computing it again in numpy."""
        # Copies: another thread may write to the caller's arrays.
        values = dict(zip(self.graph.inputs, (array.copy() for array in arrays), strict=True))
        memory = [self._parameters[name] for name in self._names()]
        values.update(zip(map(self._node, self.outline.parameters), (m.storage for m in memory), strict=True))
        try:
            exclusively([m.claim for m in memory], lambda: interpret(self.graph, values, sizes), readers=True)
        except SymnetError as error:
            return error
        node = self.assembly.checks[status - 1]
        return CompileError(
            f"native code refused data that numpy accepts, at {node.graph.origin(node)}; does another thread write to "
            "the arguments or Parameters during the call?"
        )

    def llvm(self) -> str:
        """The LLVM text the program was compiled from."""
        return self.assembly.text

    def machine_code(self) -> str:
        """The program as the target's assembly."""
        from .machine import assembly_of

        return assembly_of(self.assembly.text, self.target)

    def loops(self) -> str:
        """The loop IR of every kernel, in the order they run."""
        from .account import loops

        return loops(self.assembly)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


remember(__name__)
