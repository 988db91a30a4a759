"""Averages of Parameters over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from ..expr import Parameter, as_expr
from . import checks
from .base import Updates


class ExponentialMovingAverage:
    """Averages that follow the trainable Parameters: ``decay * average + (1 - decay) * new value``.

    They start at the values the Parameters have when it is called.

    Parameters
    ----------
    decay : float
        What an average keeps of the past.

    Attributes
    ----------
    averages : dict of Parameter to Parameter
        Each Parameter's average, from the latest call.

    Raises
    ------
    ArgumentError
        `decay` is no number >= 0 and < 1, or nothing that is updated is trainable.

    References
    ----------
    Polyak, Juditsky: Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30, 1992.
    Tarvainen, Valpola: Mean teachers are better role models. NeurIPS 2017.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter(1.0)
    >>> average = sn.optim.ExponentialMovingAverage(0.5)
    >>> updates = average(sn.optim.SGD(lr=0.25)(w * w, [w]))
    >>> sn.compile(None, updates=updates)()
    >>> float(w.value), float(average.averages[w].value)
    (0.5, 0.75)
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = checks.share("ExponentialMovingAverage: decay", decay)
        self.averages: dict[Parameter, Parameter] = {}

    def __call__(self, updates: Mapping[Parameter, Any]) -> Updates:
        """The updates, and those of the averages.

        Parameters
        ----------
        updates : dict of Parameter to Expr

        Returns
        -------
        dict of Parameter to Expr
        """
        followed = [p for p in updates if p.trainable]
        if not followed:
            raise ArgumentError("ExponentialMovingAverage: the updates have no trainable Parameter; expected one")
        self.averages = {p: Parameter(p.value, name=f"{p.name}_average", trainable=False) for p in followed}
        found = {p: as_expr(new) for p, new in updates.items()}
        for p, average in self.averages.items():
            found[average] = self.decay * average + (1.0 - self.decay) * found[p]
        return found
