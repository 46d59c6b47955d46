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
from qkd_qiskit.simulation.contraction import sample_slices
from qkd_qiskit.simulation.evaluator import SpecCircuit, check_inputs
from qkd_qiskit.simulation.input_states import InputStates, States
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.vqcnn import VQCNNSpec

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
    groups: list[tuple[int, ...]] = [(qubit,) for qubit in qubits]
    if bodies == MOST_BODIES:
        groups += combinations(qubits, 2)
    circuit = SpecCircuit(spec)
    compiled = compile_circuit(
        circuit.circuit,
        inputs=circuit.x,
        weights=circuit.w,
        input_qubits=circuit.input_qubits,
        noise_model=None,
        basis=UNITARY,
    )
    encoded = InputStates(compiled)
    found = np.empty((len(inputs), sum(3 ** len(group) for group in groups)))
    for part in sample_slices(len(inputs), np.dtype(np.complex128).itemsize << compiled.n_qubits):
        states = encoded.states(inputs[part])
        found[part] = np.concatenate([_of_states(states, group) for group in groups], axis=1)
    return found


def _of_states(states: States, qubits: tuple[int, ...]) -> FloatArray:
    """Return expectation values `[N, 3^k]` of the strings on k qubits, in states `[2^n, N]`."""
    n = int(states.shape[0]).bit_length() - 1
    # Qubit 0 leads in a state.
    kept = np.moveaxis(states.reshape(*(2,) * n, -1), [*qubits, n], [*range(1, len(qubits) + 1), 0])
    rows = np.ascontiguousarray(kept).reshape(states.shape[1], 2 ** len(qubits), -1)
    density = rows @ rows.conj().swapaxes(1, 2)
    strings = _PAULIS
    for _ in qubits[1:]:
        strings = np.stack([np.kron(first, second) for first in strings for second in _PAULIS])
    return np.asarray(np.einsum("sij,pji->sp", density, strings).real)
