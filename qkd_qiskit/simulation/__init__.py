"""Running circuits: the exact Pauli engine and Aer behind one seam."""

from qkd_qiskit.simulation.aer import AerEvaluator
from qkd_qiskit.simulation.pauli import Loss, PauliEvaluator
from qkd_qiskit.simulation.seam import Evaluator, Executable

__all__ = ["AerEvaluator", "Evaluator", "Executable", "Loss", "PauliEvaluator"]
