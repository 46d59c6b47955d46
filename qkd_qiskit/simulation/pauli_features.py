"""Few-body Pauli expectation values of encoded samples: what classical surrogates of a circuit learn from.

Every outcome probability of a circuit is linear in the expectation values of the Pauli strings on the qubits
of its light cone, taken in the encoded state before the first block. A linear model on the strings of few
bodies is what remains of the circuit when strings of many bodies are left out (compare Bermejo et al.,
arXiv:2408.12739).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.compiler import compile_circuit
from qkd_qiskit.simulation.evaluator import SpecCircuit, check_inputs
from qkd_qiskit.simulation.input_states import EncoderTable
from qkd_qiskit.vqcnn import VQCNNSpec

_GROUND = np.array([1.0, 0.0, 0.0, 1.0])
_PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
MOST_BODIES = 2


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
        SimulationError: If there are too many bodies, or the inputs do not fit the structure.
    """
    if not 1 <= bodies <= MOST_BODIES:
        raise SimulationError(f"Pauli features: expected 1 or {MOST_BODIES} bodies, found {bodies}")
    inputs, qubits = check_inputs(inputs, spec), light_cone(spec)
    pairs = list(combinations(qubits, 2)) if bodies == MOST_BODIES else []
    if spec.takes_states:
        parts = [_of_states(inputs, spec.n_qubits, (q,)) for q in qubits]
        parts += [_of_states(inputs, spec.n_qubits, pair) for pair in pairs]
    else:
        vectors = _bloch_vectors(spec, inputs)
        parts = [vectors[q] for q in qubits]
        parts += [np.einsum("si,sj->sij", vectors[q], vectors[r]).reshape(len(inputs), -1) for q, r in pairs]
    return np.concatenate(parts, axis=1)


def _bloch_vectors(spec: VQCNNSpec, inputs: FloatArray) -> FloatArray:
    """Return the Bloch vectors `[qubits, N, 3]` of samples that are encoded qubit by qubit."""
    circuit = SpecCircuit(spec)
    compiled = compile_circuit(
        circuit.circuit,
        inputs=circuit.x,
        weights=circuit.w,
        input_qubits=circuit.input_qubits,
        noise_model=None,
    )
    return np.asarray((EncoderTable(compiled, 4).products(inputs) @ _GROUND)[..., 1:])


def _of_states(states: FloatArray, n_qubits: int, qubits: tuple[int, ...]) -> FloatArray:
    """Return expectation values `[N, 3^k]` of the strings on k qubits, in real states `[N, 2^n]`."""
    tensor = states.reshape(len(states), *(2,) * n_qubits)
    # Qubit 0 is the least significant bit of the index, and so the last axis.
    kept = np.moveaxis(tensor, [n_qubits - q for q in qubits], range(1, len(qubits) + 1))
    rows = np.ascontiguousarray(kept).reshape(len(states), 2 ** len(qubits), -1)
    density = rows @ rows.swapaxes(1, 2)
    strings = _PAULIS
    for _ in qubits[1:]:
        strings = np.stack([np.kron(first, second) for first in strings for second in _PAULIS])
    # The densities are real: strings with an odd number of Y vanish.
    return np.asarray(np.einsum("sij,pji->sp", density, strings.real))
