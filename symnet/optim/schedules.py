"""Learning rates that change: each is a function from the step, 0 at the first update, to the rate.

Any function from an expression to an expression will do for `lr=`; the classes here also take a plain
number, so that a schedule can be looked at before it is used.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from .. import ops
from ..errors import ArgumentError
from . import checks

Rate = float | Callable[[Any], Any]


class Schedule(ABC):
    """A learning rate as an expression of the step.

    Examples
    --------
    One of your own:

    >>> import symnet as sn
    >>> class InverseRoot(sn.optim.Schedule):
    ...     def __call__(self, step):
    ...         return 0.5 * sn.rsqrt(step + 1.0)
    >>> float(InverseRoot()(3.0))
    0.25
    """

    @abstractmethod
    def __call__(self, step: Any) -> Any:
        """The rate of a step.

        Parameters
        ----------
        step : Expr or float
            How many updates were made before: 0 at the first one.

        Returns
        -------
        Expr or float
        """


class _Checked(Schedule):
    """A schedule of numbers >= 0, and of counts of steps."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            check: Any = checks.count if field.type == "int" else checks.not_negative
            check(f"{type(self).__name__}: {field.name}", getattr(self, field.name))


@dataclass(frozen=True)
class ConstantLR(_Checked):
    """The same rate at every step.

    Parameters
    ----------
    lr : float

    Raises
    ------
    ArgumentError
        The rate is negative or no number.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.optim.ConstantLR(0.1)(7)
    0.1
    """

    lr: float

    def __call__(self, step: Any) -> Any:
        return self.lr


@dataclass(frozen=True)
class StepLR(_Checked):
    """The rate times `gamma` after every `step_size` steps, as PyTorch's.

    Parameters
    ----------
    lr : float
        The first rate.
    step_size : int
    gamma : float

    Raises
    ------
    ArgumentError
        A number is negative, or `step_size` no whole number above 0.

    Examples
    --------
    >>> import symnet as sn
    >>> halved = sn.optim.StepLR(0.1, step_size=3, gamma=0.5)
    >>> [halved(step) for step in (0, 2, 3, 6)]
    [0.1, 0.1, 0.05, 0.025]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma ** (step // self.step_size)


@dataclass(frozen=True)
class ExponentialLR(_Checked):
    """The rate times `gamma` after every step, as PyTorch's.

    Parameters
    ----------
    lr : float
        The first rate.
    gamma : float

    Raises
    ------
    ArgumentError
        A number is negative.

    Examples
    --------
    >>> import symnet as sn
    >>> falling = sn.optim.ExponentialLR(1.0, gamma=0.5)
    >>> [falling(step) for step in (0, 1, 2)]
    [1.0, 0.5, 0.25]
    """

    lr: float
    gamma: float

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma**step


@dataclass(frozen=True)
class CosineAnnealingLR(_Checked):
    """From `lr` down to `eta_min` along half a cosine in `T_max` steps; `eta_min` from then on.

    PyTorch's climbs again after `T_max` steps; until then the two agree.

    Parameters
    ----------
    lr : float
        The first rate.
    T_max : int
    eta_min : float

    Raises
    ------
    ArgumentError
        A number is negative, or `T_max` no whole number above 0.

    References
    ----------
    Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts. ICLR 2017.

    Examples
    --------
    >>> import symnet as sn
    >>> cosine = sn.optim.CosineAnnealingLR(1.0, T_max=10)
    >>> [round(float(cosine(step)), 3) for step in (0, 5, 10, 15)]
    [1.0, 0.5, 0.0, 0.0]
    """

    lr: float
    T_max: int
    eta_min: float = 0.0

    def __call__(self, step: Any) -> Any:
        share = ops.minimum(step, self.T_max) / self.T_max
        return self.eta_min + (self.lr - self.eta_min) * (0.5 + 0.5 * ops.cos(math.pi * share))


@dataclass(frozen=True)
class WarmupCosineLR(_Checked):
    """From 0 up to `lr` in a straight line in `warmup_steps` steps, then down along half a cosine.

    Parameters
    ----------
    lr : float
        The highest rate.
    warmup_steps : int
    T_max : int
        All steps together; `eta_min` from then on.
    eta_min : float

    Raises
    ------
    ArgumentError
        A number is negative, or `T_max` no more than `warmup_steps`.

    References
    ----------
    Goyal et al.: Accurate, large minibatch SGD: training ImageNet in 1 hour. arXiv:1706.02677, 2017.

    Examples
    --------
    >>> import symnet as sn
    >>> warm = sn.optim.WarmupCosineLR(1.0, warmup_steps=4, T_max=14)
    >>> [round(float(warm(step)), 3) for step in (0, 1, 4, 9, 14)]
    [0.0, 0.25, 1.0, 0.5, 0.0]
    """

    lr: float
    warmup_steps: int
    T_max: int
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.T_max <= self.warmup_steps:
            raise ArgumentError(
                f"WarmupCosineLR: T_max is {self.T_max}; expected more than warmup_steps, {self.warmup_steps}"
            )

    def __call__(self, step: Any) -> Any:
        falling = CosineAnnealingLR(self.lr, self.T_max - self.warmup_steps, self.eta_min)
        rising = self.lr * (step / self.warmup_steps)
        return ops.where(step < self.warmup_steps, rising, falling(step - self.warmup_steps))
