"""What an evaluation costs on each ideal path; only the comparison of the two matters.

The constants were measured on one core of a server processor, 4 to 10 qubits, 1 to 500 samples. `make bench`
prints predicted beside measured times.
"""

from __future__ import annotations

from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.contraction_plan import ContractionPlan

# Seconds for each block and element of a state vector, seconds for each block, operations a second.
_STATE_ELEMENT = 1.7e-9
_STATE_BLOCK = 7e-6
_BACKWARD_RATE = 1.0e10
_PRODUCT_RATE = 5.0e10
_PAULI_BLOCK = 1.2e-5
# The same for a gradient by states: seconds for each block, and for each group and element.
_GRADIENT_BLOCK = 6e-5
_GRADIENT_ELEMENT = 3e-8
# Seconds for each sample and element of the unitary that mixes basis states: forward, with a gradient.
_MIX_REAL = (1.3e-10, 4e-10)
_MIX_COMPLEX = (3e-10, 1e-9)
# A reverse pass takes two products where the pass forward takes one.
_PASSES = 3.0


def state_seconds(compiled: CompiledCircuit, n_samples: int) -> float:
    """Return seconds a particle takes as state vectors."""
    size = float(2**compiled.n_qubits * n_samples)
    return len(compiled.blocks) * (_STATE_BLOCK + _STATE_ELEMENT * size)


def pauli_seconds(compiled: CompiledCircuit, plan: ContractionPlan, n_samples: int) -> float:
    """Return seconds a particle takes as a backward contraction and a product with the samples."""
    product = 2.0 * n_samples * float(4 ** len(plan.qubits) * plan.n_observables)
    backward = plan.operations / _BACKWARD_RATE
    return len(compiled.blocks) * _PAULI_BLOCK + backward + product / _PRODUCT_RATE


def state_gradient_seconds(compiled: CompiledCircuit, n_groups: int, n_samples: int) -> float:
    """Return seconds that a gradient takes as state vectors."""
    elements = float(2**compiled.n_qubits * n_samples * n_groups)
    return len(compiled.blocks) * _GRADIENT_BLOCK + _GRADIENT_ELEMENT * elements


def mixing_seconds(n_qubits: int, n_basis: int, n_samples: int, *, real: bool, gradient: bool) -> float:
    """Return seconds a particle takes to mix basis states into samples, on top of evolving them."""
    rate = (_MIX_REAL if real else _MIX_COMPLEX)[gradient]
    return rate * n_samples * float(n_basis * 2**n_qubits)


def pauli_gradient_seconds(compiled: CompiledCircuit, plan: ContractionPlan, n_samples: int) -> float:
    """Return seconds that a gradient takes as a backward contraction and a product with the samples."""
    return _PASSES * pauli_seconds(compiled, plan, n_samples)
