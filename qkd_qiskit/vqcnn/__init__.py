"""The structure of a VQCNN: kernels, layers, spec and model index, and its circuit."""

from qkd_qiskit.vqcnn.circuit import (
    build_circuit,
    encoding_circuit,
    inputs_again,
    parameter_vectors,
    without_idle_qubits,
)
from qkd_qiskit.vqcnn.genes import GATES, Gene
from qkd_qiskit.vqcnn.index import MAX_INDEX_BITS
from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.layers import default_plan
from qkd_qiskit.vqcnn.plans import parse_plan, plan_text
from qkd_qiskit.vqcnn.presets import PRESETS, kernel_name, resolve_kernel
from qkd_qiskit.vqcnn.spec import Block, VQCNNSpec
from qkd_qiskit.vqcnn.tightness import is_tight, native_two_qubit

__all__ = [
    "GATES",
    "MAX_INDEX_BITS",
    "PRESETS",
    "Block",
    "Gene",
    "Kernel",
    "VQCNNSpec",
    "build_circuit",
    "default_plan",
    "encoding_circuit",
    "inputs_again",
    "is_tight",
    "kernel_name",
    "native_two_qubit",
    "parameter_vectors",
    "parse_plan",
    "plan_text",
    "resolve_kernel",
    "without_idle_qubits",
]
