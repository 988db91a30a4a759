"""Function: what `compile` returns. Called with arrays, it specialises itself and computes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import numpy as np

from . import arguments
from .batched import batches_of
from .codegen.call import Binding, NativeCallable
from .dims import evaluate
from .dtype import WEAK, Type, dtype_name
from .errors import ArgumentError, DTypeError, ShapeError, SymnetError
from .expr import Expr, Parameter, Variable
from .graph import Graph, Node
from .report import MemoryReport, Report
from .structure import Structure


class Program(Protocol):
    """A graph made executable, for one set of argument types."""

    graph: Graph
    types: tuple[Type, ...]
    report: Report
    timings: dict[str, float]

    @property
    def memory(self) -> MemoryReport:
        """For the sizes of the last call."""

    @property
    def binding(self) -> Binding | None:
        """What the native call path needs; None for an interpreted program."""

    def run(
        self,
        arrays: Sequence[np.ndarray],
        sizes: Mapping[str, int],
        targets: Sequence[np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Compute the results, into `targets` where they are given, and apply the updates: all or nothing."""


Builder = Callable[[Sequence[Type], Mapping[str, int]], Program]
Key = tuple[Any, ...]
# Programs for certain sizes only: so many are bound, and called directly; so many more are kept.
BOUND, UNBOUND = 16, 64


