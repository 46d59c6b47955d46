"""Which of two models is better, on the public labels that the server keeps to itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.calibration import fit_calibration
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR


@dataclass(frozen=True, eq=False)
class Judge:
    """Samples whose labels nobody has learnt.

    Models are compared by cross-entropy, each at its best temperature, as one may be surer of itself than the
    other without knowing more: that tells models apart on far fewer samples than accuracy does. Copies of one
    original count as one sample together.

    Attributes:
        labels: Class of each sample [N].
        originals: Number of each sample's original [N].
    """

    labels: IntArray
    originals: IntArray

    def losses(self, probabilities: FloatArray) -> FloatArray:
        """Return the cross-entropy of class probabilities [N, G], in nats, of each original [originals]."""
        fitted = fit_calibration(probabilities, self.labels, "temperature").apply(probabilities)
        right = fitted[np.arange(len(self.labels)), self.labels]
        _, place, copies = np.unique(self.originals, return_inverse=True, return_counts=True)
        sums = np.bincount(place, weights=-np.log(np.maximum(right, OUTPUT_FLOOR)))
        return np.asarray(sums / copies)


def difference(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Return the mean of paired differences, first minus second, and its standard error.

    Args:
        first: Losses of one model [originals].
        second: Losses of another one on the same originals.
    """
    apart = first - second
    error = float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return float(apart.mean()), error


def simplest(losses: Sequence[FloatArray]) -> int:
    """Return the number of the first model that is not worse than the best one by more than a standard error.

    Args:
        losses: Losses of each model on the same originals, those that are preferred first.
    """
    best = min(losses, key=lambda found: float(found.mean()))
    for number, found in enumerate(losses):
        apart, error = difference(found, best)
        if apart <= error:
            return number
    raise AssertionError("the best model is not worse than itself")
