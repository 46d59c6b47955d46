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
from qkd_qiskit.baselines.feddf import EnsembleDistillation
from qkd_qiskit.baselines.federated import (
    FederatedClient,
    FederatedMethod,
    FederatedResult,
    FederatedTask,
    federate,
)
from qkd_qiskit.baselines.federated_averaging import Averaging
from qkd_qiskit.baselines.fedmd import ConsensusResult, ConsensusTask, agree
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.baselines.own import own_baseline
from qkd_qiskit.baselines.pauli_surrogate import PauliSurrogate
from qkd_qiskit.baselines.perceptron import PerceptronBaseline, hidden_units
from qkd_qiskit.baselines.rbf_svm import SupportVectorBaseline
from qkd_qiskit.baselines.registry import (
    BASELINES,
    OWN_BASELINES,
    check_baselines,
    fit_baselines,
    planned_trainings,
)
from qkd_qiskit.baselines.scaffold import ControlledDescent
from qkd_qiskit.baselines.unentangled import without_entanglement
from qkd_qiskit.baselines.validation import PublicJudge

__all__ = [
    "BASELINES",
    "OWN_BASELINES",
    "Averaging",
    "Baseline",
    "BaselineData",
    "ClassicalBaseline",
    "ClassicalDistillationTask",
    "ClassicalModel",
    "ClassicalTask",
    "ConsensusResult",
    "ConsensusTask",
    "ControlledDescent",
    "EnsembleDistillation",
    "FederatedClient",
    "FederatedMethod",
    "FederatedResult",
    "FederatedTask",
    "FittedBaseline",
    "FittedCircuit",
    "LogisticBaseline",
    "PauliSurrogate",
    "PerceptronBaseline",
    "PublicJudge",
    "SupportVectorBaseline",
    "agree",
    "check_baselines",
    "distil_perceptrons",
    "federate",
    "fit_baselines",
    "hidden_units",
    "own_baseline",
    "planned_trainings",
    "together",
    "train_supervised",
    "without_entanglement",
]
