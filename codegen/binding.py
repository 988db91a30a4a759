"""One native program: what it takes and gives, the memory its calls use, and how Python runs it.

A :class:`Binding` is what :class:`symnet.codegen.call.NativeCallable` calls natively. :func:`run` does the
same work from Python, on arguments that were cast first.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Sequence
from ctypes import CFUNCTYPE, PYFUNCTYPE, addressof, c_int32, c_int64, c_void_p
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from symnet.claims import LOCK, PAUSE, STEP, Claim, exclusively, in_flight
from symnet.codegen import layouts, trampoline
from symnet.codegen.pool import Pool, aligned_bytes, is_large
from symnet.errors import GraphError

# What a program takes and gives
# ------------------------------


@dataclass(frozen=True)
class InputSpec:
    """One input: its name, dtype and shape. A str in the shape names a dim, bound where it first occurs."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class ResultSpec:
    """One result: its dtype and rank. The program's plan computes its extents."""

    dtype: str
    ndim: int


@dataclass(frozen=True, eq=False)
class Binding:
    """One native program, and all that a call of it needs.

    Parameters
    ----------
    plan_address, entry_address : int
        ``i32 plan(i64* frame)`` and ``i32 entry(i8** buffers, i64* frame, i8* arena)``. The buffers are those
        of the inputs, the parameters and the results. The frame is: the dims, the bytes of arena needed, the
        extents of all results, then the program's own values.
    frame_size : int
        Number of i64 values in the frame.
    parameters : tuple of numpy.ndarray
        Their memory, which the binding keeps alive.
    updated : tuple of int
        Indices of the parameters that the entry stores to.
    structure : {"one", "tuple", "list", "dict", "none"}
        What a call returns.
    keys : tuple of str
        The keys of a dict.
    keep : object
        Kept alive as long as the binding (the loaded code). It must not refer to the callable: the garbage
        collector does not see the reference.
    stores_early : bool
        Whether the entry may store to results and give a nonzero status then. If so, it is never given the
        caller's own arrays, which a call that fails leaves as they are.
    claims : tuple of Claim
        Those of the first parameters. The others are this binding's own: constants.
    cost_at : int, optional
        Where in the frame the plan puts about how many nanoseconds a call takes; calls that take long release
        Python's lock. Without it none do.
    """

    plan_address: int
    entry_address: int
    inputs: tuple[InputSpec, ...]
    results: tuple[ResultSpec, ...]
    dims: tuple[str, ...]
    frame_size: int
    parameters: tuple[np.ndarray, ...] = ()
    updated: tuple[int, ...] = ()
    structure: Literal["one", "tuple", "list", "dict", "none"] = "one"
    keys: tuple[str, ...] = ()
    keep: object = None
    stores_early: bool = False
    claims: tuple[Claim, ...] = ()
    cost_at: int | None = None
    _native: _Native = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_binding(self)
        object.__setattr__(self, "_native", _Native(self))

    def last_sizes(self) -> dict[str, int] | None:
        """The sizes of the dims that were planned last; None if there are dims and no call was made."""
        workspace = self._native.workspace
        if self.dims and not workspace.native.planned:
            return None
        return dict(zip(self.dims, workspace.frame[: len(self.dims)], strict=True))

    @property
    def arena_bytes(self) -> int:
        """Bytes of working memory held for the next call."""
        return int(self._native.workspace.native.arena_bytes)


def _check_binding(binding: Binding) -> None:
    """Refuse a binding that contradicts itself: a bug in the code generator."""
    named = {size for spec in binding.inputs for size in spec.shape if isinstance(size, str)}
    extents = sum(spec.ndim for spec in binding.results)
    count = {"one": 1, "none": 0, "dict": len(binding.keys)}.get(binding.structure, len(binding.results))
    require(sorted(named) == sorted(binding.dims), f"inputs of {named} for a program of {binding.dims}")
    require(binding.frame_size > len(binding.dims) + extents, f"a frame of only {binding.frame_size}")
    require(count == len(binding.results), f"{len(binding.results)} results as {binding.structure}")
    require(set(binding.updated) <= set(range(len(binding.parameters))), f"no parameters {binding.updated}")
    require(all(parameter.flags.c_contiguous for parameter in binding.parameters), "a strided parameter")


def require(condition: bool, message: str) -> None:
    """Raise a GraphError (an AssertionError) unless the condition holds."""
    if not condition:
        raise GraphError(message)


# The native twins of these: every class holds the memory its structures point to
# -------------------------------------------------------------------------------


