"""Expectation values of the swept observables on all samples, as matrix products.

`ProductInputs` are products of one-qubit states, given by Bloch vectors (angle encoding, its noise
included); `StateInputs` are ideal state vectors (amplitude encoding). Both turn observables `[particles,
4^n * strings]` into values `[particles, samples, strings]` and pull gradients back. Samples go through in
slices, so that no intermediate exceeds `SLICE_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from qkd_qiskit.simulation.basis import Array
from qkd_qiskit.simulation.sweep import SweepPlan

SLICE_BYTES = 32 * 2**20
# PERF: products of input vectors that no particle changes are kept up to this size.
_KEPT_BYTES = 256 * 2**20


class Inputs(Protocol):
    """Samples in the form that the contraction needs."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""

    def values(self, plan: SweepPlan, observables: Array, matrices: Sequence[Array]) -> Array:
        """Expectation values `[particles, samples, strings]`."""

    def vectors(self, plan: SweepPlan) -> list[tuple[tuple[int, ...], Array]]:
        """Pauli vectors `[samples, 4^k]` of the light cone's qubits, in groups that are in a product."""

    def pullback(
        self,
        plan: SweepPlan,
        observables: Array,
        matrices: Sequence[Array],
        gradient: Array,
        into: Sequence[Array],
    ) -> Array:
        """Gradient of the observables; the gradient of head blocks is added to `into`."""


@dataclass(frozen=True)
class ProductInputs:
    """Bloch vectors `[qubits, samples, 4]` with leading component 1."""

    bloch: Array
    _kept: dict[tuple[tuple[int, ...], ...], Array] = field(default_factory=dict, repr=False)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.bloch.shape[1])

    def values(self, plan: SweepPlan, observables: Array, matrices: Sequence[Array]) -> Array:
        """Expectation values `[particles, samples, strings]`."""
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

    def vectors(self, plan: SweepPlan) -> list[tuple[tuple[int, ...], Array]]:
        """Pauli vectors of the qubits, in groups that are in a product."""
        return [((qubit,), self.bloch[qubit]) for qubit in plan.qubits]

    def pullback(
        self,
        plan: SweepPlan,
        observables: Array,
        matrices: Sequence[Array],
        gradient: Array,
        into: Sequence[Array],
    ) -> Array:
        """Gradient of the observables; that of head blocks is added to `into`."""
        split, left, right = _halves(plan)
        n_particles, strings = observables.shape[0], plan.n_observables
        matrix = observables.reshape(n_particles, left, right * strings)
        total = np.zeros_like(matrix)
        has_heads = any(head is not None for head in plan.heads)
        for part in self._slices(plan, right, n_particles):
            left_vectors, lefts = self._factors(plan, slice(0, split), matrices, part)
            right_vectors, rights = self._factors(plan, slice(split, None), matrices, part)
            flow = rights[-1][..., :, None] * gradient[:, part, None, :]
            flow = flow.reshape(n_particles, -1, right * strings)
            total += np.matmul(np.swapaxes(lefts[-1], -1, -2), flow)
            if not has_heads:
                continue
            to_left = np.matmul(flow, np.swapaxes(matrix, -1, -2))
            half = np.matmul(lefts[-1], matrix).reshape(n_particles, -1, right, strings)
            to_right = np.matmul(half, gradient[:, part, :, None])[..., 0]
            flows = _product_pullback(left_vectors, lefts, to_left)
            flows += _product_pullback(right_vectors, rights, to_right)
            moving = [*plan.clusters[:split]] if left_vectors else []
            moving += [*plan.clusters[split:]] if right_vectors else []
            for cluster, grad in zip(moving, flows, strict=True):
                head = plan.heads[plan.clusters.index(cluster)]
                if head is not None:
                    into[head][...] += np.matmul(np.swapaxes(grad, -1, -2), self._raw(cluster, part))
        return total.reshape(n_particles, -1)

    def _slices(self, plan: SweepPlan, right: int, n_particles: int) -> Iterator[slice]:
        width = n_particles * right * plan.n_observables * self.bloch.itemsize
        return sample_slices(self.n_samples, width)

    def _raw(self, cluster: tuple[int, ...], part: slice) -> Array:
        """Input vectors `[samples, 4^qubits]` of a cluster before its head."""
        return _product([self.bloch[qubit, part] for qubit in cluster])[-1]

    def _factors(
        self, plan: SweepPlan, clusters: slice, matrices: Sequence[Array], part: slice
    ) -> tuple[list[Array], list[Array]]:
        """Input vectors `[1 or particles, samples, 4^qubits]` of some clusters, and their partial products.

        Without heads no particle changes them: then the last product alone is returned, and kept.
        """
        chosen, heads = plan.clusters[clusters], plan.heads[clusters]
        if not chosen:
            return [], [np.ones((1, 1, 1), dtype=self.bloch.dtype)]
        if all(head is None for head in heads):
            if chosen in self._kept:
                return [], [self._kept[chosen][:, part]]
            size = self.bloch.itemsize * self.n_samples * 4 ** sum(len(cluster) for cluster in chosen)
            if size <= _KEPT_BYTES:
                whole = slice(0, self.n_samples)
                self._kept[chosen] = _product([self._raw(cluster, whole)[None] for cluster in chosen])[-1]
                return [], [self._kept[chosen][:, part]]
        vectors = []
        for cluster, head in zip(chosen, heads, strict=True):
            raw = self._raw(cluster, part)
            vectors.append(raw[None] if head is None else np.matmul(raw, np.swapaxes(matrices[head], -1, -2)))
        return vectors, _product(vectors)


