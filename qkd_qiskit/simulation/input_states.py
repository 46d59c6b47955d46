"""How samples enter a circuit: encoded qubit by qubit, as whole states, or as coordinates in a basis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.block_matrices import FactorTable, used_harmonics
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.ptm import N_HARMONICS, UNITARY, harmonics

States = NDArray[Any]


class EncoderTable:
    """The gates of the encoding for many samples, the errors of these gates included."""

    def __init__(self, compiled: CompiledCircuit, dimension: int) -> None:
        """Prepare the encoding.

        Args:
            compiled: The compiled circuit.
            dimension: Of the matrices: 4 for Pauli transfer matrices, 2 for unitaries.
        """
        self._offsets, self._slopes = compiled.input_angles
        self._used = used_harmonics(compiled.encoders)
        self._table = FactorTable(compiled.encoders, dimension, self._used)

    def products(self, inputs: FloatArray) -> NDArray[Any]:
        """Return products of each qubit's gates, `[qubits, samples, d, d]`, for angles `[samples, F]`."""
        waves = np.zeros((len(self._offsets) + 1, len(inputs), N_HARMONICS))
        if len(self._offsets):
            waves[:-1] = harmonics((self._offsets + inputs @ self._slopes).T)
        waves[-1, :, 0] = 1.0
        products, _ = self._table.products(np.ascontiguousarray(waves[..., self._used]))
        return np.asarray(products[self._table.rows])


class InputStates:
    """Samples before the first block; qubit 0 leads in a state.

    Attributes:
        is_given: Whether inputs are real states rather than angles.
    """

    def __init__(self, compiled: CompiledCircuit) -> None:
        """Prepare the encoding.

        Args:
            compiled: Circuit compiled in the basis `UNITARY`, without noise.
        """
        self._compiled = compiled
        self._encoders = EncoderTable(compiled, UNITARY.levels)
        self.is_given = compiled.input_angles[1].shape[0] == 0

    @property
    def n_basis(self) -> int:
        """Number of basis states C."""
        return int(2 ** (self._compiled.n_data if self.is_given else self._compiled.n_qubits))

    def basis(self) -> States:
        """Return the basis `[2^n, C]`: every state that can enter is a mixture of its columns."""
        eye = np.eye(self.n_basis)
        return self._given(eye) if self.is_given else eye.astype(np.complex128)

    def coordinates(self, inputs: FloatArray) -> States:
        """Return the coordinates `[C, N]` of samples `[N, F]` in the basis; real for ideal input states."""
        return inputs.T if self.is_given else self.states(inputs)

    def states(self, inputs: FloatArray) -> States:
        """Return states `[2^n, N]` of samples `[N, F]`: angles, or real states."""
        if self.is_given:
            return self._given(inputs)
        n = self._compiled.n_qubits
        qubits = self._encoders.products(inputs)[..., 0].swapaxes(1, 2)  # [n, 2, samples]
        state = qubits[0]
        for qubit in range(1, n):
            state = (state[:, None] * qubits[qubit][None]).reshape(-1, len(inputs))
        return np.ascontiguousarray(state, dtype=np.complex128)

    def _given(self, inputs: FloatArray) -> States:
        """Return ideal input states; qubits outside the spec start in |0>."""
        n, n_data = self._compiled.n_qubits, self._compiled.n_data
        axes = tuple(1 + n_data - 1 - qubit for qubit in range(n_data))
        tensor = inputs.reshape(len(inputs), *(2,) * n_data).transpose(*axes, 0)
        state = np.zeros((2**n_data, 2 ** (n - n_data), len(inputs)), dtype=np.complex128)
        state[:, 0] = tensor.reshape(2**n_data, -1)
        return state.reshape(2**n, -1)


def mix(columns: States, coordinates: States) -> States:
    """Return the states `[P, 2^n, N]` that the columns `[P, 2^n, C]` make with coordinates `[C, N]`."""
    if np.iscomplexobj(coordinates):
        return np.asarray(np.matmul(columns, coordinates.astype(columns.dtype, copy=False)))
    real = coordinates.astype(columns.real.dtype, copy=False)
    out = np.empty((*columns.shape[:-1], real.shape[1]), dtype=columns.dtype)
    # PERF: two real products; as one complex product the real coordinates would cost twice as much.
    out.real = np.matmul(columns.real, real)
    out.imag = np.matmul(columns.imag, real)
    return out


def mix_gradient(flow: States, coordinates: States) -> States:
    """Return the gradient of columns `[P, 2^n, C]`, given that of states `[P, 2^n, N]`; holomorphic."""
    return mix(flow, coordinates.T)
