"""tensorcircuit-ng with JAX: its `Circuit`, and its `DMCircuit` under noise."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from peer_jax import NOTE, batched, require_jax
from peer_program import PeerProgram, missing, outcome_probabilities
from qiskit.circuit.library import ECRGate, SXGate

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.interop.noise_channels import Channel

_MATRICES = {"sx": SXGate().to_matrix(), "ecr": ECRGate().reverse_ops().to_matrix()}


def require_tensorcircuit() -> ModuleType:
    """Return the package tensorcircuit, on JAX in double precision.

    Raises:
        InteropError: If it or JAX is missing.
    """
    require_jax()
    try:
        import tensorcircuit
    except ImportError:
        raise missing("tensorcircuit-ng") from None
    tensorcircuit.set_backend("jax")
    tensorcircuit.set_dtype("complex128")
    return tensorcircuit


class TensorCircuitPeer:
    """One circuit, mapped over the samples."""

    note = NOTE

    def __init__(self, program: PeerProgram, *, noisy: bool) -> None:
        """Prepare a program.

        Raises:
            InteropError: If tensorcircuit-ng or JAX is missing.
        """
        tc = require_tensorcircuit()
        self.method = f"tensorcircuit-ng {'DMCircuit' if noisy else 'Circuit'}"
        jnp = require_jax().numpy

        def one(angles: Any) -> Any:
            circuit = (tc.DMCircuit if noisy else tc.Circuit)(program.n_qubits)
            for step in program.steps:
                if isinstance(step, Channel):
                    # The first index of a Kraus operator is that of the last qubit.
                    kraus = [tc.gates.Gate(_tensor(operator)) for operator in step.kraus]
                    circuit.apply_general_kraus(kraus, *reversed(step.qubits))
                elif step.angle is not None:
                    getattr(circuit, step.name)(*step.qubits, theta=angles[step.angle])
                elif step.name in _MATRICES:
                    circuit.any(*step.qubits, unitary=_tensor(_MATRICES[step.name]))
                else:
                    getattr(circuit, step.name)(*step.qubits)
            if noisy:
                found = jnp.real(jnp.diagonal(circuit.densitymatrix()))
            else:
                found = jnp.abs(circuit.state()) ** 2
            return outcome_probabilities(found, program, first_leads=True)

        self._run = batched(one)

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the outcomes' probabilities `[N, 2^m]` of angles `[N, A]`."""
        return self._run(angles)


def _tensor(matrix: Any) -> Any:
    return np.asarray(matrix, dtype=np.complex128).reshape((2,) * (2 * (len(matrix).bit_length() - 1)))
