"""The same circuits in PennyLane, and the cross-check of all ways to run them."""

from qkd_qiskit.bridge.cases import Case, make_cases, random_cases, random_noise, random_points
from qkd_qiskit.bridge.crosscheck import COLUMNS, CheckRow, crosscheck
from qkd_qiskit.bridge.penny import PennyLaneEvaluator, require_pennylane

__all__ = [
    "COLUMNS",
    "Case",
    "CheckRow",
    "PennyLaneEvaluator",
    "crosscheck",
    "make_cases",
    "random_cases",
    "random_noise",
    "random_points",
    "require_pennylane",
]