class Function(NativeCallable):
    """A compiled program. Call it by keyword or position; the result has the outputs' structure.

    A call with argument types it has not met makes it specialise itself; named dims are free, so
    their sizes do not count as types. Not made directly: see :func:`symnet.compile`.

    Results are new arrays, which share memory with nothing else. One of 64 KiB or more lies in memory that the
    function uses again when the result, and everything made of it, is gone: its ``.base`` is then an array of
    bytes instead of None, ``.flags.owndata`` is False and ``.resize`` in place is refused. So much memory is kept
    as two of the largest calls need, at most 256 MiB, and freed with the function; results outlive it. A result
    without axes that nothing refers to any more may be given again by a later call; until then a weak reference
    to it stays alive.

    With ``out=``, arrays in the structure of the outputs, the results are stored there and `out` is returned. An
    array may overlap inputs and Parameters, but none may overlap another. A call that raises leaves them
    as they were.

    A call that takes about 50 microseconds or more, by an estimate from the sizes, releases Python's lock: other
    threads go on beside it, calls of the same function too. Calls that meet at a Parameter wait for each other, so
    each sees whole states of it and no update is lost. Arrays are the caller's to guard: one that another thread
    writes to during a call gives undefined numbers (never reads outside of an array). A call in native code is not
    interrupted: KeyboardInterrupt comes when it is done.

    Attributes
    ----------
    inputs : tuple of Variable
        In the order of positional arguments.
    mode : str
        "native" or "interpret".
    """

    def __init__(
        self,
        structure: Structure,
        inputs: Sequence[Variable],
        updates: Sequence[tuple[Parameter, Expr]],
        mode: str,
        build: Builder,
        repeat: Callable[[], Function],
    ) -> None:
        self.inputs = tuple(inputs)
        self.mode = mode
        self._structure = structure
        self._updates = tuple(updates)
        self._build, self._repeat = build, repeat
        self._repeated: Function | None = None
        self._programs: dict[Key, Program | SymnetError] = {}
        self._latest: Program | None = None
        self._n_compiles = self._n_bound = 0
        self._specialising = RLock()  # re-entrant: a pass may call the function
        if all(v.known_shape is not None and v.known_dtype is not None for v in inputs):
            self._generic([Type(v.known_dtype, v.known_shape) for v in inputs])  # type: ignore[arg-type]

    # -- calling -------------------------------------------------------------------------------

    def _slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Match, cast, specialise, run: with an explanation where something does not fit.

        Calls that fit a program already bound do not come here: native code checks and runs them.
        """
        kwargs = dict(kwargs)
        out = kwargs.pop("out", None)
        values = arguments.match(self.inputs, args, kwargs)
        arrays = [arguments.cast(v, a) for v, a in zip(self.inputs, values, strict=True)]
        sizes = arguments.bind(self.inputs, arrays)
        weak = [arguments.is_weak(v, a) for v, a in zip(self.inputs, values, strict=True)]
        program, sizes = self._program(arrays, sizes, weak)
        if out is None:
            return self._structure.pack(program.run(arrays, sizes))
        return self._call_into(program, arrays, sizes, out)

    def _call_into(self, program: Program, arrays: Sequence[np.ndarray], sizes: Mapping[str, int], out: Any) -> Any:
        targets = self._structure.flatten(out, "out=", "the outputs")
        nodes = program.graph.outputs
        for target, node in zip(targets, nodes, strict=True):
            _check_out(target, node, tuple(evaluate(s, sizes) for s in node.shape))
        for k, target in enumerate(targets):
            for other, node in zip(targets[:k], nodes, strict=False):
                if _overlap(target, other):
                    both = f"{_result(node)} and {_result(nodes[k])}"
                    raise ArgumentError(
                        f"out= has arrays that overlap, for {both}; expected memory of its own for each"
                    )
        program.run(arrays, sizes, targets)
        return out

    def _program(
        self, arrays: Sequence[np.ndarray], sizes: dict[str, int], weak: Sequence[bool]
    ) -> tuple[Program, dict[str, int]]:
        """The program for these arguments, and the sizes of its named dims."""
        types = [arguments.generic_type(v, a, w) for v, a, w in zip(self.inputs, arrays, weak, strict=True)]
        sizes = {**sizes, **arguments.bind_generic(types, arrays)}
        try:
            program = self._generic(types)
        except ShapeError:
            # The names were taken to differ where this call's numbers may agree.
            if not sizes:
                raise
            return self._pinned(types, sizes), {}
        if all(evaluate(a, sizes) == evaluate(b, sizes) for a, b in program.graph.checks):
            return program, sizes
        return self._pinned(types, sizes), {}

    def _generic(self, types: Sequence[Type]) -> Program:
        return self._cached(tuple(types), types, {})

    def _pinned(self, types: Sequence[Type], sizes: Mapping[str, int]) -> Program:
        """A program for just these sizes: where they decide what broadcasts, and whether it is an error."""
        fixed = [Type(t.dtype, tuple(evaluate(s, sizes) for s in t.shape)) for t in types]
        return self._cached((tuple(types), tuple(sorted(sizes.items()))), fixed, sizes)

    def _cached(self, key: Key, types: Sequence[Type], sizes: Mapping[str, int]) -> Program:
        # Of threads that meet one type one compiles, and the others wait for it.
        with self._specialising:
            found = self._programs.pop(key, None)
            if found is None:
                found = self._built(types, sizes)
            # The one used last stands last: the first ones are forgotten first.
            self._programs[key] = found
            if sizes:
                self._forget()
        if isinstance(found, SymnetError):
            # The one kept would gather the frames, and so the arguments, of every call.
            raise found.again()
        self._latest = found
        return found

    def _built(self, types: Sequence[Type], sizes: Mapping[str, int]) -> Program | SymnetError:
        try:
            found = self._build(types, sizes)
        except SymnetError as error:
            return error.again()
        self._n_compiles += 1
        # What is bound is called without passing here, and stays: the first programs of certain sizes only, and
        # none for Python's numbers, which native code could not tell from arrays without axes.
        weak = any(t.dtype in WEAK for t in types)
        # Native calls pack one level of results.
        is_direct = not weak and not self._structure.is_nested
        if found.binding is not None and is_direct and (not sizes or self._n_bound < BOUND):
            self._n_bound += bool(sizes)
            self._bind(found.binding)
        return found

    def _forget(self) -> None:
        """Drop programs and errors for certain sizes that were not used for long."""
        loose = [k for k, p in self._programs.items() if k and isinstance(k[0], tuple) and not self._is_bound(p)]
        for key in loose[:-UNBOUND]:
            del self._programs[key]

    def _is_bound(self, program: Program | SymnetError) -> bool:
        return not isinstance(program, SymnetError) and program.binding in self._bindings

    def warmup(self, **types: Any) -> Function:
        """Compile without a call.

        Parameters
        ----------
        **types
            For each input an array, or a pair (shape, dtype).

        Returns
        -------
        Function
            Itself.

        Raises
        ------
        ArgumentError
            An input is missing, unknown, or given as something else.
        """
        samples = {n: _sample(n, t) for n, t in types.items()}
        given = arguments.match(self.inputs, (), samples)
        arrays = [arguments.cast(v, a) for v, a in zip(self.inputs, given, strict=True)]
        self._program(arrays, arguments.bind(self.inputs, arrays), [False] * len(arrays))
        return self

    def run(self, data: Any, n: int) -> Any:
        """Call the function for every `n` rows of the data, in one native call.

        The loop over the batches is compiled as a loop of :func:`symnet.scan`: every batch reads the Parameters as
        the one before has left them, and Python is not asked in between. All whole batches together change
        everything or, where an exception is raised, nothing. A last batch of fewer rows is an ordinary call after
        them. The first use compiles the loop, which takes as long as compiling the function did, or some times
        that; since a call costs less than a microsecond, it pays for steps that are very small.

        Parameters
        ----------
        data : sequence of arrays, or dict of str to array
            For each input its rows, as many for all; a single array where there is one input.
        n : int
            Rows of a batch.

        Returns
        -------
        array, or tuple, list or dict of arrays
            Structured like the outputs, with one row for each batch.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            The data do not fit, or the results of a short last batch would have another shape than the others.

        Examples
        --------
        >>> import numpy as np, symnet as sn
        >>> x = sn.Variable("x", ("batch",), "float64")
        >>> seen = sn.Parameter(0.0, name="seen")
        >>> step = sn.compile(sn.sum(x), updates={seen: seen + sn.sum(x)})
        >>> step.run([np.arange(5.0)], 2), float(seen.value)
        (array([1., 5., 4.]), 10.0)
        """
        given = [data] if isinstance(data, np.ndarray) else data
        if not isinstance(given, (list, tuple, Mapping)):
            raise ArgumentError(f"run: data is {type(data).__name__}; expected a list of arrays, or a dict of them")
        args, kwargs = ((), given) if isinstance(given, Mapping) else (given, {})
        values = arguments.match(self.inputs, args, kwargs)
        arrays = [arguments.cast(v, a) for v, a in zip(self.inputs, values, strict=True)]
        whole, rest = batches_of(arrays, self.inputs, n)
        if not len(rest[0]):
            return self._whole(whole)
        if not len(whole[0]):
            return self._structure.pack([r[None] for r in self._structure.flatten(self(*rest), "it", "it")])
        shapes = [self._result_shapes([a[0] for a in whole]), self._result_shapes(rest)]
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"run: results have the shapes {shapes[0]}, and {shapes[1]} for the last {len(rest[0])} rows: "
                "expected the same for every batch; give an n that divides the number of rows"
            )
        stacked = self._structure.flatten(self._whole(whole), "it", "it")
        last = self._structure.flatten(self(*rest), "it", "it")
        return self._structure.pack([np.concatenate([s, r[None]]) for s, r in zip(stacked, last, strict=True)])

    def _whole(self, batches: Sequence[np.ndarray]) -> Any:
        if self._repeated is None:
            self._repeated = self._repeat()
        return self._repeated(*batches)

    def _result_shapes(self, arrays: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
        sizes = arguments.bind(self.inputs, arrays)
        program, sizes = self._program(arrays, sizes, [False] * len(arrays))
        return [tuple(evaluate(s, sizes) for s in node.shape) for node in program.graph.outputs]

    # -- looking inside ------------------------------------------------------------------------

    def _current(self) -> Program:
        if self._latest is None:
            raise ArgumentError(
                "nothing is compiled yet: the inputs' shapes or dtypes are open; call the function or use .warmup(...)"
            )
        return self._latest

    @property
    def graph(self) -> Graph:
        """The optimised graph of the program used last."""
        return self._current().graph

    @property
    def report(self) -> Report:
        """What each pass did, for the program used last."""
        return self._current().report

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of each stage of compilation, for the program used last.

        "passes"; in native code "cache", in which the whole program is looked up, "kernels" and "llvm", which are 0 if
        it was found there, and "link". :attr:`report` says where the program and its machine code came from.
        """
        return self._current().timings

    @property
    def memory(self) -> MemoryReport:
        """The memory of the program used last, for the sizes of its last call; an interpreter's has no arena."""
        return self._current().memory

    def dump(self, path: str | Path) -> Path:
        """Write the program used last, in the form the path's ending names.

        Parameters
        ----------
        path : str or Path
            Ends in .txt (the optimised graph), .dot, .svg, .json, .loops (loop IR), .ll (LLVM) or .s (assembly).

        Returns
        -------
        Path
        """
        from .show import dump

        return dump(self._current(), path)

    def _repr_svg_(self) -> str | None:
        return self._latest.graph._repr_svg_() if self._latest is not None else None

    @property
    def n_compiles(self) -> int:
        """How many programs have been built."""
        return self._n_compiles

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        inputs = [inspect.Parameter(v.name, kind) for v in self.inputs]
        out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
        return inspect.Signature([*inputs, out])

    def __reduce__(self) -> Any:
        raise ArgumentError(
            f"{self!r} holds machine code of this process and cannot be copied or pickled: compile its expressions "
            "where they are needed, and save the numbers of its Parameters (.value)"
        )

    def __repr__(self) -> str:
        return (
            f"<symnet Function({', '.join(v.name for v in self.inputs)}) mode={self.mode} programs={self.n_compiles}>"
        )


