"""One experiment from data to results.

The public names are imported when they are first used: a command that only reads a finished run needs none of
them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qkd_qiskit.experiment.evaluation import Evaluation, evaluate
    from qkd_qiskit.experiment.result import ExperimentResult
    from qkd_qiskit.experiment.run import run_experiment

_HOMES = {
    "Evaluation": "evaluation",
    "ExperimentResult": "result",
    "evaluate": "evaluation",
    "run_experiment": "run",
}

__all__ = ["Evaluation", "ExperimentResult", "evaluate", "run_experiment"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qkd_qiskit.experiment' has no attribute {name!r}")
    return getattr(import_module(f"qkd_qiskit.experiment.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
