"""Blocks that act backwards on the observables: one array a particle, whatever the number of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.contraction_plan import ContractionPlan

# Up to this many columns to its right, a matrix is spread over them: a product of many tiny matrices is slow.
_FEW_COLUMNS = 4


def contract_observables(
    ops: ArrayOps, plan: ContractionPlan, matrices: Mapping[int, Array], tape: list[Array] | None
) -> Array:
    """Return the observables where they meet the samples, `[particles or 1, strings, elements]`.

    Args:
        ops: The array calls.
        plan: The plan.
        matrices: By block of the compiled circuit `[particles, rows, width]`, cut to the rows that are read.
        tape: Takes each step's operand `[particles or 1, strings * left, rows, right]`, for
            `pull_back_observables`; None to forget them.
    """
    xp, strings = ops.xp, plan.n_strings
    state = ops.asarray(plan.start[None])
    for step in plan.observable_steps:
        state = permute(ops, state, step.shape, step.permutation)
        operand = ops.reshape(state, (state.shape[0], strings * step.left, len(step.rows), step.right))
        if tape is not None:
            tape.append(operand)
        state = _act(ops, xp.matrix_transpose(matrices[step.block]), operand)
        state = ops.reshape(state, (state.shape[0], strings, -1))
    return permute(ops, state, plan.meeting.shape, plan.meeting.permutation)


def pull_back_observables(
    ops: ArrayOps,
    plan: ContractionPlan,
    matrices: Mapping[int, Array],
    tape: Sequence[Array],
    gradient: Array,
    into: dict[int, Array],
) -> None:
    """Put the gradient of the blocks' matrices into `into`, given that of the observables."""
    flow = permute_back(ops, gradient, plan.meeting.shape, plan.meeting.permutation)
    for number in range(len(plan.observable_steps) - 1, -1, -1):
        step, operand = plan.observable_steps[number], tape[number]
        outer = ops.reshape(flow, (flow.shape[0], operand.shape[1], step.width, step.right))
        into[step.block] = _act_gradient(ops, operand, outer)
        if number == 0:
            return
        flow = _act(ops, matrices[step.block], outer)
        flow = ops.reshape(flow, (flow.shape[0], plan.n_strings, -1))
        flow = permute_back(ops, flow, step.shape, step.permutation)


def _act(ops: ArrayOps, matrix: Array, operand: Array) -> Array:
    """Apply matrices `[P, d, c]` to the third axis of operands `[P or 1, left, c, right]`."""
    xp = ops.xp
    particles, left, c, right = operand.shape
    d = matrix.shape[1]
    if right > _FEW_COLUMNS:
        return xp.matmul(matrix[:, None, :, :], operand)
    spread = xp.matrix_transpose(matrix)
    if right > 1:
        eye = ops.asarray(_eye(right))
        spread = spread[:, :, None, :, None] * eye[None, None, :, None, :]
    spread = ops.reshape(spread, (matrix.shape[0], c * right, d * right))
    out = xp.matmul(ops.reshape(operand, (particles, left, c * right)), spread)
    return ops.reshape(out, (out.shape[0], left, d, right))


def _act_gradient(ops: ArrayOps, first: Array, second: Array) -> Array:
    """Sum products of `[P or 1, left, c, right]` and `[P, left, d, right]` over left and right."""
    xp = ops.xp
    right = first.shape[3]
    if right > _FEW_COLUMNS:
        return xp.sum(xp.matmul(first, xp.matrix_transpose(second)), axis=1)
    left, c, d = first.shape[1], first.shape[2], second.shape[2]
    one = ops.reshape(first, (first.shape[0], left, c * right))
    two = ops.reshape(second, (second.shape[0], left, d * right))
    product = xp.matmul(xp.matrix_transpose(one), two)
    if right == 1:
        return product
    product = ops.reshape(product, (product.shape[0], c, right, d, right))
    eye = ops.asarray(_eye(right))
    return xp.sum(product * eye[None, None, :, None, :], axis=(2, 4))


def _eye(size: int) -> Array:
    return np.eye(size)


def permute(
    ops: ArrayOps, state: Array, shape: tuple[int, ...], permutation: tuple[int, ...] | None
) -> Array:
    """Return `[P, strings, elements]` with the qubits' axes, of sizes `shape`, in another order."""
    if permutation is None:
        return state
    tensor = ops.reshape(state, (*state.shape[:2], *shape))
    moved = ops.xp.permute_dims(tensor, (0, 1, *(axis + 2 for axis in permutation)))
    return ops.reshape(moved, state.shape)


def permute_back(
    ops: ArrayOps, state: Array, shape: tuple[int, ...], permutation: tuple[int, ...] | None
) -> Array:
    """Undo `permute`."""
    if permutation is None:
        return state
    permuted = tuple(shape[axis] for axis in permutation)
    return permute(ops, state, permuted, inverse(permutation))


def inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes another."""
    return tuple(permutation.index(axis) for axis in range(len(permutation)))
