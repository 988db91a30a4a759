"""The estimators keep scikit-learn's rules, learn, and compute what scikit-learn's own compute."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import symnet as sn

pytest.importorskip("sklearn")
from sklearn import base, exceptions, metrics, model_selection, neural_network
from sklearn.utils.estimator_checks import parametrize_with_checks

from symnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
LABELS = np.array(["no", "yes", "maybe"])[(X[:, 0] > 0.3) * 1 + (X[:, 1] > 0)]
QUICK: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 15, "learning_rate_init": 0.02, "random_state": 0}


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_the_rules_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_digits_to_an_accuracy() -> None:
    digits = sn.data.digits()
    net = MLPClassifier(64, batch_size=64, learning_rate_init=0.005, max_iter=20, random_state=0)
    assert net.fit(digits.x_train, digits.y_train).score(digits.x_test, digits.y_test) >= 0.95
    assert net.coefs_[0].dtype == net.predict_proba(digits.x_test).dtype == np.float32


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_outputs_are_those_of_the_same_weights_in_scikit_learn(activation: str) -> None:
    ours = MLPClassifier(**{**QUICK, "hidden_layer_sizes": (8, 4)}, activation=activation).fit(X, LABELS)
    theirs = neural_network.MLPClassifier((8, 4), activation, max_iter=1).fit(X, LABELS)
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.predict_log_proba(X), np.log(theirs.predict_proba(X)), rtol=1e-9, atol=1e-9)
    assert (ours.predict(X) == theirs.predict(X)).all()


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_the_loss_is_that_of_scikit_learn(alpha: float) -> None:
    options = {**QUICK, "alpha": alpha, "learning_rate_init": 0.0, "max_iter": 1, "solver": "sgd"}
    classes, numbers = MLPClassifier(**options).fit(X, LABELS), MLPRegressor(**options).fit(X, X[:, 2:4])
    for net, loss in [
        (classes, metrics.log_loss(LABELS, classes.predict_proba(X))),
        (numbers, metrics.mean_squared_error(X[:, 2:4], numbers.predict(X)) / 2),
    ]:
        penalty = alpha / 2 / len(X) * sum((w**2).sum() for w in net.coefs_)
        assert net.loss_ == pytest.approx(loss + penalty, rel=1e-9)


def test_what_is_learned_is_plain_data() -> None:
    net = MLPClassifier(**QUICK).fit(X, LABELS)
    for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), base.clone(net).fit(X, LABELS)):
        np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))
    assert net.n_iter_ == 15 == len(net.loss_curve_) and net.best_loss_ == min(net.loss_curve_)
    assert (net.n_layers_, net.n_outputs_, net.n_features_in_) == (3, 3, 5)
    assert not np.array_equal(MLPClassifier(**{**QUICK, "random_state": 1}).fit(X, LABELS).coefs_[0], net.coefs_[0])


def test_in_a_search() -> None:
    search = model_selection.GridSearchCV(MLPClassifier(**QUICK), {"solver": ["sgd", "adam", "rmsprop"]}, cv=2)
    assert search.fit(X, LABELS).best_score_ > 0.5


def test_a_regressor_of_one_and_of_several_numbers() -> None:
    options = {**QUICK, "max_iter": 300, "batch_size": 20}
    one, two = MLPRegressor(**options).fit(X, X[:, 0] * X[:, 1]), MLPRegressor(**options).fit(X, X[:, :2] * 2)
    assert one.predict(X).shape == (60,) and one.score(X, X[:, 0] * X[:, 1]) > 0.8
    assert two.predict(X).shape == (60, 2) and two.score(X, X[:, :2] * 2) > 0.95


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_keeps_the_best(kind: type) -> None:
    y = LABELS if kind is MLPClassifier else X[:, 0]
    options = {**QUICK, "max_iter": 200, "learning_rate_init": 0.1}
    net = kind(**options, early_stopping=True, n_iter_no_change=3, validation_fraction=0.3)
    net.fit(X, y)
    assert net.n_iter_ < 200 and len(net.validation_scores_) == net.n_iter_
    assert net.best_validation_score_ >= max(net.validation_scores_) - net.tol


def test_a_fit_that_ends_too_early_says_so() -> None:
    with pytest.warns(exceptions.ConvergenceWarning, match="max_iter=15"):
        MLPClassifier(**QUICK).fit(X, LABELS)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (8, 0)},
        {"hidden_layer_sizes": 2.5},
        {"activation": "cube"},
        {"solver": "lbfgs"},
        {"alpha": -1.0},
        {"batch_size": 0},
        {"learning_rate_init": -1},
        {"max_iter": 0},
        {"beta_1": 1.0},
        {"n_iter_no_change": 0},
        {"tol": -1.0},
    ],
    ids=str,
)
def test_bad_parameters(change: dict[str, Any]) -> None:
    with pytest.raises(sn.ArgumentError, match=r"expected"):
        MLPClassifier(**{**QUICK, **change}).fit(X, LABELS)


def test_bad_data() -> None:
    with pytest.raises(ValueError, match="1 class"):
        MLPClassifier(**QUICK).fit(X, np.zeros(60))
    with pytest.raises(sn.NonFiniteLoss, match="epoch"):
        MLPRegressor(**{**QUICK, "solver": "sgd", "learning_rate_init": 1e6}).fit(X, X[:, 0] * 1e6)
    with pytest.raises(exceptions.NotFittedError):
        MLPRegressor().predict(X)


def test_symnet_does_not_need_scikit_learn() -> None:
    program = """
import sys
sys.modules["sklearn"] = sys.modules["sklearn.base"] = None
import symnet
try:
    import symnet.sklearn
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "symnet.sklearn needs scikit-learn: pip install 'symnet[sklearn]'"
