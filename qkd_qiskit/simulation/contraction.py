"""Expectation values of the contracted observables on all samples, as matrix products.

`ProductInputs` are products of one-qubit states, given by Bloch vectors (angle encoding, its noise
included); `AmplitudeInputs` are ideal state vectors (amplitude encoding). Both turn observables `[particles,
4^n * strings]` into values `[particles, samples, strings]` and pull gradients back. Samples go through in
slices, so that no intermediate exceeds `SLICE_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.contraction_plan import ContractionPlan

SLICE_BYTES = 32 * 2**20
# PERF: products of input vectors that no particle changes are kept up to this size.
_KEPT_BYTES = 256 * 2**20


class Inputs(Protocol):
    """Samples in the form that the contraction needs."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""

    def values(
        self, plan: ContractionPlan, observables: FloatArray, matrices: Sequence[FloatArray]
    ) -> FloatArray:
        """Return expectation values `[particles, samples, strings]`."""

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors `[samples, 4^k]` of the light cone's qubits, in uncorrelated groups."""

    def pullback(
        self,
        plan: ContractionPlan,
        observables: FloatArray,
        matrices: Sequence[FloatArray],
        gradient: FloatArray,
        into: Sequence[FloatArray],
    ) -> FloatArray:
        """Return the gradient of the observables; the gradient of input blocks is added to `into`."""


