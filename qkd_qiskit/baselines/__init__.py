"""Models to compare the global model with: classical ones, and what the clients could train otherwise."""

from qkd_qiskit.baselines.classical import (
    CLASSICAL_MODELS,
    ClassicalModel,
    ClassicalName,
    fit_classical,
    hidden_units,
)
from qkd_qiskit.baselines.classical_distillation import classical_distillation
from qkd_qiskit.baselines.fedavg import FedAvgClient, FedAvgResult, federated_average

__all__ = [
    "CLASSICAL_MODELS",
    "ClassicalModel",
    "ClassicalName",
    "FedAvgClient",
    "FedAvgResult",
    "classical_distillation",
    "federated_average",
    "fit_classical",
    "hidden_units",
]
