"""Backward sweep of all Z-strings on the measured qubits through the blocks (Heisenberg picture).

The observables of one particle are one array: an axis of length 4 for each qubit of the light cone, in
chain order, and a last axis for the 2^m - 1 Z-strings. It starts on the measured qubits; a block that
touches one more qubit multiplies it by 4, a block outside the light cone is skipped. The plan is made once
for each program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.simulation.basis import Array
from qkd_qiskit.simulation.fused import Program


@dataclass(frozen=True)
class Step:
    """One block's turn.

    Attributes:
        block: Index of the block in the program.
        lone: Whether it acts on one qubit only.
        columns: Which of the block's 16 outputs the observable can be on: all, or those with I on one qubit.
        permutation: Order of the axes that brings the block's qubits to the front; None when they are there.
        shape: Axes of the operand before the permutation, the observables' axis left out.
        right: Product of the axes behind the pair's, the observables' axis included.
        order: Qubit of each axis of the operand, after the permutation.
        inside: The block's qubits among them; the others come in with this step.
    """

    block: int
    lone: bool
    columns: tuple[int, ...]
    permutation: tuple[int, ...] | None
    shape: tuple[int, ...]
    right: int
    order: tuple[int, ...]
    inside: tuple[int, ...]


@dataclass(frozen=True)
class SweepPlan:
    """Order of work of a backward sweep.

    Attributes:
        steps: Blocks in the order of the sweep.
        clusters: Groups of qubits whose input vectors enter as products: a lone qubit, or a pair with a
            first block that acts on the inputs instead (`heads`).
        heads: For each cluster the block that acts on its input vectors, or None.
        final_permutation: Order of the axes that puts the clusters side by side; None when they are.
        n_observables: Number of Z-strings.
        start: Array of the observables on the measured qubits, flat.
        sizes: Elements a particle before each step and at the end.
    """

    steps: tuple[Step, ...]
    clusters: tuple[tuple[int, ...], ...]
    heads: tuple[int | None, ...]
    final_permutation: tuple[int, ...] | None
    final_shape: tuple[int, ...]
    n_observables: int
    start: Array
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
        """Floating point operations of the sweep for one particle."""
        return float(sum(2 * s.right * (4 if s.lone else 16) * len(s.columns) for s in self.steps))


def z_strings(measured: Sequence[int], support: Sequence[int]) -> Array:
    """Pauli coefficients `[4, ..., 4, 2^m - 1]`; string s has Z on the bits that are set in s + 1."""
    m = len(measured)
    start = np.zeros((4,) * m + (2**m - 1,))
    for string in range(1, 2**m):
        index = [0] * m
        for bit, qubit in enumerate(measured):
            if string >> bit & 1:
                index[support.index(qubit)] = 3
        start[(*index, string - 1)] = 1.0
    return start


def plan_sweep(program: Program, *, use_heads: bool) -> SweepPlan:
    """Plan the backward sweep.

    Args:
        program: The compiled circuit.
        use_heads: Whether blocks that come first on their qubits act on the inputs instead of on the
            observables.
    """
    heads = _first_blocks(program) if use_heads else {}
    order = sorted(program.measured)
    n_observables = 2 ** len(order) - 1
    start = z_strings(program.measured, order)
    steps: list[Step] = []
    sizes = [start.size]
    for k in range(len(program.blocks) - 1, -1, -1):
        block = program.blocks[k]
        pair = [block.first] if block.second is None else [block.first, block.second]
        inside = [qubit for qubit in pair if qubit in order]
        if not inside or (k in heads and len(inside) == len(pair)):
            continue
        if k in heads:
            heads.pop(k)
        n_axes = len(order)
        permutation: tuple[int, ...] | None = None
        front = tuple(order.index(qubit) for qubit in inside)
        shape = (4,) * n_axes
        if front != tuple(range(len(inside))):
            permutation = (*front, *(axis for axis in range(n_axes) if axis not in front))
            order = [order[axis] for axis in permutation]
        if len(inside) == len(pair):
            columns = tuple(range(4 ** len(pair)))
        elif inside[0] == block.first:
            columns = (0, 4, 8, 12)
        else:
            columns = (0, 1, 2, 3)
        right = 4 ** (n_axes - len(inside)) * n_observables
        steps.append(
            Step(k, block.second is None, columns, permutation, shape, right, tuple(order), tuple(inside))
        )
        order[: len(inside)] = pair
        sizes.append(4 ** len(order) * n_observables)
    return _close(program, heads, order, steps, sizes, start, n_observables)


def _close(
    program: Program,
    heads: dict[int, None],
    order: list[int],
    steps: list[Step],
    sizes: list[int],
    start: Array,
    n_observables: int,
) -> SweepPlan:
    """Group the remaining qubits into clusters and bring them into chain order."""
    clusters: dict[tuple[int, ...], int | None] = {}
    grouped: set[int] = set()
    for k in heads:
        block = program.blocks[k]
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
    return SweepPlan(
        steps=tuple(steps),
        clusters=tuple(ordered),
        heads=tuple(clusters[cluster] for cluster in ordered),
        final_permutation=None if final == order else permutation,
        final_shape=(4,) * len(order),
        n_observables=n_observables,
        start=start.reshape(-1),
        sizes=tuple(sizes),
    )


def _first_blocks(program: Program) -> dict[int, None]:
    """Blocks before which nothing acts on their qubits."""
    seen: set[int] = set()
    found: dict[int, None] = {}
    for k, block in enumerate(program.blocks):
        pair = {block.first} if block.second is None else {block.first, block.second}
        if not pair & seen:
            found[k] = None
        seen |= pair
    return found


def run_sweep(plan: SweepPlan, matrices: Sequence[Array], *, keep: bool) -> tuple[Array, list[Array]]:
    """Observables at the inputs, `[particles, 4^n * (2^m - 1)]`, and each step's operand if `keep`.

    Args:
        plan: The plan.
        matrices: For each block of the program its matrices `[particles, d, d]`.
        keep: Whether to keep the operands for `pull_sweep`.
    """
    n_particles = matrices[0].shape[0] if matrices else 1
    dtype = matrices[0].dtype if matrices else plan.start.dtype
    state = np.broadcast_to(plan.start.astype(dtype), (n_particles, plan.start.size))
    tape: list[Array] = []
    for step in plan.steps:
        operand = _bring_together(state, step, plan.n_observables)
        if keep:
            tape.append(operand)
        state = np.matmul(_factor(matrices, step), operand).reshape(n_particles, -1)
    return _permute(state, plan.final_permutation, plan.final_shape, plan.n_observables), tape


def pull_sweep(
    plan: SweepPlan, matrices: Sequence[Array], tape: list[Array], gradient: Array, into: Sequence[Array]
) -> None:
    """Add the gradient of every block's matrix to `into`, given that of the observables at the inputs.

    `into` holds for each block of the program an array of the shape of its matrices.
    """
    n_particles = gradient.shape[0]
    if plan.final_permutation is not None:
        inverse = tuple(np.argsort(plan.final_permutation))
        gradient = _permute(gradient, inverse, plan.final_shape, plan.n_observables)
    for number in range(len(plan.steps) - 1, -1, -1):
        step, operand = plan.steps[number], tape[number]
        width = 4 if step.lone else 16
        outer = gradient.reshape(n_particles, width, step.right)
        flow = np.matmul(outer, np.swapaxes(operand, -1, -2))  # [P, width, columns]
        into[step.block][:, list(step.columns), :] += np.swapaxes(flow, -1, -2)
        if number == 0:
            return
        factor = _factor(matrices, step)
        gradient = np.matmul(np.swapaxes(factor, -1, -2), outer).reshape(n_particles, -1)
        if step.permutation is not None:
            inverse = tuple(np.argsort(step.permutation))
            gradient = _permute(gradient, inverse, step.shape, plan.n_observables)


def _factor(matrices: Sequence[Array], step: Step) -> Array:
    """The transposed block, cut to the columns that matter: `[particles, width, columns]`."""
    matrix = matrices[step.block]
    if len(step.columns) < matrix.shape[-2]:
        matrix = matrix[:, list(step.columns), :]
    return np.swapaxes(matrix, -1, -2)


def _bring_together(state: Array, step: Step, n_observables: int) -> Array:
    if step.permutation is not None:
        state = _permute(state, step.permutation, step.shape, n_observables)
    return state.reshape(state.shape[0], len(step.columns), step.right)


def _permute(
    state: Array, permutation: tuple[int, ...] | None, shape: tuple[int, ...], n_observables: int
) -> Array:
    if permutation is None:
        return state
    tensor = state.reshape(state.shape[0], *shape, n_observables)
    axes = (0, *(axis + 1 for axis in permutation), len(shape) + 1)
    return np.ascontiguousarray(tensor.transpose(axes)).reshape(state.shape)