def _spec(dtype: np.dtype, ndim: int, axes: int = 0) -> layouts.Spec:
    return layouts.Spec(
        descr=id(dtype),
        axes=axes,
        itemsize=dtype.itemsize,
        type_num=dtype.num,
        ndim=ndim,
        byteorder=ord(dtype.byteorder),
    )


def pointers(objects: Sequence[object]) -> ctypes.Array[Any]:
    """A C array of borrowed references."""
    return (c_void_p * len(objects))(*map(id, objects))


_NO_COST = c_int64(0)
# Workspaces kept for calls of one program at the same time, beside the first: fresh memory costs time.
SPARES = 3


class _Workspace:
    """Frame, buffers and arena of one call at a time."""

    def __init__(self, binding: Binding) -> None:
        n_inputs, n_dims = len(binding.inputs), len(binding.dims)
        fixed = n_inputs + len(binding.parameters)
        self.frame = (c_int64 * binding.frame_size)()
        self.buffers = (c_void_p * (fixed + len(binding.results)))()
        self.buffers[n_inputs:fixed] = [parameter.ctypes.data for parameter in binding.parameters]
        self.results = (c_void_p * len(binding.results))()
        self.ranges = (layouts.Range * (n_inputs + len(binding.results)))()
        self.arena = np.empty(0, np.uint8)
        self.native = layouts.Workspace(
            frame=addressof(self.frame),
            needed=addressof(self.frame) + 8 * n_dims,
            extents=addressof(self.frame) + 8 * (n_dims + 1),
            cost=addressof(_NO_COST) if binding.cost_at is None else addressof(self.frame) + 8 * binding.cost_at,
            buffers=addressof(self.buffers),
            result_buffers=addressof(self.buffers) + 8 * fixed,
            results=addressof(self.results),
            ranges=addressof(self.ranges),
        )

    def grow(self, needed: int) -> None:
        """Make the arena at least `needed` bytes large."""
        if needed > self.native.arena_bytes:
            self.native.arena_bytes = 0
            self.arena = aligned_bytes(needed)
            self.native.arena = self.arena.ctypes.data
            self.native.arena_bytes = needed


