"""A spec's circuit along a route: the same outcomes from the same parameters, on the places of a line."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, QuantumRegister

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.routing import Route, placed_genes, quarter_turns
from qkd_qiskit.vqcnn import VQCNNSpec, parameter_vectors, plan_text


def route_circuit(spec: VQCNNSpec, logical: QuantumCircuit, route: Route) -> QuantumCircuit:
    """Return a spec's circuit with its blocks on places, swaps inserted, and absorbed ones in the angles.

    A swap is three CX between barriers: level 3 would otherwise turn it into a change of layout that takes
    the circuit off the line.

    Args:
        spec: The structure.
        logical: Its circuit from `build_circuit`, whose parameters are used.
        route: Where everything runs.

    Returns:
        A circuit whose qubit i is place i, which virtual qubit i starts on.

    Raises:
        HardwareError: If inputs come again between blocks of which some exchange qubits.
    """
    if spec.blocks_before_inputs is not None:
        if route.swaps + route.absorbed:
            raise HardwareError(
                f"{spec.encoding} encoding: expected a plan of conv and edge, in which no qubit is exchanged "
                f"with another, found {plan_text(spec.plan)}"
            )
        return logical
    x, w = parameter_vectors(logical)
    circuit = QuantumCircuit(
        QuantumRegister(spec.n_qubits, "q"),
        ClassicalRegister(spec.n_measured, "meas"),
        name=logical.name,
        metadata=logical.metadata,
    )
    if x is not None:
        spec.input_encoding.append(circuit, x)
        circuit.barrier()
    for gene, places, weight, turn, from_swap in placed_genes(spec, route):
        method = getattr(circuit, "id" if gene.name == "I" else gene.name.lower())
        if from_swap:
            circuit.barrier(*places)
        angle = [] if weight is None else [w[weight] + quarter_turns(turn)]
        method(*angle, *places)
        if from_swap:
            circuit.barrier(*places)
    circuit.measure(route.measured, range(spec.n_measured))
    return circuit
