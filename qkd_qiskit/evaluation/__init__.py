"""Metrics, score intervals, the models that are compared, and the typed results of an experiment.

The public names are imported when they are first used: a table on the terminal needs no intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.evaluation.compared import (
        COMPARED,
        DIFFERENCES,
        REQUIRED_MODELS,
        ComparedModel,
        model_title,
    )
    from qkd_qiskit.evaluation.intervals import Interval, accuracy_interval, difference_interval
    from qkd_qiskit.evaluation.metrics import Predictions, accuracy, compare, confusion_matrix, score
    from qkd_qiskit.evaluation.results import ClientRecord, Results

_HOMES = {
    "COMPARED": "compared",
    "DIFFERENCES": "compared",
    "REQUIRED_MODELS": "compared",
    "ClientRecord": "results",
    "ComparedModel": "compared",
    "Interval": "intervals",
    "Predictions": "metrics",
    "Results": "results",
    "accuracy": "metrics",
    "accuracy_interval": "intervals",
    "compare": "metrics",
    "confusion_matrix": "metrics",
    "difference_interval": "intervals",
    "model_title": "compared",
    "score": "metrics",
}

__all__ = [
    "COMPARED",
    "DIFFERENCES",
    "REQUIRED_MODELS",
    "ClientRecord",
    "ComparedModel",
    "Interval",
    "Predictions",
    "Results",
    "accuracy",
    "accuracy_interval",
    "compare",
    "confusion_matrix",
    "difference_interval",
    "model_title",
    "score",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