@dataclass(frozen=True)
class StateInputs:
    """Ideal real state vectors `[samples, 2^n]`; qubit 0 is the least significant bit of the index."""

    states: Array
    n_qubits: int

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.states)

    def values(self, plan: SweepPlan, observables: Array, matrices: Sequence[Array]) -> Array:
        """Expectation values `[particles, samples, strings]`."""
        del matrices
        forms = self._forms(plan, observables)
        out = np.empty((observables.shape[0], self.n_samples, plan.n_observables), dtype=observables.dtype)
        for part in sample_slices(self.n_samples, forms.nbytes // forms.shape[-1]):
            states = self.states[part]
            image = np.matmul(states, forms)  # [P, strings, samples, 2^n]
            out[:, part] = np.swapaxes(np.einsum("posi,si->pos", image, states), 1, 2)
        return out

    def vectors(self, plan: SweepPlan) -> list[tuple[tuple[int, ...], Array]]:
        """Pauli vectors of the qubits, in groups that are in a product."""
        n, n_samples = self.n_qubits, self.n_samples
        outer = self.states[:, :, None] * self.states[:, None, :]
        tensor = outer.reshape(n_samples, *(2,) * (2 * n))
        axes = [axis for q in range(n) for axis in (n - q, 2 * n - q)]
        tensor = np.ascontiguousarray(tensor.transpose(0, *axes)).reshape(n_samples, *(4,) * n)
        tensor = _apply_everywhere(tensor, _TO_MATRIX.T, n).reshape(n_samples, -1) * _even_y(n)
        inside = tuple(slice(None) if q in plan.qubits else 0 for q in range(n))
        tensor = tensor.reshape(n_samples, *(4,) * n)[(slice(None), *inside)]
        ground = np.tile(np.array([1.0, 0.0, 0.0, 1.0]), (n_samples, 1))
        data = tuple(q for q in range(n) if q in plan.qubits)
        return [(data, np.ascontiguousarray(tensor).reshape(n_samples, -1))] + [
            ((qubit,), ground) for qubit in plan.qubits if qubit >= n
        ]

    def pullback(
        self,
        plan: SweepPlan,
        observables: Array,
        matrices: Sequence[Array],
        gradient: Array,
        into: Sequence[Array],
    ) -> Array:
        """Gradient of the observables; that of head blocks is added to `into`."""
        del matrices, into
        n_particles, strings = observables.shape[0], plan.n_observables
        size = self.states.shape[1]
        forms = np.zeros((n_particles, strings, size, size), dtype=observables.dtype)
        for part in sample_slices(self.n_samples, n_particles * strings * size * self.states.itemsize):
            states = self.states[part]
            weighted = np.swapaxes(gradient[:, part], 1, 2)[..., None] * states
            forms += np.matmul(np.swapaxes(weighted, -1, -2), states)
        return self._forms_pullback(plan, forms)

    def _forms(self, plan: SweepPlan, observables: Array) -> Array:
        """Real symmetric parts `[particles, strings, 2^n, 2^n]` of the observables' matrices."""
        n, strings, n_particles = self.n_qubits, plan.n_observables, observables.shape[0]
        tensor = _spread(plan, observables, n) * _even_y(n)[:, None].astype(observables.dtype)
        tensor = _apply_everywhere(tensor.reshape(n_particles, *(4,) * n, strings), _TO_MATRIX, n)
        tensor = tensor.reshape(n_particles, *(2, 2) * n, strings)
        rows = [1 + 2 * q for q in reversed(range(n))]
        columns = [2 + 2 * q for q in reversed(range(n))]
        return np.ascontiguousarray(tensor.transpose(0, 2 * n + 1, *rows, *columns)).reshape(
            n_particles, strings, 2**n, 2**n
        )

    def _forms_pullback(self, plan: SweepPlan, forms: Array) -> Array:
        n, strings, n_particles = self.n_qubits, plan.n_observables, forms.shape[0]
        tensor = forms.reshape(n_particles, strings, *(2,) * (2 * n))
        axes = [axis for q in range(n) for axis in (2 + n - 1 - q, 2 + 2 * n - 1 - q)]
        tensor = np.ascontiguousarray(tensor.transpose(0, *axes, 1)).reshape(n_particles, *(4,) * n, strings)
        tensor = _apply_everywhere(tensor, _TO_MATRIX.T, n).reshape(n_particles, 4**n, strings)
        return _gather(plan, tensor * _even_y(n)[:, None].astype(forms.dtype), n)


# Real matrices of I, X, -iY and Z, row-major: a string with k factors Y is (i)^k times the product of these.
_TO_MATRIX = np.array([[1.0, 0, 0, 1], [0, 1, -1, 0], [0, 1, 1, 0], [1, 0, 0, -1]])


def _even_y(n_qubits: int) -> Array:
    """Real part of i^(number of Y) for every Pauli string; real states do not see the rest."""
    phase = np.ones(1, dtype=complex)
    for _ in range(n_qubits):
        phase = np.kron(phase, np.array([1, 1, 1j, 1]))
    return phase.real


def _apply_everywhere(tensor: Array, matrix: Array, n_qubits: int) -> Array:
    """Apply a 4x4 matrix to each of the qubit axes 1..n."""
    matrix = matrix.astype(tensor.dtype)
    shape = tensor.shape
    for axis in range(n_qubits):
        flat = tensor.reshape(shape[0] * 4**axis, 4, -1)
        tensor = np.matmul(matrix, flat)
    return tensor.reshape(shape)


def _axis_map(plan: SweepPlan, n_data: int) -> tuple[tuple[int, ...], list[int]]:
    """Axes that hold data qubits in chain order, and those of qubits that start in |0>."""
    qubits = plan.qubits
    data = tuple(a for a in np.argsort(qubits) if qubits[a] < n_data)
    return data, [a for a, qubit in enumerate(qubits) if qubit >= n_data]


def _spread(plan: SweepPlan, observables: Array, n_data: int) -> Array:
    """Observables on all data qubits, `[particles, 4^n_data, strings]`.

    Qubits that start in |0> are traced in; on qubits outside the light cone there is I.
    """
    qubits, strings, n_particles = plan.qubits, plan.n_observables, observables.shape[0]
    data, ancillas = _axis_map(plan, n_data)
    tensor = observables.reshape(n_particles, *(4,) * len(qubits), strings)
    tensor = tensor.transpose(0, *(a + 1 for a in ancillas), *(a + 1 for a in data), len(qubits) + 1)
    for _ in ancillas:
        tensor = tensor[:, 0] + tensor[:, 3]
    full = np.zeros((n_particles, *(4,) * n_data, strings), dtype=observables.dtype)
    full[_inside(plan, n_data)] = tensor
    return full.reshape(n_particles, 4**n_data, strings)


def _gather(plan: SweepPlan, gradient: Array, n_data: int) -> Array:
    """Adjoint of `_spread`."""
    qubits, strings, n_particles = plan.qubits, plan.n_observables, gradient.shape[0]
    data, ancillas = _axis_map(plan, n_data)
    tensor = gradient.reshape(n_particles, *(4,) * n_data, strings)[_inside(plan, n_data)]
    for _ in ancillas:
        zero = np.zeros_like(tensor)
        tensor = np.stack([tensor, zero, zero, tensor], axis=1)
    order = [*ancillas, *data]
    inverse = np.argsort(order)
    tensor = tensor.transpose(0, *(int(a) + 1 for a in inverse), len(qubits) + 1)
    return np.ascontiguousarray(tensor).reshape(n_particles, -1)


def _inside(plan: SweepPlan, n_data: int) -> tuple[slice | int, ...]:
    seen = set(plan.qubits)
    return (slice(None), *(slice(None) if q in seen else 0 for q in range(n_data)), slice(None))


def sample_slices(n_samples: int, bytes_per_sample: int) -> Iterator[slice]:
    """Slices of samples whose intermediates stay below `SLICE_BYTES`."""
    size = max(1, SLICE_BYTES // max(bytes_per_sample, 1))
    for start in range(0, n_samples, size):
        yield slice(start, min(start + size, n_samples))


def _halves(plan: SweepPlan) -> tuple[int, int, int]:
    """Where to split the clusters, and the sizes of both halves; the left one is at least as large."""
    n = sum(len(cluster) for cluster in plan.clusters)
    split, left = 0, 0
    while 2 * left < n:
        left += len(plan.clusters[split])
        split += 1
    return split, 4**left, 4 ** (n - left)


def _product(vectors: Sequence[Array]) -> list[Array]:
    """Partial Kronecker products along the last axis, first factor leading."""
    partial = [vectors[0]]
    for vector in vectors[1:]:
        product = partial[-1][..., :, None] * vector[..., None, :]
        partial.append(product.reshape(*product.shape[:-2], -1))
    return partial


def _product_pullback(vectors: Sequence[Array], partial: Sequence[Array], gradient: Array) -> list[Array]:
    """Gradient of every factor of `_product`."""
    flows: list[Array] = []
    for k in range(len(vectors) - 1, 0, -1):
        matrix = gradient.reshape(*gradient.shape[:-1], -1, vectors[k].shape[-1])
        flows.append(np.matmul(partial[k - 1][..., None, :], matrix)[..., 0, :])
        gradient = np.matmul(matrix, vectors[k][..., :, None])[..., 0]
    return [gradient, *reversed(flows)] if vectors else []
