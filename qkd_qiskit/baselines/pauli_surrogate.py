"""Classical surrogates of the global circuit: linear models on few-body Pauli features of encoded samples.

With strings of one body the features are the Bloch vectors of the encoded qubits: all that circuits without
entanglement have that read out their qubits one by one, under any linear read-out. Two bodies
add all correlations of pairs of qubits in the light cone of the global structure. Whatever the circuit
reaches beyond these, it reaches by strings of more bodies, or by its own bias.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.classical import ClassicalModel, ClassicalTask
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.evaluation import Predictions
from qkd_qiskit.simulation.pauli_features import pauli_features
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class FittedSurrogate:
    """A linear model on Pauli features.

    Attributes:
        spec: The structure whose light cone counts.
        bodies: Most qubits of a string.
        model: The linear model.
    """

    spec: VQCNNSpec
    bodies: int
    model: ClassicalModel

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F]; noise has no meaning here."""
        return self.model.predictions(pauli_features(self.spec, inputs, self.bodies))


class PauliSurrogate:
    """Fits a logistic regression on the Pauli features of all samples, tuned by cross-validation."""

    runs_circuits = False

    def __init__(self, name: str, bodies: int) -> None:
        """Set the features.

        Args:
            name: Its key in `results.json`.
            bodies: Most qubits of a string, 1 or 2.
        """
        self.name, self._bodies = name, bodies

    def fit(self, data: BaselineData) -> FittedSurrogate | None:
        """Fit the model on what the centralized one learns; None where the settings do not want it."""
        if self.name not in data.run.settings.baselines:
            return None
        samples, spec = data.everything, data.compiled.spec
        features = pauli_features(spec, samples.inputs, self._bodies)
        task = ClassicalTask(
            features, samples.labels, data.n_weights, data.run.settings.seed, groups=data.groups
        )
        fitted = replace(LogisticBaseline().fit_task(task), labels=data.known_labels)
        return FittedSurrogate(spec, self._bodies, fitted)
