"""One experiment from data to results.

The public names are imported when they are first used: a command that only reads a finished run needs none of
them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qkd_qiskit.experiment.evaluation import Predictions, evaluate, predict_all
    from qkd_qiskit.experiment.run import FinishedExperiment, FinishedRound, run_distributed, run_experiment
    from qkd_qiskit.experiment.server_evaluation import client_specs, evaluate_server

_HOMES = {
    "FinishedExperiment": "run",
    "FinishedRound": "run",
    "Predictions": "evaluation",
    "client_specs": "server_evaluation",
    "evaluate": "evaluation",
    "evaluate_server": "server_evaluation",
    "predict_all": "evaluation",
    "run_distributed": "run",
    "run_experiment": "run",
}

__all__ = [
    "FinishedExperiment",
    "FinishedRound",
    "Predictions",
    "client_specs",
    "evaluate",
    "evaluate_server",
    "predict_all",
    "run_distributed",
    "run_experiment",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qkd_qiskit.experiment' has no attribute {name!r}")
    return getattr(import_module(f"qkd_qiskit.experiment.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
