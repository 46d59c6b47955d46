"""A client's outputs on public samples, and what can be said of them over all classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DistillationError

# Below the step of float16 near zero a probability tells nothing.
OUTPUT_FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class ClientOutputs:
    """One client's outputs on the public set.

    Attributes:
        client: Name of the client.
        held: Indices [k] of its classes in the global class set, increasing.
        outputs: Outcome probabilities [n_public, k], or [n_public, k + 1] with the reject outcome last.
    """

    client: str
    held: IntArray
    outputs: FloatArray

    @property
    def reject(self) -> bool:
        """Whether the last column is the reject outcome."""
        return bool(self.outputs.shape[1] == len(self.held) + 1)

    def outcomes_of(self, labels: IntArray) -> IntArray:
        """Return global class indices [N] as outcomes of this client.

        A class that the client does not hold becomes its reject outcome, or -1 where it has none.
        """
        outcome = np.full(len(labels), len(self.held) if self.reject else -1, dtype=np.int64)
        for position, label in enumerate(self.held):
            outcome[labels == label] = position
        return outcome


def lift(outputs: FloatArray, held: IntArray, n_classes: int) -> FloatArray:
    """Return a client's outputs as a distribution over all classes.

    The mass of the reject outcome is spread evenly over the classes that the client does not hold. Without
    a reject outcome those classes get zero.

    Args:
        outputs: [N, k], or [N, k + 1] with the reject outcome last.
        held: Indices [k] of the client's classes in the global class set.
        n_classes: Number G of all classes.

    Returns:
        Probabilities [N, G], nonnegative; rows sum to one.

    Raises:
        DistillationError: If the number of columns fits neither k nor k + 1.
    """
    k = len(held)
    if outputs.shape[1] not in (k, k + 1):
        raise DistillationError(f"lift: expected {k} or {k + 1} columns, found {outputs.shape[1]}")
    lifted = np.zeros((len(outputs), n_classes))
    lifted[:, held] = outputs[:, :k]
    missing = np.setdiff1d(np.arange(n_classes), held)
    if outputs.shape[1] == k + 1 and len(missing):
        lifted[:, missing] = outputs[:, k:] / len(missing)
    return normalized(lifted)


def normalized(p: FloatArray) -> FloatArray:
    """Return rows scaled to sum to one; a row of zeros becomes uniform."""
    total = p.sum(axis=1, keepdims=True)
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])


def certainty(lifted: FloatArray) -> FloatArray:
    """Return one minus the normalized entropy of each row, [N], in (0, 1]."""
    entropy = -xlogy(lifted, lifted).sum(axis=1) / np.log(max(lifted.shape[1], 2))
    return np.asarray(np.maximum(1.0 - entropy, OUTPUT_FLOOR))


def soften(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities [N, G] at another temperature: raised to `1 / temperature` and renormalized."""
    logs = np.log(np.maximum(probabilities, OUTPUT_FLOOR)) / temperature
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
