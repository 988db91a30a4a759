"""The driver: expressions in, a callable Function out. The one file that sees passes and codegen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from .batched import repeated
from .claims import exclusively
from .collector import uncollected
from .dims import names
from .dtype import Type
from .errors import ArgumentError, GraphError, ShapeError
from .expr import Expr, Parameter, Variable, as_expr
from .freezing import chosen, frozen
from .function import Function, Program
from .graph import Graph, Node, located
from .origin import Origin
from .passes import PIPELINE, Pass
from .passes.differentiate import derivatives
from .passes.expand_composites import expand_composites
from .passes.form_kernels import Group, form_kernels
from .passes.loop_bodies import everywhere
from .passes.round_products import round_products, rounded_products
from .passes.stabilize import stabilize, stabilize_node
from .reference import interpret
from .report import MemoryReport, PassRecord, Report
from .specialize import leaves, specialize
from .structure import Structure
from .updating import brought_updates

if TYPE_CHECKING:
    from .codegen.targets import Target

MODES = ("native", "interpret")
PRECISIONS = (None, "float32", "bf16")


def compile(
    outputs: Any,
    inputs: Sequence[Variable] | None = None,
    updates: Mapping[Parameter, Any] | Sequence[tuple[Parameter, Any]] | None = None,
    mode: str = "native",
    *,
    pipeline: Sequence[Pass] | None = None,
    target: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    check: bool = False,
    max_bytes: int | None = None,
    freeze: bool | Iterable[Parameter] = False,
) -> Function:
    """Compile expressions to one function.

    Parameters
    ----------
    outputs : Expr, or tuple, list or dict of such, nested, or None
        What a call returns, in the same structure. One level is put together in native code; nested ones in
        Python, which costs some microseconds a call.
    inputs : sequence of Variable, optional
        The order of positional arguments. Default: the Variables needed, in order of creation. May
        list Variables that nothing needs.
    updates : dict or pairs of Parameter to Expr, optional
        New values of Parameters, computed from the old ones and stored after everything is computed,
        all or none. A Parameter with a `default_update` (the state of a `symnet.random.Generator`) gets
        that where it is read and not among these; so do the running statistics of layers in training.
    mode : {"native", "interpret"}
        Machine code, or numpy node by node.
    pipeline : sequence of passes, optional
        Default: ``symnet.passes.PIPELINE``. Without ``symnet.passes.stabilize`` formulas stay as they are
        written, before gradients are taken of them too.
    target : str, optional
        "host", "avx512", "avx2" or "portable".
    threads : int, optional
        Threads that share a kernel which is large enough. Default: the environment's SYMNET_NUM_THREADS, else 1.
        The results are the same, bit for bit, for every number.
    precision : {"float32", "bf16"}, optional
        "bf16": operands of float32 products of matrices, those of gradients too, are rounded to bfloat16, and the
        products added up in float32, where the target has an instruction for it (AVX512-BF16); elsewhere nothing
        changes. The report says which. The interpreter always rounds. Convolutions, products with a vector and
        those known to have fewer than 8 rows or columns stay float32, which is the default for all.
    check : bool
        Run the graph's checker after every pass.
    max_bytes : int, optional
        The largest working memory a call of native code may have; one that needs more raises OutOfMemory
        and changes nothing. Default: no bound.
    freeze : bool or list of Parameter
        Parameters whose present numbers become constants of the function, as a network for inference has them:
        the passes compute with them, and a batch normalisation becomes part of the layer before it. Later
        assignments do not reach the function; none of them may be updated. True freezes all Parameters but the
        states of random generators.

    Returns
    -------
    Function

    Raises
    ------
    ArgumentError
        Something given is not an expression, two inputs have one name, or a frozen Parameter is updated.
    ShapeError, DTypeError, GradientError
        With the user's line, where the types are declared; else at the first call.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> A, B = sn.Variable("A"), sn.Variable("B")
    >>> f = sn.compile(B * A + sn.Constant(1))
    >>> f(A=np.ones(3), B=np.ones(3) * 2)
    array([3., 3., 3.])
    """
    _check_options(mode, target, threads, max_bytes, precision)
    structure = _structure(outputs)
    roots = [as_expr(e, whose) for whose, e in zip(structure.names("outputs"), structure.leaves, strict=True)]
    pairs = _update_pairs(updates)
    if not roots and not pairs:
        raise ArgumentError("nothing to compile: give outputs, updates or both")
    found = leaves([*roots, *(e for _, e in pairs), *(p for p, _ in pairs)])
    brought = list(brought_updates([*roots, *(e for _, e in pairs)], {p for p, _ in pairs}).items())
    if brought:
        pairs += brought
        found = leaves([*found, *(e for _, e in brought)])
    parameters = [p for p in found if isinstance(p, Parameter)]
    constants = chosen(freeze, parameters, pairs)
    if constants:
        roots, pairs = frozen(roots, pairs, constants, found)
    variables = _inputs([v for v in found if isinstance(v, Variable)], inputs)
    build = _Builder(
        roots,
        pairs,
        variables,
        {p.name: p for p in parameters if p not in set(constants)},
        structure,
        mode,
        _passes(pipeline),
        check,
        _target(target, threads),
        max_bytes,
        precision,
    )

    def repeat() -> Function:
        many = repeated(roots, variables, pairs)
        options: dict[str, Any] = {
            "target": target,
            "threads": threads,
            "max_bytes": max_bytes,
            "precision": precision,
        }
        packed = structure.pack(many.outputs)
        return compile(packed, many.inputs, many.updates, mode, pipeline=build.passes, check=check, **options)

    return Function(structure, variables, pairs, mode, build, repeat)


@dataclass(frozen=True)
class _Builder:
    """What was asked of `compile`: called with the types of the arguments, it makes a program for them."""

    roots: list[Expr]
    updates: list[tuple[Parameter, Expr]]
    variables: list[Variable]
    parameters: dict[str, Parameter]
    structure: Structure
    mode: str
    passes: list[Pass]
    check: bool
    target: Target
    max_bytes: int | None
    precision: str | None

    @uncollected
    def __call__(self, types: Sequence[Type], sizes: Mapping[str, int]) -> Program:
        graph, report = self._optimised(types, sizes)
        if self.mode == "interpret":
            return InterpretedProgram(graph, tuple(types), self.parameters, report)
        # A pipeline of the user's own need not know of composites; kernels are made of primitive ops.
        graph = everywhere(expand_composites, graph)
        from .codegen.native import NativeProgram

        groups = partial(_grouped, graph, report)
        flat = Structure(tuple(self.roots)) if self.structure.is_nested else self.structure
        return NativeProgram(graph, groups, tuple(types), self.parameters, report, flat, self.target, self.max_bytes)

    def _optimised(self, types: Sequence[Type], sizes: Mapping[str, int]) -> tuple[Graph, Report]:
        """The typed graph after the passes, and the record of all that made it."""
        start, gradients = time.perf_counter(), _Gradients()
        given = dict(zip(self.variables, types, strict=True))
        stable = stabilize_node if stabilize in self.passes else _as_written
        graph = specialize(self.roots, self.variables, self.updates, given, sizes, gradients, stable)
        _require_bound(graph)
        records = gradients.records(graph, (time.perf_counter() - start) * 1e3)
        rounds = self.precision == "bf16" and (self.mode == "interpret" or self.target.has_bf16)
        passes = [*self.passes, expand_composites, round_products] if rounds else self.passes
        graph, report = run_passes(graph, passes, self.check)
        report.passes[:0] = records
        if rounds:
            lines = (f"{n.op.name} at {n.graph.origin(n)}" for n in rounded_products(graph))
            report.precision = f"bf16: {', '.join(lines) or 'no products of matrices'}"
        elif self.precision == "bf16":
            report.precision = f"float32: the target {self.target.name} has no bfloat16 products"
        return graph, report


def _grouped(graph: Graph, report: Report) -> list[Group]:
    """The kernels of a graph, told in the report."""
    start = time.perf_counter()
    groups = form_kernels(graph)
    elapsed = (time.perf_counter() - start) * 1e3
    report.passes.append(PassRecord("form_kernels", len(graph.nodes), len(groups), elapsed, {}))
    return groups


def run_passes(graph: Graph, passes: Sequence[Pass], check: bool = False) -> tuple[Graph, Report]:
    """The graph after every pass, and the record of them.

    Raises
    ------
    GraphError
        A pass returned something else than a sound Graph (soundness only with `check`).
    """
    report = Report()
    for step in passes:
        given, fired, start = graph, Counter(graph.fired), time.perf_counter()
        graph = everywhere(step, given)
        elapsed = (time.perf_counter() - start) * 1e3
        name = getattr(step, "__name__", str(step))
        if not isinstance(graph, Graph):
            raise GraphError(f"the pass {name} returned {type(graph).__name__}; expected a Graph")
        if check:
            graph.check()
        new = graph.fired - fired if graph is given else graph.fired
        report.passes.append(PassRecord(name, len(given.nodes), len(graph.nodes), elapsed, dict(new)))
    return graph, report


class InterpretedProgram:
    """A graph run by the interpreter."""

    binding = None

    def __init__(
        self, graph: Graph, types: tuple[Type, ...], parameters: Mapping[str, Parameter], report: Report
    ) -> None:
        self.graph, self.types, self.report = graph, types, report
        self.parameters = parameters
        self.timings = {"passes": sum(p.milliseconds for p in report.passes)}
        self.memory = MemoryReport(parameters=sum(p.storage.nbytes for p in parameters.values()))

    def run(
        self,
        arrays: Sequence[np.ndarray],
        sizes: Mapping[str, int],
        targets: Sequence[np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Compute the results, then store the updates, and the results in `targets`."""
        if not self.parameters:
            return self._run(arrays, sizes, targets)
        claims = [parameter.claim for parameter in self.parameters.values()]
        return exclusively(claims, lambda: self._run(arrays, sizes, targets))

    def _run(
        self, arrays: Sequence[np.ndarray], sizes: Mapping[str, int], targets: Sequence[np.ndarray] | None
    ) -> list[np.ndarray]:
        values = dict(zip(self.graph.inputs, arrays, strict=True))
        for node in self.graph.nodes:
            if node.op.name == "parameter":
                values[node] = self.parameters[node.attrs["name"]].storage
        results, new = interpret(self.graph, values, sizes)
        results = [np.array(r, order="C", copy=True) for r in results]
        stored = [np.array(v, copy=True) for v in new]
        for (parameter, _), value in zip(self.graph.updates, stored, strict=True):
            self.parameters[parameter.attrs["name"]].store(value)
        self.memory = replace(self.memory, results=sum(r.nbytes for r in results))
        if targets is None:
            return results
        for target, result in zip(targets, results, strict=True):
            target[...] = result
        return list(targets)


