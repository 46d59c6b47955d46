"""Block matrices of a whole swarm, and the way back from their gradients to the angles.

Steps of all runs and blocks are stacked at compile time, so that building costs a fixed number of array
operations, whatever the number of particles and blocks. Axes: run or block first, then particle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.compiled_circuit import FusedBlock, MatrixFactors
from qkd_qiskit.simulation.ptm import N_HARMONICS, PAULI, MatrixBasis

Index = NDArray[np.intp]


@dataclass(frozen=True)
class _Layer:
    """Step number s of all chains that have one: the first `count` chains."""

    count: int
    coefficients: FloatArray  # [count, H, d * d]
    angles: Index  # [count]; the last row of the harmonics is the constant one


class FactorTable:
    """Products of steps for many chains and particles at once."""

    def __init__(self, chains: Sequence[MatrixFactors], dimension: int, used: Sequence[int]) -> None:
        """Stack the chains.

        Args:
            chains: Chains of steps, all of one dimension.
            dimension: Dimension of the matrices.
            used: Indices of the harmonics that occur, from `used_harmonics`.
        """
        self.n_chains = len(chains)
        self.dimension = dimension
        self._kind = np.result_type(np.float64, *(c for chain in chains for c in chain.coefficients[:1]))
        self._order = sorted(range(len(chains)), key=lambda k: -len(chains[k].angles))
        self.rows = np.argsort(np.array(self._order, dtype=np.intp))
        depth = max((len(chain.angles) for chain in chains), default=0)
        self._layers = []
        for s in range(depth):
            members = [chains[k] for k in self._order if len(chains[k].angles) > s]
            stacked = np.stack([chain.coefficients[s][list(used)] for chain in members])
            self._layers.append(
                _Layer(
                    count=len(members),
                    coefficients=np.ascontiguousarray(stacked.reshape(len(members), len(used), -1)),
                    angles=np.array([chain.angles[s] for chain in members], dtype=np.intp),
                )
            )

    def products(self, waves: FloatArray) -> tuple[FloatArray, list[tuple[FloatArray, FloatArray]]]:
        """Return chain products `[chains, particles, d, d]` (in the table's order) and what `pullback` needs.

        Args:
            waves: Harmonics `[angles + 1, particles, used]`; the last row is the constant one.
        """
        n_particles, d = waves.shape[1], self.dimension
        total = np.broadcast_to(np.eye(d, dtype=self._kind), (self.n_chains, n_particles, d, d)).copy()
        tape: list[tuple[FloatArray, FloatArray]] = []
        for depth, layer in enumerate(self._layers):
            step = np.matmul(waves[layer.angles], layer.coefficients)
            step = step.reshape(layer.count, n_particles, d, d)
            before = total[: layer.count].copy() if depth else total[: layer.count]
            tape.append((step, before))
            if depth == 0:
                total = np.concatenate([step, total[layer.count :]]) if layer.count < self.n_chains else step
            else:
                total = np.concatenate([np.matmul(step, before), total[layer.count :]])
        return total, tape

    def pullback(
        self, gradient: FloatArray, tape: list[tuple[FloatArray, FloatArray]], wave_gradient: FloatArray
    ) -> None:
        """Add to `wave_gradient` `[angles + 1, particles, used]` what the products' gradient gives."""
        gradient = gradient.copy()
        for depth in range(len(self._layers) - 1, -1, -1):
            layer, (step, before) = self._layers[depth], tape[depth]
            outer = gradient[: layer.count]
            step_gradient = outer if depth == 0 else np.matmul(outer, np.swapaxes(before, -1, -2))
            flat = step_gradient.reshape(layer.count, outer.shape[1], -1)
            np.add.at(wave_gradient, layer.angles, np.matmul(flat, np.swapaxes(layer.coefficients, -1, -2)))
            if depth:
                gradient[: layer.count] = np.matmul(np.swapaxes(step, -1, -2), outer)


def used_harmonics(chains: Sequence[MatrixFactors]) -> list[int]:
    """Return which harmonics have a coefficient at all; halves of angles rarely do."""
    present = np.zeros(N_HARMONICS, dtype=bool)
    present[0] = True
    for chain in chains:
        for coefficients in chain.coefficients:
            present |= np.abs(coefficients).max(axis=(1, 2)) > 0
    return [int(k) for k in np.flatnonzero(present)]


@dataclass(frozen=True)
class _Level:
    """Stage number s of all blocks that have one: the first `count` two-qubit blocks."""

    count: int
    first: Index  # run of each block
    second: Index
    constant: FloatArray | None  # [count, 1, d, d] when no two-qubit step of this level has an angle
    gates: Index | None  # otherwise the chain of each block in the table of two-qubit steps


class BlockMatrices:
    """All blocks of a compiled circuit: d x d matrices of pairs, sqrt(d) x sqrt(d) ones of lone qubits."""

    def __init__(
        self,
        blocks: Sequence[FusedBlock],
        dtype: type[np.number[Any]] = np.float64,
        basis: MatrixBasis = PAULI,
    ) -> None:
        self._width = basis.levels**2
        pairs = [k for k, block in enumerate(blocks) if block.second is not None]
        pairs.sort(key=lambda k: -len(blocks[k].stages))
        lone = [k for k, block in enumerate(blocks) if block.second is None]
        self.slots = {k: slot for slot, k in enumerate(pairs)} | {k: slot for slot, k in enumerate(lone)}
        self.n_pairs = len(pairs)
        runs: list[MatrixFactors] = []
        gates: list[MatrixFactors] = []
        plans: list[tuple[Index, Index, FloatArray | None, Index | None]] = []
        depth = max((len(blocks[k].stages) for k in pairs), default=0)
        for s in range(depth):
            stages = [blocks[k].stages[s] for k in pairs if len(blocks[k].stages) > s]
            first = np.arange(len(runs), len(runs) + len(stages))
            runs += [stage.first for stage in stages]
            second = np.arange(len(runs), len(runs) + len(stages))
            runs += [stage.second for stage in stages]
            if all(stage.two_qubit.is_constant for stage in stages):
                plans.append(
                    (first, second, np.stack([stage.two_qubit.constant() for stage in stages]), None)
                )
            else:
                chosen = np.arange(len(gates), len(gates) + len(stages))
                gates += [stage.two_qubit for stage in stages]
                plans.append((first, second, None, chosen))
        lone_runs = np.arange(len(runs), len(runs) + len(lone))
        runs += [blocks[k].stages[0].first for k in lone]
        self._used = used_harmonics([*runs, *gates])
        self._runs = FactorTable(runs, basis.levels, self._used)
        self._gates = FactorTable(gates, basis.levels**2, self._used)
        self._lone = self._runs.rows[lone_runs]
        self._levels = [
            _Level(
                count=len(first),
                first=self._runs.rows[first],
                second=self._runs.rows[second],
                constant=None if constant is None else constant[:, None].astype(dtype),
                gates=None if chosen is None else self._gates.rows[chosen],
            )
            for first, second, constant, chosen in plans
        ]
        self._dtype = dtype
        self._real = np.empty(0, dtype=dtype).real.dtype

    def build(self, waves: FloatArray) -> tuple[FloatArray, FloatArray, Tape]:
        """Return matrices of pairs and of lone qubits, `[blocks, particles, d, d]`, and the tape."""
        waves = np.ascontiguousarray(waves[..., self._used], dtype=self._real)
        runs, run_tape = self._runs.products(waves)
        gates, gate_tape = self._gates.products(waves)
        total = np.empty((self.n_pairs, waves.shape[1], *(self._width,) * 2), dtype=self._dtype)
        trail: list[tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]] = []
        for s, level in enumerate(self._levels):
            first, second = runs[level.first], runs[level.second]
            local = _kron(first, second)
            before = total[: level.count].copy() if s else None
            middle = local if before is None else np.matmul(local, before)
            gate = level.constant if level.gates is None else gates[level.gates]
            assert gate is not None
            total[: level.count] = np.matmul(gate, middle)
            trail.append((first, second, before, None if level.gates is None else middle))
        return total, runs[self._lone], Tape(waves, run_tape, gate_tape, runs.shape, gates, trail)

    def pullback(self, pair_gradient: FloatArray, lone_gradient: FloatArray, tape: Tape) -> FloatArray:
        """Return the gradient with respect to the harmonics, `[angles + 1, particles, H]`."""
        waves, kind = tape.waves, pair_gradient.dtype
        wave_gradient = np.zeros(waves.shape, dtype=kind)
        run_gradient = np.zeros(tape.run_shape, dtype=kind)
        gate_gradient = np.zeros_like(tape.gates)
        run_gradient[self._lone] = lone_gradient
        gradient = pair_gradient.copy()
        for level, (first, second, before, middle) in zip(
            reversed(self._levels), reversed(tape.trail), strict=True
        ):
            outer = gradient[: level.count]
            if level.gates is None:
                gate = level.constant
            else:
                gate = tape.gates[level.gates]
                assert middle is not None
                gate_gradient[level.gates] = np.matmul(outer, np.swapaxes(middle, -1, -2))
            assert gate is not None
            inner = np.matmul(np.swapaxes(gate, -1, -2), outer)
            if before is None:
                local = inner
            else:
                local = np.matmul(inner, np.swapaxes(before, -1, -2))
                gradient[: level.count] = np.matmul(np.swapaxes(_kron(first, second), -1, -2), inner)
            run_gradient[level.first], run_gradient[level.second] = _kron_pullback(local, first, second)
        self._runs.pullback(run_gradient, tape.runs, wave_gradient)
        self._gates.pullback(gate_gradient, tape.gate_steps, wave_gradient)
        full = np.zeros((*waves.shape[:-1], N_HARMONICS), dtype=kind)
        full[..., self._used] = wave_gradient
        return full