def _result(node: Node) -> str:
    return f"the result of {node.op.name} (written at {node.graph.origin(node)})"


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays share an element; where that is too hard to tell, whether they could."""
    if not np.may_share_memory(a, b):
        return False
    effort: Any = 10_000  # numpy's types know of no bound but 0 and -1
    try:
        return bool(np.shares_memory(a, b, max_work=effort))
    except np.exceptions.TooHardError:
        return True


def _overlaps_itself(array: np.ndarray) -> bool:
    """Whether two elements of an array share memory, or could: each stride should pass what smaller ones reach."""
    reach = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1 and stride < reach:
            return array.size > 0
        reach += stride * (size - 1)
    return False


def _check_out(target: Any, node: Node, shape: tuple[int, ...]) -> None:
    result = _result(node)
    if not isinstance(target, np.ndarray):
        raise ArgumentError(f"out= is {type(target).__name__}; expected an array for {result}")
    if target.shape != shape:
        raise ShapeError(f"out= has shape {target.shape}; expected {shape}, that of {result}")
    if target.dtype.name != node.dtype:
        raise DTypeError(f"out= has dtype {target.dtype}; expected {node.dtype}, that of {result}")
    if not target.flags.writeable:
        raise ArgumentError(f"out= is read-only; expected a writeable array for {result}")
    if _overlaps_itself(target):
        raise ArgumentError(
            f"out= has elements that overlap (strides {target.strides}); expected memory of its own for each element "
            f"of {result}"
        )


def _sample(name: str, given: Any) -> np.ndarray:
    """An array of the type that `warmup` was given."""
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        try:
            return np.zeros(given[0], dtype_name(given[1], name))
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"warmup: {name}={given!r}: {error}") from None
    raise ArgumentError(f"warmup: {name}={given!r}; expected an array, or a pair (shape, dtype)")
