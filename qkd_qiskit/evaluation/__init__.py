"""Metrics, score intervals, the models that are compared, and the typed results of an experiment."""

from qkd_qiskit.evaluation.compared import COMPARED, DIFFERENCES, REQUIRED_MODELS, ComparedModel, model_title
from qkd_qiskit.evaluation.intervals import Interval, accuracy_interval, difference_interval
from qkd_qiskit.evaluation.metrics import Predictions, accuracy, compare, confusion_matrix, score
from qkd_qiskit.evaluation.results import ClientRecord, Results

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