def _check_options(mode: str, target: str | None, threads: Any, max_bytes: Any, precision: Any) -> None:
    if mode not in MODES:
        raise ArgumentError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")
    if not isinstance(precision, str | None) or precision not in PRECISIONS:
        raise ArgumentError(f"precision is {precision!r}; expected one of {', '.join(map(str, PRECISIONS))}")
    if target is not None and mode != "native":
        raise ArgumentError(f"target is {target!r} in mode {mode!r}; expected a target in native mode only")
    if threads is not None and (mode != "native" or not isinstance(threads, Integral)):
        raise ArgumentError(f"threads is {threads!r} in mode {mode!r}; expected a number of threads, in native mode")
    if max_bytes is not None and (mode != "native" or type(max_bytes) is not int or max_bytes < 0):
        raise ArgumentError(f"max_bytes is {max_bytes!r} in mode {mode!r}; expected a number of bytes, in native mode")


def _structure(outputs: Any) -> Structure:
    if callable(outputs) and not isinstance(outputs, Expr):
        raise ArgumentError(
            f"compile takes an expression, not the function {getattr(outputs, '__name__', outputs)!r}: "
            "call it on Variables and compile what it returns, as in compile(f(Variable('x')))"
        )
    return Structure(outputs)


def _target(target: str | None, threads: int | None) -> Target:
    """What code is generated for."""
    # Loaded by the first program: `import symnet` does without.
    from .codegen.native import chosen_target

    return chosen_target(target, threads)


