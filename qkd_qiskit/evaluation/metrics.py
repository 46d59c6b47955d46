"""What predictions on the test samples are worth: accuracies, differences, confusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.evaluation.intervals import accuracy_interval, difference_interval
from qkd_qiskit.evaluation.results import Comparison, ModelResult


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's predictions for some samples, and its size.

    Attributes:
        noisy: Class indices under the experiment's noise [N].
        ideal: Class indices without noise [N]; None where noise has no meaning.
        noise: Whose noise; None for none.
        weights: Trained numbers, the logit scale included; None where nobody counts them.
        two_qubit_gates: Native two-qubit gates; None for classical models.
        labels: Whose labels a classical model knows, `all` or `public`; None for others.
    """

    noisy: IntArray
    ideal: IntArray | None
    noise: str | None
    weights: int | None
    two_qubit_gates: int | None
    labels: Literal["all", "public"] | None = None


def accuracy(predicted: IntArray, labels: IntArray) -> float:
    """Return the share of class indices [N] that are right, N at least 1."""
    return float((predicted == labels).mean())


def score(predictions: Predictions, labels: IntArray) -> ModelResult:
    """Return accuracy, interval and size of a model.

    Args:
        predictions: Its predictions for N samples.
        labels: Their class indices [N].
    """
    found = accuracy_interval(predictions.noisy == labels)
    known = {} if predictions.labels is None else {"labels": predictions.labels}
    return ModelResult(
        accuracy=found.value,
        accuracy_ideal=None if predictions.ideal is None else accuracy(predictions.ideal, labels),
        interval=(found.low, found.high),
        noise=predictions.noise,
        weights=predictions.weights,
        two_qubit_gates=predictions.two_qubit_gates,
        **known,
    )


def compare(model: Predictions, baseline: Predictions, labels: IntArray) -> Comparison:
    """Return the accuracy of a model minus that of a baseline, under noise, with its paired interval.

    Args:
        model: Predictions of the one for N samples.
        baseline: Predictions of the other for the same samples.
        labels: Their class indices [N].
    """
    paired = difference_interval(model.noisy == labels, baseline.noisy == labels)
    return Comparison(difference=paired.value, interval=(paired.low, paired.high))


def confusion_matrix(predicted: IntArray, labels: IntArray, n_classes: int) -> IntArray:
    """Return how often each class was predicted for each true class [K, K]; rows are true classes.

    Args:
        predicted: Class indices [N].
        labels: True class indices [N].
        n_classes: K.
    """
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)
