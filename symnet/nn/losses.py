"""Losses as modules, under PyTorch's names. What they compute is in symnet/ops/losses.py."""

from __future__ import annotations

from typing import Any

from .. import ops
from .layers import Module


class Loss(Module):
    """A function of a prediction and a target."""

    def forward(self, prediction: Any, target: Any) -> Any:  # type: ignore[override]
        return self.loss(prediction, target)

    def loss(self, prediction: Any, target: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no loss")


class MSELoss(Loss):
    """The mean squared error."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.mse(prediction, target)


class L1Loss(Loss):
    """The mean absolute error."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.mae(prediction, target)


class HuberLoss(Loss):
    """Squares of distances up to `delta`, lines beyond."""

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.huber(prediction, target, self.delta)


class HingeLoss(Loss):
    """The mean of max(0, 1 - prediction * target), for targets -1 and 1."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.hinge(prediction, target)


class BCELoss(Loss):
    """Binary cross entropy of probabilities."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.binary_cross_entropy(prediction, target)


class BCEWithLogitsLoss(Loss):
    """Binary cross entropy of logits."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.binary_cross_entropy_with_logits(prediction, target)


class CrossEntropyLoss(Loss):
    """Cross entropy of rows of logits, and integer labels or rows of probabilities.

    Examples
    --------
    >>> import symnet as sn
    >>> loss = sn.nn.CrossEntropyLoss(label_smoothing=0.1)
    >>> loss([[2.0, 0.0], [0.0, 0.0]], [0, 1]).round(4)
    np.float64(0.46)
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.cross_entropy(prediction, target, self.label_smoothing)


class NLLLoss(Loss):
    """Minus the log-probability of the label."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.nll_loss(prediction, target)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of a target from log-probabilities, PyTorch's with reduction="batchmean"."""

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.kl_div(prediction, target)


class CosineSimilarity(Loss):
    """The cosine of the angle between vectors along `axis`."""

    def __init__(self, axis: int = -1, eps: float = 1e-8) -> None:
        self.axis, self.eps = axis, eps

    def loss(self, prediction: Any, target: Any) -> Any:
        return ops.cosine_similarity(prediction, target, self.axis, self.eps)
