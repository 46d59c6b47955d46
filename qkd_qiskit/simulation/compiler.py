"""ISA circuit and noise model -> compiled circuit; what cannot be compiled exactly is refused."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Operation, Parameter, ParameterExpression, ParameterVector
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.compiled_circuit import (
    AffineAngles,
    BlockStage,
    CompiledCircuit,
    FusedBlock,
    MatrixFactors,
)
from qkd_qiskit.simulation.noise import LocalNoise, active_qubits, with_idle_noise
from qkd_qiskit.simulation.ptm import (
    PAULI,
    MatrixBasis,
    on_first,
    on_second,
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
    """Walks a circuit once; keeps an open run for each qubit and the last block that touched it."""

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
        self._input_angles = AffineAngles(self._inputs)
        self._weight_angles = AffineAngles(self._weights)
        self._noise = LocalNoise(noise_model)
        self._known: dict[tuple[object, ...], FloatArray] = {}
        self._runs = {k: MatrixFactors(self._one) for k in chain.values()}
        self._blocks: list[FusedBlock] = []
        self._last_block: dict[int, FusedBlock] = {}
        self._measured: dict[int, int] = {}
        self._confusions: dict[int, FloatArray] = {}
        self._encoders = {k: MatrixFactors(self._one) for k in chain.values()}
        self._last_input = self._find_last_inputs()
        self._position = 0

    def _find_last_inputs(self) -> dict[int, int]:
        """Return the position of every qubit's last input gate; later gates belong to the trained part."""
        last: dict[int, int] = {}
        for position, item in enumerate(self._circuit.data, start=1):
            if any(p in self._inputs for p in _parameters(item)):
                for qubit in item.qubits:
                    last[self._chain[self._circuit.find_bit(qubit).index]] = position
        return last

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
        elif len(qubits) == 1:
            self._add_one(item, qubits[0], physical)
        elif len(qubits) == 2:
            self._add_two(item, qubits, physical)
        else:
            raise SimulationError(
                f"expected gates on one or two qubits, found {operation.name!r} on "
                f"{len(qubits)}; transpile the circuit first"
            )

    def finish(self, n_data: int) -> CompiledCircuit:
        for qubit, run in self._runs.items():
            if not run.coefficients:
                continue
            block = self._last_block.get(qubit)
            if block is None:
                self._blocks.append(
                    FusedBlock(
                        qubit, None, [BlockStage(run, MatrixFactors(self._one), MatrixFactors(self._two))]
                    )
                )
            else:
                _attach(block, qubit, run)
        bits = sorted(self._measured)
        if not bits or bits != list(range(len(bits))):
            raise SimulationError(
                f"expected measurements into every bit of the register meas, found bits {bits}"
            )
        for block in self._blocks:
            _fold_constants(block)
        measured = tuple(self._measured[bit] for bit in bits)
        n_qubits = len(self._chain)
        return CompiledCircuit(
            n_qubits=n_qubits,
            n_data=n_data,
            encoders=tuple(self._encoders[k] for k in range(n_qubits)),
            blocks=tuple(_light_cone(self._blocks, measured)),
            measured=measured,
            confusions=tuple(self._confusions[bit] for bit in bits),
            input_angles=self._input_angles.matrices(len(self._inputs)),
            weight_angles=self._weight_angles.matrices(len(self._weights)),
        )

    def _measure(self, bit: int, qubit: int, physical: int) -> None:
        if bit in self._measured or qubit in self._measured.values():
            raise SimulationError(
                f"expected one measurement a qubit and bit, found a second one of qubit {physical}"
            )
        self._measured[bit] = qubit
        self._confusions[bit] = self._noise.readout(physical)

    def _add_one(self, item: CircuitInstruction, qubit: int, physical: tuple[int, ...]) -> None:
        uses_input = any(p in self._inputs for p in _parameters(item))
        encoding = self._position <= self._last_input.get(qubit, 0)
        if encoding and (qubit in self._last_block or (not uses_input and _parameters(item))):
            raise SimulationError(
                "expected inputs before any trained or two-qubit gate of a qubit, found an "
                f"input gate on qubit {physical[0]} "
                "after one; put a barrier between encoding and ansatz, or use AerEvaluator"
            )
        target = self._encoders[qubit] if encoding else self._runs[qubit]
        self._append(target, item, physical, self._input_angles if encoding else self._weight_angles)

    def _add_two(self, item: CircuitInstruction, qubits: tuple[int, ...], physical: tuple[int, ...]) -> None:
        if any(p in self._inputs for p in _parameters(item)):
            raise SimulationError(
                f"expected inputs in one-qubit gates only, found {item.operation.name!r} on "
                f"qubits {list(physical)}; use AerEvaluator"
            )
        if any(self._position <= self._last_input.get(qubit, 0) for qubit in qubits):
            raise SimulationError(
                "expected inputs before any two-qubit gate of a qubit, found "
                f"{item.operation.name!r} on qubits {list(physical)} "
                "before an input gate; use AerEvaluator"
            )
        first, second = min(qubits), max(qubits)
        block = self._last_block.get(first)
        if block is None or block is not self._last_block.get(second):
            block = FusedBlock(first, second, [])
            self._blocks.append(block)
            self._last_block[first] = self._last_block[second] = block
        gate = MatrixFactors(self._two)
        self._append(gate, item, physical, self._weight_angles)
        if qubits != (first, second):
            gate.coefficients = [swap_qubits(matrix) for matrix in gate.coefficients]
        block.stages.append(BlockStage(self._runs[first], self._runs[second], gate))
        self._runs[first], self._runs[second] = MatrixFactors(self._one), MatrixFactors(self._one)

    def _append(
        self, steps: MatrixFactors, item: CircuitInstruction, physical: tuple[int, ...], angles: AffineAngles
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


def _parameters(item: CircuitInstruction) -> set[Parameter]:
    found: set[Parameter] = set()
    for value in item.operation.params:
        if isinstance(value, ParameterExpression):
            found |= set(value.parameters)
    return found


def _attach(block: FusedBlock, qubit: int, run: MatrixFactors) -> None:
    """Put a run behind the block's last two-qubit gate."""
    if block.stages[-1].two_qubit.coefficients:
        block.stages.append(_empty_stage(block))
    if qubit == block.first:
        block.stages[-1].first = run
    else:
        block.stages[-1].second = run


def _empty_stage(block: FusedBlock) -> BlockStage:
    like = block.stages[0]
    one, two = like.first.dimension, like.two_qubit.dimension
    return BlockStage(MatrixFactors(one), MatrixFactors(one), MatrixFactors(two))


def _light_cone(blocks: Sequence[FusedBlock], measured: Sequence[int]) -> list[FusedBlock]:
    """Return the blocks that a measurement depends on; others preserve the trace and change nothing."""
    seen, inside = set(measured), []
    for block in reversed(blocks):
        if seen.intersection(block.qubits):
            seen.update(block.qubits)
            inside.append(block)
    return inside[::-1]


def _fold_constants(block: FusedBlock) -> None:
    """Move constant runs into the two-qubit step beside them, and merge constant stages into the one before.

    Afterwards each stage has at most one two-qubit step.
    """
    folded: list[BlockStage] = []
    for stage in block.stages:
        if block.second is not None and stage.first.is_constant and stage.second.is_constant:
            runs = on_first(stage.first.constant()) @ on_second(stage.second.constant())
            gate = stage.two_qubit
            if folded and gate.is_constant:
                folded[-1].two_qubit.append_constant(gate.constant() @ runs)
                continue
            gate.coefficients = [matrix @ runs for matrix in gate.coefficients]
            empty = _empty_stage(block)
            stage = BlockStage(empty.first, empty.second, gate)
        folded.append(stage)
    block.stages[:] = folded
