"""Training on the labelled public samples alone: what the clients are not needed for."""

from __future__ import annotations

from qkd_qiskit.baselines.base import BaselineData, FittedCircuit


class PublicOnly:
    """Trains the global structure on the labelled public samples."""

    name = "public_only"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit:
        """Train the model."""
        return FittedCircuit.at_server(data.run, data.compiled, data.public_only)