@dataclass(frozen=True)
class ProductInputs:
    """Bloch vectors `[qubits, samples, 4]` with leading component 1."""

    bloch: FloatArray
    _kept: dict[tuple[tuple[int, ...], ...], FloatArray] = field(default_factory=dict, repr=False)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.bloch.shape[1])

    def values(
        self, plan: ContractionPlan, observables: FloatArray, matrices: Sequence[FloatArray]
    ) -> FloatArray:
        """Return expectation values `[particles, samples, strings]`."""
        split, left, right = _halves(plan)
        n_particles = observables.shape[0]
        matrix = observables.reshape(n_particles, left, right * plan.n_observables)
        out = np.empty((n_particles, self.n_samples, plan.n_observables), dtype=observables.dtype)
        for part in self._slices(plan, right, n_particles):
            half = np.matmul(self._factors(plan, slice(0, split), matrices, part)[1][-1], matrix)
            half = half.reshape(n_particles, -1, right, plan.n_observables)
            rights = self._factors(plan, slice(split, None), matrices, part)[1][-1]
            out[:, part] = np.matmul(rights[:, :, None, :], half)[:, :, 0]
        return out

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors `[samples, 4^k]` of the light cone's qubits, in uncorrelated groups."""
        return [((qubit,), self.bloch[qubit]) for qubit in plan.qubits]

    def pullback(
        self,
        plan: ContractionPlan,
        observables: FloatArray,
        matrices: Sequence[FloatArray],
        gradient: FloatArray,
        into: Sequence[FloatArray],
    ) -> FloatArray:
        """Return the gradient of the observables; that of input blocks is added to `into`."""
        split, left, right = _halves(plan)
        n_particles, strings = observables.shape[0], plan.n_observables
        matrix = observables.reshape(n_particles, left, right * strings)
        total = np.zeros_like(matrix)
        has_input_blocks = any(block is not None for block in plan.input_blocks)
        for part in self._slices(plan, right, n_particles):
            left_vectors, lefts = self._factors(plan, slice(0, split), matrices, part)
            right_vectors, rights = self._factors(plan, slice(split, None), matrices, part)
            flow = rights[-1][..., :, None] * gradient[:, part, None, :]
            flow = flow.reshape(n_particles, -1, right * strings)
            total += np.matmul(np.swapaxes(lefts[-1], -1, -2), flow)
            if not has_input_blocks:
                continue
            to_left = np.matmul(flow, np.swapaxes(matrix, -1, -2))
            half = np.matmul(lefts[-1], matrix).reshape(n_particles, -1, right, strings)
            to_right = np.matmul(half, gradient[:, part, :, None])[..., 0]
            flows = _product_pullback(left_vectors, lefts, to_left)
            flows += _product_pullback(right_vectors, rights, to_right)
            moving = [*plan.clusters[:split]] if left_vectors else []
            moving += [*plan.clusters[split:]] if right_vectors else []
            for cluster, grad in zip(moving, flows, strict=True):
                block = plan.input_blocks[plan.clusters.index(cluster)]
                if block is not None:
                    into[block][...] += np.matmul(np.swapaxes(grad, -1, -2), self._raw(cluster, part))
        return total.reshape(n_particles, -1)

    def _slices(self, plan: ContractionPlan, right: int, n_particles: int) -> Iterator[slice]:
        width = n_particles * right * plan.n_observables * self.bloch.itemsize
        return sample_slices(self.n_samples, width)

    def _raw(self, cluster: tuple[int, ...], part: slice) -> FloatArray:
        """Return input vectors `[samples, 4^qubits]` of a cluster before its input block."""
        return _product([self.bloch[qubit, part] for qubit in cluster])[-1]

    def _factors(
        self, plan: ContractionPlan, clusters: slice, matrices: Sequence[FloatArray], part: slice
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return input vectors `[1 or particles, samples, 4^qubits]` of clusters, and partial products.

        Without input blocks no particle changes them: then the last product alone is returned, and kept.
        """
        chosen, input_blocks = plan.clusters[clusters], plan.input_blocks[clusters]
        if not chosen:
            return [], [np.ones((1, 1, 1), dtype=self.bloch.dtype)]
        if all(block is None for block in input_blocks):
            if chosen in self._kept:
                return [], [self._kept[chosen][:, part]]
            size = self.bloch.itemsize * self.n_samples * 4 ** sum(len(cluster) for cluster in chosen)
            if size <= _KEPT_BYTES:
                whole = slice(0, self.n_samples)
                self._kept[chosen] = _product([self._raw(cluster, whole)[None] for cluster in chosen])[-1]
                return [], [self._kept[chosen][:, part]]
        vectors = []
        for cluster, block in zip(chosen, input_blocks, strict=True):
            raw = self._raw(cluster, part)
            vectors.append(
                raw[None] if block is None else np.matmul(raw, np.swapaxes(matrices[block], -1, -2))
            )
        return vectors, _product(vectors)


def sample_slices(n_samples: int, bytes_per_sample: int) -> Iterator[slice]:
    """Return slices of samples whose intermediates stay below `SLICE_BYTES`."""
    size = max(1, SLICE_BYTES // max(bytes_per_sample, 1))
    for start in range(0, n_samples, size):
        yield slice(start, min(start + size, n_samples))


def _halves(plan: ContractionPlan) -> tuple[int, int, int]:
    """Return where to split the clusters, and the sizes of both halves; the left one is at least as large."""
    n = sum(len(cluster) for cluster in plan.clusters)
    split, left = 0, 0
    while 2 * left < n:
        left += len(plan.clusters[split])
        split += 1
    return split, 4**left, 4 ** (n - left)


def _product(vectors: Sequence[FloatArray]) -> list[FloatArray]:
    """Return partial Kronecker products along the last axis, first factor leading."""
    partial = [vectors[0]]
    for vector in vectors[1:]:
        product = partial[-1][..., :, None] * vector[..., None, :]
        partial.append(product.reshape(*product.shape[:-2], -1))
    return partial


def _product_pullback(
    vectors: Sequence[FloatArray], partial: Sequence[FloatArray], gradient: FloatArray
) -> list[FloatArray]:
    """Return the gradient of every factor of `_product`."""
    flows: list[FloatArray] = []
    for k in range(len(vectors) - 1, 0, -1):
        matrix = gradient.reshape(*gradient.shape[:-1], -1, vectors[k].shape[-1])
        flows.append(np.matmul(partial[k - 1][..., None, :], matrix)[..., 0, :])
        gradient = np.matmul(matrix, vectors[k][..., :, None])[..., 0]
    return [gradient, *reversed(flows)] if vectors else []
