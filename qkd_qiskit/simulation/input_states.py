"""How samples enter a circuit without noise: encoded, as given states, or as coordinates in a basis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.encoded_samples import EncodedSamples
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.simulation.sample_encoder import SampleEncoder

States = NDArray[Any]


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
        self._encoder = SampleEncoder(compiled, UNITARY)
        self.is_given = compiled.input_angles.n_inputs == 0

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
        if self._encoder.joins:
            return self._joint(inputs)
        qubits = self._encoder.single(inputs).swapaxes(1, 2)  # [n, 2, samples]
        state = qubits[0]
        for qubit in range(1, self._compiled.n_qubits):
            state = (state[:, None] * qubits[qubit][None]).reshape(-1, len(inputs))
        return np.ascontiguousarray(state, dtype=np.complex128)

    def _joint(self, inputs: FloatArray) -> States:
        """Return states of which groups of qubits are encoded together."""
        n, groups = self._compiled.n_qubits, self._encoder.groups
        parts = EncodedSamples(self._encoder, inputs).gathered(slice(None))
        state = parts[0]
        for part in parts[1:]:
            state = (state[:, :, None] * part[:, None, :]).reshape(len(inputs), -1)
        order = [qubit for group in groups for qubit in group]
        axes = (*(1 + order.index(qubit) for qubit in range(n)), 0)
        tensor = state.reshape(len(inputs), *(2,) * n).transpose(axes)
        return np.ascontiguousarray(tensor).reshape(2**n, -1)

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
