"""What is said of the models: intervals, and the typed results of an experiment."""

from qkd_qiskit.evaluation.intervals import BootstrapInterval, accuracy_interval, difference_interval
from qkd_qiskit.evaluation.results import MODEL_NAMES, Results

__all__ = ["MODEL_NAMES", "BootstrapInterval", "Results", "accuracy_interval", "difference_interval"]
