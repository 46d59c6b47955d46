"""A model's circuit for other programs: QPY, OpenQASM 3, qiskit-machine-learning."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit, qasm3, qpy
from qiskit.circuit import ParameterVectorElement
from qiskit.primitives import BaseSamplerV2

from qkd_qiskit.arguments import takes
from qkd_qiskit.arrays import as_numbers
from qkd_qiskit.errors import ModelError
from qkd_qiskit.simulation import MeasuredCircuit
from qkd_qiskit.simulation.bindable import bindable
from qkd_qiskit.simulation.evaluator import as_measured_circuit
from qkd_qiskit.vqcnn import VQCNNSpec

if TYPE_CHECKING:
    from qiskit_machine_learning.neural_networks import SamplerQNN


def plain_copy(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit without its transpiler layout.

    qiskit-machine-learning reads measured integers by the layout's qubits: with one, every row of an ISA
    circuit becomes `[1, 0, 0, 0]`.
    """
    plain = QuantumCircuit(
        *circuit.qregs, *circuit.cregs, name=circuit.name, metadata=circuit.metadata,
        global_phase=circuit.global_phase,
    )  # fmt: skip
    for item in circuit.data:
        plain.append(item)
    return plain


def export_circuit(source: MeasuredCircuit | VQCNNSpec, weights: ArrayLike | None = None) -> QuantumCircuit:
    """Return the measured circuit of a structure, without layout.

    Args:
        source: Result of `transpile_verified`, or a spec for its logical circuit.
        weights: Radians [W], which replace the parameters `w`; None leaves them free.

    Returns:
        A circuit with the parameters `x` (and `w`) and the classical register `meas`.

    Raises:
        ModelError: If there are not W finite weights.
    """
    measured = as_measured_circuit(source)
    circuit = plain_copy(measured.circuit)
    if weights is None:
        return circuit
    values = as_numbers(weights, ModelError, "weights")
    if values.shape != (measured.spec.n_weights,) or not np.isfinite(values).all():
        raise ModelError(f"expected {measured.spec.n_weights} finite weights, found shape {values.shape}")
    present = {p for p in circuit.parameters if p.vector.name == "w"}
    return circuit.assign_parameters({p: float(values[p.index]) for p in present})


@takes(ModelError, circuit=QuantumCircuit)
def to_qpy(circuit: QuantumCircuit) -> bytes:
    """Return the circuit as a QPY file, which `qiskit.qpy.load` reads.

    Raises:
        ModelError: If it is no circuit.
    """
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


@takes(ModelError, circuit=QuantumCircuit)
def to_qasm3(circuit: QuantumCircuit) -> str:
    """Return the circuit as an OpenQASM 3 program; free parameters become `input float[64]` declarations.

    Raises:
        ModelError: If it is no circuit.
    """
    return str(qasm3.dumps(circuit))


def sampler_qnn(
    source: MeasuredCircuit | VQCNNSpec,
    *,
    sampler: BaseSamplerV2 | None = None,
    input_gradients: bool = False,
) -> SamplerQNN:
    """Return the structure as a `SamplerQNN` of qiskit-machine-learning.

    Its inputs are the encoded samples [N, F] and its weights all W of the spec, in the spec's order; its
    output is [N, 2^m]. A parameter that transpiling has removed comes back as an RZ on a qubit in its ground
    state, which changes nothing, so that indices stay as they are.

    Args:
        source: Result of `transpile_verified`, or a spec for its logical circuit.
        sampler: Runs the circuit; the package's own reference sampler when omitted.
        input_gradients: Whether its backward pass also gives gradients of the inputs.

    Raises:
        ModelError: If the inputs are states, which are no parameters.
    """
    # Imported late: it takes a second, and few ask for it.
    from qiskit_machine_learning.neural_networks import SamplerQNN

    measured = as_measured_circuit(source)
    if measured.x is None:
        raise ModelError(
            "expected inputs that are parameters for a SamplerQNN, found the states of "
            f"{measured.spec.encoding} encoding"
        )
    # Aer's sampler would bind controlled rotations wrongly, and say nothing.
    circuit = plain_copy(bindable(measured.circuit, None))
    present = set(circuit.parameters)
    lost = [p for p in (*measured.x, *measured.w) if p not in present]
    if lost:
        circuit = _with_idle_parameters(circuit, lost)
    return SamplerQNN(
        circuit=circuit,
        sampler=sampler,
        input_params=list(measured.x),
        weight_params=list(measured.w),
        interpret=_identity,
        output_shape=2**measured.spec.n_measured,
        input_gradients=input_gradients,
    )


def _identity(measured: int) -> int:
    return measured


def _with_idle_parameters(circuit: QuantumCircuit, lost: list[ParameterVectorElement]) -> QuantumCircuit:
    first = circuit.find_bit(circuit.data[0].qubits[0]).index
    longer = circuit.copy_empty_like()
    for parameter in lost:
        longer.rz(parameter, first)
    return longer.compose(circuit)
