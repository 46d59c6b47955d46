"""The same circuits in PennyLane, and the cross-check of all ways to run them."""

from qkd_qiskit.bridge.cases import Case, random_cases, random_noise, random_points
from qkd_qiskit.bridge.crosscheck import CheckRow, crosscheck
from qkd_qiskit.bridge.penny import PennyLaneEvaluator

__all__ = [
    "Case",
    "CheckRow",
    "PennyLaneEvaluator",
    "crosscheck",
    "random_cases",
    "random_noise",
    "random_points",
]
