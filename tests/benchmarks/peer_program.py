"""What peers run: the bench's circuits as gates, angles and Kraus channels, without Qiskit's objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression
from qiskit.quantum_info import Kraus, Operator, SuperOp
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import InteropError
from qkd_qiskit.extras import missing_extra
from qkd_qiskit.interop.noise_channels import Channel, Channels, embedded_channel, kraus_operators
from qkd_qiskit.simulation.compiled_circuit import AffineAngles
from qkd_qiskit.simulation.evaluator import MeasuredCircuit
from qkd_qiskit.simulation.noise import LocalNoise, cut_to_active

_SILENT = ("barrier", "delay", "measure", "id")


@dataclass(frozen=True)
class PeerGate:
    """A gate.

    Attributes:
        name: Qiskit's name.
        qubits: The qubits, in the order of Qiskit's gate.
        angle: Its place among the angles; None for a gate without.
    """

    name: str
    qubits: tuple[int, ...]
    angle: int | None


@dataclass(frozen=True, eq=False)
class PeerProgram:
    """A measured circuit.

    Attributes:
        n_qubits: Its qubits.
        steps: Gates and channels in their order.
        measured: Qubit of each bit of the outcome, least significant first.
        readout: Confusion of the outcomes `[true, measured]`, `[2^m, 2^m]`.
    """

    n_qubits: int
    steps: tuple[PeerGate | Channel, ...]
    measured: tuple[int, ...]
    readout: FloatArray
    _offsets: FloatArray
    _slopes: FloatArray

    @classmethod
    def of(cls, source: MeasuredCircuit, noise: NoiseModel | None) -> PeerProgram:
        """Read a measured circuit and the noise model over its qubits.

        Under noise, gates without a weight or an input and their errors are multiplied beforehand, which
        spares the peers two steps of three.
        """
        circuit, cut, active = cut_to_active(source.circuit, noise, keep=source.input_qubits)
        parameters = [*(source.x or ()), *source.w]
        angles = AffineAngles({parameter: k for k, parameter in enumerate(parameters)})
        channels, errors, measured = Channels(cut), LocalNoise(noise), {}
        steps: list[PeerGate | Channel] = []
        for item in circuit.data:
            qubits = tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
            name, embedded = item.operation.name, embedded_channel(item, circuit)
            if name == "measure":
                measured[circuit.find_bit(item.clbits[0]).index] = qubits[0]
            elif embedded is not None:
                steps.append(embedded)
            elif name not in _SILENT:
                turns = [value for value in item.operation.params if isinstance(value, ParameterExpression)]
                if noise is not None and not any(turn.parameters for turn in turns):
                    steps.append(Channel((Operator(item.operation).data,), qubits))
                else:
                    turns = [angles.add(_expression(value)) for value in item.operation.params]
                    steps.append(PeerGate(name, qubits, turns[0] if turns else None))
                steps += channels.after(name, qubits)
        if noise is not None:
            steps = list(_fused(steps))
        order = tuple(measured[bit] for bit in sorted(measured))
        confusions = [errors.readout(active[qubit]) for qubit in order]
        offsets, slopes = angles.matrices(len(parameters))
        return cls(
            n_qubits=circuit.num_qubits,
            steps=tuple(steps),
            measured=order,
            readout=reduce(lambda low, high: np.kron(high, low), confusions),
            _offsets=offsets,
            _slopes=slopes,
        )

    def angles(self, weights: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return the angles `[N, A]` of one weight vector `[W]` and samples `[N, F]`."""
        values = np.concatenate([inputs, np.broadcast_to(weights, (len(inputs), len(weights)))], axis=1)
        return np.asarray(self._offsets + values @ self._slopes)


class Peer(Protocol):
    """A simulator that runs one program.

    Attributes:
        method: Who it is.
        note: Its settings.
    """

    method: str
    note: str

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the outcomes' probabilities `[N, 2^m]`, without readout errors, of angles `[N, A]`."""
        ...


def missing(package: str) -> InteropError:
    """Return the error of a peer that is not installed."""
    return InteropError(missing_extra(f"the bench of {package}", "bench"))


def outcome_probabilities(array: Any, program: PeerProgram, *, first_leads: bool) -> Any:
    """Sum probabilities `[..., 2^n]` of all qubits over those that are not measured.

    Args:
        array: Of NumPy or JAX.
        program: Says which are.
        first_leads: Whether qubit 0 is the most significant bit of the index, or else the least.
    """
    n, lead = program.n_qubits, array.shape[:-1]
    tensor = array.reshape(*lead, *(2,) * n)
    at = {qubit: len(lead) + (qubit if first_leads else n - 1 - qubit) for qubit in range(n)}
    kept = [at[qubit] for qubit in reversed(program.measured)]
    lost = [at[qubit] for qubit in range(n) if qubit not in program.measured]
    ordered = tensor.transpose(*range(len(lead)), *kept, *lost)
    return ordered.reshape(*lead, 2 ** len(kept), -1).sum(axis=-1)


def _fused(steps: Sequence[PeerGate | Channel]) -> Iterator[PeerGate | Channel]:
    """Multiply channels on one qubit into the next channel on it."""
    waiting: dict[int, SuperOp] = {}

    def flushed(qubits: Sequence[int]) -> Iterator[Channel]:
        for qubit in qubits:
            if qubit in waiting:
                yield Channel(kraus_operators(waiting.pop(qubit)), (qubit,))

    for step in steps:
        if isinstance(step, PeerGate):
            yield from flushed(step.qubits)
            yield step
            continue
        whole = SuperOp(np.eye(4 ** len(step.qubits)))
        for place, qubit in enumerate(step.qubits):
            if qubit in waiting:
                whole = whole.compose(waiting.pop(qubit), qargs=[place])
        whole = whole.compose(SuperOp(Kraus(list(step.kraus))))
        if len(step.qubits) == 1:
            waiting[step.qubits[0]] = whole
        else:
            yield Channel(kraus_operators(whole), step.qubits)
    yield from flushed(sorted(waiting))


def _expression(value: float | ParameterExpression) -> ParameterExpression:
    """Return a number as an expression without parameters."""
    symbol = Parameter("t")
    return value if isinstance(value, ParameterExpression) else symbol.bind({symbol: float(value)})
