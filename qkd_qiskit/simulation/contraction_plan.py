"""Backward contraction of all Z-strings on the measured qubits through the blocks (Heisenberg picture).

The observables of one particle are one array: a first axis for the 2^m - 1 Z-strings, then an axis of length
4 for each qubit of the light cone, in chain order. It starts on the measured qubits; a block that touches one
more qubit multiplies it by 4, a block outside the light cone is skipped. Blocks on neighbours work in place;
only routed circuits move axes. The plan is made once for each compiled circuit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit


@dataclass(frozen=True)
class ContractionStep:
    """One block's step.

    Attributes:
        block: Index of the block in the compiled circuit.
        lone: Whether it acts on one qubit only.
        columns: Which of the block's 16 outputs the observable can be on: all, or those with I on one qubit.
        permutation: Order of the axes that brings the block's qubits side by side; None when they are.
        left: Product of the axes before the pair's, the observables' axis left out.
        right: Product of the axes behind the pair's.
        order: Qubit of each axis of the operand, after the permutation.
        inside: The block's qubits among them; the others come in with this step.
    """

    block: int
    lone: bool
    columns: tuple[int, ...]
    permutation: tuple[int, ...] | None
    left: int
    right: int
    order: tuple[int, ...]
    inside: tuple[int, ...]


@dataclass(frozen=True)
class ContractionPlan:
    """Order of work of a backward contraction.

    Attributes:
        steps: Blocks in the order of the contraction.
        clusters: Groups of qubits whose input vectors enter as products: a lone qubit, or a pair with a
            first block that acts on the inputs instead (`input_blocks`).
        input_blocks: For each cluster the block that acts on its input vectors, or None.
        final_permutation: Order of the axes that puts the clusters side by side; None when they are.
        n_observables: Number of Z-strings.
        start: Array of the observables on the measured qubits, flat.
        sizes: Elements a particle before each step and at the end.
    """

    steps: tuple[ContractionStep, ...]
    clusters: tuple[tuple[int, ...], ...]
    input_blocks: tuple[int | None, ...]
    final_permutation: tuple[int, ...] | None
    n_observables: int
    start: FloatArray
    sizes: tuple[int, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """Qubits of the light cone, in the order of the final axes."""
        return tuple(qubit for cluster in self.clusters for qubit in cluster)

    @property
    def peak(self) -> int:
        """Elements of the largest array of one particle."""
        return max(self.sizes)

    @property
    def operations(self) -> float:
        """Floating point operations of the contraction for one particle."""
        sizes = (s.left * s.right * (4 if s.lone else 16) * len(s.columns) for s in self.steps)
        return 2.0 * self.n_observables * sum(sizes)


def z_strings(measured: Sequence[int], support: Sequence[int]) -> FloatArray:
    """Return Pauli coefficients `[2^m - 1, 4, ..., 4]`; string s has Z on the bits that are set in s + 1."""
    m = len(measured)
    start = np.zeros((2**m - 1, *(4,) * m))
    for string in range(1, 2**m):
        index = [0] * m
        for bit, qubit in enumerate(measured):
            if string >> bit & 1:
                index[support.index(qubit)] = 3
        start[(string - 1, *index)] = 1.0
    return start


def plan_contraction(compiled: CompiledCircuit, *, use_input_blocks: bool) -> ContractionPlan:
    """Plan the backward contraction.

    Args:
        compiled: The compiled circuit.
        use_input_blocks: Whether blocks that come first on their qubits act on the inputs instead of on the
            observables.
    """
    input_blocks = _first_blocks(compiled) if use_input_blocks else {}
    order = sorted(compiled.measured)
    n_observables = 2 ** len(order) - 1
    start = z_strings(compiled.measured, order)
    steps: list[ContractionStep] = []
    sizes = [start.size]
    for k in range(len(compiled.blocks) - 1, -1, -1):
        block = compiled.blocks[k]
        pair = [block.first] if block.second is None else [block.first, block.second]
        inside = [qubit for qubit in pair if qubit in order]
        if not inside or (k in input_blocks and len(inside) == len(pair)):
            continue
        if k in input_blocks:
            input_blocks.pop(k)
        permutation: tuple[int, ...] | None = None
        if len(inside) == 2 and order.index(inside[1]) != order.index(inside[0]) + 1:
            moved = [qubit for qubit in order if qubit != inside[1]]
            moved.insert(moved.index(inside[0]) + 1, inside[1])
            permutation = tuple(order.index(qubit) for qubit in moved)
            order = moved
        if len(inside) == len(pair):
            columns = tuple(range(4 ** len(pair)))
        elif inside[0] == block.first:
            columns = (0, 4, 8, 12)
        else:
            columns = (0, 1, 2, 3)
        place = order.index(inside[0])
        left, right = 4**place, 4 ** (len(order) - place - len(inside))
        lone = block.second is None
        steps.append(ContractionStep(k, lone, columns, permutation, left, right, tuple(order), tuple(inside)))
        order[place : place + len(inside)] = pair
        sizes.append(4 ** len(order) * n_observables)
    return _close(compiled, input_blocks, order, steps, sizes, start, n_observables)


def _close(
    compiled: CompiledCircuit,
    input_blocks: dict[int, None],
    order: list[int],
    steps: list[ContractionStep],
    sizes: list[int],
    start: FloatArray,
    n_observables: int,
) -> ContractionPlan:
    """Group the remaining qubits into clusters and bring them into chain order."""
    clusters: dict[tuple[int, ...], int | None] = {}
    grouped: set[int] = set()
    for k in input_blocks:
        block = compiled.blocks[k]
        pair = (block.first,) if block.second is None else (block.first, block.second)
        if all(qubit in order for qubit in pair):
            clusters[pair] = k
            grouped.update(pair)
    for qubit in order:
        if qubit not in grouped:
            clusters[(qubit,)] = None
    ordered = sorted(clusters)
    final = [qubit for cluster in ordered for qubit in cluster]
    permutation = tuple(order.index(qubit) for qubit in final)
    return ContractionPlan(
        steps=tuple(steps),
        clusters=tuple(ordered),
        input_blocks=tuple(clusters[cluster] for cluster in ordered),
        final_permutation=None if final == order else permutation,
        n_observables=n_observables,
        start=start.reshape(-1),
        sizes=tuple(sizes),
    )


def _first_blocks(compiled: CompiledCircuit) -> dict[int, None]:
    """Return blocks before which nothing acts on their qubits."""
    seen: set[int] = set()
    found: dict[int, None] = {}
    for k, block in enumerate(compiled.blocks):
        pair = {block.first} if block.second is None else {block.first, block.second}
        if not pair & seen:
            found[k] = None
        seen |= pair
    return found


def contract_backward(
    plan: ContractionPlan, matrices: Sequence[FloatArray], *, keep: bool
) -> tuple[FloatArray, list[FloatArray]]:
    """Return observables at the inputs, `[particles, 4^n * (2^m - 1)]`, and each step's operand if `keep`.

    Args:
        plan: The plan.
        matrices: For each block of the compiled circuit its matrices `[particles, d, d]`.
        keep: Whether to keep the operands for `pull_back`.

    Returns:
        The observables, strings last, and the operands `[particles, strings * left, columns, right]`.
    """
    n_particles = matrices[0].shape[0] if matrices else 1
    dtype = matrices[0].dtype if matrices else plan.start.dtype
    state = np.broadcast_to(plan.start.astype(dtype), (n_particles, plan.start.size))
    tape: list[FloatArray] = []
    for step in plan.steps:
        state = _permute(plan, state, step.permutation, len(step.order))
        operand = state.reshape(n_particles, plan.n_observables * step.left, len(step.columns), step.right)
        if keep:
            tape.append(operand)
        state = act(_factor(matrices, step), operand).reshape(n_particles, -1)
    state = _permute(plan, state, plan.final_permutation, len(plan.qubits))
    last = state.reshape(n_particles, plan.n_observables, -1).swapaxes(1, 2)
    return np.ascontiguousarray(last).reshape(n_particles, -1), tape


def pull_back(
    plan: ContractionPlan,
    matrices: Sequence[FloatArray],
    tape: list[FloatArray],
    gradient: FloatArray,
    into: Sequence[FloatArray],
) -> None:
    """Add the gradient of every block's matrix to `into`, given that of the observables at the inputs.

    `into` holds for each block of the compiled circuit an array of the shape of its matrices.
    """
    n_particles = gradient.shape[0]
    first = gradient.reshape(n_particles, -1, plan.n_observables).swapaxes(1, 2)
    gradient = np.ascontiguousarray(first).reshape(n_particles, -1)
    gradient = _permute(plan, gradient, _inverse(plan.final_permutation), len(plan.qubits))
    for number in range(len(plan.steps) - 1, -1, -1):
        step, operand = plan.steps[number], tape[number]
        outer = gradient.reshape(n_particles, operand.shape[1], 4 if step.lone else 16, step.right)
        into[step.block][:, list(step.columns), :] += act_gradient(operand, outer)
        if number == 0:
            return
        gradient = act(np.swapaxes(_factor(matrices, step), -1, -2), outer).reshape(n_particles, -1)
        gradient = _permute(plan, gradient, _inverse(step.permutation), len(step.order))


# Up to this many columns to its right, a matrix is spread over them: a product of many tiny matrices is slow.
_FEW_COLUMNS = 4


def act(matrix: FloatArray, operand: FloatArray) -> FloatArray:
    """Apply matrices `[P, d, c]` to the third axis of operands `[P, left, c, right]`."""
    n_particles, left, c, right = operand.shape
    if right > _FEW_COLUMNS:
        return np.asarray(np.matmul(matrix[:, None], operand))
    d = matrix.shape[1]
    spread = _spread(np.swapaxes(matrix, -1, -2), right)
    out = np.matmul(operand.reshape(n_particles, left, c * right), spread)
    return np.asarray(out).reshape(n_particles, left, d, right)


def act_gradient(first: FloatArray, second: FloatArray) -> FloatArray:
    """Sum products of `[P, left, c, right]` and `[P, left, d, right]` over left and right."""
    n_particles, left, c, right = first.shape
    d = second.shape[2]
    if right > _FEW_COLUMNS:
        return np.asarray(np.matmul(first, np.swapaxes(second, -1, -2)).sum(axis=1))
    one, two = first.reshape(n_particles, left, c * right), second.reshape(n_particles, left, d * right)
    product = np.matmul(np.swapaxes(one, -1, -2), two).reshape(n_particles, c, right, d, right)
    return np.asarray(np.einsum("pcrdr->pcd", product))


def _spread(matrix: FloatArray, right: int) -> FloatArray:
    """Return Kronecker products `[P, c * right, d * right]` of matrices `[P, c, d]` with the identity."""
    if right == 1:
        return matrix
    n_particles, c, d = matrix.shape
    out = np.zeros((n_particles, c, right, d, right), dtype=matrix.dtype)
    for column in range(right):
        out[:, :, column, :, column] = matrix
    return out.reshape(n_particles, c * right, d * right)


def _factor(matrices: Sequence[FloatArray], step: ContractionStep) -> FloatArray:
    """Return the transposed block, cut to the columns that matter: `[particles, width, columns]`."""
    matrix = matrices[step.block]
    if len(step.columns) < matrix.shape[-2]:
        matrix = matrix[:, list(step.columns), :]
    return np.swapaxes(matrix, -1, -2)


def _permute(
    plan: ContractionPlan, state: FloatArray, permutation: tuple[int, ...] | None, n_axes: int
) -> FloatArray:
    """Return the state with its qubits' axes in another order."""
    if permutation is None:
        return state
    tensor = state.reshape(state.shape[0], plan.n_observables, *(4,) * n_axes)
    axes = (0, 1, *(axis + 2 for axis in permutation))
    return np.ascontiguousarray(tensor.transpose(axes)).reshape(state.shape)


def _inverse(permutation: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if permutation is None else tuple(int(axis) for axis in np.argsort(permutation))
