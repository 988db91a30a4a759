"""Layers and losses, under PyTorch's names. Everything here is a composite of ops."""

from ..ops import cross_entropy, logloss, mae, mse
from .layers import Flatten, Linear, Module, ReLU, Sequential, Sigmoid, Softmax, Tanh

__all__ = [
    "Flatten",
    "Linear",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "cross_entropy",
    "logloss",
    "mae",
    "mse",
]
