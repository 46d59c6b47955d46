"""Models to compare the global model with: one file each, and one registry."""

from qkd_qiskit.baselines.base import (
    Baseline,
    BaselineData,
    FittedBaseline,
    FittedCircuit,
    together,
    train_supervised,
)
from qkd_qiskit.baselines.classical import ClassicalBaseline, ClassicalModel, ClassicalTask
from qkd_qiskit.baselines.classical_distillation import ClassicalDistillationTask, distil_perceptrons
from qkd_qiskit.baselines.federated_averaging import (
    FedAvgClient,
    FedAvgResult,
    FedAvgTask,
    federated_average,
)
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.baselines.perceptron import PerceptronBaseline, hidden_units
from qkd_qiskit.baselines.rbf_svm import SupportVectorBaseline
from qkd_qiskit.baselines.registry import BASELINES, fit_baselines

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineData",
    "ClassicalBaseline",
    "ClassicalDistillationTask",
    "ClassicalModel",
    "ClassicalTask",
    "FedAvgClient",
    "FedAvgResult",
    "FedAvgTask",
    "FittedBaseline",
    "FittedCircuit",
    "LogisticBaseline",
    "PerceptronBaseline",
    "SupportVectorBaseline",
    "distil_perceptrons",
    "federated_average",
    "fit_baselines",
    "hidden_units",
    "together",
    "train_supervised",
]