class _Gradients:
    """The differentiation pass as it runs while the graph is built, with what it did for the report."""

    def __init__(self) -> None:
        self.requests = self.nodes = 0
        self.milliseconds = 0.0

    def __call__(
        self,
        graph: Graph,
        ys: Sequence[Node],
        wrt: Sequence[Node],
        seeds: Sequence[Node],
        is_forward: bool,
        origin: Origin,
    ) -> list[Node | None]:
        start, before = time.perf_counter(), len(graph.nodes)
        found = derivatives(graph, ys, wrt, seeds, is_forward, origin)
        self.requests += 1
        self.nodes += len(graph.nodes) - before
        self.milliseconds += (time.perf_counter() - start) * 1e3
        return found

    def records(self, graph: Graph, milliseconds: float) -> list[PassRecord]:
        """Building in all, and differentiation apart."""
        declared = len(graph.nodes) - self.nodes
        own = milliseconds - self.milliseconds
        records = [PassRecord("specialize", 0, declared, own, dict(graph.fired))]
        if self.requests:
            done = {"gradient": self.requests}
            records.append(PassRecord("differentiate", declared, len(graph.nodes), self.milliseconds, done))
        return records


def _as_written(graph: Graph, node: Node) -> Node:
    """The form of a node just inserted, where nothing is to be stabilised."""
    return node


