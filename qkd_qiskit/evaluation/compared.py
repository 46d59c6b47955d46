"""The models that a result compares: one line each gives its title and its places in results and tables."""

from __future__ import annotations

from dataclasses import dataclass

NO_SAMPLES = "clients' samples are not at the server"
NO_MODELS = "clients' models are not at the server"


@dataclass(frozen=True)
class ComparedModel:
    """A model that results tell of.

    Attributes:
        name: Its key in `results.json`.
        title: Its name as a reader would write it.
        required: Whether every result has it, be it as null.
        comparison: Rank of its difference from the global model among all differences; None for no such
            difference.
        absent: Why a server cannot have it whose clients are elsewhere; None where it can.
    """

    name: str
    title: str
    required: bool = True
    comparison: int | None = None
    absent: str | None = None


#: In the order of `results.json`, tables and pictures.
COMPARED = (
    ComparedModel("global", "global"),
    ComparedModel("global_sampled", "global, own sampler", required=False),
    ComparedModel("centralized", "centralized", comparison=4, absent=NO_SAMPLES),
    ComparedModel("fedavg", "FedAvg", comparison=2, absent=NO_SAMPLES),
    ComparedModel("public_only", "public data only", comparison=1),
    ComparedModel("fedprox", "FedProx", required=False, comparison=9),
    ComparedModel("scaffold", "SCAFFOLD", required=False, comparison=10),
    ComparedModel("feddf", "FedDF", required=False, comparison=11),
    ComparedModel("fedmd", "FedMD", required=False, comparison=12),
    ComparedModel("unentangled", "unentangled", required=False, comparison=13),
    ComparedModel("teacher_ensemble", "teacher ensemble", absent=NO_MODELS),
    ComparedModel("best_client", "chosen client", comparison=3, absent=NO_MODELS),
    ComparedModel("logistic_regression", "logistic regression", comparison=5),
    ComparedModel("rbf_svm", "RBF SVM", comparison=6),
    ComparedModel("mlp", "perceptron (MLP)", comparison=7),
    ComparedModel("classical_distillation", "classical distilled", required=False, comparison=8),
    ComparedModel("one_body", "1-body Pauli", required=False, comparison=14),
    ComparedModel("two_body", "2-body Pauli", required=False, comparison=15),
)

REQUIRED_MODELS = tuple(model.name for model in COMPARED if model.required)

#: Names of the models whose difference from the global one is reported, in the order of `results.json`.
DIFFERENCES = tuple(
    name for _, name in sorted((model.comparison, model.name) for model in COMPARED if model.comparison)
)

_TITLES = {model.name: model.title for model in COMPARED}


def model_title(name: str) -> str:
    """Return the name of a model as a reader would write it."""
    return _TITLES.get(name, name.replace("_", " "))
