"""A perceptron with one hidden layer and about as many weights as the global circuit."""

from __future__ import annotations

from sklearn.neural_network import MLPClassifier

from qkd_qiskit.baselines.classical import SEARCH_ITERATIONS, ClassicalBaseline, ClassicalTask

_LBFGS_SAMPLES = 5000


class PerceptronBaseline(ClassicalBaseline):
    """Fits a perceptron with one hidden layer."""

    name = "mlp"

    def estimator(self, task: ClassicalTask) -> MLPClassifier:
        """Make the unfitted classifier."""
        return make_perceptron(task, max_iter=SEARCH_ITERATIONS)

    def grid(self, task: ClassicalTask) -> dict[str, list[float]]:
        """Return weights of the penalty."""
        return {"alpha": [1e-4, 1e-2, 1.0]}

    def stored_numbers(self, estimator: MLPClassifier) -> int:
        """Return the number of weights, offsets included."""
        return perceptron_weights(estimator)


def make_perceptron(task: ClassicalTask, *, max_iter: int, alpha: float = 1e-4) -> MLPClassifier:
    """Make an unfitted perceptron of about `task.n_weights` weights.

    Args:
        task: What it is to be fitted on.
        max_iter: Iterations after which its training stops.
        alpha: Weight of the squared penalty.
    """
    hidden = hidden_units(task.n_weights, task.features.shape[1], task.n_classes)
    # PERF: on small data L-BFGS is many times faster than Adam, and no worse.
    solver = "lbfgs" if len(task.labels) <= _LBFGS_SAMPLES else "adam"
    return MLPClassifier((hidden,), solver=solver, alpha=alpha, max_iter=max_iter, random_state=task.seed)


def perceptron_weights(estimator: MLPClassifier) -> int:
    """Return the number of weights of a fitted perceptron, offsets included."""
    return sum(array.size for array in (*estimator.coefs_, *estimator.intercepts_))


def hidden_units(n_weights: int, n_features: int, n_classes: int) -> int:
    """Return the width of the hidden layer with which a perceptron has about `n_weights` weights, at least 1.

    scikit-learn gives two classes one output unit.
    """
    outputs = 1 if n_classes == 2 else n_classes
    return max(1, round((n_weights - outputs) / (n_features + 1 + outputs)))
