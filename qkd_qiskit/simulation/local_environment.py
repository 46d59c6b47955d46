"""Environments of single blocks: all samples' probabilities as a linear map of one block's matrix.

With forward states of the samples before a block and the observables behind it, every outcome probability
is linear in the block's 16x16 Pauli transfer matrix. A sub-swarm over the weights of that block then costs
one small matrix product a move (cooperative swarm: F. van den Bergh, A. P. Engelbrecht, IEEE Trans. Evol.
Comput. 8, 225, 2004).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.block_matrices import BlockMatrices
from qkd_qiskit.simulation.compiled_circuit import CONSTANT, CompiledCircuit
from qkd_qiskit.simulation.contraction import SampleVectors
from qkd_qiskit.simulation.contraction_plan import ContractionPlan, ObservableStep
from qkd_qiskit.simulation.observable_side import contract_observables
from qkd_qiskit.simulation.outcomes import read_out, weight_waves
from qkd_qiskit.simulation.threads import one_blas_thread


@dataclass(frozen=True)
class _Cluster:
    """Forward states `[samples, elements]` of qubits that are not in a product with each other."""

    qubits: tuple[int, ...]
    axes: tuple[int, ...]
    states: FloatArray


class LocalEnvironment:
    """One block, everything around it frozen.

    Attributes:
        block: Position of the block in the compiled circuit.
        weights: Weights of the spec that occur in this block and in no other.
    """

    def __init__(
        self, compiled: CompiledCircuit, step: ObservableStep, weights: tuple[int, ...], around: FloatArray
    ) -> None:
        self.block = step.block
        self.weights = weights
        self._compiled = compiled
        self._rows = list(step.rows)
        self._table = BlockMatrices([compiled.blocks[step.block]])
        self._around = around  # [rows * columns, samples * strings]
        self._n_strings = 2 ** len(compiled.measured) - 1

    def build(self, candidates: FloatArray) -> FloatArray:
        """Return the block's matrices `[P, d, d]` for full weight vectors `[P, W]`; d is 4 or 16."""
        pairs, lone, _ = self._table.build(weight_waves(self._compiled, candidates))
        matrices: FloatArray = (pairs if len(pairs) else lone)[0]
        return matrices

    @one_blas_thread()
    def probabilities(self, matrices: FloatArray) -> FloatArray:
        """Return outcome probabilities `[P, N, 2^m]`, readout errors included, for matrices `[P, d, d]`."""
        flat = matrices[:, self._rows, :].reshape(len(matrices), -1)
        values = (flat @ self._around).reshape(len(matrices), -1, self._n_strings)
        return read_out(self._compiled, values)


