"""Quantum knowledge distillation for variational quantum convolutional neural networks, on Qiskit.

QKD stands for quantum knowledge distillation, not for key distribution. The public names below are imported
when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.encoding.own_circuit import CircuitEncoding
    from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
    from qkd_qiskit.experiment import run_experiment
    from qkd_qiskit.hardware import list_backends, load_backend, transpile_verified
    from qkd_qiskit.interop.classifier import VQCNNClassifier
    from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, SamplerEvaluator
    from qkd_qiskit.vqcnn import Kernel, VQCNNSpec, build_circuit

_HOMES = {
    "AerEvaluator": "simulation",
    "CircuitEncoding": "encoding.own_circuit",
    "GateBudget": "estimator",
    "Kernel": "vqcnn",
    "PauliEvaluator": "simulation",
    "SamplerEvaluator": "simulation",
    "VQCNNClassifier": "interop.classifier",
    "VQCNNSpec": "vqcnn",
    "build_circuit": "vqcnn",
    "estimate_gate_budget": "estimator",
    "list_backends": "hardware",
    "load_backend": "hardware",
    "run_experiment": "experiment",
    "transpile_verified": "hardware",
}

__all__ = [
    "AerEvaluator",
    "CircuitEncoding",
    "GateBudget",
    "Kernel",
    "PauliEvaluator",
    "SamplerEvaluator",
    "VQCNNClassifier",
    "VQCNNSpec",
    "build_circuit",
    "estimate_gate_budget",
    "list_backends",
    "load_backend",
    "run_experiment",
    "transpile_verified",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
