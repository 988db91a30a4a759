"""Networks as scikit-learn's estimators: ``from symnet.sklearn import MLPClassifier, MLPRegressor``.

They go into scikit-learn's pipelines, searches and cross-validation. This module needs scikit-learn; symnet does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError("symnet.sklearn needs scikit-learn: pip install 'symnet[sklearn]'") from None

from . import nn, ops, optim
from .errors import ArgumentError
from .optim import checks
from .train import EarlyStopping, Trainer
from .train.fully_connected import ACTIVATIONS, Layers, program

__all__ = ["MLPClassifier", "MLPRegressor"]


def _adam(net: _Network) -> optim.Optimizer:
    return optim.Adam(lr=net.learning_rate_init, betas=(net.beta_1, net.beta_2), eps=net.epsilon)


def _sgd(net: _Network) -> optim.Optimizer:
    nesterov = bool(net.nesterovs_momentum and net.momentum)
    return optim.SGD(lr=net.learning_rate_init, momentum=net.momentum, nesterov=nesterov)


def _rmsprop(net: _Network) -> optim.Optimizer:
    return optim.RMSprop(lr=net.learning_rate_init, eps=net.epsilon)


_SOLVERS = {"adam": _adam, "sgd": _sgd, "rmsprop": _rmsprop}


class _Network(BaseEstimator):
    """What the classifier and the regressor share."""

    _metric: str

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-3,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change

    def _loss(self, output: Any, target: Any) -> Any:
        """The mean loss of a batch, without the penalty."""
        raise NotImplementedError

    def _train(self, x: np.ndarray, y: np.ndarray, outputs: int) -> None:
        """Learn coefs_ and intercepts_; targets are rows or classes."""
        hidden = self._check()
        random = check_random_state(self.random_state)
        seeds = random.randint(np.iinfo(np.int32).max, size=2)
        validation = None
        if self.early_stopping:
            x, held_x, y, held_y = self._held_out(x, y, random)
            validation = (held_x, held_y)
        sizes = [x.shape[1], *hidden, outputs]
        model = Layers(sizes, self.activation, x.dtype, np.random.default_rng(seeds[0]))
        trainer = Trainer(model, self._penalized(model), _SOLVERS[self.solver](self), self._metrics())
        stopping = self._stopping()
        trainer.fit(
            x,
            y,
            epochs=self.max_iter,
            batch_size=min(200, len(x)) if self.batch_size == "auto" else min(int(self.batch_size), len(x)),
            validation=validation,
            shuffle=self.shuffle,
            seed=int(seeds[1]),
            callbacks=[stopping],
            progress=bool(self.verbose),
        )
        self._keep(model, trainer, stopping)

    def _keep(self, model: Layers, trainer: Trainer, stopping: EarlyStopping) -> None:
        self.coefs_ = [layer.weight.value.copy() for layer in model.layers]
        self.intercepts_ = [layer.bias.value.copy() for layer in model.layers if layer.bias is not None]
        self.n_layers_, self.n_outputs_ = len(model.layers) + 1, self.coefs_[-1].shape[1]
        self.n_iter_, self.loss_curve_ = trainer.epoch, list(trainer.history["loss"])
        self.loss_, self.best_loss_ = self.loss_curve_[-1], min(self.loss_curve_)
        if self.early_stopping:
            self.validation_scores_ = list(trainer.history[f"val_{self._metric}"])
            self.best_validation_score_ = stopping.best
        if not stopping.stopped:
            warnings.warn(
                f"{type(self).__name__}: all epochs of max_iter={self.max_iter} are done; it may not have converged",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _penalized(self, model: Layers) -> Any:
        if not self.alpha:
            return self._loss

        def loss(output: Any, target: Any) -> Any:
            squares = [ops.sum(w * w) for w in model.weights]
            penalty = sum(squares[1:], start=squares[0]) * (self.alpha / 2)
            return self._loss(output, target) + penalty / output.shape[0]

        return loss

    def _metrics(self) -> list[str]:
        return [self._metric] if self.early_stopping else []

    def _stopping(self) -> EarlyStopping:
        if self.early_stopping:
            return EarlyStopping(self.n_iter_no_change, self.tol, True, f"val_{self._metric}", "max")
        return EarlyStopping(self.n_iter_no_change, self.tol, monitor="loss")

    def _held_out(self, x: np.ndarray, y: np.ndarray, random: Any) -> list[np.ndarray]:
        return train_test_split(x, y, test_size=self.validation_fraction, random_state=random)

    def _check(self) -> list[int]:
        """The hidden layers' sizes; the other parameters are checked by what takes them."""
        whose = type(self).__name__
        for name, table in (("activation", ACTIVATIONS), ("solver", _SOLVERS)):
            if getattr(self, name) not in table:
                raise ArgumentError(f"{whose}: {name} is {getattr(self, name)!r}; expected one of {', '.join(table)}")
        checks.not_negative(f"{whose}: alpha", self.alpha)
        checks.count(f"{whose}: max_iter", self.max_iter)
        if self.batch_size != "auto":
            checks.count(f"{whose}: batch_size", self.batch_size)
        given = self.hidden_layer_sizes
        hidden = list(given) if isinstance(given, (Sequence, np.ndarray)) else [given]
        return [checks.count(f"{whose}: hidden_layer_sizes", n) for n in hidden]

    def _validated(self, x: Any, y: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        return validate_data(self, x, y, dtype=(np.float64, np.float32), order="C", **options)

    def _outputs(self, x: Any, output: str) -> np.ndarray:
        check_is_fitted(self)
        dtype = self.coefs_[0].dtype
        rows = validate_data(self, x, reset=False, dtype=(np.float64, np.float32), order="C")
        function = program(len(self.coefs_), self.activation, output, dtype.name)
        return function(rows.astype(dtype, copy=False), *self.coefs_, *self.intercepts_)


class MLPClassifier(ClassifierMixin, _Network):
    """A network of fully connected layers that tells classes apart, trained on the cross entropy.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
    activation : {"relu", "tanh", "logistic", "identity"}
    solver : {"adam", "sgd", "rmsprop"}
    alpha : float
        The strength of the penalty on squared weights, divided by the number of samples of a batch.
    batch_size : int or "auto"
        "auto" is at most 200.
    learning_rate_init : float
    max_iter : int
        The largest number of epochs.
    shuffle : bool
    random_state : int, RandomState or None
        Decides the first weights, the shuffling and what is held out.
    tol, n_iter_no_change : float, int
        Training ends where the loss (with `early_stopping` the score on held-out samples) gets better by no more
        than `tol` for so many epochs in a row.
    verbose : bool
        Show the progress.
    momentum, nesterovs_momentum : float, bool
        Of "sgd".
    early_stopping, validation_fraction : bool, float
        Hold samples out, and keep the weights that do best on them.
    beta_1, beta_2, epsilon : float
        Of "adam"; `epsilon` also of "rmsprop".

    Attributes
    ----------
    classes_ : array
    coefs_, intercepts_ : list of arrays
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
    loss_, best_loss_ : float
    validation_scores_, best_validation_score_ : list of float, float
        With `early_stopping`.
    n_features_in_, n_layers_, n_outputs_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from symnet.sklearn import MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> net = make_pipeline(StandardScaler(), MLPClassifier(16, learning_rate_init=0.02, tol=0.001, random_state=0))
    >>> net.fit(x, y).score(x, y) > 0.95
    True
    """

    _metric = "accuracy"

    def fit(self, X: Any, y: Any) -> MLPClassifier:  # noqa: N803 (scikit-learn's name)
        """Learn from samples and their classes.

        Parameters
        ----------
        X : array of shape (samples, features)
        y : array of shape (samples,)

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        ValueError
            The data is not finite or does not fit together, or has one class only.
        ArgumentError
            A parameter is not what it must be.
        NonFiniteLoss
            The loss became NaN or infinite.
        """
        x, y = self._validated(X, y)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has 1 class, {self.classes_[0]!r}; expected at least two")
        self._train(x, labels.astype(np.int64), len(self.classes_))
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The class of each sample.

        Parameters
        ----------
        X : array of shape (samples, features)

        Returns
        -------
        array of shape (samples,)
        """
        outputs = self._outputs(X, "identity")
        return self.classes_[outputs.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The probability of each class.

        Parameters
        ----------
        X : array of shape (samples, features)

        Returns
        -------
        array of shape (samples, classes)
        """
        return self._outputs(X, "softmax")

    def predict_log_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The logarithms of the probabilities.

        Parameters
        ----------
        X : array of shape (samples, features)

        Returns
        -------
        array of shape (samples, classes)
        """
        return self._outputs(X, "log_softmax")

    def _loss(self, output: Any, target: Any) -> Any:
        return nn.cross_entropy(output, target)

    def _held_out(self, x: np.ndarray, y: np.ndarray, random: Any) -> list[np.ndarray]:
        return train_test_split(x, y, test_size=self.validation_fraction, random_state=random, stratify=y)


class MLPRegressor(RegressorMixin, _Network):
    """A network of fully connected layers that gives numbers, trained on half the mean squared error.

    The parameters and attributes are those of :class:`MLPClassifier`, without the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from symnet.sklearn import MLPRegressor
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> net = MLPRegressor(32, "tanh", learning_rate_init=0.02, batch_size=20, random_state=0)
    >>> net.fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.98
    True
    """

    _metric = "r2"

    def fit(self, X: Any, y: Any) -> MLPRegressor:  # noqa: N803
        """Learn from samples and their targets.

        Parameters
        ----------
        X : array of shape (samples, features)
        y : array of shape (samples,) or (samples, targets)

        Returns
        -------
        MLPRegressor
            Itself.

        Raises
        ------
        ValueError
            The data is not finite or does not fit together.
        ArgumentError
            A parameter is not what it must be.
        NonFiniteLoss
            The loss became NaN or infinite.
        """
        x, y = self._validated(X, y, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._is_flat = y.ndim == 1
        targets = y.reshape(len(y), -1).astype(x.dtype, copy=False)
        self._train(x, targets, targets.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The numbers for each sample.

        Parameters
        ----------
        X : array of shape (samples, features)

        Returns
        -------
        array of shape (samples,) or (samples, targets)
        """
        outputs = self._outputs(X, "identity")
        return outputs[:, 0] if self._is_flat else outputs

    def _loss(self, output: Any, target: Any) -> Any:
        return nn.mse(output, target) * 0.5