class LocalEnvironments:
    """Goes along the circuit block by block; blocks outside the light cone are left out.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import PauliEvaluator, VQCNNSpec
        >>> spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
        >>> evaluator, weights, inputs = PauliEvaluator(spec), np.zeros(spec.n_weights), np.zeros((5, 8))
        >>> sweep = evaluator.environments(weights, inputs)
        >>> for environment in sweep:
        ...     better = weights  # search over environment.weights with environment.probabilities
        ...     sweep.accept(better)
    """

    def __init__(
        self,
        compiled: CompiledCircuit,
        plan: ContractionPlan,
        table: BlockMatrices,
        weights: FloatArray,
        inputs: SampleVectors,
        memory_budget: int,
    ) -> None:
        self._compiled, self._plan = compiled, plan
        needed = 8 * inputs.n_samples * 2 * 4 ** len(plan.qubits)
        if needed > memory_budget:
            raise SimulationError(
                f"expected forward states within the memory budget of {memory_budget / 2**30:.2g} GiB, found "
                f"{needed / 2**30:.2g} GiB for {inputs.n_samples} samples; use fewer samples or "
                "raise memory_budget"
            )
        pairs, lone, _ = table.build(weight_waves(compiled, weights[None]))
        matrices = [
            (lone if block.second is None else pairs)[table.slots[k]].astype(np.float64)
            for k, block in enumerate(compiled.blocks)
        ]
        self._operands: list[Array] = []
        contract_observables(ArrayOps(), plan, plan.cut(matrices), self._operands)
        self._clusters = [
            _Cluster(qubits, (4,) * len(qubits), states.astype(np.float64))
            for qubits, states in inputs.vectors(plan)
        ]
        self._local = local_weights(compiled)
        self._weights = weights
        self._current: LocalEnvironment | None = None

    def __iter__(self) -> Iterator[LocalEnvironment]:
        """Yield the environments in circuit order, going on with the accepted weights after each."""
        for number in range(len(self._plan.observable_steps) - 1, -1, -1):
            step = self._plan.observable_steps[number]
            around = self._around(step, self._operands[number])
            environment = LocalEnvironment(self._compiled, step, self._local[step.block], around)
            self._current = environment
            yield environment
            self._advance(step, environment.build(self._weights[None])[0])

    def accept(self, weights: FloatArray) -> None:
        """Go on with new values of the current block's own weights.

        Raises:
            SimulationError: If there is no current block, or another weight differs.
        """
        if self._current is None:
            raise SimulationError("expected a current block, found none; iterate over the sweep first")
        changed = np.flatnonzero(weights != self._weights)
        if not set(changed.tolist()) <= set(self._current.weights):
            raise SimulationError(
                f"expected changes of weights {list(self._current.weights)} only, found {changed.tolist()}"
            )
        self._weights = weights.copy()

    @one_blas_thread()
    def _around(self, step: ObservableStep, operand: FloatArray) -> FloatArray:
        """Return the factors of the elements of the block's matrix, `[rows * columns, samples * strings]`."""
        pair = self._compiled.blocks[step.block].qubits
        near = self._near(pair)
        beside = [q for q in near.qubits if q not in pair]
        far = [c for c in self._clusters if not set(c.qubits) & set(near.qubits)]
        behind = [q for c in far for q in c.qubits]
        strings = self._plan.n_strings
        tensor = operand.reshape(strings, *step.axes)
        axes = [1 + step.order.index(q) for q in (*behind, *step.inside)]
        tensor = tensor.transpose(*axes, 0, *(1 + step.order.index(q) for q in beside))
        n_samples, width = len(near.states), 4 ** len(pair)
        rows, inner = len(step.rows), near.states.shape[1] // width
        if not far:
            mixed = near.states.reshape(n_samples * width, inner) @ tensor.reshape(rows * strings, inner).T
            mixed = mixed.reshape(n_samples, width, rows, strings)
            return np.ascontiguousarray(mixed.transpose(2, 1, 0, 3)).reshape(rows * width, -1)
        vectors = far[0].states
        for cluster in far[1:]:
            vectors = (vectors[:, :, None] * cluster.states[:, None, :]).reshape(n_samples, -1)
        met = (vectors @ tensor.reshape(vectors.shape[1], -1)).reshape(n_samples, rows * strings, inner)
        mixed = np.matmul(met, near.states.reshape(n_samples, width, inner).swapaxes(1, 2))
        mixed = mixed.reshape(n_samples, rows, strings, width)
        return np.ascontiguousarray(mixed.transpose(1, 3, 0, 2)).reshape(rows * width, -1)

    def _near(self, pair: tuple[int, ...]) -> _Cluster:
        """Return states of the clusters that a block touches, its own qubits leading."""
        touched = [c for c in self._clusters if set(c.qubits) & set(pair)]
        states = touched[0].states
        for cluster in touched[1:]:
            states = (states[:, :, None] * cluster.states[:, None, :]).reshape(len(states), -1)
        qubits = tuple(q for c in touched for q in c.qubits)
        shape = tuple(size for c in touched for size in c.axes)
        order = [qubits.index(q) for q in (*pair, *(q for q in qubits if q not in pair))]
        tensor = states.reshape(len(states), *shape).transpose(0, *(1 + axis for axis in order))
        states = np.ascontiguousarray(tensor).reshape(len(states), -1)
        return _Cluster(tuple(qubits[axis] for axis in order), tuple(shape[axis] for axis in order), states)

    @one_blas_thread()
    def _advance(self, step: ObservableStep, matrix: FloatArray) -> None:
        """Let the block act on the forward states; a qubit that nothing reads afterwards is dropped."""
        pair = self._compiled.blocks[step.block].qubits
        near = self._near(pair)
        states = near.states.reshape(len(near.states), matrix.shape[1], -1)
        states = np.matmul(matrix[list(step.rows)], states).reshape(len(states), -1)
        beside = len(pair)
        inside = tuple(step.axes[step.order.index(q)] for q in step.inside)
        merged = _Cluster((*step.inside, *near.qubits[beside:]), (*inside, *near.axes[beside:]), states)
        self._clusters = [c for c in self._clusters if not set(c.qubits) & set(near.qubits)] + [merged]


def local_weights(compiled: CompiledCircuit) -> list[tuple[int, ...]]:
    """Return for each block the weights that occur in it and nowhere else."""
    slopes = compiled.weight_angles[1]
    present = np.zeros((len(compiled.blocks), slopes.shape[0]), dtype=bool)
    for k, block in enumerate(compiled.blocks):
        for stage in block.stages:
            for steps in (stage.first, stage.second, stage.two_qubit):
                for angle in steps.angles:
                    if angle != CONSTANT:
                        present[k] |= slopes[:, angle] != 0
    alone = present.sum(axis=0) == 1
    return [tuple(np.flatnonzero(row & alone).tolist()) for row in present]
