"""The same circuits in PennyLane, and the cross-check of all ways to run them."""

from qkd_qiskit.bridge.cases import Case, make_cases, random_cases, random_noise, random_points
from qkd_qiskit.bridge.crosscheck import COLUMNS, ROUTES, CheckRow, crosscheck, missing_routes, require_routes
from qkd_qiskit.bridge.penny import PennyLaneEvaluator, require_pennylane, require_plugin

__all__ = [
    "COLUMNS",
    "ROUTES",
    "Case",
    "CheckRow",
    "PennyLaneEvaluator",
    "crosscheck",
    "make_cases",
    "missing_routes",
    "random_cases",
    "random_noise",
    "random_points",
    "require_pennylane",
    "require_plugin",
    "require_routes",
]
