"""State vectors: the ideal path, for a whole swarm or with gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.simulation.basis import N_HARMONICS, UNITARY, Array, harmonics
from qkd_qiskit.simulation.contraction import sample_slices
from qkd_qiskit.simulation.fused import Program
from qkd_qiskit.simulation.groups import (
    apply_matrix,
    group_matrices,
    matrix_gradient,
    plan_groups,
    pull_matrices,
)
from qkd_qiskit.simulation.outcomes import angle_gradient, weight_waves
from qkd_qiskit.simulation.tables import BlockTable, StepTable, used_harmonics

States = NDArray[Any]
Loss = Callable[[Array], tuple[Array, Array]]
"""Maps probabilities `[P, N, 2^m]` to values `[P]` and their derivatives `[P, N, 2^m]`."""

_CHUNK_BYTES = 32 * 2**20


class StateSweep:
    """Evolves the samples' states through the fused unitaries, vectorized over particles and samples."""

    def __init__(self, program: Program, dtype: type[np.complexfloating[Any, Any]] = np.complex128) -> None:
        """Plan the sweep.

        Args:
            program: Circuit compiled in the picture `UNITARY`, without noise.
            dtype: Of the states on the way to a gradient; matrices stay in double precision.
        """
        self._program = program
        self._dtype = dtype
        self._groups = plan_groups(program)
        self._table = BlockTable(program.blocks, np.complex128, UNITARY)
        self._used = used_harmonics(program.encoders)
        self._encoders = StepTable(program.encoders, UNITARY.levels, self._used)

    @property
    def n_groups(self) -> int:
        """Number of fused matrices that the states meet."""
        return len(self._groups)

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

    def loss_and_gradient(self, weights: Array, inputs: Array, loss: Loss) -> tuple[Array, Array]:
        """Ideal loss `[P]` and its exact gradient `[P, W]`, by one pass back through the states.

        Args:
            weights: Radians, `[P, W]`.
            inputs: As for `probabilities`.
            loss: Maps probabilities `[P, N, 2^m]` to values `[P]` and derivatives of their shape.
        """
        found = [self._gradient(row[None], inputs, loss) for row in weights]
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def _gradient(self, weights: Array, inputs: Array, loss: Loss) -> tuple[Array, Array]:
        waves = weight_waves(self._program, weights)
        pairs, lone, tape = self._table.build(waves)
        blocks = self._of_blocks(pairs, lone)
        groups, tapes = group_matrices(self._groups, blocks)
        fused = [matrix.astype(self._dtype) for matrix in groups]
        parts = list(
            sample_slices(len(inputs), (len(fused) + 2) * self._dtype().itemsize * 2**self._program.n_qubits)
        )
        kept: list[States] = []
        probabilities = []
        for part in parts:
            # One slice's states are kept; those of several are made again, or they would fill the memory.
            kept = self._forward(fused, inputs[part])
            probabilities.append(self._read(kept[-1]))
        values, slope = loss(np.concatenate(probabilities, axis=1))
        totals = [np.zeros_like(matrix) for matrix in fused]
        for part in parts:
            states = kept if len(parts) == 1 else self._forward(fused, inputs[part])
            flow = self._slope(slope[:, part], states[-1])
            for k in range(len(fused) - 1, -1, -1):
                qubits = self._groups[k].qubits
                totals[k] += matrix_gradient(flow, states[k], qubits)
                if k:
                    flow = apply_matrix(np.swapaxes(fused[k], -1, -2), flow, qubits)
        pair_gradient, lone_gradient = np.zeros_like(pairs), np.zeros_like(lone)
        pull_matrices(self._groups, blocks, tapes, totals, self._of_blocks(pair_gradient, lone_gradient))
        # A real loss changes by twice the real part of its holomorphic derivative.
        wave_gradient = 2.0 * self._table.pullback(pair_gradient, lone_gradient, tape).real
        return values, angle_gradient(self._program, waves, wave_gradient)

    def _evolve(self, start: States, weights: Array) -> Array:
        pairs, lone, _ = self._table.build(weight_waves(self._program, weights))
        fused, _ = group_matrices(self._groups, self._of_blocks(pairs, lone))
        state = np.broadcast_to(start, (len(weights), *start.shape))
        for group, matrix in zip(self._groups, fused, strict=True):
            state = apply_matrix(matrix, state, group.qubits)
        return self._read(state)

    def _of_blocks(self, pairs: States, lone: States) -> list[States]:
        """For each block of the program its entry in the tables of pairs or of lone qubits."""
        return [
            (lone if block.second is None else pairs)[self._table.slots[k]]
            for k, block in enumerate(self._program.blocks)
        ]

    def _forward(self, fused: Sequence[States], inputs: Array) -> list[States]:
        """States before each group, and after the last."""
        states = [self._start(inputs)[None].astype(self._dtype)]
        for group, matrix in zip(self._groups, fused, strict=True):
            states.append(apply_matrix(matrix, states[-1], group.qubits))
        return states

    def _read(self, states: States) -> Array:
        """Outcome probabilities `[P, N, 2^m]` of states `[P, 2^n, N]`."""
        n, n_particles, n_samples = self._program.n_qubits, states.shape[0], states.shape[2]
        density = states.real**2 + states.imag**2
        tensor = density.reshape(n_particles, *(2,) * n, n_samples)
        measured = [1 + qubit for qubit in reversed(self._program.measured)]
        rest = tuple(axis for axis in range(1, n + 1) if axis not in measured)
        summed = tensor.sum(axis=rest, dtype=np.float64)
        kept = sorted(measured)
        order = (0, len(kept) + 1, *(1 + kept.index(axis) for axis in measured))
        return np.ascontiguousarray(summed.transpose(order)).reshape(n_particles, n_samples, -1)

    def _slope(self, slope: Array, states: States) -> States:
        """Gradient of the states `[P, 2^n, N]`, given that of the probabilities `[P, N, 2^m]`."""
        n, n_particles, n_samples = self._program.n_qubits, states.shape[0], states.shape[2]
        measured = [1 + qubit for qubit in reversed(self._program.measured)]
        m, kept = len(measured), sorted(measured)
        tensor = slope.reshape(n_particles, n_samples, *(2,) * m)
        tensor = tensor.transpose(0, *(2 + measured.index(axis) for axis in kept), 1)
        shape = [2 if 1 + qubit in kept else 1 for qubit in range(n)]
        spread = tensor.reshape(n_particles, *shape, n_samples).astype(states.real.dtype)
        flow = spread * np.conj(states).reshape(n_particles, *(2,) * n, n_samples)
        return np.asarray(flow).reshape(states.shape)
