"""The structure of a VQCNN: kernels, layers, spec and model index, and its circuit."""

from qkd_qiskit.vqcnn.circuit import build_circuit
from qkd_qiskit.vqcnn.genes import GATES, Gene
from qkd_qiskit.vqcnn.index import MAX_INDEX_BITS
from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.layers import default_plan
from qkd_qiskit.vqcnn.presets import PRESETS, kernel_name, resolve_kernel
from qkd_qiskit.vqcnn.spec import Block, VQCNNSpec

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
    "kernel_name",
    "resolve_kernel",
]
