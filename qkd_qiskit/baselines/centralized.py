"""Training on all clients' samples in one place: what privacy forbids, and the bound for the others."""

from __future__ import annotations

from qkd_qiskit.baselines.base import BaselineData, FittedCircuit, train_supervised
from qkd_qiskit.run.stages import CENTRALIZED


class Centralized:
    """Trains the global structure on the samples of all clients and the labelled public ones."""

    name = "centralized"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train the model; None where the clients' samples are elsewhere."""
        if not data.run.data.clients:
            return None
        model = train_supervised(data.training_run, data.compiled, CENTRALIZED, data.everything)
        return FittedCircuit.at_server(data.run, data.compiled, model)
