"""What a two-sided contraction does, in which order: data only.

The values of all Z-strings on all samples are one tensor network: input vectors with a sample index, one
block a gate, and the strings. Blocks on the **samples' side** act forwards on clusters of qubits
(Schroedinger picture), blocks on the **observables' side** act backwards on the strings (Heisenberg picture),
and both sides meet in one product. Nothing is approximated, whichever block is on whichever side. `planner`
chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit


@dataclass(frozen=True)
class Network:
    """The part of a circuit that a plan depends on; equal networks share their plans.

    Attributes:
        blocks: Qubits of every block, in circuit order.
        measured: Qubit of each bit.
        groups: Qubits whose input vectors come as one: single qubits for products of Bloch vectors.
    """

    blocks: tuple[tuple[int, ...], ...]
    measured: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, compiled: CompiledCircuit, groups: Sequence[tuple[int, ...]] | None = None) -> Network:
        """Return the network of a compiled circuit; by default each qubit enters alone.

        Qubits that nothing measured depends on are left out.
        """
        blocks = tuple(block.qubits for block in compiled.blocks)
        seen = {*compiled.measured, *(qubit for qubits in blocks for qubit in qubits)}
        given = [(qubit,) for qubit in range(compiled.n_qubits)] if groups is None else groups
        inside = (tuple(qubit for qubit in group if qubit in seen) for group in given)
        return cls(blocks, compiled.measured, tuple(group for group in inside if group))

    @property
    def n_strings(self) -> int:
        """Number of Z-strings but the identity."""
        return int(2 ** len(self.measured)) - 1


@dataclass(frozen=True)
class SampleStep:
    """A block acts on one cluster of qubits, or joins two.

    Attributes:
        block: Index of the block in the compiled circuit.
        operands: Numbers of the clusters that it takes.
        result: Number of the cluster that it makes.
        shape: Sizes of the operand's axes, those of the second cluster behind those of the first.
        permutation: Order of these axes that brings the block's qubits side by side; None when they are.
        left: Product of the axes before the block's.
        right: Product of the axes behind the block's, samples left out.
        width: Columns of the block's matrix, 16 or 4.
        rows: Rows of the block's matrix that something reads: a qubit that nothing reads any more is traced
            out, of a measured one I and Z remain.
        shares: Whether every particle has the same operand.
    """

    block: int
    operands: tuple[int, ...]
    result: int
    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    left: int
    right: int
    width: int
    rows: tuple[int, ...]
    shares: bool

    @property
    def operand_size(self) -> int:
        """Elements of the operand, for each sample."""
        return self.left * self.width * self.right

    @property
    def size(self) -> int:
        """Elements of the result, for each sample."""
        return self.left * len(self.rows) * self.right


@dataclass(frozen=True)
class ObservableStep:
    """A block acts backwards on the observables.

    Attributes:
        block: Index of the block in the compiled circuit.
        shape: Sizes of the qubits' axes before the permutation.
        permutation: Order of these axes that brings the block's qubits side by side; None when they are.
        left: Product of the axes before the block's, the strings' axis left out.
        right: Product of the axes behind the block's.
        width: Columns of the block's matrix, 16 or 4.
        rows: Rows of the block's matrix that the observables are on.
        order: Qubit of each axis of the operand, after the permutation.
        inside: The block's qubits among them; the others come in with this step.
    """

    block: int
    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    left: int
    right: int
    width: int
    rows: tuple[int, ...]
    order: tuple[int, ...]
    inside: tuple[int, ...]

    @property
    def operand_size(self) -> int:
        """Elements of the operand, for each string."""
        return self.left * len(self.rows) * self.right

    @property
    def size(self) -> int:
        """Elements of the result, for each string."""
        return self.left * self.width * self.right

    @property
    def axes(self) -> tuple[int, ...]:
        """Sizes of the axes of the operand, after the permutation."""
        if self.permutation is None:
            return self.shape
        return tuple(self.shape[axis] for axis in self.permutation)


@dataclass(frozen=True)
class Meeting:
    """The product of both sides.

    Attributes:
        shape: Sizes of the observables' axes before the permutation.
        permutation: Order of these axes: the clusters of `reduced` one after the other, then those of
            `joined`; None when they are so.
        joined: Clusters that are multiplied out and meet the observables in one matrix product.
        reduced: Clusters over which the rest is summed, the last one first.
        joined_size: Elements of the joined cluster, for each sample.
        reduced_sizes: Elements of each of the others.
    """

    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    joined: tuple[int, ...]
    reduced: tuple[int, ...]
    joined_size: int
    reduced_sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements of the observables, for each string."""
        return self.joined_size * prod(self.reduced_sizes)


@dataclass(frozen=True)
class ContractionPlan:
    """Order of work of a two-sided contraction.

    Attributes:
        sample_steps: Blocks on the samples' side, in order.
        observable_steps: Blocks on the observables' side, in order: latest in the circuit first.
        meeting: The product of both sides.
        clusters: Qubits of every cluster by number, axes in order: first the groups that enter, then what
            each sample step makes.
        n_groups: Number of groups that enter.
        start: The strings on the measured qubits, `[strings, elements]`.
        start_shape: Sizes of the qubits' axes at the start.
    """

    sample_steps: tuple[SampleStep, ...]
    observable_steps: tuple[ObservableStep, ...]
    meeting: Meeting
    clusters: tuple[tuple[int, ...], ...]
    n_groups: int
    start: FloatArray
    start_shape: tuple[int, ...]

    @property
    def n_strings(self) -> int:
        """Number of Z-strings."""
        return len(self.start)

    @cached_property
    def rows(self) -> dict[int, list[int]]:
        """Rows of every block's matrix that something reads, by block."""
        rows = {step.block: list(step.rows) for step in self.sample_steps}
        return rows | {step.block: list(step.rows) for step in self.observable_steps}

    def cut(self, matrices: Sequence[FloatArray]) -> dict[int, FloatArray]:
        """Return the matrices `[particles, d, d]` of every block, cut to the rows that something reads."""
        return {k: matrices[k][:, rows] for k, rows in self.rows.items()}

    @property
    def qubits(self) -> tuple[int, ...]:
        """Qubit of each axis of the observables where they meet the samples."""
        order = (*self.meeting.reduced, *self.meeting.joined)
        return tuple(qubit for number in order for qubit in self.clusters[number])

    @property
    def observable_sizes(self) -> tuple[int, ...]:
        """Elements of the observables of one particle before each step and at the end."""
        return (self.start.size, *(self.n_strings * step.size for step in self.observable_steps))

    @property
    def sample_sizes(self) -> tuple[int, ...]:
        """Elements of one particle and sample that each step and the meeting make."""
        half = self.n_strings * self.meeting.size // self.meeting.joined_size
        made = [step.operand_size + step.size for step in self.sample_steps]
        return (*made, self.meeting.joined_size, half)


def z_strings(measured: Sequence[int], order: Sequence[int], axes: Sequence[int]) -> FloatArray:
    """Return the strings `[2^m - 1, elements]`; string s has Z on the bits that are set in s + 1.

    Args:
        measured: Qubit of each bit.
        order: Qubit of each axis.
        axes: Sizes of the axes: 4 for I, X, Y, Z, or 2 for I and Z.
    """
    m = len(measured)
    start = np.zeros((2**m - 1, *axes))
    for string in range(1, 2**m):
        index = [0] * m
        for bit, qubit in enumerate(measured):
            if string >> bit & 1:
                place = order.index(qubit)
                index[place] = axes[place] - 1
        start[(string - 1, *index)] = 1.0
    return start.reshape(2**m - 1, -1)
