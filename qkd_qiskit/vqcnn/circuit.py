"""From a spec to a parameterized Qiskit circuit."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumCircuit, QuantumRegister

from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.spec import VQCNNSpec


def build_circuit(spec: VQCNNSpec) -> QuantumCircuit:
    """Return the VQCNN as a circuit with the ParameterVectors `x` and `w`.

    The encoding's gates come first, then a barrier. Where inputs are states, there is neither, and no `x`:
    the circuit acts on a state that the evaluator supplies. Bind through the vectors, never through
    `circuit.parameters`, which are sorted by name.

    Args:
        spec: The structure; its `n_features` and `n_weights` are the vectors' lengths.

    Returns:
        A circuit with the quantum register `q` and the classical register `meas`, whose bit 0 holds the first
        measured qubit. `metadata` holds the encoding, the model index as decimal text, and the number of
        outcomes.
    """
    circuit = QuantumCircuit(
        QuantumRegister(spec.n_qubits, "q"),
        ClassicalRegister(spec.n_measured, "meas"),
        name="vqcnn",
        metadata={"encoding": spec.encoding, "model_index": str(spec.index), "n_outcomes": spec.n_outcomes},
    )
    if not spec.takes_states:
        spec.input_encoding.append(circuit, ParameterVector("x", spec.n_features))
        circuit.barrier()
    w = ParameterVector("w", spec.n_weights)
    for block in spec.blocks:
        _append(circuit, spec.kernels[block.layer], block.qubits, [w[weight] for weight in block.weights])
    circuit.measure(spec.measured_qubits, range(spec.n_measured))
    return circuit


def encoding_circuit(spec: VQCNNSpec) -> QuantumCircuit:
    """Return the encoding's gates alone, with the ParameterVector `x`; none where inputs are states."""
    return spec.input_encoding.circuit(spec.n_qubits)


def parameter_vectors(circuit: QuantumCircuit) -> tuple[ParameterVector | None, ParameterVector]:
    """Return the vectors `x` and `w` of a spec's circuit; `x` is None where inputs are states."""
    vectors = {parameter.vector.name: parameter.vector for parameter in circuit.parameters}
    return vectors.get("x"), vectors.get("w", ParameterVector("w", 0))


def without_idle_qubits(
    circuit: QuantumCircuit, keep: Sequence[int] = ()
) -> tuple[QuantumCircuit, tuple[int, ...]]:
    """Cut a circuit to the qubits that it uses, renumbered from 0 in rising order.

    Args:
        circuit: A circuit, perhaps as wide as its device.
        keep: Qubits that stay even if nothing touches them.

    Returns:
        The narrow circuit, and the former number of each of its qubits.
    """
    used = {circuit.find_bit(qubit).index for item in circuit.data for qubit in item.qubits}
    active = tuple(sorted(used.union(keep)))
    position = {qubit: k for k, qubit in enumerate(active)}
    narrow = QuantumCircuit(QuantumRegister(len(active), "q"), *circuit.cregs, name=circuit.name)
    narrow.metadata = circuit.metadata
    for item in circuit.data:
        qubits = [position[circuit.find_bit(qubit).index] for qubit in item.qubits]
        narrow.append(item.operation, qubits, item.clbits)
    return narrow, active


def _append(circuit: QuantumCircuit, kernel: Kernel, pair: tuple[int, int], angles: list[Parameter]) -> None:
    left = iter(angles)
    for gene in kernel.genes:
        method = getattr(circuit, "id" if gene.name == "I" else gene.name.lower())
        method(*([next(left)] if gene.is_parametrized else []), *(pair[place] for place in gene.qubits))
