"""Blocks that act forwards on the samples: clusters of qubits that grow, meet and lose their pooled qubits.

A cluster is an array `[particles or 1, elements, samples]` of Pauli vectors; 1 where no particle has changed
it yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.contraction_plan import ContractionPlan, SampleStep
from qkd_qiskit.simulation.observable_side import inverse


@dataclass(frozen=True)
class SampleChunk:
    """Some samples as they enter.

    Attributes:
        groups: For each group of qubits `[1, elements, samples]`.
        kept: What no particle changes is made once: operands of steps by the number of their result, and
            products of groups by their numbers. Nothing where the chunk does not stay.
        stays: Whether the chunk is there for the next call too.
    """

    groups: tuple[Array, ...]
    stays: bool = True
    kept: dict[int | tuple[int, ...], Array] = field(default_factory=dict, repr=False)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.groups[0].shape[-1])


def contract_samples(
    ops: ArrayOps,
    plan: ContractionPlan,
    matrices: Mapping[int, Array],
    chunk: SampleChunk,
    tape: list[Array] | None,
) -> dict[int, Array]:
    """Let the blocks of the samples' side act; return the clusters by their numbers.

    Args:
        ops: The array calls.
        plan: The plan.
        matrices: By block of the compiled circuit `[particles, rows, width]`, cut to the rows that are read.
        chunk: The samples.
        tape: Takes each step's operand `[particles or 1, left, width, right * samples]`, for
            `pull_back_samples`; None to forget all but the clusters that are left.
    """
    n = chunk.n_samples
    clusters: dict[int, Array] = dict(enumerate(chunk.groups))
    for step in plan.sample_steps:
        operand = _operand(ops, step, clusters, chunk)
        out = ops.matmul(matrices[step.block][:, None, :, :], operand)
        clusters[step.result] = ops.reshape(out, (out.shape[0], step.size, n))
        if tape is not None:
            tape.append(operand)
        else:
            ops.free(operand, *(clusters.pop(number) for number in step.operands))
    return clusters


def _operand(ops: ArrayOps, step: SampleStep, clusters: dict[int, Array], chunk: SampleChunk) -> Array:
    """Return what a step acts on, the block's qubits side by side."""
    if step.result in chunk.kept:
        return chunk.kept[step.result]
    n = chunk.n_samples
    joined = clusters[step.operands[0]]
    if len(step.operands) > 1:
        joined = ops.outer(joined, clusters[step.operands[1]])
    if step.permutation is not None:
        tensor = ops.reshape(joined, (joined.shape[0], *step.shape, n))
        axes = (0, *(axis + 1 for axis in step.permutation), 1 + len(step.shape))
        joined = ops.moved(tensor, axes)
    operand = ops.reshape(joined, (joined.shape[0], step.left, step.width, step.right * n))
    if step.shares and chunk.stays:
        ops.keep(operand)
        chunk.kept[step.result] = operand
    return operand


def pull_back_samples(
    ops: ArrayOps,
    plan: ContractionPlan,
    matrices: Mapping[int, Array],
    clusters: dict[int, Array],
    tape: Sequence[Array],
    flows: dict[int, Array],
) -> dict[int, Array]:
    """Return the gradient of the blocks' matrices, given that of the clusters that are left, in `flows`."""
    xp = ops.xp
    found: dict[int, Array] = {}
    for step, operand in zip(reversed(plan.sample_steps), reversed(tape), strict=True):
        flow = flows.pop(step.result)
        n = flow.shape[-1]
        flow = ops.reshape(flow, (flow.shape[0], step.left, len(step.rows), step.right * n))
        product = ops.matmul(flow, xp.matrix_transpose(operand))
        # PERF: small arrays are added up; those of the pool stay.
        found[step.block] = xp.sum(product, axis=1)
        ops.free(product)
        if step.shares:
            continue
        back = ops.matmul(xp.matrix_transpose(matrices[step.block])[:, None, :, :], flow)
        ops.free(flow)
        if step.permutation is not None:
            permuted = tuple(step.shape[axis] for axis in step.permutation)
            tensor = ops.reshape(back, (back.shape[0], *permuted, n))
            axes = (0, *(axis + 1 for axis in inverse(step.permutation)), 1 + len(step.shape))
            back = ops.moved(tensor, axes)
        if len(step.operands) == 1:
            flows[step.operands[0]] = ops.reshape(back, (back.shape[0], step.operand_size, n))
            continue
        first, second = (clusters[number] for number in step.operands)
        back = ops.reshape(back, (back.shape[0], first.shape[1], second.shape[1], n))
        # Nothing leads back beyond the groups that enter.
        if step.operands[0] >= plan.n_groups:
            flows[step.operands[0]] = ops.sum_last(back, second)
        if step.operands[1] >= plan.n_groups:
            flows[step.operands[1]] = ops.sum_first(back, first)
        ops.free(back)
    return found