class _Native:
    """The descriptor of a binding, and the workspace it lends to one call at a time."""

    def __init__(self, binding: Binding) -> None:
        self.bound = False
        self.n_dims = len(binding.dims)
        self.workspace = _Workspace(binding)
        self.spares: list[_Workspace] = []
        self.plan = PYFUNCTYPE(c_int32, c_void_p)(binding.plan_address)
        # Where calls are not native: with the GIL, and without.
        self.entry = PYFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)(binding.entry_address)
        self.long_entry = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)(binding.entry_address)
        self.input_dtypes = [np.dtype(spec.dtype) for spec in binding.inputs]
        self.result_dtypes = [np.dtype(spec.dtype) for spec in binding.results]
        self.literals = (c_int64 * sum(len(spec.shape) for spec in binding.inputs))()
        self.axes = self._axes(binding)
        self.inputs = self._inputs(binding)
        ranks = [spec.ndim for spec in binding.results]
        self.results = (layouts.Spec * len(ranks))(*map(_spec, self.result_dtypes, ranks))
        self.pool = Pool(len(ranks))
        self.keys = pointers(binding.keys)
        self.ranges = self._ranges(binding)
        self.updated, self.claims = self._claims(binding)
        self.claim_pointers = (c_void_p * len(self.claims))(*map(addressof, self.claims))
        self.descriptor = self._descriptor(binding)

    def _axes(self, binding: Binding) -> ctypes.Array[Any]:
        """All inputs' axes. Each points to what its size must equal: a literal, or a dim in the frame."""
        axes = (layouts.Axis * len(self.literals))()
        seen: set[str] = set()
        sizes = [size for spec in binding.inputs for size in spec.shape]
        for i, size in enumerate(sizes):
            if isinstance(size, str):
                axes[i].expected = addressof(self.workspace.frame) + 8 * binding.dims.index(size)
                axes[i].binds = size not in seen
                seen.add(size)
            else:
                self.literals[i] = size
                axes[i].expected = addressof(self.literals) + 8 * i
        return axes

    def _inputs(self, binding: Binding) -> ctypes.Array[Any]:
        specs = (layouts.Spec * len(binding.inputs))()
        axes = addressof(self.axes)
        for i, (dtype, spec) in enumerate(zip(self.input_dtypes, binding.inputs, strict=True)):
            specs[i] = _spec(dtype, len(spec.shape), axes)
            axes += len(spec.shape) * ctypes.sizeof(layouts.Axis)
        return specs

    def _ranges(self, binding: Binding) -> ctypes.Array[Any]:
        """The parameters' memory, that of updated ones first."""
        order = sorted(range(len(binding.parameters)), key=lambda i: i not in binding.updated)
        spans = [(binding.parameters[i].ctypes.data, binding.parameters[i].nbytes) for i in order]
        return (layouts.Range * len(spans))(*(layouts.Range(start, start + n) for start, n in spans))

    @staticmethod
    def _claims(binding: Binding) -> tuple[list[Claim], list[Claim]]:
        """The claims of what is updated, and those of all parameters: in this order, the updated ones first."""
        known: dict[int, Claim] = dict(enumerate(binding.claims))
        updated = [known.pop(i, Claim()) for i in sorted(set(binding.updated))]
        return updated, [*updated, *known.values()]

    def _descriptor(self, binding: Binding) -> layouts.Descriptor:
        return layouts.Descriptor(
            workspace=addressof(self.workspace.native),
            plan=binding.plan_address,
            entry=binding.entry_address,
            n_inputs=len(binding.inputs),
            inputs=addressof(self.inputs),
            n_results=len(binding.results),
            results=addressof(self.results),
            structure=layouts.STRUCTURES.index(binding.structure),
            keys=addressof(self.keys),
            n_ranges=len(binding.parameters),
            n_written=len(set(binding.updated)),
            ranges=addressof(self.ranges),
            pool=addressof(self.pool.native),
            stores_early=binding.stores_early,
            claims=addressof(self.claim_pointers),
            n_claims=len(self.claims),
            n_updated=len(self.updated),
        )

    def result_shapes(self, workspace: _Workspace) -> list[tuple[int, ...]]:
        """The shapes of the results that were planned."""
        place, shapes = self.n_dims + 1, []
        for spec in self.results:
            shapes.append(tuple(workspace.frame[place : place + spec.ndim]))
            place += spec.ndim
        return shapes

    def result_bytes(self, workspace: _Workspace) -> list[int]:
        """How large the results are that were planned."""
        shapes = self.result_shapes(workspace)
        return [math.prod(shape) * dtype.itemsize for shape, dtype in zip(shapes, self.result_dtypes, strict=True)]

    def claim(self, binding: Binding) -> _Workspace:
        """The binding's workspace, or another one if a call is using it."""
        slot = addressof(self.descriptor) + layouts.Descriptor.workspace.offset
        if layouts.call_path() == "native":
            free = trampoline.loaded().claim(slot)
        else:
            with STEP:
                free, self.descriptor.workspace = self.descriptor.workspace, None
        if free:
            return self.workspace
        try:
            return self.spares.pop()
        except IndexError:
            return _Workspace(binding)

    def put_back(self, workspace: _Workspace) -> None:
        """End a claim."""
        if workspace is self.workspace:
            self.descriptor.workspace = addressof(workspace.native)
        elif len(self.spares) < SPARES:
            self.spares.append(workspace)


# A call from Python
# ------------------


class Outcome(NamedTuple):
    """What came of :func:`run`: a status of 0, or the nonzero one of its `stage` (and then no results)."""

    status: int
    results: list[np.ndarray]
    stage: Literal["plan", "entry"]


def run(binding: Binding, arrays: Sequence[np.ndarray], targets: Sequence[np.ndarray] | None = None) -> Outcome:
    """Run a program on arrays that are already what its inputs ask for.

    Parameters
    ----------
    binding : Binding
        The program.
    arrays : sequence of numpy.ndarray
        One per input: native byte order, C-contiguous, aligned, of the spec's dtype and shape. One that lies
        in a parameter which the program updates is copied.
    targets : sequence of numpy.ndarray, optional
        For each result an array of its shape and dtype to hold it, in any layout, apart from each other. They
        are written to only if the status is 0, and are then the outcome's results.

    Raises
    ------
    GraphError
        An array is not what the caller promised (an AssertionError).
    """
    native = binding._native
    dims = _dims(binding, arrays)
    written = [binding.parameters[i] for i in binding.updated]
    arrays = [array.copy() if _overlaps(array, written) else array for array in arrays]
    workspace = native.claim(binding)
    try:
        if status := _plan(native, workspace, dims):
            return Outcome(status, [], "plan")
        direct = _direct(binding, arrays, targets or ())
        results = _results(binding, workspace, direct)
        status = _enter(native, workspace, arrays, results)
    finally:
        native.put_back(workspace)
    if status:
        return Outcome(status, [], "entry")
    if targets is None:
        return Outcome(0, results, "entry")
    for target, result in zip(targets, results, strict=True):
        if target is not result:
            target[...] = result
    return Outcome(0, list(targets), "entry")


