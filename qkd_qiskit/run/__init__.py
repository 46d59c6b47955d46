"""One run: its settings, data, stages and random numbers, and the training of one model in it."""

from qkd_qiskit.run.budgets import gate_budget
from qkd_qiskit.run.compiler import model_compiler
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.run.fit import FitTask, finalist_training, fit_model
from qkd_qiskit.run.parts import RunParts
from qkd_qiskit.run.search_space import search_space
from qkd_qiskit.run.stages import Stage

__all__ = [
    "FitTask",
    "RunContext",
    "RunParts",
    "Stage",
    "finalist_training",
    "fit_model",
    "gate_budget",
    "model_compiler",
    "search_space",
]
