"""What all optimisers share: options, groups of Parameters, state, the step counter, weight decay, clipping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .. import ops
from ..errors import ArgumentError
from ..expr import Expr, Parameter
from ..gradient import grad
from . import checks
from .clipping import Clipping, checked, clip

Updates = dict[Parameter, Expr]
Options = dict[str, Any]

# What the options with these names must be; others are their rule's own business.
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "lr": checks.rate,
    "betas": checks.shares,
    "alpha": checks.share,
    **dict.fromkeys(("momentum", "weight_decay", "lr_decay", "initial_accumulator_value", "eps"), checks.not_negative),
    **dict.fromkeys(("nesterov", "centered", "amsgrad"), checks.flag),
}


class Run:
    """One call of an optimiser: the updates made so far, and the step counter once something reads it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.updates: Updates = {}

    @cached_property
    def done(self) -> Parameter:
        """How many updates were made before."""
        counter = Parameter(np.zeros((), np.float64), name=f"{self.name}_step", trainable=False)
        self.updates[counter] = counter + 1.0
        return counter


class ParameterState:
    """One Parameter as an update rule sees it: its options, and what is kept of it between steps.

    Attributes
    ----------
    parameter : Parameter
    options : dict
        Those of its group.
    """

    def __init__(self, parameter: Parameter, options: Options, run: Run) -> None:
        self.parameter, self.options, self._run = parameter, options, run
        self._kept: dict[str, Parameter] = {}

    @property
    def step(self) -> Expr:
        """The number of this update, 1 at the first (float64)."""
        return self._run.done + 1.0

    @property
    def lr(self) -> Any:
        """The learning rate of this update: a number, or what the schedule says."""
        lr = self.options["lr"]
        if not callable(lr):
            return lr
        found = lr(self._run.done)
        return found if isinstance(found, Expr) else checks.not_negative(f"the value of the schedule {lr!r}", found)

    def cast(self, x: Any) -> Any:
        """A number of all steps (a rate, a correction) in the Parameter's dtype."""
        return ops.cast(x, self.parameter.dtype) if isinstance(x, Expr) else x

    def kept(self, name: str, start: float = 0.0) -> Parameter:
        """What is kept under this name, from before this update: at first `start`, in the Parameter's shape."""
        if name not in self._kept:
            first = np.full_like(self.parameter.value, start)
            self._kept[name] = Parameter(first, name=f"{self.parameter.name}_{name}", trainable=False)
        return self._kept[name]

    def keep(self, name: str, new: Expr) -> Expr:
        """Keep `new` under this name from now on; returns it."""
        self._run.updates[self.kept(name)] = new
        return new

    def average(self, name: str, new: Expr, decay: float) -> Expr:
        """The exponential moving average of `new`, from 0, kept under this name."""
        return self.keep(name, decay * self.kept(name) + (1.0 - decay) * new)


