"""Few-body Pauli expectation values of encoded samples: what classical surrogates of a circuit learn from.

Every outcome probability of a circuit is linear in the expectation values of the Pauli strings on the qubits
of its light cone, taken in the encoded state before the first block. A linear model on the strings of few
bodies is what remains of the circuit when strings of many bodies are left out (compare Bermejo et al.,
arXiv:2408.12739).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumCircuit, QuantumRegister

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.compiler import compile_circuit
from qkd_qiskit.simulation.contraction import sample_slices
from qkd_qiskit.simulation.evaluator import check_inputs
from qkd_qiskit.simulation.input_states import InputStates
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.vqcnn import VQCNNSpec

_PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
MOST_BODIES = 2
_COPIES = 3


def light_cone(spec: VQCNNSpec) -> tuple[int, ...]:
    """Return the qubits on which the outcomes can depend, increasing."""
    cone = set(spec.measured_qubits)
    for block in reversed(spec.blocks):
        if spec.kernels[block.layer].n_two_qubit and cone & set(block.qubits):
            cone |= set(block.qubits)
    return tuple(sorted(cone))


def pauli_features(spec: VQCNNSpec, inputs: FloatArray, bodies: int) -> FloatArray:
    """Return expectation values of Pauli strings on the qubits of a structure's light cone.

    Args:
        spec: The structure.
        inputs: Encoded inputs [N, F].
        bodies: Most qubits on which a string is not the identity: 1 or 2.

    Returns:
        [N, 3q], or [N, 3q + 9q(q - 1)/2] for q qubits: X, Y and Z of each qubit, then the nine products of
        each pair.

    Raises:
        SimulationError: If there are too many bodies, or the inputs do not fit the structure, or come again
            behind its first blocks: then outcomes are not linear in these features.
    """
    if not 1 <= bodies <= MOST_BODIES:
        raise SimulationError(f"Pauli features: expected 1 or {MOST_BODIES} bodies, found {bodies}")
    if spec.input_encoding.comes_again:
        raise SimulationError(
            f"Pauli features: expected inputs in front of all blocks, found the encoding {spec.encoding}"
        )
    inputs, qubits = check_inputs(inputs, spec), light_cone(spec)
    groups: list[tuple[int, ...]] = [(qubit,) for qubit in qubits]
    groups += list(combinations(qubits, 2)) if bodies == MOST_BODIES else []
    encoded = _encoded_states(spec)
    out = np.empty((len(inputs), sum(3 ** len(group) for group in groups)))
    for part in sample_slices(len(inputs), _COPIES * 16 * 2**spec.n_qubits):
        tensor = encoded(inputs[part]).reshape(*(2,) * spec.n_qubits, -1)
        out[part] = np.concatenate([_expectations(tensor, group) for group in groups], axis=1)
    return out


def _encoded_states(spec: VQCNNSpec) -> Callable[[FloatArray], NDArray[Any]]:
    """Return the map of inputs [N, F] to states `[2^n, N]` of which qubit 0 leads."""
    n, encoding = spec.n_qubits, spec.input_encoding
    if not encoding.executable:
        order = (*reversed(range(1, n + 1)), 0)
        return lambda inputs: encoding.states(inputs).reshape(-1, *(2,) * n).transpose(order)
    x = ParameterVector("x", spec.n_features + 1)
    circuit = QuantumCircuit(QuantumRegister(n), ClassicalRegister(n, "meas"))
    encoding.append(circuit, x)
    for qubit in range(n):
        # What follows the last input is compiled with the blocks: one more input, always 0, comes last.
        circuit.rz(x[spec.n_features], qubit)
    circuit.measure(range(n), range(n))
    states = InputStates(
        compile_circuit(
            circuit,
            inputs=x,
            weights=ParameterVector("w", 0),
            input_qubits=tuple(range(n)),
            noise_model=None,
            basis=UNITARY,
        )
    )
    return lambda inputs: states.states(np.column_stack([inputs, np.zeros(len(inputs))]))


def _expectations(tensor: NDArray[Any], qubits: tuple[int, ...]) -> FloatArray:
    """Return expectation values `[N, 3^k]` of the strings on k qubits, in states `[2, ..., 2, N]`."""
    kept = np.moveaxis(tensor, (-1, *qubits), range(len(qubits) + 1))
    rows = np.ascontiguousarray(kept).reshape(tensor.shape[-1], 2 ** len(qubits), -1)
    density = rows @ rows.conj().swapaxes(1, 2)
    strings = _PAULIS
    for _ in qubits[1:]:
        strings = np.stack([np.kron(first, second) for first in strings for second in _PAULIS])
    return np.asarray(np.einsum("sij,pji->sp", density, strings).real)
