"""The baselines of a run."""

from __future__ import annotations

from qkd_qiskit.baselines.base import Baseline, BaselineData, FittedBaseline
from qkd_qiskit.baselines.centralized import Centralized
from qkd_qiskit.baselines.classical_distillation import ClassicalDistillation
from qkd_qiskit.baselines.feddf import FedDF
from qkd_qiskit.baselines.federated_averaging import FedAvg
from qkd_qiskit.baselines.fedmd import FedMD
from qkd_qiskit.baselines.fedprox import FedProx
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.baselines.pauli_surrogate import PauliSurrogate
from qkd_qiskit.baselines.perceptron import PerceptronBaseline
from qkd_qiskit.baselines.public_only import PublicOnly
from qkd_qiskit.baselines.rbf_svm import SupportVectorBaseline
from qkd_qiskit.baselines.scaffold import Scaffold
from qkd_qiskit.baselines.unentangled import Unentangled
from qkd_qiskit.baselines.worker import fit_aside, worker_count
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.errors import DistillationError, did_you_mean
from qkd_qiskit.own import OwnObjects

#: In the order in which they are fitted; `evaluation.COMPARED` has their titles and the order of tables.
BASELINES: tuple[Baseline, ...] = (
    PublicOnly(),
    Centralized(),
    FedAvg(),
    FedProx(),
    Scaffold(),
    FedDF(),
    FedMD(),
    Unentangled(),
    LogisticBaseline(),
    SupportVectorBaseline(),
    PerceptronBaseline(),
    ClassicalDistillation(),
    PauliSurrogate("one_body", 1),
    PauliSurrogate("two_body", 2),
)

OWN_BASELINES: OwnObjects[Baseline] = OwnObjects("baselines")


def check_baselines(settings: ExperimentSettings) -> None:
    """Check the names of the baselines that settings want beside those of every run.

    Raises:
        DistillationError: If there is no baseline of a name.
    """
    names = [baseline.name for baseline in _baselines()]
    unknown = [name for name in settings.baselines if name not in names]
    if unknown:
        raise DistillationError(
            f"baselines: expected some of {', '.join(names)}, found {unknown[0]!r}"
            f"{did_you_mean(unknown[0], names)}"
        )


def fit_baselines(data: BaselineData) -> dict[str, FittedBaseline]:
    """Fit all baselines that the settings want and the samples here allow; by name, in their order.

    Where more than one process may work, one fits those that run no circuit meanwhile.

    Raises:
        QKDError: If training is impossible.
    """
    with data.run.timed("baselines"):
        workers = worker_count(data)
        every = _baselines()
        aside = [baseline for baseline in every if workers > 1 and not baseline.runs_circuits]
        finish = fit_aside(aside, data, workers) if aside else dict[str, FittedBaseline | None]
        fitted = {baseline.name: _fit(baseline, data) for baseline in every if baseline not in aside}
        fitted |= finish()
    found = ((baseline.name, fitted[baseline.name]) for baseline in every)
    return {name: model for name, model in found if model is not None}


def planned_trainings(settings: ExperimentSettings) -> int:
    """Return how many baselines train circuits, where the clients' samples are here."""
    wanted = {Centralized.name, FedAvg.name, *settings.baselines}
    return sum(baseline.runs_circuits and baseline.name in wanted for baseline in _baselines())


def _fit(baseline: Baseline, data: BaselineData) -> FittedBaseline | None:
    fitted = baseline.fit(data)
    # What was trained on public samples alone is there already.
    if baseline.runs_circuits and fitted is not None and baseline.name != PublicOnly.name:
        data.run.part_done("model")
    return fitted


def _baselines() -> tuple[Baseline, ...]:
    """Return the baselines of every run, then those that a program has passed for this one."""
    return (*BASELINES, *OWN_BASELINES.all().values())
