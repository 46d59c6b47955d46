"""Matrices of gates and channels: Pauli transfer matrices (PTMs), and unitaries for the ideal path.

A PTM is the real matrix `R[i, j] = Tr(P_i E(P_j)) / d` over Pauli strings in the order I, X, Y, Z. For two
qubits the index is `4 * p_first + p_second`, where *first* and *second* follow the order in which the gate
names its qubits. Channels compose by matrix product, observables evolve by the transpose (Heisenberg
picture).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Gate, Operation, Parameter
from qiskit.quantum_info import PTM, Operator, SuperOp
from qiskit.quantum_info.operators.channel.quantum_channel import QuantumChannel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.recent import Recent
from qkd_qiskit.simulation.content import content_of

N_HARMONICS = 5
_FIT_ANGLES = 4 * np.pi * (np.arange(N_HARMONICS) + 0.25) / N_HARMONICS
_CHECK_ANGLES = np.array([0.377, 2.913, -1.231])

# PERF: converting the errors again with each circuit took a fifth of an experiment. 8 MiB at most.
_PTMS: Recent[Hashable, FloatArray] = Recent(4096)


def harmonics(angles: FloatArray) -> FloatArray:
    """Return `[1, cos t, sin t, cos t/2, sin t/2]` of every angle, on a new last axis."""
    out = np.empty((*angles.shape, N_HARMONICS))
    out[..., 0] = 1.0
    np.cos(angles, out=out[..., 1])
    np.sin(angles, out=out[..., 2])
    np.cos(0.5 * angles, out=out[..., 3])
    np.sin(0.5 * angles, out=out[..., 4])
    return out


def harmonic_slopes(values: FloatArray) -> FloatArray:
    """Return derivatives of `harmonics` with respect to the angle, from its values."""
    out = np.empty_like(values)
    out[..., 0] = 0.0
    out[..., 1] = -values[..., 2]
    out[..., 2] = values[..., 1]
    out[..., 3] = -0.5 * values[..., 4]
    out[..., 4] = 0.5 * values[..., 3]
    return out


@dataclass(frozen=True)
class MatrixBasis:
    """How gates are written as matrices.

    Attributes:
        levels: Dimension of one qubit: 4 Pauli matrices, or 2 basis states.
        dtype: Type of the matrix elements.
        matrix: Matrix of an instruction without parameters, first qubit leading.
    """

    levels: int
    dtype: type[np.number[Any]]
    matrix: Callable[[Operation], NDArray[Any]]


def channel_ptm(channel: QuantumChannel | Operation) -> FloatArray:
    """Return the PTM of a channel, gate or instruction on one or two qubits, in the module's index order.

    It cannot be written to: channels of equal content share it.
    """
    key = content_of(channel)
    return _new_ptm(channel) if key is None else _PTMS.find(key, lambda: _new_ptm(channel))


def _new_ptm(channel: QuantumChannel | Operation) -> FloatArray:
    operator = Operator(channel) if isinstance(channel, Gate) else SuperOp(channel)
    data = PTM(operator).data
    if np.abs(data.imag).max(initial=0.0) > 1e-9:
        raise SimulationError(
            f"expected a Hermiticity-preserving channel, found complex PTM entries of {channel}"
        )
    found = _first_qubit_leads(np.ascontiguousarray(data.real))
    found.setflags(write=False)
    return found


def gate_unitary(gate: Operation) -> NDArray[np.complex128]:
    """Return the unitary matrix of a gate on one or two qubits, first qubit leading."""
    if not isinstance(gate, Gate):
        raise SimulationError(f"expected unitary gates, found {gate.name!r}")
    return _first_qubit_leads(np.ascontiguousarray(Operator(gate).data))


PAULI = MatrixBasis(4, np.float64, channel_ptm)
UNITARY = MatrixBasis(2, np.complex128, gate_unitary)


def swap_qubits(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return a two-qubit matrix with first and second qubit exchanged; leading axes are kept."""
    lead, dimension = matrix.shape[:-2], matrix.shape[-1]
    tensor = matrix.reshape(*lead, *(isqrt(dimension),) * 4)
    swapped = np.swapaxes(np.swapaxes(tensor, -4, -3), -2, -1)
    return np.ascontiguousarray(swapped).reshape(*lead, dimension, dimension)


def on_first(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return a one-qubit matrix as a two-qubit matrix that acts on the first qubit."""
    return np.asarray(np.kron(matrix, np.eye(len(matrix))))


def on_second(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return a one-qubit matrix as a two-qubit matrix that acts on the second qubit."""
    return np.asarray(np.kron(np.eye(len(matrix)), matrix))


def rotation_coefficients(gate: Gate, symbol: Parameter, basis: MatrixBasis = PAULI) -> NDArray[Any]:
    """Return coefficients whose sum over `harmonics(t)` is the gate's matrix at `symbol = t`.

    Every gate `exp(-i t G / 2)` whose generator has eigenvalues in {-1, 0, 1} is of this form: the rotations
    about one and two-qubit Pauli strings, the phase gate and the controlled rotations. The fit is checked at
    angles that it has not seen.

    Raises:
        SimulationError: If the gate's matrix is no such function of the angle.
    """
    samples = np.stack([_bound_matrix(gate, symbol, angle, basis) for angle in _FIT_ANGLES])
    fitted = np.linalg.solve(harmonics(_FIT_ANGLES), samples.reshape(N_HARMONICS, -1))
    fitted[np.abs(fitted) < 1e-14] = 0.0
    coefficients: NDArray[Any] = fitted.reshape(samples.shape)
    for angle in _CHECK_ANGLES:
        predicted = np.tensordot(harmonics(np.array(angle)), coefficients, axes=1)
        if np.abs(predicted - _bound_matrix(gate, symbol, angle, basis)).max() > 1e-10:
            raise SimulationError(
                f"expected a gate with one rotation angle, found {gate.name!r}, which is no such "
                "function of it; transpile to rotations (rx, ry, rz, rxx, ryy, rzz, rzx, p, crx, cry, crz)"
            )
    return coefficients


def _bound_matrix(gate: Gate, symbol: Parameter, angle: float, basis: MatrixBasis) -> NDArray[Any]:
    bound = gate.to_mutable()
    bound.params = [
        float(p.bind({symbol: angle})) if getattr(p, "parameters", None) else float(p) for p in gate.params
    ]
    return basis.matrix(bound)


def _first_qubit_leads(matrix: NDArray[Any]) -> NDArray[Any]:
    """Turn the index of two qubits round: Qiskit lets the last one lead."""
    one = 4 if matrix.dtype == np.float64 else 2
    if len(matrix) not in (one, one**2):
        raise SimulationError(f"expected an operation on one or two qubits, found {matrix.shape}")
    return matrix if len(matrix) == one else swap_qubits(matrix)
