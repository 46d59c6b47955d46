"""ISA circuit and noise model -> compiled circuit; what cannot be compiled exactly is refused."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Operation, Parameter, ParameterExpression, ParameterVector
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.circuit_part import CircuitPart, light_cone
from qkd_qiskit.simulation.compiled_circuit import AffineAngles, CompiledCircuit, MatrixFactors
from qkd_qiskit.simulation.input_angles import InputAngles
from qkd_qiskit.simulation.noise import LocalNoise, active_qubits, with_idle_noise
from qkd_qiskit.simulation.ptm import (
    N_HARMONICS,
    PAULI,
    MatrixBasis,
    rotation_coefficients,
    swap_qubits,
)

_CHANNELS = frozenset({"quantum_channel", "kraus", "superop", "reset"})


def compile_circuit(
    circuit: QuantumCircuit,
    *,
    inputs: ParameterVector | None,
    weights: ParameterVector,
    input_qubits: tuple[int, ...],
    noise_model: NoiseModel | None,
    basis: MatrixBasis = PAULI,
) -> CompiledCircuit:
    """Fuse a measured circuit and its noise into a `CompiledCircuit`.

    Args:
        circuit: Circuit whose only measurements are final, into the register `meas`.
        inputs: The input parameters; None when inputs are ideal states.
        weights: All weights, those that transpiling has removed included.
        input_qubits: Circuit qubit of each of the spec's qubits at the start, in chain order.
        noise_model: Aer noise model; None for an ideal circuit.
        basis: How gates are written; errors need `PAULI`.

    Raises:
        SimulationError: If the circuit cannot be compiled exactly; the message says why and what to do.
    """
    noisy = with_idle_noise(circuit, noise_model)
    active = active_qubits(noisy)
    order = [*input_qubits, *(qubit for qubit in active if qubit not in set(input_qubits))]
    builder = _Builder(
        noisy, {qubit: k for k, qubit in enumerate(order)}, inputs, weights, noise_model, basis
    )
    for item in noisy.data:
        builder.add(item)
    return builder.finish(len(input_qubits))


class _Builder:
    """Walks a circuit once; sorts its gates into encoding and ansatz."""

    def __init__(
        self,
        circuit: QuantumCircuit,
        chain: dict[int, int],
        inputs: ParameterVector | None,
        weights: ParameterVector,
        noise_model: NoiseModel | None,
        basis: MatrixBasis,
    ) -> None:
        self._circuit = circuit
        self._basis = basis
        self._one, self._two = basis.levels, basis.levels**2
        self._chain = chain
        self._inputs: dict[Parameter, int] = {p: k for k, p in enumerate(inputs or ())}
        self._weights: dict[Parameter, int] = {p: k for k, p in enumerate(weights)}
        self._input_angles = InputAngles(self._inputs)
        self._encoding = CircuitPart(chain.values(), basis, self._input_angles)
        self._weight_angles = AffineAngles(self._weights)
        self._ansatz = CircuitPart(chain.values(), basis, self._weight_angles)
        self._noise = LocalNoise(noise_model)
        self._known: dict[tuple[object, ...], FloatArray] = {}
        self._carriers: list[MatrixFactors] = []
        self._measured: dict[int, int] = {}
        self._confusions: dict[int, FloatArray] = {}
        self._late_gates = self._find_late_inputs()
        self._encoding_gates = self._find_encoding()
        self._position = 0

    def _find_late_inputs(self) -> set[int]:
        """Return the positions of gates with inputs that come behind a weight."""
        found: set[int] = set()
        trained: set[int] = set()
        for position, item in enumerate(self._circuit.data, start=1):
            qubits, parameters = {self._circuit.find_bit(q).index for q in item.qubits}, _parameters(item)
            if qubits & trained or parameters & self._weights.keys():
                if item.operation.name != "barrier":
                    trained |= qubits
                if parameters & self._inputs.keys():
                    found.add(position)
        return found

    def _find_encoding(self) -> set[int]:
        """Return the positions of other gates with inputs, and of all gates that one of them comes behind.

        What else a barrier once put before the trained gates may as well stand behind the encoding.
        """
        found: set[int] = set()
        before: set[int] = set()
        for position in range(len(self._circuit.data), 0, -1):
            item = self._circuit.data[position - 1]
            qubits = {self._circuit.find_bit(qubit).index for qubit in item.qubits}
            early = position not in self._late_gates and _parameters(item) & self._inputs.keys()
            if qubits & before or early:
                found.add(position)
                before |= qubits
        return found

    def add(self, item: CircuitInstruction) -> None:
        self._position += 1
        operation = item.operation
        physical = tuple(self._circuit.find_bit(qubit).index for qubit in item.qubits)
        qubits = tuple(self._chain[index] for index in physical)
        after = [k for k in qubits if k in self._measured.values()]
        if operation.name == "measure":
            bit = item.clbits[0]
            self._measure(self._circuit.find_bit(bit).index, qubits[0], physical[0])
        elif after:
            # NOTE: relaxation of a qubit that has been measured changes nothing that is read.
            if operation.name not in ("quantum_channel", "delay"):
                raise SimulationError(
                    f"expected measurements at the end, found {operation.name!r} after the "
                    f"measurement of qubit {physical[0]}; "
                    "mid-circuit measurements need AerEvaluator"
                )
        elif item.clbits or getattr(operation, "blocks", ()):
            raise SimulationError(
                f"expected a circuit without classical control, found {operation.name!r} on "
                f"qubits {list(physical)}; use AerEvaluator"
            )
        elif len(qubits) <= 2:
            self._add_gate(item, qubits, physical)
        else:
            raise SimulationError(
                f"expected gates on one or two qubits, found {operation.name!r} on "
                f"{len(qubits)}; transpile the circuit first"
            )

    def finish(self, n_data: int) -> CompiledCircuit:
        bits = sorted(self._measured)
        if not bits or bits != list(range(len(bits))):
            raise SimulationError(
                f"expected measurements into every bit of the register meas, found bits {bits}"
            )
        self._encoding.close()
        self._ansatz.close()
        self._ansatz.add_lone_blocks()
        measured = tuple(self._measured[bit] for bit in bits)
        n_qubits = len(self._chain) + len(self._carriers)
        blocks = light_cone(self._ansatz.blocks, measured)
        read = {*measured, *(qubit for block in blocks for qubit in block.qubits)}
        return CompiledCircuit(
            n_qubits=n_qubits,
            n_data=n_data,
            encoders=(*(self._encoding.runs[k] for k in range(len(self._chain))), *self._carriers),
            encoding_blocks=tuple(light_cone(self._encoding.blocks, sorted(read))),
            blocks=tuple(blocks),
            measured=measured,
            confusions=tuple(self._confusions[bit] for bit in bits),
            input_angles=self._input_angles,
            weight_angles=self._weight_angles.matrices(len(self._weights)),
        )

    def _measure(self, bit: int, qubit: int, physical: int) -> None:
        if bit in self._measured or qubit in self._measured.values():
            raise SimulationError(
                f"expected one measurement a qubit and bit, found a second one of qubit {physical}"
            )
        self._measured[bit] = qubit
        self._confusions[bit] = self._noise.readout(physical)

    def _add_gate(self, item: CircuitInstruction, qubits: tuple[int, ...], physical: tuple[int, ...]) -> None:
        encoding = self._position in self._encoding_gates
        if self._position in self._late_gates:
            self._add_late_input(item, qubits, physical)
            return
        part = self._encoding if encoding else self._ansatz
        if len(qubits) == 1:
            self._append(part.runs[qubits[0]], item, physical, part.angles)
            return
        gate = MatrixFactors(self._two)
        self._append(gate, item, physical, part.angles)
        if qubits[0] > qubits[1]:
            gate.coefficients = [swap_qubits(matrix) for matrix in gate.coefficients]
        part.add_gate(min(qubits), max(qubits), gate)

    def _add_late_input(
        self, item: CircuitInstruction, qubits: tuple[int, ...], physical: tuple[int, ...]
    ) -> None:
        """Add a rotation by an input behind weights as a constant block with a further qubit.

        A rotation is `C_0 + cos(t) C_1 + sin(t) C_2`, so that it is one constant matrix on its qubit and the
        vector `(1, cos t, sin t, 0)`, which enters as a qubit of its own that is traced out at once. Nothing
        else changes: the planner finds on which side the samples' vectors come in.
        """
        where = f"{item.operation.name!r} on qubits {list(physical)}"
        if self._basis is not PAULI:
            raise SimulationError(f"expected no input behind a weight in state vectors, found {where}")
        angles = [p for p in item.operation.params if isinstance(p, ParameterExpression) and p.parameters]
        if len(qubits) > 1 or len(angles) > 1 or not _parameters(item) <= self._inputs.keys():
            raise SimulationError(
                "expected inputs behind weights in rotations of one qubit by inputs alone, found "
                f"{where}; put barriers around the inputs' gates, or use AerEvaluator"
            )
        rotation = self._rotation(item.operation, angles[0])
        carrier = len(self._chain) + len(self._carriers)
        self._carriers.append(_carrier(self._input_angles.add(angles[0])))
        self._ansatz.add_qubit(carrier)
        matrix = np.zeros((self._one, self._one, self._one, self._one))
        # Rows: the qubit behind the gate, the carrier traced out. Columns: the qubit, the harmonic.
        matrix[:, 0, :, :3] = rotation[:3].transpose(1, 2, 0)
        gate = MatrixFactors(self._two)
        gate.append_constant(matrix.reshape(self._two, self._two))
        self._ansatz.add_gate(qubits[0], carrier, gate)
        error = self._noise.error_ptm(item.operation.name, item.operation.label, physical)
        if error is not None:
            self._ansatz.runs[qubits[0]].append_constant(error)

    def _append(
        self,
        steps: MatrixFactors,
        item: CircuitInstruction,
        physical: tuple[int, ...],
        angles: AffineAngles | InputAngles,
    ) -> None:
        operation = item.operation
        expressions = [p for p in operation.params if isinstance(p, ParameterExpression) and p.parameters]
        if len(expressions) > 1:
            raise SimulationError(
                f"expected at most one parametrized angle a gate, found {operation.name!r} with "
                f"{len(expressions)}; "
                "transpile to rotations about single axes"
            )
        if expressions:
            steps.append_rotation(self._rotation(operation, expressions[0]), angles.add(expressions[0]))
        elif operation.name != "delay":
            steps.append_constant(self._constant(operation))
        error = self._noise.error_ptm(operation.name, operation.label, physical)
        if error is not None:
            steps.append_constant(error)

    def _rotation(self, operation: Operation, expression: ParameterExpression) -> FloatArray:
        """Return harmonic coefficients of a gate, found once for each kind of gate."""
        others = [None if p is expression else float(p) for p in operation.params]
        key = (operation.name, getattr(operation, "ctrl_state", None), *others)
        if key not in self._known:
            symbol = Parameter("t")
            plain = operation.to_mutable()
            plain.params = [symbol if p is expression else p for p in operation.params]
            self._known[key] = rotation_coefficients(plain, symbol, self._basis)
        return self._known[key]

    def _constant(self, operation: Operation) -> FloatArray:
        """Return the matrix of an instruction without parameters; standard gates are found once."""
        if not all(isinstance(p, (int, float)) for p in operation.params) or operation.name in _CHANNELS:
            return self._basis.matrix(operation)
        key = (operation.name, operation.label, getattr(operation, "ctrl_state", None), *operation.params)
        if key not in self._known:
            self._known[key] = self._basis.matrix(operation)
        return self._known[key]


def _carrier(angle: int) -> MatrixFactors:
    """Return the steps that turn |0> into the vector `(1, cos t, sin t, 0)` of an angle t."""
    coefficients = np.zeros((N_HARMONICS, 4, 4))
    for harmonic in range(3):
        coefficients[harmonic, harmonic, 0] = 1.0
    return MatrixFactors(4, [coefficients], [angle])


def _parameters(item: CircuitInstruction) -> set[Parameter]:
    found: set[Parameter] = set()
    for value in item.operation.params:
        if isinstance(value, ParameterExpression):
            found |= set(value.parameters)
    return found
