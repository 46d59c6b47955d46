"""One part of a circuit on its way into blocks: the encoding, or what follows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qkd_qiskit.simulation.compiled_circuit import AffineAngles, BlockStage, FusedBlock, MatrixFactors
from qkd_qiskit.simulation.input_angles import InputAngles
from qkd_qiskit.simulation.ptm import MatrixBasis, on_first, on_second


class CircuitPart:
    """Keeps an open run for each qubit and the last block that touched it.

    Attributes:
        angles: The angles of its gates.
        runs: One-qubit gates of every qubit that no block has taken yet.
        blocks: Blocks in circuit order.
    """

    def __init__(self, qubits: Iterable[int], basis: MatrixBasis, angles: AffineAngles | InputAngles) -> None:
        """Start without a gate."""
        self.angles = angles
        self._one, self._two = basis.levels, basis.levels**2
        self.runs = {qubit: MatrixFactors(self._one) for qubit in qubits}
        self.blocks: list[FusedBlock] = []
        self._last_block: dict[int, FusedBlock] = {}

    def add_qubit(self, qubit: int) -> None:
        """Make room for one more qubit."""
        self.runs[qubit] = MatrixFactors(self._one)

    def add_gate(self, first: int, second: int, gate: MatrixFactors) -> None:
        """Add a gate on a pair, the lower qubit first, behind the open runs of both."""
        block = self._last_block.get(first)
        if block is None or block is not self._last_block.get(second):
            block = FusedBlock(first, second, [])
            self.blocks.append(block)
            self._last_block[first] = self._last_block[second] = block
        block.stages.append(BlockStage(self.runs[first], self.runs[second], gate))
        self.runs[first], self.runs[second] = MatrixFactors(self._one), MatrixFactors(self._one)

    def close(self) -> None:
        """Put each open run behind the last gate of its qubit's last block; runs of lone qubits stay."""
        for qubit, block in self._last_block.items():
            if self.runs[qubit].coefficients:
                _attach(block, qubit, self.runs[qubit])
                self.runs[qubit] = MatrixFactors(self._one)
        for block in self.blocks:
            _fold_constants(block)

    def add_lone_blocks(self) -> None:
        """Make a block of each run that is still open."""
        for qubit, run in self.runs.items():
            if run.coefficients:
                stage = BlockStage(run, MatrixFactors(self._one), MatrixFactors(self._two))
                self.blocks.append(FusedBlock(qubit, None, [stage]))


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


def light_cone(blocks: Sequence[FusedBlock], measured: Sequence[int]) -> list[FusedBlock]:
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
