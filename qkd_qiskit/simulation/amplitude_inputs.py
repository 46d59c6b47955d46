"""Ideal input states: all blocks act on the observables, whose values on states are quadratic forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.array_ops import Array, ArrayOps
from qkd_qiskit.simulation.contraction import Respond, sample_slices
from qkd_qiskit.simulation.contraction_plan import ContractionPlan
from qkd_qiskit.simulation.observable_side import contract_observables, pull_back_observables


@dataclass(frozen=True)
class AmplitudeInputs:
    """Ideal real state vectors `[samples, 2^n]`; qubit 0 is the least significant bit of the index."""

    states: FloatArray
    n_qubits: int

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.states)

    def values(self, plan: ContractionPlan, observables: FloatArray) -> FloatArray:
        """Return expectation values `[particles, samples, strings]` of `[particles, elements, strings]`."""
        forms = self._forms(plan, observables)
        out = np.empty((observables.shape[0], self.n_samples, plan.n_strings), dtype=observables.dtype)
        for part in sample_slices(self.n_samples, forms.nbytes // forms.shape[-1]):
            states = self.states[part]
            image = np.matmul(states, forms)  # [P, strings, samples, 2^n]
            out[:, part] = np.swapaxes(np.einsum("posi,si->pos", image, states), 1, 2)
        return out

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors of the qubits, in groups that are in a product."""
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

    def pull_back(self, plan: ContractionPlan, gradient: FloatArray) -> FloatArray:
        """Return the gradient of the observables, given that of the values."""
        n_particles, strings = gradient.shape[0], plan.n_strings
        size = self.states.shape[1]
        forms = np.zeros((n_particles, strings, size, size), dtype=self.states.dtype)
        for part in sample_slices(self.n_samples, n_particles * strings * size * self.states.itemsize):
            states = self.states[part]
            weighted = np.swapaxes(gradient[:, part], 1, 2)[..., None] * states
            forms += np.matmul(np.swapaxes(weighted, -1, -2), states)
        return self._forms_pullback(plan, forms)

    def _forms(self, plan: ContractionPlan, observables: FloatArray) -> FloatArray:
        """Return the real symmetric parts `[particles, strings, 2^n, 2^n]` of the observables' matrices."""
        n, strings, n_particles = self.n_qubits, plan.n_strings, observables.shape[0]
        tensor = _spread(plan, observables, n) * _even_y(n)[:, None].astype(observables.dtype)
        tensor = _apply_everywhere(tensor.reshape(n_particles, *(4,) * n, strings), _TO_MATRIX, n)
        tensor = tensor.reshape(n_particles, *(2, 2) * n, strings)
        rows = [1 + 2 * q for q in reversed(range(n))]
        columns = [2 + 2 * q for q in reversed(range(n))]
        return np.ascontiguousarray(tensor.transpose(0, 2 * n + 1, *rows, *columns)).reshape(
            n_particles, strings, 2**n, 2**n
        )

    def _forms_pullback(self, plan: ContractionPlan, forms: FloatArray) -> FloatArray:
        n, strings, n_particles = self.n_qubits, plan.n_strings, forms.shape[0]
        tensor = forms.reshape(n_particles, strings, *(2,) * (2 * n))
        axes = [axis for q in range(n) for axis in (2 + n - 1 - q, 2 + 2 * n - 1 - q)]
        tensor = np.ascontiguousarray(tensor.transpose(0, *axes, 1)).reshape(n_particles, *(4,) * n, strings)
        tensor = _apply_everywhere(tensor, _TO_MATRIX.T, n).reshape(n_particles, 4**n, strings)
        return _gather(plan, tensor * _even_y(n)[:, None].astype(forms.dtype), n)


