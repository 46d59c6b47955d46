"""State vectors: the ideal path, for a whole swarm or with gradients.

Few samples go through the circuit as they are. Of many, the basis states go through instead: the unitary of
the circuit comes out, and a sample costs one product with it, whatever the number of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.block_matrices import BlockMatrices
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.contraction import sample_slices
from qkd_qiskit.simulation.cost_model import mixing_seconds, state_gradient_seconds, state_seconds
from qkd_qiskit.simulation.gate_fusion import (
    apply_matrix,
    group_matrices,
    matrix_gradient,
    plan_groups,
    pull_matrices,
)
from qkd_qiskit.simulation.input_states import InputStates, States, mix, mix_gradient
from qkd_qiskit.simulation.outcomes import angle_gradient, weight_waves
from qkd_qiskit.simulation.ptm import UNITARY

Loss = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Maps probabilities `[P, N, 2^m]` to values `[P]` and their derivatives `[P, N, 2^m]`."""

_CHUNK_BYTES = 32 * 2**20


class StateVectorSimulator:
    """Evolves states through the fused unitaries, vectorized over particles and samples."""

    def __init__(
        self, compiled: CompiledCircuit, dtype: type[np.complexfloating[Any, Any]] = np.complex128
    ) -> None:
        """Plan the passes through the circuit.

        Args:
            compiled: Circuit compiled in the basis `UNITARY`, without noise.
            dtype: Of the states on the way to a gradient; matrices stay in double precision.
        """
        self._compiled = compiled
        self._dtype = dtype
        self._groups = plan_groups(compiled)
        self._table = BlockMatrices(compiled.blocks, np.complex128, UNITARY)
        self._inputs = InputStates(compiled)

    def seconds(self, n_samples: int, *, gradient: bool = False) -> float:
        """Return seconds that a particle is predicted to take, by the better way."""
        return min(self._costs(n_samples, gradient=gradient))

    def _costs(self, n_samples: int, *, gradient: bool) -> tuple[float, float]:
        """Return seconds with the samples' own states, and with the basis states."""

        def way(columns: int) -> float:
            if gradient:
                return state_gradient_seconds(self._compiled, len(self._groups), columns)
            return state_seconds(self._compiled, columns)

        n, n_basis, real = self._compiled.n_qubits, self._inputs.n_basis, self._inputs.is_given
        mixing = mixing_seconds(n, n_basis, n_samples, real=real, gradient=gradient)
        return way(n_samples), way(n_basis) + mixing

    def _mixes(self, n_samples: int, *, gradient: bool) -> bool:
        own, mixed = self._costs(n_samples, gradient=gradient)
        return mixed < own

    def probabilities(self, weights: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return ideal outcome probabilities `[P, N, 2^m]`.

        Args:
            weights: Radians, `[P, W]`.
            inputs: Encoded samples `[N, F]`: angles, or real states if the circuit has no inputs.
        """
        out = np.empty((len(weights), len(inputs), 2 ** len(self._compiled.measured)))
        if self._mixes(len(inputs), gradient=False):
            basis = self._inputs.basis()
            for chunk in self._chunks(len(weights), basis):
                unitary = self._evolve(basis, weights[chunk])
                for part in self._parts(len(inputs), len(unitary)):
                    coordinates = self._inputs.coordinates(inputs[part])
                    out[chunk, part] = self._read(mix(unitary, coordinates))
            return out
        for part in self._parts(len(inputs)):
            start = self._inputs.states(inputs[part])
            for chunk in self._chunks(len(weights), start):
                out[chunk, part] = self._read(self._evolve(start, weights[chunk]))
        return out

    def loss_and_gradient(
        self, weights: FloatArray, inputs: FloatArray, loss: Loss
    ) -> tuple[FloatArray, FloatArray]:
        """Return ideal loss `[P]` and its exact gradient `[P, W]`, by one pass back through the states.

        Args:
            weights: Radians, `[P, W]`.
            inputs: As for `probabilities`.
            loss: Maps probabilities `[P, N, 2^m]` to values `[P]` and derivatives of their shape.
        """
        found = [self._gradient(row[None], inputs, loss) for row in weights]
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def _gradient(self, weights: FloatArray, inputs: FloatArray, loss: Loss) -> tuple[FloatArray, FloatArray]:
        waves = weight_waves(self._compiled, weights)
        pairs, lone, tape = self._table.build(waves)
        blocks = self._of_blocks(pairs, lone)
        groups, tapes = group_matrices(self._groups, blocks)
        fused = [matrix.astype(self._dtype) for matrix in groups]
        through = self._mixed if self._mixes(len(inputs), gradient=True) else self._sampled
        values, totals = through(fused, inputs, loss)
        pair_gradient, lone_gradient = np.zeros_like(pairs), np.zeros_like(lone)
        pull_matrices(self._groups, blocks, tapes, totals, self._of_blocks(pair_gradient, lone_gradient))
        # A real loss changes by twice the real part of its holomorphic derivative.
        wave_gradient = 2.0 * self._table.pullback(pair_gradient, lone_gradient, tape).real
        return values, angle_gradient(self._compiled, waves, wave_gradient)

    def _sampled(
        self, fused: Sequence[States], inputs: FloatArray, loss: Loss
    ) -> tuple[FloatArray, list[States]]:
        """Return the loss, and gradients of the groups' matrices, with the samples' own states on the way."""
        parts = list(self._parts(len(inputs), len(fused) + 2))
        kept: list[States] = []
        probabilities = []
        for part in parts:
            # One slice's states are kept; those of several are made again, or they would fill the memory.
            kept = self._forward(fused, self._inputs.states(inputs[part]))
            probabilities.append(self._read(kept[-1]))
        values, slope = loss(np.concatenate(probabilities, axis=1))
        totals = [np.zeros_like(matrix) for matrix in fused]
        for part in parts:
            states = kept if len(parts) == 1 else self._forward(fused, self._inputs.states(inputs[part]))
            self._pull(fused, states, self._slope(slope[:, part], states[-1]), totals)
        return values, totals

    def _mixed(
        self, fused: Sequence[States], inputs: FloatArray, loss: Loss
    ) -> tuple[FloatArray, list[States]]:
        """Return the loss, and gradients of the groups' matrices, with the basis states on the way."""
        states = self._forward(fused, self._inputs.basis())
        parts = list(self._parts(len(inputs), 2))
        out: States = states[-1]
        coordinates: States = out
        probabilities = []
        for part in parts:
            coordinates = self._inputs.coordinates(inputs[part])
            out = mix(states[-1], coordinates)
            probabilities.append(self._read(out))
        values, slope = loss(np.concatenate(probabilities, axis=1))
        flow = np.zeros_like(states[-1])
        for part in parts:
            if len(parts) > 1:
                coordinates = self._inputs.coordinates(inputs[part])
                out = mix(states[-1], coordinates)
            flow += mix_gradient(self._slope(slope[:, part], out), coordinates)
        totals = [np.zeros_like(matrix) for matrix in fused]
        self._pull(fused, states, flow, totals)
        return values, totals

    def _pull(
        self, fused: Sequence[States], states: Sequence[States], flow: States, totals: Sequence[States]
    ) -> None:
        """Add the gradients of the groups' matrices to `totals`, given that of the last states."""
        for k in range(len(fused) - 1, -1, -1):
            qubits = self._groups[k].qubits
            totals[k][...] += matrix_gradient(flow, states[k], qubits)
            if k:
                flow = apply_matrix(np.swapaxes(fused[k], -1, -2), flow, qubits)

    def _evolve(self, start: States, weights: FloatArray) -> States:
        """Return states `[P, 2^n, columns]` after the circuit of each particle."""
        pairs, lone, _ = self._table.build(weight_waves(self._compiled, weights))
        fused, _ = group_matrices(self._groups, self._of_blocks(pairs, lone))
        state = np.broadcast_to(start, (len(weights), *start.shape))
        for group, matrix in zip(self._groups, fused, strict=True):
            state = apply_matrix(matrix, state, group.qubits)
        return state

    def _of_blocks(self, pairs: States, lone: States) -> list[States]:
        """Return for each block its entry in the tables of pairs or of lone qubits."""
        return [
            (lone if block.second is None else pairs)[self._table.slots[k]]
            for k, block in enumerate(self._compiled.blocks)
        ]

    def _forward(self, fused: Sequence[States], start: States) -> list[States]:
        """Return states before each group, and after the last."""
        states = [start[None].astype(self._dtype)]
        for group, matrix in zip(self._groups, fused, strict=True):
            states.append(apply_matrix(matrix, states[-1], group.qubits))
        return states

    def _parts(self, n_samples: int, copies: int = 1) -> Iterator[slice]:
        """Return slices of samples of whose states `copies` fit in a slice's memory."""
        return sample_slices(n_samples, copies * self._dtype().itemsize * 2**self._compiled.n_qubits)

    def _chunks(self, n_particles: int, start: States) -> Iterator[slice]:
        size = max(1, _CHUNK_BYTES // start.nbytes)
        for first in range(0, n_particles, size):
            yield slice(first, min(first + size, n_particles))

    def _read(self, states: States) -> FloatArray:
        """Return outcome probabilities `[P, N, 2^m]` of states `[P, 2^n, N]`."""
        n, n_particles, n_samples = self._compiled.n_qubits, states.shape[0], states.shape[2]
        density = states.real**2 + states.imag**2
        tensor = density.reshape(n_particles, *(2,) * n, n_samples)
        measured = [1 + qubit for qubit in reversed(self._compiled.measured)]
        rest = tuple(axis for axis in range(1, n + 1) if axis not in measured)
        summed = tensor.sum(axis=rest, dtype=np.float64)
        kept = sorted(measured)
        order = (0, len(kept) + 1, *(1 + kept.index(axis) for axis in measured))
        return np.ascontiguousarray(summed.transpose(order)).reshape(n_particles, n_samples, -1)

    def _slope(self, slope: FloatArray, states: States) -> States:
        """Return the gradient of the states `[P, 2^n, N]`, given that of the probabilities `[P, N, 2^m]`."""
        n, n_particles, n_samples = self._compiled.n_qubits, states.shape[0], states.shape[2]
        measured = [1 + qubit for qubit in reversed(self._compiled.measured)]
        m, kept = len(measured), sorted(measured)
        tensor = slope.reshape(n_particles, n_samples, *(2,) * m)
        tensor = tensor.transpose(0, *(2 + measured.index(axis) for axis in kept), 1)
        shape = [2 if 1 + qubit in kept else 1 for qubit in range(n)]
        spread = tensor.reshape(n_particles, *shape, n_samples).astype(states.real.dtype)
        flow = spread * np.conj(states).reshape(n_particles, *(2,) * n, n_samples)
        return np.asarray(flow).reshape(states.shape)
