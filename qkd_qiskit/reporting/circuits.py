"""Drawings of circuits: block by block from a spec, gate by gate from a circuit."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from qiskit.circuit import ClassicalRegister, Gate, ParameterExpression, QuantumCircuit, QuantumRegister

from qkd_qiskit.vqcnn import VQCNNSpec, encoding_circuit, inputs_again, kernel_name

_COLOURS = {"conv": ("#4477AA", "#FFFFFF"), "pool": ("#EE9944", "#202124"), "data": ("#D5E3F0", "#202124")}
#: Longest block label; a free gate string is named by its length instead.
_MAX_LABEL = 8


def overview_circuit(spec: VQCNNSpec) -> QuantumCircuit:
    """Return the structure of a spec as boxes: one for each encoded qubit and each two-qubit block.

    The boxes have no definition: the circuit is for drawing only.
    """
    qubits = QuantumRegister(spec.n_qubits, "q")
    measured = ClassicalRegister(spec.n_measured, "meas")
    circuit = QuantumCircuit(qubits, measured)
    if spec.takes_states:
        circuit.append(Gate("data", spec.n_qubits, [], label="state"), list(range(spec.n_qubits)))
    _append_features(circuit, encoding_circuit(spec))
    circuit.barrier()
    for number, block in enumerate(spec.blocks):
        if number == spec.blocks_before_inputs:
            _append_features(circuit, inputs_again(spec))
        kind = "conv" if block.kind == "conv" else "pool"
        name = kernel_name(spec.kernels[block.layer])
        label = name if len(name) <= _MAX_LABEL else "kernel"
        circuit.append(Gate(kind, 2, [], label=label), list(block.qubits))
    if spec.blocks_before_inputs == len(spec.blocks):
        _append_features(circuit, inputs_again(spec))
    circuit.measure(spec.measured_qubits, measured)
    return circuit


def _append_features(circuit: QuantumCircuit, gates: QuantumCircuit) -> None:
    for place, features in sorted(_features(gates).items()):
        label = f"${','.join(f'x_{{{feature}}}' for feature in features)}$"
        circuit.append(Gate("data", 1, [], label=label), [place])


def _features(encoded: QuantumCircuit) -> dict[int, list[int]]:
    """Find the features on each qubit that gates by inputs are on."""
    features: dict[int, list[int]] = {}
    for item in encoded.data:
        angles = (a for a in item.operation.params if isinstance(a, ParameterExpression))
        found = sorted(p.index for angle in angles for p in angle.parameters)
        for qubit in item.qubits:
            here = features.setdefault(encoded.find_bit(qubit).index, [])
            here += (feature for feature in found if feature not in here)
    return features


def draw_circuit(circuit: QuantumCircuit, *, fold: int = -1) -> Figure:
    """Draw a circuit; to be saved with a tight bounding box.

    Args:
        circuit: What to draw.
        fold: Columns of gates after which the drawing goes on below; -1 for one long drawing.
    """
    # An own figure keeps the drawing out of pyplot's list of open figures; it is high enough that
    # the width alone sets the scale, and the tight bounding box cuts the rest off.
    figure = Figure(figsize=(13, 60), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    # Names of wires and features are formulas.
    with mpl.rc_context({"text.parse_math": True}):
        circuit.draw(
            "mpl",
            ax=axes,
            fold=fold,
            idle_wires=True,
            cregbundle=True,
            style={"name": "clifford", "displaycolor": _COLOURS},
        )
    return figure
