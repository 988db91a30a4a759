"""Training around compiled functions: the loop over epochs, what is measured, when it stops, what is kept."""

from .callbacks import Callback, Checkpoint, EarlyStopping
from .history import History
from .metrics import accuracy, confusion_matrix, f1, r2
from .trainer import Trainer

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "Trainer",
    "accuracy",
    "confusion_matrix",
    "f1",
    "r2",
]
