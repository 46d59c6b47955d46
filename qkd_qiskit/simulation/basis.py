"""Pauli transfer matrices (PTMs) of gates and channels.

A PTM is the real matrix `R[i, j] = Tr(P_i E(P_j)) / d` over Pauli strings in the order I, X, Y, Z. For two
qubits the index is `4 * p_first + p_second`, where *first* and *second* follow the order in which the gate
names its qubits. Channels compose by matrix product, observables evolve by the transpose (Heisenberg
picture).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Gate, Instruction, Parameter
from qiskit.quantum_info import PTM, Operator, SuperOp
from qiskit.quantum_info.operators.channel.quantum_channel import QuantumChannel

from qkd_qiskit.errors import SimulationError

Array = NDArray[np.float64]

N_HARMONICS = 5
_FIT_ANGLES = 4 * np.pi * (np.arange(N_HARMONICS) + 0.25) / N_HARMONICS
_CHECK_ANGLES = np.array([0.377, 2.913, -1.231])


def harmonics(angles: Array) -> Array:
    """`[1, cos t, sin t, cos t/2, sin t/2]` of every angle, on a new last axis."""
    out = np.empty((*angles.shape, N_HARMONICS))
    out[..., 0] = 1.0
    np.cos(angles, out=out[..., 1])
    np.sin(angles, out=out[..., 2])
    np.cos(0.5 * angles, out=out[..., 3])
    np.sin(0.5 * angles, out=out[..., 4])
    return out


def harmonic_slopes(values: Array) -> Array:
    """Derivatives of `harmonics` with respect to the angle, from its values."""
    out = np.empty_like(values)
    out[..., 0] = 0.0
    out[..., 1] = -values[..., 2]
    out[..., 2] = values[..., 1]
    out[..., 3] = -0.5 * values[..., 4]
    out[..., 4] = 0.5 * values[..., 3]
    return out


def channel_ptm(channel: QuantumChannel | Instruction) -> Array:
    """PTM of a channel or instruction on one or two qubits, in the module's index order."""
    data = PTM(SuperOp(channel)).data
    if np.abs(data.imag).max(initial=0.0) > 1e-9:
        raise SimulationError(
            f"expected a Hermiticity-preserving channel, found complex PTM entries of {channel}"
        )
    return _first_qubit_leads(np.ascontiguousarray(data.real))


def swap_qubits(matrix: Array) -> Array:
    """The two-qubit PTM with first and second qubit exchanged; leading axes are kept."""
    lead = matrix.shape[:-2]
    tensor = matrix.reshape(*lead, 4, 4, 4, 4)
    return np.ascontiguousarray(np.swapaxes(np.swapaxes(tensor, -4, -3), -2, -1)).reshape(*lead, 16, 16)


def on_first(matrix: Array) -> Array:
    """A one-qubit PTM as a two-qubit PTM that acts on the first qubit."""
    return np.asarray(np.kron(matrix, np.eye(4)), dtype=np.float64)


def on_second(matrix: Array) -> Array:
    """A one-qubit PTM as a two-qubit PTM that acts on the second qubit."""
    return np.asarray(np.kron(np.eye(4), matrix), dtype=np.float64)


def rotation_coefficients(gate: Gate, symbol: Parameter) -> Array:
    """Coefficients `[N_HARMONICS, d, d]` whose sum over `harmonics(t)` is the PTM of `gate` at `symbol = t`.

    Every gate `exp(-i t G / 2)` whose generator has eigenvalues in {-1, 0, 1} is of this form: the rotations
    about one and two-qubit Pauli strings, the phase gate and the controlled rotations. The fit is checked at
    angles that it has not seen.

    Raises:
        SimulationError: If the gate's PTM is no such function of the angle.
    """
    samples = np.stack([_bound_ptm(gate, symbol, angle) for angle in _FIT_ANGLES])
    dimension = samples.shape[-1]
    design = harmonics(_FIT_ANGLES)
    fitted = np.linalg.solve(design, samples.reshape(N_HARMONICS, -1))
    fitted[np.abs(fitted) < 1e-14] = 0.0
    coefficients: Array = np.asarray(fitted, dtype=np.float64).reshape(N_HARMONICS, dimension, dimension)
    for angle in _CHECK_ANGLES:
        predicted = np.tensordot(harmonics(np.array(angle)), coefficients, axes=1)
        if np.abs(predicted - _bound_ptm(gate, symbol, angle)).max() > 1e-10:
            raise SimulationError(
                f"expected a gate with one rotation angle, found {gate.name!r}, whose Pauli "
                "transfer matrix is not "
                "trigonometric in it; transpile to a basis of rotations (rx, ry, rz, rxx, ryy, "
                "rzz, rzx, p, crx, cry, crz)"
            )
    return coefficients


def _bound_ptm(gate: Gate, symbol: Parameter, angle: float) -> Array:
    bound = gate.to_mutable()
    bound.params = [
        float(p.bind({symbol: angle})) if getattr(p, "parameters", None) else float(p) for p in gate.params
    ]
    return _first_qubit_leads(np.ascontiguousarray(PTM(Operator(bound)).data.real))


def _first_qubit_leads(matrix: Array) -> Array:
    """Qiskit lets the last qubit lead; turn the index round for two qubits."""
    if matrix.shape == (4, 4):
        return matrix
    if matrix.shape == (16, 16):
        return swap_qubits(matrix)
    raise SimulationError(f"expected an operation on one or two qubits, found a PTM of shape {matrix.shape}")
