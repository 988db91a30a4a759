"""The compiled functions of a Trainer: the step, the evaluation, the prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from .. import ops
from ..compile import compile
from ..dtype import FLOATS, shape_text
from ..errors import ArgumentError, ShapeError
from ..expr import Expr, Parameter, Variable
from ..function import Function
from ..nn import Module
from ..optim import Updates
from ..updating import brought_updates
from .feed import Kind

Loss = Callable[[Any, Any], Any]
Rule = Callable[[Any, Any], Updates]


@contextmanager
def mode(model: Module, training: bool) -> Iterator[None]:
    """The model switched to training or to inference, and back to what each of its modules was."""
    before = [(module, module.training) for module in _modules(model)]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def _modules(model: Module) -> Iterator[Module]:
    yield model
    for _, child in model.children():
        yield from _modules(child)


class Programs:
    """What is compiled for one kind of samples and one kind of targets, each on first use.

    Attributes
    ----------
    inputs, targets : Kind
        The targets' kind is None until it is known: prediction needs none.
    """

    def __init__(self, model: Module, loss: Loss, optimizer: Rule, inputs: Kind, targets: Kind | None = None) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.inputs, self.targets = inputs, targets
        self.x = Variable("x", ("batch", *inputs.shape), inputs.dtype)

    @cached_property
    def y(self) -> Variable:
        """The targets of a batch."""
        if self.targets is None:
            raise ArgumentError("nothing is trained or loaded yet, so what the targets are is not known: fit first")
        return Variable("y", ("batch", *self.targets.shape), self.targets.dtype)

    @cached_property
    def training(self) -> tuple[Expr, Expr, Updates]:
        """The loss, the outputs and the updates of a step.

        A step whose loss is not finite leaves everything as it was.
        """
        output = self._output(training=True)
        loss = self._loss(output)
        finite = ops.less(ops.abs(loss), math.inf)
        updates = dict(self.optimizer(loss, self.model.parameters()))
        # What layers bring themselves, such as running statistics and states of generators.
        updates |= brought_updates([loss, output], updates)
        return loss, output, {p: ops.where(finite, new, p) for p, new in updates.items()}

    @property
    def state(self) -> list[Parameter]:
        """What a step changes beside the model's Parameters, in a fixed order."""
        own = set(self.model.parameters())
        return [p for p in self.training[2] if p not in own]

    @cached_property
    def step(self) -> Function:
        """Forward, backward and update in one call; gives the loss before the update."""
        loss, _, updates = self.training
        return compile(loss, [self.x, self.y], updates)

    @cached_property
    def watched_step(self) -> Function:
        """The same step, which also gives the outputs."""
        loss, output, updates = self.training
        return compile((loss, output), [self.x, self.y], updates)

    @cached_property
    def evaluate(self) -> Function:
        """The loss and the outputs."""
        output = self._output(training=False)
        return compile((self._loss(output), output), [self.x, self.y])

    @cached_property
    def predict(self) -> Function:
        """The outputs."""
        return compile(self._output(training=False), [self.x])

    def _output(self, training: bool) -> Expr:
        with mode(self.model, training):
            output = self.model(self.x)
        met = output.known_shape if isinstance(output, Expr) else type(output).__name__
        # An open shape (None) shows at the call.
        if met is not None and (isinstance(met, str) or not met or met[0] != self.x.shape[0]):
            text = met if isinstance(met, str) else f"shape {shape_text(met)}"
            raise ShapeError(f"the model gives {text}; expected one row for each sample: a first axis of size 'batch'")
        return output

    def _loss(self, output: Expr) -> Expr:
        met, wanted = output.known_shape, self.y.shape
        if met is not None and len(met) == len(wanted) + 1 and met[-1] == 1:
            # Most losses would broadcast the two against each other, and train on nonsense.
            raise ShapeError(
                f"the model's output has shape {shape_text(met)} and the targets {shape_text(wanted)}: "
                "expected targets with a last axis of 1, or a model that drops its own"
            )
        loss = self.loss(output, self.y)
        if not isinstance(loss, Expr) or loss.known_shape not in ((), None) or loss.known_dtype not in (*FLOATS, None):
            raise ShapeError(f"the loss is {loss!r}; expected a scalar expression of floating dtype, as nn.mse gives")
        return loss
