"""The baselines of a run."""

from __future__ import annotations

from qkd_qiskit.baselines.base import Baseline, BaselineData, FittedBaseline
from qkd_qiskit.baselines.centralized import Centralized
from qkd_qiskit.baselines.classical_distillation import ClassicalDistillation
from qkd_qiskit.baselines.federated_averaging import FedAvg, FedProx
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.baselines.perceptron import PerceptronBaseline
from qkd_qiskit.baselines.public_only import PublicOnly
from qkd_qiskit.baselines.rbf_svm import SupportVectorBaseline

#: In the order in which they are fitted; `evaluation.COMPARED` has their titles and the order of tables.
BASELINES: tuple[Baseline, ...] = (
    PublicOnly(),
    Centralized(),
    FedAvg(),
    FedProx(),
    LogisticBaseline(),
    SupportVectorBaseline(),
    PerceptronBaseline(),
    ClassicalDistillation(),
)


def fit_baselines(data: BaselineData) -> dict[str, FittedBaseline]:
    """Fit all baselines that the settings want and the samples here allow; by name, in their order.

    Raises:
        QKDError: If training is impossible.
    """
    with data.run.timed("baselines"):
        fitted = {baseline.name: baseline.fit(data) for baseline in BASELINES}
    return {name: model for name, model in fitted.items() if model is not None}
