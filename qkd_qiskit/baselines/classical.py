"""What classical baselines have in common: standardized features, cross-validation, a final fit."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import Predictions

MAX_ITERATIONS = 3000
SEARCH_ITERATIONS = 300
_FOLDS = 5
_SEARCH_SAMPLES = 2000


@dataclass(frozen=True, eq=False)
class ClassicalModel:
    """A fitted classical model.

    Attributes:
        name: Name of its baseline.
        model: The scikit-learn pipeline, standardization included.
        n_weights: Numbers that the model stores; for the support vector machine its support vectors with
            their coefficients and intercepts.
        chosen: Hyperparameters that cross-validation chose; empty where there was nothing to choose, or too
            few samples of some class for two folds.
        converged: Whether the final fit converged within its iterations.
        labels: Whose labels it knows: `all`, or the `public` ones alone.
    """

    name: str
    model: Pipeline
    n_weights: int
    chosen: dict[str, float]
    converged: bool
    labels: Literal["all", "public"] | None = None

    def predict(self, features: FloatArray) -> IntArray:
        """Return class indices [N] of features [N, F]."""
        return np.asarray(self.model.predict(features), dtype=np.int64)

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F]; noise has no meaning here."""
        return Predictions(self.predict(inputs), None, None, self.n_weights, None, self.labels)


@dataclass(frozen=True, eq=False)
class ClassicalTask:
    """What a classical model is fitted on.

    Attributes:
        features: [N, F], the same that the quantum models get.
        labels: Class indices [N] of at least two classes.
        n_weights: Number of weights that the perceptron's hidden layer is sized to match.
        seed: Seeds folds and random starts.
        groups: Which original each sample is a copy of [N]; no fold has copies of another fold's originals.
            None where each sample is an original.
    """

    features: FloatArray
    labels: IntArray
    n_weights: int
    seed: int
    groups: IntArray | None = None

    @property
    def n_classes(self) -> int:
        """Return the number of different labels."""
        return len(np.unique(self.labels))


class ClassicalBaseline(ABC):
    """Fits a scikit-learn classifier on the features that the quantum models get."""

    name: str
    runs_circuits = False

    @abstractmethod
    def estimator(self, task: ClassicalTask) -> Any:
        """Make the unfitted classifier; an iterative one stops after `SEARCH_ITERATIONS`."""

    @abstractmethod
    def grid(self, task: ClassicalTask) -> dict[str, list[float]]:
        """Return the values of each hyperparameter among which cross-validation chooses."""

    def stored_numbers(self, estimator: Any) -> int:
        """Return how many numbers a fitted classifier needs to predict."""
        return int(estimator.coef_.size + np.size(estimator.intercept_))

    def fit(self, data: BaselineData) -> ClassicalModel:
        """Fit the model on all labelled samples that are here."""
        samples = data.everything
        fitted = self.fit_task(
            ClassicalTask(
                samples.inputs, samples.labels, data.n_weights, data.run.settings.seed, groups=data.groups
            )
        )
        return replace(fitted, labels=data.known_labels)

    def fit_task(self, task: ClassicalTask) -> ClassicalModel:
        """Fit the model, its hyperparameters by stratified cross-validation.

        Cross-validation sees at most 2000 samples and stops after 300 iterations; the final fit sees all
        samples and goes on to convergence.

        Raises:
            DistillationError: If there are fewer than two classes.
        """
        features, labels = task.features, task.labels
        if task.n_classes < 2:
            raise DistillationError(f"{self.name}: expected at least 2 classes, found {task.n_classes}")
        pipeline = make_pipeline(StandardScaler(), self.estimator(task))
        groups = np.arange(len(labels)) if task.groups is None else task.groups
        few = np.random.default_rng(task.seed).permutation(len(labels))[:_SEARCH_SAMPLES]
        counts = [len(np.unique(groups[few][labels[few] == k])) for k in np.unique(labels)]
        folds = min(_FOLDS, *counts)
        chosen: dict[str, float] = {}
        if folds >= 2:
            splits = StratifiedGroupKFold(folds, shuffle=True, random_state=task.seed)
            step = pipeline.steps[-1][0]
            grid = {f"{step}__{key}": values for key, values in self.grid(task).items()}
            search = GridSearchCV(pipeline, grid, cv=splits, refit=False)
            # A candidate that does not converge is scored as it stands; the final fit below is what counts.
            fit_quietly(search.fit, features[few], labels[few], groups=groups[few])
            pipeline.set_params(**search.best_params_)
            chosen = {key.split("__")[1]: float(value) for key, value in search.best_params_.items()}
        if getattr(pipeline[-1], "max_iter", None) == SEARCH_ITERATIONS:
            pipeline[-1].set_params(max_iter=MAX_ITERATIONS)
        converged = fit_quietly(pipeline.fit, features, labels)
        return ClassicalModel(self.name, pipeline, self.stored_numbers(pipeline[-1]), chosen, converged)


def fit_quietly(fit: Callable[..., Any], features: FloatArray, labels: IntArray, **more: Any) -> bool:
    """Fit, and return whether no ConvergenceWarning came; other warnings pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(features, labels, **more)
    others = [w for w in caught if not issubclass(w.category, ConvergenceWarning)]
    for other in others:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return len(others) == len(caught)
