"""PennyLane with JAX: `default.qubit`, and `default.mixed` under noise."""

from __future__ import annotations

from typing import Any

from peer_jax import NOTE, batched, require_jax
from peer_program import PeerProgram

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.interop import require_pennylane
from qkd_qiskit.interop.noise_channels import Channel

_OPERATIONS = {
    "cx": "CNOT",
    "cz": "CZ",
    "cy": "CY",
    "ecr": "ECR",
    "rx": "RX",
    "ry": "RY",
    "rz": "RZ",
    "rxx": "IsingXX",
    "rzz": "IsingZZ",
    "sx": "SX",
    "x": "PauliX",
}


class PennyLanePeer:
    """One QNode, mapped over the samples."""

    note = NOTE

    def __init__(self, program: PeerProgram, *, noisy: bool) -> None:
        """Prepare a program.

        Raises:
            InteropError: If PennyLane or JAX is missing.
        """
        require_jax()
        qml = require_pennylane()
        self.method = f"PennyLane {'default.mixed' if noisy else 'default.qubit'}, JAX"
        device = qml.device("default.mixed" if noisy else "default.qubit", wires=program.n_qubits)

        def circuit(angles: Any) -> Any:
            for step in program.steps:
                if isinstance(step, Channel):
                    qml.QubitChannel(step.kraus, wires=list(reversed(step.qubits)))
                else:
                    turn = () if step.angle is None else (angles[step.angle],)
                    getattr(qml, _OPERATIONS[step.name])(*turn, wires=list(step.qubits))
            return qml.probs(wires=list(reversed(program.measured)))

        # Without backprop PennyLane would call back into NumPy for each sample.
        self._run = batched(qml.QNode(circuit, device, interface="jax", diff_method="backprop"))

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the outcomes' probabilities `[N, 2^m]` of angles `[N, A]`."""
        return self._run(angles)
