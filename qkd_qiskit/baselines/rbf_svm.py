"""A support vector machine with a Gaussian kernel on the features that the quantum models get."""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVC

from qkd_qiskit.baselines.classical import ClassicalBaseline, ClassicalTask


class SupportVectorBaseline(ClassicalBaseline):
    """Fits a support vector machine with a Gaussian kernel."""

    name = "rbf_svm"

    def estimator(self, task: ClassicalTask) -> SVC:
        """Make the unfitted classifier."""
        return SVC(kernel="rbf", random_state=task.seed)

    def grid(self, task: ClassicalTask) -> dict[str, list[float]]:
        """Return weights of the errors, and widths of the kernel by the number of features."""
        return {
            "C": [0.1, 1.0, 10.0, 100.0],
            "gamma": [factor / task.features.shape[1] for factor in (0.1, 0.3, 1.0, 3.0)],
        }

    def stored_numbers(self, estimator: SVC) -> int:
        """Return the numbers of the support vectors, their coefficients and the intercepts."""
        return int(
            estimator.support_vectors_.size + estimator.dual_coef_.size + np.size(estimator.intercept_)
        )
