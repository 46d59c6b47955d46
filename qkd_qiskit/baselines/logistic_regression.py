"""Logistic regression on the features that the quantum models get."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

from qkd_qiskit.baselines.classical import SEARCH_ITERATIONS, ClassicalBaseline, ClassicalTask


class LogisticBaseline(ClassicalBaseline):
    """Fits a logistic regression with a squared penalty."""

    name = "logistic_regression"

    def estimator(self, task: ClassicalTask) -> LogisticRegression:
        """Make the unfitted classifier."""
        return LogisticRegression(max_iter=SEARCH_ITERATIONS)

    def grid(self, task: ClassicalTask) -> dict[str, list[float]]:
        """Return inverse weights of the penalty."""
        return {"C": [0.01, 0.1, 1.0, 10.0, 100.0]}
