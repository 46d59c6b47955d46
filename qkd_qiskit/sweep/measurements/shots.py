"""An evaluator that sees finitely many shots, and gradients by the parameter-shift rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training.objective import ProbabilityLoss
from qkd_qiskit.vqcnn import VQCNNSpec

_AT_ONCE = 32


class DrawnShots:
    """Relative frequencies of shots drawn from exact probabilities; every call draws anew.

    The gradient is what a device can give: each weight is shifted by plus and minus a quarter turn (Mitarai,
    Negoro, Kitagawa, Fujii, *Physical Review A* 98:032309, 2018), so that it takes `2 W + 1` evaluations. It
    is right where each weight is the angle of one rotation about a Pauli operator.

    Attributes:
        spec: The structure.
        shots: Shots of each circuit.
    """

    def __init__(self, spec: VQCNNSpec, shots: int, rng: np.random.Generator) -> None:
        """Prepare the circuit."""
        self.spec, self.shots = spec, shots
        self._exact, self._rng = PauliEvaluator(spec), rng

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return relative frequencies [..., N, 2^m]."""
        exact = np.maximum(self._exact.probabilities(weights, inputs), 0.0)
        return np.asarray(
            self._rng.multinomial(self.shots, exact / exact.sum(-1, keepdims=True)) / self.shots
        )

    def loss_and_gradient(
        self, weights: FloatArray, inputs: FloatArray, loss: ProbabilityLoss
    ) -> tuple[FloatArray, FloatArray]:
        """Return values [P] and gradients [P, W] of `loss` at weights [P, W]."""
        values, slope = loss(self.probabilities(weights, inputs))
        gradient = np.empty_like(weights)
        for start in range(0, weights.shape[1], _AT_ONCE):
            stop = min(start + _AT_ONCE, weights.shape[1])
            shift = np.pi / 2 * np.eye(weights.shape[1])[start:stop]
            ahead, behind = (self.probabilities(weights[:, None] + sign * shift, inputs) for sign in (1, -1))
            gradient[:, start:stop] = np.einsum("pnk,pwnk->pw", slope, (ahead - behind) / 2)
        return values, gradient
