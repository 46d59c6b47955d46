"""Whether an ISA circuit means what its spec says: both simulated on random inputs and weights."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVectorElement
from qiskit_aer import AerSimulator

from qkd_qiskit.vqcnn import VQCNNSpec

MAX_QUBITS = 14
"""Wider circuits are not simulated."""
TOLERANCE = 1e-9
"""Largest difference of an outcome probability that rounding may cause."""


def outcome_deviation(
    spec: VQCNNSpec,
    logical: QuantumCircuit,
    transpiled: QuantumCircuit,
    inputs: tuple[int, ...],
    *,
    seed: int = 0,
) -> float | None:
    """Return the largest difference of an outcome probability between a logical and a transpiled circuit.

    One random point decides: probabilities are trigonometric polynomials of inputs and weights, and two
    different ones agree at a random point with probability zero.

    Args:
        spec: The structure.
        logical: Its circuit from `build_circuit`.
        transpiled: The transpiled circuit on its active qubits alone.
        inputs: Qubit of `transpiled` that each virtual qubit starts on.
        seed: Of the random point.

    Returns:
        The difference, 0 to 1; None if the circuit has more than `MAX_QUBITS` qubits.
    """
    if transpiled.num_qubits > MAX_QUBITS:
        return None
    x, w = random_point(spec, seed)
    values = {"x": x, "w": w}
    state = None if not spec.takes_states else spec.input_encoding.states(x[None])[0]
    pairs = ((logical, tuple(range(spec.n_qubits))), (transpiled, inputs))
    first, second = (_outcomes(circuit, values, state, qubits) for circuit, qubits in pairs)
    return float(np.abs(first - second).max())


def random_point(spec: VQCNNSpec, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return random inputs [F] and weights [W] of a spec: where `outcome_deviation` compares.

    Args:
        spec: The structure.
        seed: Of the random point.
    """
    rng = np.random.default_rng(seed)
    (x,) = spec.input_encoding.random_inputs(spec.n_qubits, 1, rng=rng)
    return x, rng.uniform(-pi, pi, spec.n_weights)


def _outcomes(
    circuit: QuantumCircuit,
    values: dict[str, NDArray[np.float64]],
    state: NDArray[np.float64] | None,
    qubits: tuple[int, ...],
) -> NDArray[np.float64]:
    bound = circuit.assign_parameters(
        {
            p: float(values[p.vector.name][p.index])
            for p in circuit.parameters
            if isinstance(p, ParameterVectorElement)
        }
    )
    measured: dict[int, int] = {}
    bare = QuantumCircuit(circuit.num_qubits)
    if state is not None:
        bare.initialize(state, list(qubits))
    for inst in bound.data:
        places = [bound.find_bit(qubit).index for qubit in inst.qubits]
        if inst.operation.name == "measure":
            measured[bound.find_bit(inst.clbits[0]).index] = places[0]
        elif inst.operation.name not in ("barrier", "delay"):
            bare.append(inst.operation, places)
    bare.save_probabilities([measured[bit] for bit in sorted(measured)])
    result = AerSimulator(method="statevector", max_parallel_threads=1).run(bare, shots=1).result()
    return np.asarray(result.data()["probabilities"], dtype=np.float64)
