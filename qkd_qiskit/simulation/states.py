"""State vectors of a whole swarm: the ideal path for few samples or many qubits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.simulation.basis import N_HARMONICS, UNITARY, Array, harmonics
from qkd_qiskit.simulation.contraction import sample_slices
from qkd_qiskit.simulation.fused import Program
from qkd_qiskit.simulation.outcomes import weight_waves
from qkd_qiskit.simulation.tables import BlockTable, StepTable, used_harmonics

States = NDArray[Any]
_CHUNK_BYTES = 32 * 2**20


class StateSweep:
    """Evolves the samples' states through the fused unitaries, vectorized over particles and samples."""

    def __init__(self, program: Program) -> None:
        """Plan the sweep.

        Args:
            program: Circuit compiled in the picture `UNITARY`, without noise.
        """
        self._program = program
        self._table = BlockTable(program.blocks, np.complex128, UNITARY)
        self._used = used_harmonics(program.encoders)
        self._encoders = StepTable(program.encoders, UNITARY.levels, self._used)

    def probabilities(self, weights: Array, inputs: Array) -> Array:
        """Ideal outcome probabilities `[P, N, 2^m]`.

        Args:
            weights: Radians, `[P, W]`.
            inputs: Encoded samples `[N, F]`: angles, or real states if the circuit has no inputs.
        """
        n, m = self._program.n_qubits, len(self._program.measured)
        out = np.empty((len(weights), len(inputs), 2**m))
        for part in sample_slices(len(inputs), 16 * 2**n):
            start = self._start(inputs[part])
            size = max(1, _CHUNK_BYTES // start.nbytes)
            for first in range(0, len(weights), size):
                chunk = slice(first, first + size)
                out[chunk, part] = self._evolve(start, weights[chunk])
        return out

    def _start(self, inputs: Array) -> States:
        """States before the first block, `[2^n, samples]`; qubit 0 leads."""
        n = self._program.n_qubits
        if self._program.input_angles[1].shape[0] == 0:
            return self._given(inputs)
        offsets, slopes = self._program.input_angles
        waves = np.zeros((len(offsets) + 1, len(inputs), N_HARMONICS))
        waves[:-1] = harmonics((offsets + inputs @ slopes).T)
        waves[-1, :, 0] = 1.0
        products, _ = self._encoders.products(np.ascontiguousarray(waves[..., self._used]))
        qubits = products[self._encoders.rows][..., 0].swapaxes(1, 2)  # [n, 2, samples]
        state = qubits[0]
        for qubit in range(1, n):
            state = (state[:, None] * qubits[qubit][None]).reshape(-1, len(inputs))
        return np.ascontiguousarray(state, dtype=np.complex128)

    def _given(self, inputs: Array) -> States:
        """Ideal input states; qubits outside the spec start in |0>."""
        n, n_data = self._program.n_qubits, self._program.n_data
        axes = tuple(1 + n_data - 1 - qubit for qubit in range(n_data))
        tensor = inputs.reshape(len(inputs), *(2,) * n_data).transpose(*axes, 0)
        state = np.zeros((2**n_data, 2 ** (n - n_data), len(inputs)), dtype=np.complex128)
        state[:, 0] = tensor.reshape(2**n_data, -1)
        return state.reshape(2**n, -1)

    def _evolve(self, start: States, weights: Array) -> Array:
        pairs, lone, _ = self._table.build(weight_waves(self._program, weights))
        n, n_particles, n_samples = self._program.n_qubits, len(weights), start.shape[1]
        state = np.broadcast_to(start, (n_particles, *start.shape))
        order = list(range(n))
        for k, block in enumerate(self._program.blocks):
            matrices = (lone if block.second is None else pairs)[self._table.slots[k]]
            qubits = [block.first] if block.second is None else [block.first, block.second]
            state, order = _bring_together(state, order, qubits)
            left = 2 ** order.index(qubits[0])
            state = state.reshape(n_particles, left, matrices.shape[-1], -1)
            state = np.matmul(matrices[:, None], state)
        density = state.real**2 + state.imag**2
        tensor = density.reshape(n_particles, *(2,) * n, n_samples)
        measured = [1 + order.index(qubit) for qubit in reversed(self._program.measured)]
        rest = tuple(axis for axis in range(1, n + 1) if axis not in measured)
        tensor = tensor.transpose(0, n + 1, *measured, *rest)
        found = tensor.reshape(n_particles, n_samples, 2 ** len(measured), -1).sum(axis=-1)
        return np.asarray(found, dtype=np.float64)


def _bring_together(state: States, order: list[int], qubits: Sequence[int]) -> tuple[States, list[int]]:
    """The states with the axes of the qubits side by side."""
    places = [order.index(qubit) for qubit in qubits]
    if len(places) == 1 or places[1] == places[0] + 1:
        return state, order
    n, n_particles = len(order), state.shape[0]
    axes = [*places, *(a for a in range(n) if a not in places)]
    tensor = state.reshape(n_particles, *(2,) * n, -1)
    moved = tensor.transpose(0, *(a + 1 for a in axes), n + 1)
    return np.ascontiguousarray(moved), [order[a] for a in axes]
