"""Classical models on identical features: logistic regression, RBF support vector machine, perceptron."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DistillationError

ClassicalName = Literal["logistic_regression", "rbf_svm", "mlp"]
CLASSICAL_MODELS: tuple[ClassicalName, ...] = ("logistic_regression", "rbf_svm", "mlp")

MAX_ITERATIONS = 3000
_FOLDS = 5
_LBFGS_SAMPLES = 5000
_SEARCH_SAMPLES = 2000
_SEARCH_ITERATIONS = 300


@dataclass(frozen=True, eq=False)
class ClassicalModel:
    """A fitted classical model.

    Attributes:
        name: `logistic_regression`, `rbf_svm`, `mlp` or `classical_distillation`.
        model: The scikit-learn pipeline, standardization included.
        n_weights: Numbers that the model stores; for the support vector machine its support vectors with
            their coefficients and intercepts.
        chosen: Hyperparameters that cross-validation chose; empty where there was nothing to choose, or too
            few samples of some class for two folds.
        converged: Whether the final fit converged within its iterations.
    """

    name: str
    model: Pipeline
    n_weights: int
    chosen: dict[str, float]
    converged: bool

    def predict(self, features: FloatArray) -> IntArray:
        """Class indices [N] of features [N, F]."""
        return np.asarray(self.model.predict(features), dtype=np.int64)


def fit_classical(
    name: ClassicalName,
    features: FloatArray,
    labels: IntArray,
    *,
    n_weights: int,
    groups: IntArray | None = None,
    seed: int,
) -> ClassicalModel:
    """Fit one classical model, its hyperparameters by stratified cross-validation.

    Cross-validation sees at most 2000 samples and stops after 300 iterations; the final fit sees all samples
    and goes on to convergence.

    Args:
        name: Which model.
        features: [N, F], the same that the quantum models get.
        labels: Class indices [N] of at least two classes.
        n_weights: Number of weights that the perceptron's hidden layer is sized to match.
        groups: Which original each sample is a copy of [N]; no fold has copies of another fold's originals.
        seed: Seeds folds and the perceptron's start.

    Raises:
        DistillationError: If the name is unknown, or there are fewer than two classes.
    """
    if name not in CLASSICAL_MODELS:
        raise DistillationError(
            f"classical model: expected one of {', '.join(CLASSICAL_MODELS)}, found {name!r}"
        )
    n_classes = len(np.unique(labels))
    if n_classes < 2:
        raise DistillationError(f"{name}: expected at least 2 classes, found {n_classes}")
    if name == "logistic_regression":
        estimator = LogisticRegression(max_iter=_SEARCH_ITERATIONS)
        grid: dict[str, list[Any]] = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0, 100.0]}
    elif name == "rbf_svm":
        estimator = SVC(kernel="rbf", random_state=seed)
        grid = {
            "svc__C": [0.1, 1.0, 10.0, 100.0],
            "svc__gamma": [factor / features.shape[1] for factor in (0.1, 0.3, 1.0, 3.0)],
        }
    else:
        hidden = hidden_units(n_weights, features.shape[1], n_classes)
        # PERF: on small data L-BFGS is many times faster than Adam, and no worse.
        solver = "lbfgs" if len(labels) <= _LBFGS_SAMPLES else "adam"
        estimator = MLPClassifier((hidden,), solver=solver, max_iter=_SEARCH_ITERATIONS, random_state=seed)
        grid = {"mlpclassifier__alpha": [1e-4, 1e-2, 1.0]}
    pipeline = make_pipeline(StandardScaler(), estimator)
    groups = np.arange(len(labels)) if groups is None else groups
    few = np.random.default_rng(seed).permutation(len(labels))[:_SEARCH_SAMPLES]
    counts = [len(np.unique(groups[few][labels[few] == k])) for k in np.unique(labels)]
    folds = min(_FOLDS, *counts)
    chosen: dict[str, float] = {}
    if folds >= 2:
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        search = GridSearchCV(pipeline, grid, cv=splits, refit=False)
        # A candidate that does not converge is scored as it stands; the final fit below is what counts.
        fit_quietly(search.fit, features[few], labels[few], groups=groups[few])
        pipeline.set_params(**search.best_params_)
        chosen = {key.split("__")[1]: float(value) for key, value in search.best_params_.items()}
    if name != "rbf_svm":
        pipeline[-1].set_params(max_iter=MAX_ITERATIONS)
    converged = fit_quietly(pipeline.fit, features, labels)
    return ClassicalModel(name, pipeline, stored_numbers(pipeline[-1]), chosen, converged)


def hidden_units(n_weights: int, n_features: int, n_classes: int) -> int:
    """Width of the hidden layer with which a perceptron has about `n_weights` weights, at least 1.

    scikit-learn gives two classes one output unit.
    """
    outputs = 1 if n_classes == 2 else n_classes
    return max(1, round((n_weights - outputs) / (n_features + 1 + outputs)))


def fit_quietly(fit: Callable[..., Any], features: FloatArray, labels: IntArray, **more: Any) -> bool:
    """Fit, and return whether no ConvergenceWarning came; other warnings pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(features, labels, **more)
    others = [w for w in caught if not issubclass(w.category, ConvergenceWarning)]
    for other in others:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return len(others) == len(caught)


def stored_numbers(estimator: Any) -> int:
    """Numbers that a fitted scikit-learn estimator needs to predict."""
    if isinstance(estimator, SVC):
        return int(
            estimator.support_vectors_.size + estimator.dual_coef_.size + np.size(estimator.intercept_)
        )
    if isinstance(estimator, MLPClassifier):
        return sum(array.size for array in (*estimator.coefs_, *estimator.intercepts_))
    return int(estimator.coef_.size + np.size(estimator.intercept_))