class AmplitudeContraction:
    """A plan with all blocks on the observables' side, ready for samples; as `Contraction` for products."""

    def __init__(self, plan: ContractionPlan, samples: AmplitudeInputs) -> None:
        self._plan, self._samples = plan, samples
        self._ops = ArrayOps(samples.states.dtype.type)

    def values(self, matrices: Sequence[FloatArray]) -> FloatArray:
        """Return values of the strings, `[particles, samples, strings]`."""
        return self._values(self._plan.cut(matrices), None)

    def pull_back(self, matrices: Sequence[FloatArray], respond: Respond, into: Sequence[FloatArray]) -> None:
        """Add the gradient of every block's matrix to `into`."""
        cut = self._plan.cut(matrices)
        tape: list[Array] = []
        values = self._values(cut, tape)
        back = self._samples.pull_back(self._plan, respond(slice(0, len(values)), values))
        flow = np.ascontiguousarray(np.swapaxes(back.reshape(len(values), -1, self._plan.n_strings), 1, 2))
        found: dict[int, Array] = {}
        pull_back_observables(self._ops, self._plan, cut, tape, flow, found)
        for k, value in found.items():
            into[k][:, self._plan.rows[k]] += value

    def _values(self, matrices: dict[int, Array], tape: list[Array] | None) -> FloatArray:
        observables = contract_observables(self._ops, self._plan, matrices, tape)
        return self._samples.values(self._plan, np.ascontiguousarray(np.swapaxes(observables, 1, 2)))


# Real matrices of I, X, -iY and Z, row-major: a string with k factors Y is (i)^k times the product of these.
_TO_MATRIX = np.array([[1.0, 0, 0, 1], [0, 1, -1, 0], [0, 1, 1, 0], [1, 0, 0, -1]])


def _even_y(n_qubits: int) -> FloatArray:
    """Return the real part of i^(number of Y) for every Pauli string; real states do not see the rest."""
    phase = np.ones(1, dtype=complex)
    for _ in range(n_qubits):
        phase = np.kron(phase, np.array([1, 1, 1j, 1]))
    return phase.real


def _apply_everywhere(tensor: FloatArray, matrix: FloatArray, n_qubits: int) -> FloatArray:
    """Apply a 4x4 matrix to each of the qubit axes 1..n."""
    matrix = matrix.astype(tensor.dtype)
    shape = tensor.shape
    for axis in range(n_qubits):
        flat = tensor.reshape(shape[0] * 4**axis, 4, -1)
        tensor = np.matmul(matrix, flat)
    return tensor.reshape(shape)


def _axis_map(plan: ContractionPlan, n_data: int) -> tuple[tuple[int, ...], list[int]]:
    """Return the axes that hold data qubits in chain order, and those of qubits that start in |0>."""
    qubits = plan.qubits
    data = tuple(a for a in np.argsort(qubits) if qubits[a] < n_data)
    return data, [a for a, qubit in enumerate(qubits) if qubit >= n_data]


def _spread(plan: ContractionPlan, observables: FloatArray, n_data: int) -> FloatArray:
    """Return the observables on all data qubits, `[particles, 4^n_data, strings]`.

    Qubits that start in |0> are traced in; on qubits outside the light cone there is I.
    """
    qubits, strings, n_particles = plan.qubits, plan.n_strings, observables.shape[0]
    data, ancillas = _axis_map(plan, n_data)
    tensor = observables.reshape(n_particles, *(4,) * len(qubits), strings)
    tensor = tensor.transpose(0, *(a + 1 for a in ancillas), *(a + 1 for a in data), len(qubits) + 1)
    for _ in ancillas:
        tensor = tensor[:, 0] + tensor[:, 3]
    full = np.zeros((n_particles, *(4,) * n_data, strings), dtype=observables.dtype)
    full[_inside(plan, n_data)] = tensor
    return full.reshape(n_particles, 4**n_data, strings)


def _gather(plan: ContractionPlan, gradient: FloatArray, n_data: int) -> FloatArray:
    """Apply the adjoint of `_spread`."""
    qubits, strings, n_particles = plan.qubits, plan.n_strings, gradient.shape[0]
    data, ancillas = _axis_map(plan, n_data)
    tensor = gradient.reshape(n_particles, *(4,) * n_data, strings)[_inside(plan, n_data)]
    for _ in ancillas:
        zero = np.zeros_like(tensor)
        tensor = np.stack([tensor, zero, zero, tensor], axis=1)
    order = [*ancillas, *data]
    inverse = np.argsort(order)
    tensor = tensor.transpose(0, *(int(a) + 1 for a in inverse), len(qubits) + 1)
    return np.ascontiguousarray(tensor).reshape(n_particles, -1)


def _inside(plan: ContractionPlan, n_data: int) -> tuple[slice | int, ...]:
    seen = set(plan.qubits)
    return (slice(None), *(slice(None) if q in seen else 0 for q in range(n_data)), slice(None))
