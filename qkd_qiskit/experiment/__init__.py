"""One experiment from data to results.

The public names are imported when they are first used: a command that only reads a finished run needs none of
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
