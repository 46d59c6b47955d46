"""An Aer noise model as Kraus operators; nothing of the exact engine's matrices is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.quantum_info import Choi, SuperOp
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.errors import InteropError
from qkd_qiskit.simulation.noise import find_error

Kraus = tuple[NDArray[np.complex128], ...]
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True)
class Channel:
    """A channel on some qubits.

    Attributes:
        kraus: Kraus operators; the first qubit is the least significant bit of their indices.
        qubits: The qubits.
    """

    kraus: Kraus
    qubits: tuple[int, ...]


class Channels:
    """Channels of a noise model, made once each."""

    def __init__(self, noise_model: NoiseModel | None) -> None:
        self._model = noise_model
        self._made: dict[tuple[str, tuple[int, ...]], Kraus | None] = {}

    def after(self, name: str, qubits: tuple[int, ...]) -> tuple[Channel, ...]:
        """Return the channels that follow an instruction: none or one."""
        key = (name, qubits)
        if key not in self._made:
            error = find_error(self._model, name, None, qubits)
            self._made[key] = None if error is None or error.ideal() else kraus_operators(SuperOp(error))
        kraus = self._made[key]
        return () if kraus is None else (Channel(kraus, qubits),)

    def readout(self, qubit: int) -> tuple[Channel, ...]:
        """Return the readout error of a qubit as a channel before its measurement: none or one.

        Operators `sqrt(P(seen | true)) |seen><true|` dephase and then exchange, which is all that a classical
        misreading can do.
        """
        if self._model is None:
            return ()
        table = self._model._local_readout_errors
        if any(len(qubits) > 1 for qubits in table):
            raise InteropError("expected readout errors of single qubits, found a joint one")
        error = table.get((qubit,), self._model._default_readout_error)
        if error is None:
            return ()
        kraus = []
        for true, row in enumerate(np.asarray(error.probabilities)):
            for seen, probability in enumerate(row):
                operator = np.zeros((2, 2), dtype=np.complex128)
                operator[seen, true] = np.sqrt(probability)
                kraus.append(operator)
        return (Channel(tuple(kraus), (qubit,)),)


def kraus_operators(channel: SuperOp) -> Kraus:
    """Kraus operators of a channel, from the eigenvectors of its Choi matrix.

    Qiskit's own conversion drops eigenvalues below 1e-8, which would show at our tolerances.
    """
    choi = Choi(channel).data
    size = round(np.sqrt(len(choi)))
    values, vectors = np.linalg.eigh((choi + choi.conj().T) / 2)
    if values[0] < -1e-9:
        raise InteropError(f"expected a completely positive channel, found eigenvalue {values[0]:.2g}")
    return tuple(
        np.sqrt(value) * vector.reshape(size, size).T
        for value, vector in zip(values, vectors.T, strict=True)
        if value > _NEGLIGIBLE
    )


def embedded_channel(item: CircuitInstruction, circuit: QuantumCircuit) -> Channel | None:
    """Return the channel that an instruction of a circuit is, or None where it is none.

    Aer's passes put the decay of idle qubits into the circuit as such instructions.
    """
    if item.operation.name != "quantum_channel":
        return None
    kraus = kraus_operators(SuperOp(item.operation._quantum_error))
    return Channel(kraus, tuple(circuit.find_bit(qubit).index for qubit in item.qubits))
