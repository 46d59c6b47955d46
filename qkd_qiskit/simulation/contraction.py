"""Runs a contraction plan for a swarm and many samples: in chunks that fit the cache, on one thread or more.

Chunks depend on the plan and on the numbers of particles and samples alone, and what they give is added up in
their order. So the bits of a result do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.contraction_plan import ContractionPlan
from qkd_qiskit.simulation.meeting import Met, meet, pull_back_meeting
from qkd_qiskit.simulation.observable_side import contract_observables, pull_back_observables
from qkd_qiskit.simulation.sample_side import SampleChunk, contract_samples, pull_back_samples
from qkd_qiskit.simulation.threads import engine_threads

SLICE_BYTES = 32 * 2**20
# What no particle changes is kept for the next call up to so many bytes; beyond, it is made again.
_KEPT_BYTES = 64 * 2**20
# Fewer samples make products too narrow.
_LEAST_SAMPLES = 50
# Samples of a particle that takes longer than this many seconds are cut in two, for a second thread.
_SHARED_SECONDS = 2e-3

_T = TypeVar("_T")
_R = TypeVar("_R")


class SampleVectors(Protocol):
    """Samples in the form that a contraction needs."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors `[samples, elements]` of the light cone's qubits, in uncorrelated groups."""


class GroupedSamples(SampleVectors, Protocol):
    """Samples in groups of qubits that the encoding correlates."""

    @property
    def stays(self) -> bool:
        """Whether the vectors of all samples may be held for the next evaluation."""

    def groups(self, plan: ContractionPlan, part: slice) -> tuple[FloatArray, ...]:
        """Return the vectors `[elements, samples]` of the plan's groups, for some samples."""


@dataclass(frozen=True)
class ProductSamples:
    """Products of one-qubit states: Bloch vectors `[qubits, 4, samples]` with leading component 1."""

    bloch: FloatArray

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.bloch.shape[-1])

    @property
    def stays(self) -> bool:
        """Bloch vectors are small."""
        return True

    def groups(self, plan: ContractionPlan, part: slice) -> tuple[FloatArray, ...]:
        """Return the vectors of single qubits."""
        singles = (qubit for (qubit,) in plan.clusters[: plan.n_groups])
        return tuple(np.ascontiguousarray(self.bloch[qubit, :, part]) for qubit in singles)

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors `[samples, elements]` of the light cone's qubits, in uncorrelated groups."""
        return [((qubit,), self.bloch[qubit].T) for qubit in plan.qubits]


Respond = Callable[[slice, FloatArray], FloatArray]
"""Maps which particles, and their values `[particles, samples, strings]`, to the gradient of the values."""


