"""The product in which observables and samples meet, and the way back from it."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.contraction_plan import ContractionPlan
from qkd_qiskit.simulation.sample_side import SampleChunk


@dataclass(frozen=True)
class Met:
    """Values of the strings, and what `pull_back_meeting` needs.

    Attributes:
        partial: Products of the joined clusters: the first, the first two, and so on.
        halves: What is left before each sum over a reduced cluster, and at last the values `[particles,
            strings, samples]`.
    """

    partial: list[Array]
    halves: list[Array]

    @property
    def values(self) -> Array:
        """Values of the strings, `[particles or 1, strings, samples]`."""
        return self.halves[-1]


def meet(
    ops: ArrayOps, plan: ContractionPlan, observables: Array, clusters: dict[int, Array], chunk: SampleChunk
) -> Met:
    """Contract observables `[particles or 1, strings, elements]` with the clusters."""
    meeting, n = plan.meeting, chunk.n_samples
    partial = _joined(ops, plan, clusters, chunk)
    matrix = ops.reshape(observables, (observables.shape[0], -1, meeting.joined_size))
    half = ops.matmul(matrix, partial[-1])
    halves = [half]
    for number, size in zip(reversed(meeting.reduced), reversed(meeting.reduced_sizes), strict=True):
        half = ops.sum_last(ops.reshape(half, (half.shape[0], -1, size, n)), clusters[number])
        halves.append(half)
    return Met(partial, halves)


def _joined(
    ops: ArrayOps, plan: ContractionPlan, clusters: dict[int, Array], chunk: SampleChunk
) -> list[Array]:
    """Return partial products of the joined clusters; of groups that enter the last one only."""
    joined = plan.meeting.joined
    if joined in chunk.kept:
        return [chunk.kept[joined]]
    partial = [clusters[joined[0]]]
    for number in joined[1:]:
        product = ops.outer(partial[-1], clusters[number])
        partial.append(ops.reshape(product, (product.shape[0], -1, product.shape[-1])))
    if any(number >= plan.n_groups for number in joined):
        return partial
    if chunk.stays:
        ops.keep(partial[-1])
        chunk.kept[joined] = partial[-1]
    return partial[-1:]


def pull_back_meeting(
    ops: ArrayOps,
    plan: ContractionPlan,
    observables: Array,
    clusters: dict[int, Array],
    met: Met,
    gradient: Array,
) -> tuple[Array, dict[int, Array]]:
    """Return the gradient of the observables, and of every cluster that a step has made.

    Args:
        ops: The array calls.
        plan: The plan.
        observables: As for `meet`.
        clusters: As for `meet`.
        met: What `meet` returned.
        gradient: Of the values, `[particles, strings, samples]`.
    """
    xp, meeting = ops.xp, plan.meeting
    flows: dict[int, Array] = {}
    flow, n = gradient, gradient.shape[-1]
    for place, (number, size) in enumerate(zip(meeting.reduced, meeting.reduced_sizes, strict=True)):
        if number >= plan.n_groups:
            half = met.halves[len(meeting.reduced) - 1 - place]
            flows[number] = ops.sum_first(ops.reshape(half, (half.shape[0], -1, size, n)), flow)
        flow = ops.outer(flow, clusters[number])
        flow = ops.reshape(flow, (flow.shape[0], -1, n))
    joined = met.partial[-1]
    to_observables = xp.matmul(flow, xp.matrix_transpose(joined))
    to_observables = ops.reshape(to_observables, (flow.shape[0], plan.n_strings, -1))
    made = [number for number in meeting.joined if number >= plan.n_groups]
    if made:
        matrix = ops.reshape(observables, (observables.shape[0], -1, meeting.joined_size))
        back = ops.matmul(xp.matrix_transpose(matrix), flow)
        for place in range(len(meeting.joined) - 1, 0, -1):
            number = meeting.joined[place]
            before, last = met.partial[place - 1], clusters[number]
            tensor = ops.reshape(back, (back.shape[0], before.shape[1], last.shape[1], n))
            if number >= plan.n_groups:
                flows[number] = ops.sum_first(tensor, before)
            back = ops.sum_last(tensor, last)
        if meeting.joined[0] >= plan.n_groups:
            flows[meeting.joined[0]] = back
    return to_observables, flows
