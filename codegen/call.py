"""The one way from Python into native programs: arguments checked, results allocated, the entry called.

A :class:`NativeCallable` holds :class:`Binding` objects, one per specialisation. A call runs in the
trampoline of :mod:`symnet.codegen.trampoline`, which tries them, most recently used first. Whatever it does
not handle (an unknown keyword, a list, a strided array, sizes that need a larger arena or pool, a failed check)
reaches ``_slow_call(args, kwargs)``, a Python method that casts, specialises or explains, and computes with
:func:`run`.

Where the interpreter is not one that :func:`call_path` trusts, every call takes the slow path.
"""

from __future__ import annotations

import sys
import threading
from ctypes import addressof, c_int64
from typing import TYPE_CHECKING, Any

from symnet.codegen import layouts, trampoline
from symnet.codegen.binding import Binding, InputSpec, Outcome, ResultSpec, pointers, require, run
from symnet.codegen.layouts import RECORD, call_path

__all__ = ["Binding", "InputSpec", "NativeCallable", "Outcome", "ResultSpec", "call_path", "run"]

_LOCK = threading.RLock()  # re-entrant: a finalizer may run at any allocation

if TYPE_CHECKING:
    _Base = object
else:
    _Base = layouts.vectorcall_base() if call_path() == "native" else object


class _Record:
    """What an instance keeps alive: its bindings, and the signature that they share."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.bindings: list[Binding] = []
        self.known = [sys.intern(name) for name in (*names, "out")]
        self.pointers = pointers(self.known)
        self.positional = (c_int64 * len(self.known))(*range(len(names)), -1)
        self.permutation = (c_int64 * len(self.known))()
        self.signature = layouts.Signature(
            n_inputs=len(names),
            names=addressof(self.pointers),
            positional=addressof(self.positional),
            permutation=addressof(self.permutation),
            n_positional=-1,
        )


class NativeCallable(_Base):
    """A callable that runs native programs. Subclasses define `_slow_call` and add programs with `_bind`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if call_path() == "native" and cls.__call__ is NativeCallable.__call__:
            layouts.enable_vectorcall(cls)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call with an array for each input, by position or by name. The trampoline comes here on a miss."""
        return self._slow_call(args, kwargs)

    def _slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call that the trampoline does not handle."""
        raise NotImplementedError

    @property
    def _bindings(self) -> tuple[Binding, ...]:
        """The programs bound, oldest first."""
        record: _Record | None = getattr(self, RECORD, None)
        return () if record is None else tuple(record.bindings)

    def _bind(self, binding: Binding) -> None:
        """Add a program, the first that the next call tries. All have inputs of the same names."""
        names = tuple(spec.name for spec in binding.inputs)
        with _LOCK:
            record: _Record = getattr(self, RECORD, None) or _Record(names)
            require(names == record.names, f"inputs {names} where the callable's are {record.names}")
            require(not binding._native.bound, "a binding serves one callable only")
            binding._native.bound = True
            record.bindings.append(binding)
            setattr(self, RECORD, record)
            if call_path() == "native":
                self._push(record, binding)

    def _push(self, record: _Record, binding: Binding) -> None:
        """Make the trampoline know a program."""
        library = trampoline.loaded()
        library.push(id(self), addressof(binding._native.descriptor))
        native = layouts.Callable.from_address(id(self))
        native.signature = addressof(record.signature)
        native.vectorcall = library.call