class Contraction:
    """A plan, ready for samples."""

    def __init__(
        self,
        plan: ContractionPlan,
        ops: ArrayOps,
        samples: GroupedSamples,
        *,
        budget: int,
        seconds: float = 0.0,
    ) -> None:
        """Cut the samples into chunks, and bring them where the arrays live.

        Args:
            plan: The plan.
            ops: The array calls.
            samples: The samples.
            budget: Bytes that may be kept for a reverse pass; what exceeds them is computed again there.
            seconds: What a particle is predicted to take on all samples.
        """
        self.plan, self.ops, self._budget = plan, ops, budget
        self.n_samples = n = samples.n_samples
        itemsize = np.dtype(ops.dtype).itemsize
        widest = max(plan.sample_sizes)
        chunk_bytes = min(ops.chunk_bytes, budget)
        size = max(_LEAST_SAMPLES, chunk_bytes // (widest * itemsize))
        if size >= n > 2 * _LEAST_SAMPLES and seconds > _SHARED_SECONDS:
            size = -(-n // 2)
        self.parts = list(slices(n, size))
        self._samples = samples
        self._stays = samples.stays and _kept_elements(plan) * n * itemsize <= _KEPT_BYTES
        self._chunks: dict[int, SampleChunk] = {}
        longest = max((part.stop - part.start for part in self.parts), default=0)
        needed = itemsize * max(widest * longest, sum(plan.observable_sizes))
        self._together = max(1, chunk_bytes // needed)

    def chunk(self, number: int) -> SampleChunk:
        """Return the samples of a part; large ones are gathered again each time."""
        found = self._chunks.get(number)
        if found is None:
            groups = self._samples.groups(self.plan, self.parts[number])
            found = SampleChunk(tuple(self.ops.vectors(group[None]) for group in groups), self._stays)
            if self._stays:
                self._chunks[number] = found
        return found

    def values(self, matrices: Sequence[FloatArray]) -> FloatArray:
        """Return values of the strings, `[particles, samples, strings]`.

        Args:
            matrices: For each block of the compiled circuit `[particles, d, d]`.
        """

        def forward(swarm: _Swarm) -> FloatArray:
            return swarm.values()

        return np.concatenate(self._each_swarm(forward, matrices, keep=False))

    def pull_back(self, matrices: Sequence[FloatArray], respond: Respond, into: Sequence[FloatArray]) -> None:
        """Add the gradient of every block's matrix to `into`.

        Args:
            matrices: For each block of the compiled circuit `[particles, d, d]`.
            respond: Called for some particles after the other with their values.
            into: For each block of the compiled circuit an array of the shape of its matrices.
        """

        def both(swarm: _Swarm) -> None:
            values = swarm.values(budget=share)
            for k, value in swarm.gradient(respond(swarm.part, values)).items():
                into[k][swarm.part][:, self.plan.rows[k]] += self.ops.to_numpy(value)

        # Each thread may be busy with a chunk of its own.
        share = self._budget // engine_threads()
        self._each_swarm(both, matrices, keep=True)

    def _each_swarm(
        self, work: Callable[[_Swarm], _R], matrices: Sequence[FloatArray], *, keep: bool
    ) -> list[_R]:
        """Work on some particles after the other; of a single chunk the samples are shared out instead."""
        cut = {k: self.ops.asarray(matrix) for k, matrix in self.plan.cut(matrices).items()}
        parts = list(slices(len(matrices[0]) if matrices else 1, self._together))
        threads = engine_threads()
        inner = threads if len(parts) == 1 else 1
        return in_order(lambda part: work(_Swarm(self, cut, part, threads=inner, keep=keep)), parts, threads)


@dataclass
class _Task:
    """Some samples' way through the contraction, and back."""

    ops: ArrayOps
    clusters: dict[int, Array]
    tape: list[Array]
    met: Met


class _Swarm:
    """Some particles on all samples."""

    def __init__(
        self, own: Contraction, matrices: dict[int, Array], part: slice, *, threads: int, keep: bool
    ) -> None:
        self.part = part
        self._own, self._threads, self._keep = own, threads, keep
        self._matrices = {k: array[part, ...] for k, array in matrices.items()}
        self._n_particles = part.stop - part.start
        self._operands: list[Array] = []
        self._tasks: list[_Task | None] = [None for _ in own.parts]
        # Without a way back nothing reads the operands again.
        tape = self._operands if keep else None
        self._observables = contract_observables(own.ops, own.plan, self._matrices, tape)

    def values(self, *, budget: int = 0) -> FloatArray:
        """Return values of the strings; keep what the way back needs where the budget has room."""
        own = self._own
        made = sum(own.plan.sample_sizes) * own.n_samples * self._n_particles
        keep = self._keep and made * np.dtype(own.ops.dtype).itemsize <= budget
        out = np.empty((self._n_particles, own.n_samples, own.plan.n_strings), dtype=own.ops.dtype)

        def forward(chunk: int) -> None:
            task = self._forward(chunk, keep=keep)
            out[:, own.parts[chunk]] = np.swapaxes(own.ops.to_numpy(task.met.values), 1, 2)
            if keep:
                self._tasks[chunk] = task
            else:
                task.ops.close()

        in_order(forward, range(len(own.parts)), self._threads)
        return out

    def _forward(self, chunk: int, *, keep: bool) -> _Task:
        own = self._own
        tape: list[Array] = []
        ops, samples = own.ops.task(), own.chunk(chunk)
        clusters = contract_samples(ops, own.plan, self._matrices, samples, tape if keep else None)
        return _Task(ops, clusters, tape, meet(ops, own.plan, self._observables, clusters, samples))

    def gradient(self, slope: FloatArray) -> dict[int, Array]:
        """Return the gradient of every block's matrices, given that of the values."""
        own = self._own
        moved = np.swapaxes(slope, 1, 2)

        def back(chunk: int) -> tuple[Array, dict[int, Array]]:
            task = self._tasks[chunk] or self._forward(chunk, keep=True)
            self._tasks[chunk] = None
            flow = own.ops.asarray(moved[:, :, own.parts[chunk]])
            total, flows = pull_back_meeting(
                task.ops, own.plan, self._observables, task.clusters, task.met, flow
            )
            found = pull_back_samples(task.ops, own.plan, self._matrices, task.clusters, task.tape, flows)
            task.ops.close()
            return total, found

        results = in_order(back, range(len(own.parts)), self._threads)
        if not results:  # no samples
            return {}
        total, sums = results[0]
        for to_observables, found in results[1:]:
            total = total + to_observables
            sums = {k: value + found[k] for k, value in sums.items()}
        pull_back_observables(own.ops, own.plan, self._matrices, self._operands, total, sums)
        return sums


def in_order(work: Callable[[_T], _R], items: Sequence[_T], threads: int) -> list[_R]:
    """Return the results of all items in their order, worked on by some threads."""
    if threads == 1 or len(items) == 1:
        return list(map(work, items))
    return list(_pool(threads).map(work, items))


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads of all contractions: to start them for each call takes as long as a small call."""
    return ThreadPoolExecutor(threads, thread_name_prefix="contraction")


def _kept_elements(plan: ContractionPlan) -> int:
    """Return numbers a sample that chunks keep for the next call: what no particle changes."""
    shared = sum(step.left * step.width * step.right for step in plan.sample_steps if step.shares)
    joined = plan.meeting.joined
    return shared + (plan.meeting.joined_size if all(k < plan.n_groups for k in joined) else 0)


def sample_slices(n_samples: int, bytes_per_sample: int) -> Iterator[slice]:
    """Return slices of samples whose intermediates stay below `SLICE_BYTES`."""
    return slices(n_samples, max(1, SLICE_BYTES // max(bytes_per_sample, 1)))


def slices(total: int, size: int) -> Iterator[slice]:
    """Yield slices of about equal length, none longer than `size`."""
    count = -(-total // size)
    for k in range(count):
        yield slice(k * total // count, (k + 1) * total // count)


def particle_bytes(plan: ContractionPlan, ops: ArrayOps, n_samples: int) -> int:
    """Return bytes that one particle's largest arrays take together in a pass forward."""
    samples = min(n_samples, _LEAST_SAMPLES)
    largest = max(plan.sample_sizes) * samples * 2 + 3 * max(plan.observable_sizes)
    return np.dtype(ops.dtype).itemsize * largest


def gradient_bytes(plan: ContractionPlan, ops: ArrayOps, n_samples: int) -> int:
    """Return bytes that one particle's arrays take together at the least, with a pass back."""
    samples = min(n_samples, _LEAST_SAMPLES)
    kept = sum(plan.sample_sizes) * samples * 2 + sum(plan.observable_sizes)
    return particle_bytes(plan, ops, n_samples) + np.dtype(ops.dtype).itemsize * kept
