"""Optimisers: called on a loss and its Parameters, each gives `updates` for `compile`.

The rules have PyTorch's argument names, defaults and formulas; learning rates are numbers or schedules.
"""

from .averaging import ExponentialMovingAverage
from .base import Optimizer, ParameterState, Updates
from .clipping import clip_grad_norm, clip_grad_value, global_norm
from .rules import SGD, Adagrad, Adam, AdamW, Lion, RMSprop
from .schedules import ConstantLR, CosineAnnealingLR, ExponentialLR, Schedule, StepLR, WarmupCosineLR

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "ExponentialMovingAverage",
    "Lion",
    "Optimizer",
    "ParameterState",
    "RMSprop",
    "Schedule",
    "StepLR",
    "Updates",
    "WarmupCosineLR",
    "clip_grad_norm",
    "clip_grad_value",
    "global_norm",
]
