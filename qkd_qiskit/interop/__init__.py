"""Other libraries: PennyLane and the cross-check of all ways to run a circuit, exports, scikit-learn."""

from qkd_qiskit.interop.cases import CrosscheckCase, make_cases, random_cases, random_noise, random_points
from qkd_qiskit.interop.crosscheck import (
    COLUMNS,
    ROUTES,
    CheckRow,
    crosscheck,
    missing_routes,
    require_routes,
)
from qkd_qiskit.interop.export import export_circuit, plain_copy, sampler_qnn, to_qasm3, to_qpy
from qkd_qiskit.interop.pennylane import PennyLaneEvaluator, require_pennylane, require_plugin

__all__ = [
    "COLUMNS",
    "ROUTES",
    "CheckRow",
    "CrosscheckCase",
    "PennyLaneEvaluator",
    "crosscheck",
    "export_circuit",
    "make_cases",
    "missing_routes",
    "plain_copy",
    "random_cases",
    "random_noise",
    "random_points",
    "require_pennylane",
    "require_plugin",
    "require_routes",
    "sampler_qnn",
    "to_qasm3",
    "to_qpy",
]
