"""What a gate or an error is made of: equal contents mean equal matrices, whatever the objects.

Each circuit has instructions of its own, and idle times errors of their own, but few of them differ.
"""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Number
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction, Operation, Reset
from qiskit.circuit.library import PauliGate, UnitaryGate
from qiskit.quantum_info.operators.channel.quantum_channel import QuantumChannel
from qiskit_aer.noise import QuantumError

# What has no class of its own, with its matrices as parameters.
_MATRICES = frozenset({"kraus", "superop"})
# Classes whose matrix follows from the parameters, beside those of the standard gates.
_PLAIN = frozenset({PauliGate, Reset, UnitaryGate})
_STANDARD = "qiskit.circuit.library.standard_gates."


def content_of(channel: QuantumChannel | QuantumError | Operation) -> Hashable | None:
    """Return a key that only channels with bitwise one matrix share; None where no key is certain.

    Args:
        channel: A gate, an instruction or an error. Keys are certain where Qiskit's own class or the
            parameters tell the matrix: not for definitions of users, and not for unbound parameters.
    """
    if isinstance(channel, QuantumError):
        return _error(channel)
    if isinstance(channel, QuantumChannel) or not isinstance(channel, Operation):
        return None
    # Aer wraps the errors of idle times in instructions.
    error = getattr(channel, "_quantum_error", None)
    if error is None:
        return _operation(channel)
    wrapped = content_of(error)
    # Qiskit converts these in another way, which may end in other last digits.
    return None if wrapped is None else ("wrapped", wrapped)


def _error(error: QuantumError) -> Hashable | None:
    terms = tuple(_circuit(circuit) for circuit in error.circuits)
    return None if None in terms else (terms, tuple(float(p) for p in error.probabilities))


def _circuit(circuit: QuantumCircuit) -> Hashable | None:
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    found: list[Hashable] = [len(place), circuit.global_phase]
    for item in circuit.data:
        key = _operation(item.operation)
        if key is None or item.clbits:
            return None
        found.append((key, tuple(place[qubit] for qubit in item.qubits)))
    return tuple(found)


def _operation(operation: Any) -> Hashable | None:
    # Standard gates are singletons of hidden subclasses, one for all.
    kind = getattr(operation, "base_class", type(operation))
    standard = kind in _PLAIN or kind.__module__.startswith(_STANDARD)
    if not standard and not (kind is Instruction and operation.name in _MATRICES):
        return None
    control: int | None = getattr(operation, "ctrl_state", None)
    found: list[Hashable] = [
        f"{kind.__module__}.{kind.__qualname__}",
        operation.name,
        operation.num_qubits,
        control,
    ]
    for value in operation.params:
        if isinstance(value, np.ndarray):
            found.append((value.dtype.str, value.shape, value.tobytes()))
        elif isinstance(value, (Number, str)):
            found.append(value)
        else:
            return None
    return tuple(found)
