"""From a spec to a parameterized Qiskit circuit."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumCircuit, QuantumRegister

from qkd_qiskit.arguments import takes
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.spec import VQCNNSpec


@takes(VQCNNError, spec=VQCNNSpec)
def build_circuit(spec: VQCNNSpec) -> QuantumCircuit:
    """Return the VQCNN as a circuit with the ParameterVectors `x` and `w`.

    The encoding's gates come first, then a barrier; rotations by inputs that come again stand between
    barriers. Where inputs are states, there is none of these, and no `x`: the circuit acts on a state that
    the evaluator supplies. Bind through the vectors, never through `circuit.parameters`, which are sorted
    by name.

    Args:
        spec: The structure; its `n_features` and `n_weights` are the vectors' lengths.

    Returns:
        A circuit with the quantum register `q` and the classical register `meas`, whose bit 0 holds the first
        measured qubit. `metadata` holds the encoding, the model index as decimal text, and the number of
        outcomes.

    Raises:
        VQCNNError: If `spec` is something else.
    """
    circuit = QuantumCircuit(
        QuantumRegister(spec.n_qubits, "q"),
        ClassicalRegister(spec.n_measured, "meas"),
        name="vqcnn",
        metadata={"encoding": spec.encoding, "model_index": str(spec.index), "n_outcomes": spec.n_outcomes},
    )
    x, w = ParameterVector("x", spec.n_features), ParameterVector("w", spec.n_weights)
    if not spec.takes_states:
        spec.input_encoding.append(circuit, x)
        circuit.barrier()
    for number, block in enumerate(spec.blocks):
        if number == spec.blocks_before_inputs:
            _append_again(circuit, spec, x)
        _append(circuit, spec.kernels[block.layer], block.qubits, [w[weight] for weight in block.weights])
    if spec.blocks_before_inputs == len(spec.blocks):
        _append_again(circuit, spec, x)
    circuit.measure(spec.measured_qubits, range(spec.n_measured))
    return circuit


def inputs_again(spec: VQCNNSpec) -> QuantumCircuit:
    """Return the rotations by inputs that come again between blocks, with the ParameterVector `x`."""
    circuit = QuantumCircuit(spec.n_qubits)
    if spec.blocks_before_inputs is not None:
        before = spec.blocks[: spec.blocks_before_inputs]
        discarded = {block.qubits[0] for block in before if block.kind != "conv"}
        active = [qubit for qubit in range(spec.n_qubits) if qubit not in discarded]
        spec.input_encoding.append_again(circuit, ParameterVector("x", spec.n_features), active)
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


def _append_again(circuit: QuantumCircuit, spec: VQCNNSpec, x: ParameterVector) -> None:
    """Add the inputs' rotations between barriers: merged with weights, they would be neither's."""
    again = inputs_again(spec)
    circuit.barrier()
    circuit.compose(again.assign_parameters({p: x[p.index] for p in again.parameters}), inplace=True)
    circuit.barrier()


def _append(circuit: QuantumCircuit, kernel: Kernel, pair: tuple[int, int], angles: list[Parameter]) -> None:
    left = iter(angles)
    for gene in kernel.genes:
        method = getattr(circuit, "id" if gene.name == "I" else gene.name.lower())
        method(*([next(left)] if gene.is_parametrized else []), *(pair[place] for place in gene.qubits))
