"""One run: its settings, data, stages and random numbers, and the training of one model in it."""

from qkd_qiskit.run.context import CompiledModel, RunContext
from qkd_qiskit.run.fitting import finalist_training, fit_model

__all__ = ["CompiledModel", "RunContext", "finalist_training", "fit_model"]
