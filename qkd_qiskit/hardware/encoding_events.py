"""The gates of an encoding as the events that a device will see, two-qubit ones included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from qiskit.circuit import ParameterExpression

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.gate_events import Event, controlled_events, ising_events
from qkd_qiskit.vqcnn import VQCNNSpec, encoding_circuit, inputs_again

_ROTATIONS = {"rx": "X", "ry": "Y", "rz": "Z", "p": "Z"}
_PAULIS = frozenset({"x", "y", "z"})
# Gates without a parameter, by what they do to axes.
_FRAMES = {"h": "H", "s": "S", "sdg": "S", "sx": "V", "sxdg": "V", "t": "Z", "tdg": "Z", **_ROTATIONS}
# Native two-qubit gates of what has no angle: which qubit controls, and what the target is diagonal in.
_FIXED_PAIRS = {"cx": "X", "cy": "Y", "cz": "Z"}
# The same where the transpiler may find fewer gates, and their number.
_OPAQUE = {"ch": 1, "ecr": 1, "iswap": 2, "swap": 3}
_CONTROLLED = {"crx": "X", "cry": "Y", "crz": "Z"}
_ISING = {"rxx": "XX", "ryy": "YY", "rzz": "ZZ", "rzx": "ZX"}
_KNOWN_PAIRS = (*_FIXED_PAIRS, *_OPAQUE, *_CONTROLLED, "cp", *_ISING)


def encoding_events(spec: VQCNNSpec, gate: str) -> Iterator[Event]:
    """Yield the events of a spec's encoding, and a barrier behind them where it joins qubits.

    Args:
        spec: The structure.
        gate: Name of the native two-qubit gate.

    Raises:
        HardwareError: If the encoding has a gate whose cost is not known.
    """
    circuit = encoding_circuit(spec)
    joins = False
    for item in circuit.data:
        name = item.operation.name
        qubits = tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
        free = any(isinstance(p, ParameterExpression) and p.parameters for p in item.operation.params)
        found = tuple(_pair(name, qubits, gate) if len(qubits) == 2 else _single(name, qubits, free=free))
        if len(qubits) > 2 or not (found or name == "id"):
            known = sorted({*_FRAMES, *_PAULIS})
            raise HardwareError(
                f"{spec.encoding} encoding: expected one-qubit gates among {', '.join(known)}, or two-qubit "
                f"gates among {', '.join(_KNOWN_PAIRS)}, found {name!r}"
            )
        if len(qubits) == 2 and not free and name not in _FIXED_PAIRS:
            # Level 3 makes what has no parameter anew.
            found = tuple(replace(event, is_opaque=True) for event in found if event.kind in ("pair", "turn"))
            found = tuple(replace(event, kind="pair") for event in found)
        joins = joins or len(qubits) == 2
        yield from found
    if joins:
        yield Event("barrier", tuple(range(spec.n_qubits)), "?" * spec.n_qubits)


def again_events(spec: VQCNNSpec) -> Iterator[Event]:
    """Yield the rotations by inputs that come again between blocks, with the barriers around them."""
    circuit = inputs_again(spec)
    barrier = Event("barrier", tuple(range(spec.n_qubits)), "?" * spec.n_qubits)
    yield barrier
    for item in circuit.data:
        yield from _single(item.operation.name, (circuit.find_bit(item.qubits[0]).index,), free=True)
    yield barrier


def _single(name: str, qubits: tuple[int, ...], *, free: bool) -> Iterator[Event]:
    if free and name in _ROTATIONS:
        yield Event("rotation", qubits, _ROTATIONS[name])
    elif name in _PAULIS:
        yield Event("pauli", qubits, name.upper())
    elif name in _FRAMES:
        yield Event("fixed", qubits, _FRAMES[name])


def _pair(name: str, qubits: tuple[int, ...], gate: str) -> Iterator[Event]:
    if name in _FIXED_PAIRS:
        yield Event("pair", qubits, "Z" + _FIXED_PAIRS[name])
    elif name in _OPAQUE:
        yield from (Event("pair", qubits, "ZX") for _ in range(_OPAQUE[name]))
    elif name in _CONTROLLED:
        yield from controlled_events(_CONTROLLED[name], qubits, gate)
    elif name == "cp":
        yield Event("rotation", qubits[:1], "Z")
        yield from ising_events("ZZ", qubits, gate)
        yield Event("rotation", qubits[1:], "Z")
    elif name in _ISING:
        yield from ising_events(_ISING[name], qubits, gate)