def _passes(pipeline: Any) -> list[Pass]:
    passes = PIPELINE if pipeline is None else pipeline
    if not isinstance(passes, (list, tuple)) or not all(map(callable, passes)):
        raise ArgumentError(f"pipeline is {pipeline!r}; expected a list of passes, functions from Graph to Graph")
    return list(passes)


def _update_pairs(updates: Any) -> list[tuple[Parameter, Expr]]:
    pairs = list(updates.items()) if isinstance(updates, Mapping) else [] if updates is None else updates
    if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
        raise ArgumentError(f"updates is {updates!r}; expected a dict of Parameter to new value, or pairs")
    seen: set[Parameter] = set()
    for parameter, _ in pairs:
        if not isinstance(parameter, Parameter):
            key = str(parameter) if isinstance(parameter, Expr) else repr(parameter)
            raise ArgumentError(f"updates has the key {key}; expected a Parameter")
        if parameter in seen:
            raise ArgumentError(f"{parameter} is updated twice")
        seen.add(parameter)
    return [(p, as_expr(e, f"the update of {p} (made at {p.line})")) for p, e in pairs]


def _require_bound(graph: Graph) -> None:
    """Refuse a named size that no argument of the call has: nothing would say what it is."""
    known = set(graph.dims())
    for node in graph.live():
        for name in (n for size in node.shape for n in names(size) if n not in known):
            complaint = f"the size {name!r} is of no input; expected a Variable that has it among inputs="
            raise located(ShapeError(complaint), node.op, graph.origin(node))


def _inputs(needed: Sequence[Variable], listed: Sequence[Variable] | None) -> list[Variable]:
    if isinstance(listed, (Expr, str)) or not isinstance(listed, Iterable | None):
        raise ArgumentError(f"inputs is {listed}; expected a list of Variables, such as [v]")
    variables = list(needed if listed is None else listed)
    if len(set(variables)) < len(variables):
        raise ArgumentError(f"inputs lists one Variable twice: {', '.join(map(str, variables))}")
    by_name: dict[str, Variable] = {}
    for variable in [*variables, *needed]:
        if not isinstance(variable, Variable):
            raise ArgumentError(f"inputs has {variable!r}; expected Variables")
        other = by_name.setdefault(variable.name, variable)
        if other is not variable:
            raise ArgumentError(
                f"two Variables are named {variable.name!r}: declared at {other.line} and at {variable.line}"
            )
    missing = [v for v in needed if v not in set(variables)]
    if missing:
        raise ArgumentError(f"inputs lacks {missing[0]} (declared at {missing[0].line}), which the outputs need")
    if "out" in by_name:
        raise ArgumentError("a Variable cannot be named 'out': that keyword gives the result's place")
    return variables
