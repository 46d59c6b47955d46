"""From a spec to a parameterized Qiskit circuit."""

from __future__ import annotations

from math import pi

from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumCircuit, QuantumRegister

from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.spec import VQCNNSpec


def build_circuit(spec: VQCNNSpec) -> QuantumCircuit:
    """The VQCNN as a circuit with the ParameterVectors `x` (angle encoding only) and `w`.

    Angle encoding puts RY(pi/2 + x[2q]) and RZ(x[2q+1]) on qubit q, then a barrier. Amplitude encoding adds
    nothing: the circuit acts on a state that the evaluator supplies. Bind through the vectors, never through
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
    if spec.encoding == "angle":
        x = ParameterVector("x", spec.n_features)
        for qubit in range(spec.n_qubits):
            circuit.ry(pi / 2 + x[2 * qubit], qubit)
            circuit.rz(x[2 * qubit + 1], qubit)
        circuit.barrier()
    w = ParameterVector("w", spec.n_weights)
    for block in spec.blocks:
        _append(circuit, spec.kernels[block.layer], block.qubits, [w[weight] for weight in block.weights])
    circuit.measure(spec.measured_qubits, range(spec.n_measured))
    return circuit


def _append(circuit: QuantumCircuit, kernel: Kernel, pair: tuple[int, int], angles: list[Parameter]) -> None:
    left = iter(angles)
    for gene in kernel.genes:
        method = getattr(circuit, "id" if gene.name == "I" else gene.name.lower())
        method(*([next(left)] if gene.is_parametrized else []), *(pair[place] for place in gene.qubits))