class Optimizer(ABC):
    """Base of all optimisers. A rule says in `change` what is subtracted from one Parameter.

    Parameters
    ----------
    options : dict
        The rule's options, "lr" and "weight_decay" among them. A group of Parameters may replace each.
    clipping : dict
        `clip_value`: every element of a gradient is moved into ±`clip_value`.
        `clip_norm`: all gradients are scaled so that their norm together is at most `clip_norm`.

    Attributes
    ----------
    defaults : dict
        The options, checked.
    state : dict of str to Parameter
        What the latest call keeps between steps, by name.

    Raises
    ------
    ArgumentError
        An option is unknown, or not what it must be.

    Examples
    --------
    A rule of your own:

    >>> import symnet as sn
    >>> class SignSGD(sn.optim.Optimizer):
    ...     def __init__(self, lr=0.1, **clipping):
    ...         super().__init__({"lr": lr, "weight_decay": 0.0}, clipping)
    ...     def change(self, g, state):
    ...         return state.cast(state.lr) * sn.sign(g)
    >>> w = sn.Parameter([1.0, -2.0])
    >>> sn.compile(None, updates=SignSGD()(sn.sum(w * w), [w]))()
    >>> w.value
    array([ 0.9, -1.9])
    """

    #: Whether weight decay shrinks the Parameter itself, past the rule, instead of joining its gradient.
    decoupled: ClassVar[bool] = False

    def __init__(self, options: Mapping[str, Any], clipping: Clipping) -> None:
        whose = type(self).__name__
        checks.known(whose, clipping, [*options, *Clipping.__annotations__])
        self.defaults = self._checked(whose, options)
        self.clipping = checked(whose, clipping)
        self.state: dict[str, Parameter] = {}

    @abstractmethod
    def change(self, g: Any, state: ParameterState) -> Any:
        """What one update subtracts.

        Parameters
        ----------
        g : Expr
            The gradient: clipped, and with weight decay unless that is decoupled.
        state : ParameterState

        Returns
        -------
        Expr
            Of the Parameter's shape and dtype.
        """

    def check(self, whose: str, options: Options) -> None:  # noqa: B027 (most rules need none)
        """Refuse options that do not go together."""

    def __call__(self, loss: Expr, parameters: Any) -> Updates:
        """One update of the Parameters.

        Parameters
        ----------
        loss : Expr
            A scalar that depends on every trainable Parameter.
        parameters : sequence of Parameter, or of dict
            A dict is a group: its Parameters under "params", and options that hold for them alone. Parameters
            that are not trainable are left as they are.

        Returns
        -------
        dict of Parameter to Expr
            The new value of every trainable Parameter, and of what the rule keeps (see `state`).

        Raises
        ------
        ArgumentError
            No Parameter is trainable, one is given twice, or a group lacks "params" or has an unknown option.
        GradientError
            The loss does not depend on a Parameter.
        """
        trained = {p: options for p, options in self._options(parameters).items() if p.trainable}
        if not trained:
            raise ArgumentError(f"{type(self).__name__}: no Parameter given is trainable; expected at least one")
        run = Run(type(self).__name__.lower())
        gradients = clip(grad(loss, list(trained)), self.clipping)
        for (parameter, options), g in zip(trained.items(), gradients, strict=True):
            run.updates[parameter] = self._updated(g, ParameterState(parameter, options, run))
        self.state = {p.name: p for p in run.updates if p not in trained}
        return run.updates

    def _updated(self, g: Expr, state: ParameterState) -> Expr:
        value: Any = state.parameter
        decay = state.options["weight_decay"]
        if decay and not self.decoupled:
            g = g + decay * value
        elif decay:
            value = value * state.cast(1.0 - state.lr * decay)
        return value - self.change(g, state)

    def _checked(self, whose: str, options: Mapping[str, Any]) -> Options:
        found = {n: _CHECKS[n](f"{whose}: {n}", v) if n in _CHECKS else v for n, v in options.items()}
        self.check(whose, found)
        return found

    def _options(self, parameters: Any) -> dict[Parameter, Options]:
        """The options of every Parameter given."""
        whose = type(self).__name__
        given = _listed(whose, parameters)
        if not any(isinstance(group, Mapping) for group in given):
            return _each_once(whose, [(whose, given, self.defaults)])
        return _each_once(whose, [self._group(f"{whose}: group {k}", group) for k, group in enumerate(given)])

    def _group(self, whose: str, group: Any) -> tuple[str, list[Any], Options]:
        if not isinstance(group, Mapping):
            raise ArgumentError(f"{whose} is {group}; expected a dict with 'params'")
        if "params" not in group:
            raise ArgumentError(f"{whose} has the keys {', '.join(map(repr, group))}; expected 'params' among them")
        own = {name: value for name, value in group.items() if name != "params"}
        checks.known(whose, own, self.defaults)
        return whose, _listed(whose, group["params"]), self._checked(whose, {**self.defaults, **own})


def _listed(whose: str, given: Any) -> list[Any]:
    """What is given, as a list; a single Parameter or group counts as a list of one."""
    if isinstance(given, (Parameter, Mapping)):
        return [given]
    if isinstance(given, Expr) or not isinstance(given, Iterable):
        raise ArgumentError(f"{whose}: the parameters are {given!r}; expected a sequence of Parameters")
    return list(given)


def _each_once(whose: str, groups: Iterable[tuple[str, list[Any], Options]]) -> dict[Parameter, Options]:
    found: dict[Parameter, Options] = {}
    place: dict[Parameter, str] = {}
    for group, parameters, options in groups:
        for parameter in parameters:
            if not isinstance(parameter, Parameter):
                raise ArgumentError(f"{group}: the parameters have {parameter!r}; expected Parameters")
            if parameter in found:
                raise ArgumentError(
                    f"{whose}: {parameter} is given twice, in {place[parameter]} and in {group}; expected once"
                )
            found[parameter], place[parameter] = options, group
    return found