def _direct(binding: Binding, arrays: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Those of the caller's arrays, by result, that the entry may store to."""
    used = [*arrays, *binding.parameters]
    dtypes = binding._native.result_dtypes
    return {
        i: target
        for i, (target, dtype) in enumerate(zip(targets, dtypes, strict=False))
        if type(target) is np.ndarray
        and target.flags.carray
        and target.dtype == dtype
        and not binding.stores_early
        and not _overlaps(target, used)
    }


def _dims(binding: Binding, arrays: Sequence[np.ndarray]) -> list[int]:
    """The sizes of the named dims, after checking every array against its spec."""
    sizes: dict[str, int] = {}
    for spec, dtype, array in zip(binding.inputs, binding._native.input_dtypes, arrays, strict=True):
        laid_out = array.flags.c_contiguous and array.flags.aligned and array.ndim == len(spec.shape)
        if not laid_out or array.dtype != dtype:
            raise GraphError(f"{spec} got {array.dtype} {array.shape} with {array.flags}")
        for wanted, size in zip(spec.shape, array.shape, strict=True):
            expected = sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted
            if size != expected:
                raise GraphError(f"{spec} got {array.shape} where {wanted} is {expected}")
    return [sizes[name] for name in binding.dims]


def _plan(native: _Native, workspace: _Workspace, dims: list[int]) -> int:
    """Make the frame hold the plan of these dims, and the arena be large enough. Gives the plan's status."""
    frame, n_dims = workspace.frame, len(dims)
    if workspace.native.planned and frame[:n_dims] == dims:
        return 0
    workspace.native.planned = 0
    for i, size in enumerate(dims):
        frame[i] = size
    if status := native.plan(addressof(frame)):
        return int(status)
    require(frame[n_dims] >= 0, f"a plan that needs {frame[n_dims]} bytes")
    workspace.grow(frame[n_dims])
    workspace.native.has_large = any(map(is_large, native.result_bytes(workspace)))
    workspace.native.is_long = c_int64.from_address(workspace.native.cost).value >= layouts.LONG
    workspace.native.planned = 1
    return 0


def _results(binding: Binding, workspace: _Workspace, given: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Arrays for the results, of the extents that were planned: those given, new ones for the others."""
    native, results = binding._native, []
    shapes, sizes = native.result_shapes(workspace), native.result_bytes(workspace)
    if workspace.native.has_large:
        native.pool.expect(sizes)
    for i, (shape, dtype, size) in enumerate(zip(shapes, native.result_dtypes, sizes, strict=True)):
        if i in given:
            require(given[i].shape == shape, f"out= of shape {given[i].shape} where the result's is {shape}")
            results.append(given[i])
            continue
        pooled = native.pool.array(native.results[i], shape, size) if is_large(size) else None
        results.append(np.empty(shape, dtype) if pooled is None else pooled)
    return results


def _overlaps(array: np.ndarray, others: Sequence[np.ndarray]) -> bool:
    """Does the memory range of an array meet that of another?"""
    return any(np.may_share_memory(array, other) for other in others)


def _enter(native: _Native, workspace: _Workspace, arrays: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> int:
    """Call the entry, after waiting for calls of other threads on the parameters. `arrays` and `results` are held."""
    first = len(workspace.buffers) - len(results)
    workspace.buffers[: len(arrays)] = [array.ctypes.data for array in arrays]
    workspace.buffers[first:] = [array.ctypes.data for array in results]
    if layouts.call_path() != "native":
        return _enter_by_ctypes(native, workspace)
    library, call = trampoline.loaded(), (addressof(native.descriptor), addressof(workspace.native))
    status = int(library.enter(*call))
    if status != layouts.BUSY:
        return status
    with LOCK:
        try:
            library.wait(*call)
            while (status := int(library.enter(*call))) == layouts.BUSY:
                time.sleep(PAUSE)
            return status
        finally:
            library.end_wait(*call)


def _enter_by_ctypes(native: _Native, workspace: _Workspace) -> int:
    """The same where calls are not native: those that use parameters take turns."""
    call = addressof(workspace.buffers), addressof(workspace.frame), workspace.native.arena

    def enter() -> int:
        if not workspace.native.is_long:
            return int(native.entry(*call))
        return int(in_flight(lambda: native.long_entry(*call), lambda: native.entry(*call)))

    return exclusively(native.updated, enter) if native.claims else enter()
