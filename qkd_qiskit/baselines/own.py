"""Baselines that a program passes as objects: of the package's protocol, or any scikit-learn classifier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from qkd_qiskit.arguments import found
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import Baseline, BaselineData
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import Predictions


@dataclass(frozen=True, eq=False)
class FittedEstimator:
    """A fitted classifier of the user's own.

    Attributes:
        name: Name of its baseline.
        model: Has `predict`.
        n_classes: Number of classes.
    """

    name: str
    model: Any
    n_classes: int

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F]; noise has no meaning here.

        Raises:
            DistillationError: If the classifier does not answer with class indices.
        """
        answers = np.asarray(self.model.predict(inputs))
        whole = answers.shape == (len(inputs),) and answers.dtype.kind in "iu"
        if not whole or (answers.size and not 0 <= answers.min() <= answers.max() < self.n_classes):
            raise DistillationError(
                f"baseline {self.name}: expected {len(inputs)} class indices below {self.n_classes}, found "
                f"{found(answers)}"
            )
        return Predictions(answers.astype(np.int64), None, None, None, None)


@dataclass(frozen=True, eq=False)
class EstimatorBaseline:
    """Fits a scikit-learn classifier of the user's own, as it is, on all labelled samples that are here.

    Attributes:
        name: Its key in `results.json`.
        estimator: The classifier; a copy of it is fitted.
    """

    name: str
    estimator: Any
    runs_circuits: bool = False

    def fit(self, data: BaselineData) -> FittedEstimator:
        """Fit a copy of the classifier on encoded inputs and class indices."""
        samples = data.everything
        model = clone(self.estimator).fit(samples.inputs, samples.labels)
        return FittedEstimator(self.name, model, len(data.run.data.classes))


def own_baseline(baseline: object, taken: Sequence[str]) -> Baseline:
    """Return what a program passes as its baseline as one.

    Args:
        baseline: Has `name`, `runs_circuits` and `fit(data)`; or is a scikit-learn classifier, which is
            called by its class: `random_forest_classifier`.
        taken: Names that other models of a result have.

    Raises:
        DistillationError: If it is something else, or has no name of its own.
    """
    made: Any = baseline
    if all(hasattr(baseline, part) for part in ("fit", "predict", "get_params")):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(baseline).__name__)
        made = EstimatorBaseline(words.lower(), baseline)
    elif isinstance(baseline, type) or not all(
        hasattr(baseline, part) for part in ("name", "runs_circuits", "fit")
    ):
        raise DistillationError(
            "baselines: expected names, scikit-learn classifiers, or objects with name, runs_circuits and "
            f"fit, found {found(baseline)}"
        )
    if not (isinstance(made.name, str) and made.name.isidentifier()) or made.name in taken:
        raise DistillationError(
            f"baselines: expected a name of its own, a word, for each; found {made.name!r}"
            + (", which another model has" if made.name in taken else "")
        )
    checked: Baseline = made
    return checked
