"""Quantum knowledge distillation for variational quantum convolutional neural networks, on Qiskit.

QKD stands for quantum knowledge distillation, not for key distribution. The public names below are imported
when they are first used, so that importing the package costs nothing. The package logs to the logger
`qkd_qiskit` and prints nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.baselines import ClassicalBaseline
    from qkd_qiskit.config import ExperimentSettings, load_experiment
    from qkd_qiskit.distillation import AggregationRule
    from qkd_qiskit.encoding import Encoding
    from qkd_qiskit.encoding.own_circuit import CircuitEncoding
    from qkd_qiskit.errors import QKDError
    from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
    from qkd_qiskit.experiment import run_experiment
    from qkd_qiskit.experiment.build import Experiment
    from qkd_qiskit.experiment.comparison import compare_runs
    from qkd_qiskit.experiment.parties import Client, Server
    from qkd_qiskit.experiment.result import ExperimentResult
    from qkd_qiskit.hardware import (
        Device,
        device_from_backend,
        list_backends,
        load_backend,
        transpile_verified,
    )
    from qkd_qiskit.interop import (
        CrosscheckCase,
        PennyLaneEvaluator,
        crosscheck,
        export_circuit,
        make_cases,
        sampler_qnn,
        to_qasm3,
        to_qpy,
    )
    from qkd_qiskit.interop.classifier import VQCNNClassifier
    from qkd_qiskit.models import SavedModel, load_model, model_card
    from qkd_qiskit.progress import ProgressEvent
    from qkd_qiskit.runtime import SpendingLimit, SubmissionOptions
    from qkd_qiskit.services import export_model, predict_file, submit_model
    from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, SamplerEvaluator, compile_model
    from qkd_qiskit.vqcnn import Kernel, VQCNNSpec, build_circuit

_HOMES = {
    "AerEvaluator": "simulation",
    "AggregationRule": "distillation",
    "CircuitEncoding": "encoding.own_circuit",
    "ClassicalBaseline": "baselines",
    "Client": "experiment.parties",
    "CrosscheckCase": "interop",
    "Device": "hardware",
    "Encoding": "encoding",
    "Experiment": "experiment.build",
    "ExperimentResult": "experiment.result",
    "ExperimentSettings": "config",
    "GateBudget": "estimator",
    "Kernel": "vqcnn",
    "PauliEvaluator": "simulation",
    "PennyLaneEvaluator": "interop",
    "ProgressEvent": "progress",
    "QKDError": "errors",
    "SamplerEvaluator": "simulation",
    "SavedModel": "models",
    "Server": "experiment.parties",
    "SpendingLimit": "runtime",
    "SubmissionOptions": "runtime",
    "VQCNNClassifier": "interop.classifier",
    "VQCNNSpec": "vqcnn",
    "build_circuit": "vqcnn",
    "compare_runs": "experiment.comparison",
    "compile_model": "simulation",
    "crosscheck": "interop",
    "device_from_backend": "hardware",
    "estimate_gate_budget": "estimator",
    "export_circuit": "interop",
    "export_model": "services",
    "list_backends": "hardware",
    "load_backend": "hardware",
    "load_experiment": "config",
    "load_model": "models",
    "make_cases": "interop",
    "model_card": "models",
    "predict_file": "services",
    "run_experiment": "experiment",
    "sampler_qnn": "interop",
    "submit_model": "services",
    "to_qasm3": "interop",
    "to_qpy": "interop",
    "transpile_verified": "hardware",
}

__all__ = [
    "AerEvaluator",
    "AggregationRule",
    "CircuitEncoding",
    "ClassicalBaseline",
    "Client",
    "CrosscheckCase",
    "Device",
    "Encoding",
    "Experiment",
    "ExperimentResult",
    "ExperimentSettings",
    "GateBudget",
    "Kernel",
    "PauliEvaluator",
    "PennyLaneEvaluator",
    "ProgressEvent",
    "QKDError",
    "SamplerEvaluator",
    "SavedModel",
    "Server",
    "SpendingLimit",
    "SubmissionOptions",
    "VQCNNClassifier",
    "VQCNNSpec",
    "build_circuit",
    "compare_runs",
    "compile_model",
    "crosscheck",
    "device_from_backend",
    "estimate_gate_budget",
    "export_circuit",
    "export_model",
    "list_backends",
    "load_backend",
    "load_experiment",
    "load_model",
    "make_cases",
    "model_card",
    "predict_file",
    "run_experiment",
    "sampler_qnn",
    "submit_model",
    "to_qasm3",
    "to_qpy",
    "transpile_verified",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

# Who wants to see the log adds a handler; without one, nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())