@dataclass(frozen=True)
class Tape:
    """Intermediate results of `BlockMatrices.build` that its pullback needs."""

    waves: FloatArray
    runs: list[tuple[FloatArray, FloatArray]]
    gate_steps: list[tuple[FloatArray, FloatArray]]
    run_shape: tuple[int, ...]
    gates: FloatArray
    trail: list[tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]]


def _kron(first: FloatArray, second: FloatArray) -> FloatArray:
    product = first[..., :, None, :, None] * second[..., None, :, None, :]
    size = first.shape[-1] * second.shape[-1]
    return product.reshape(*first.shape[:-2], size, size)


def _kron_pullback(
    gradient: FloatArray, first: FloatArray, second: FloatArray
) -> tuple[FloatArray, FloatArray]:
    # index order [..., i, j, k, l] with rows (i, j) and columns (k, l)
    d = first.shape[-1]
    tensor = gradient.reshape(*gradient.shape[:-2], d, d, d, d)
    by_pair = np.swapaxes(tensor, -3, -2)  # [..., i, k, j, l]
    flat = by_pair.reshape(*gradient.shape[:-2], d * d, d * d)
    to_first = np.matmul(flat, second.reshape(*second.shape[:-2], d * d, 1))
    to_second = np.matmul(first.reshape(*first.shape[:-2], 1, d * d), flat)
    return to_first.reshape(first.shape), to_second.reshape(second.shape)
