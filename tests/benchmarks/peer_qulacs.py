"""qulacs: its state vectors, and its density matrices under noise; one sample after the other."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from peer_program import PeerGate, PeerProgram, missing, outcome_probabilities
from qiskit.circuit.library import CYGate, ECRGate

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.interop.noise_channels import Channel

_FIXED = {"cx": "CNOT", "cz": "CZ", "sx": "sqrtX", "x": "X"}
_MATRICES = {"cy": CYGate().to_matrix(), "ecr": ECRGate().to_matrix()}
_ROTATIONS = {"rx": "RX", "ry": "RY", "rz": "RZ"}
_PAULIS = {"rxx": [1, 1], "rzz": [3, 3]}


def require_qulacs() -> ModuleType:
    """Return the package qulacs.

    Raises:
        InteropError: If it is missing.
    """
    try:
        import qulacs
    except ImportError:
        raise missing("qulacs") from None
    return qulacs


class QulacsPeer:
    """One parametric circuit, whose angles are set anew for each sample."""

    note = "one circuit, its angles set for each sample"

    def __init__(self, program: PeerProgram, *, noisy: bool) -> None:
        """Prepare a program.

        Raises:
            InteropError: If qulacs is missing.
        """
        qulacs = require_qulacs()
        self.method = f"qulacs {'density matrix' if noisy else 'state vector'}"
        self._program, self._noisy = program, noisy
        self._state = (qulacs.DensityMatrix if noisy else qulacs.QuantumState)(program.n_qubits)
        self._circuit = qulacs.ParametricQuantumCircuit(program.n_qubits)
        self._angles: list[int] = []
        for step in program.steps:
            if isinstance(step, Channel):
                kraus = [qulacs.gate.DenseMatrix(list(step.qubits), operator) for operator in step.kraus]
                self._circuit.add_gate(qulacs.gate.CPTP(kraus))
            else:
                self._add(qulacs, step)

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the outcomes' probabilities `[N, 2^m]` of angles `[N, A]`."""
        rows = []
        for row in angles:
            for place, angle in enumerate(self._angles):
                # Rotations of qulacs turn the other way.
                self._circuit.set_parameter(place, -row[angle])
            self._state.set_zero_state()
            self._circuit.update_quantum_state(self._state)
            rows.append(self._outcomes())
        return outcome_probabilities(np.array(rows), self._program, first_leads=False)

    def _outcomes(self) -> Any:
        if self._noisy:
            return np.diagonal(self._state.get_matrix()).real
        return np.abs(self._state.get_vector()) ** 2

    def _add(self, qulacs: ModuleType, step: PeerGate) -> None:
        circuit, qubits = self._circuit, list(step.qubits)
        if step.angle is not None:
            self._angles.append(step.angle)
            if step.name in _ROTATIONS:
                getattr(circuit, f"add_parametric_{_ROTATIONS[step.name]}_gate")(*qubits, 0.0)
            else:
                circuit.add_parametric_multi_Pauli_rotation_gate(qubits, _PAULIS[step.name], 0.0)
        elif step.name in _MATRICES:
            circuit.add_gate(qulacs.gate.DenseMatrix(qubits, _MATRICES[step.name]))
        else:
            circuit.add_gate(getattr(qulacs.gate, _FIXED[step.name])(*qubits))
