"""One gate as the events that a device will see: rotations and native two-qubit gates.

What matters of a one-qubit rotation, or of one side of a two-qubit gate, is the Pauli axis that it is
diagonal in: gates with one axis on all shared qubits commute, and only changes of axis cost pulses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CONTROLLED_ROTATION_COST = {
    "cz": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "cx": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "ecr": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "rzz": {"CRX": 1, "CRY": 1, "CRZ": 1},
    "rxx": {"CRX": 1, "CRY": 2, "CRZ": 1},
}
"""Native gates that a controlled rotation takes. CX, CY and CZ take one everywhere."""


TURNING_GATES = ("rzz", "rxx")
"""Native two-qubit gates that have an angle."""
FRAMES = {
    "H": {"X": "Z", "Y": "Y", "Z": "X"},
    "S": {"X": "Y", "Y": "X", "Z": "Z"},
    "V": {"X": "X", "Y": "Z", "Z": "Y"},
    "X": {"X": "X"},
    "Y": {"Y": "Y"},
    "Z": {"Z": "Z"},
}
"""What a one-qubit gate without a parameter makes of an axis: H, S, the root of X, or a rotation by any angle
about an axis."""
_PARTNER = {"X": "Z", "Y": "X", "Z": "X"}


@dataclass(frozen=True)
class Event:
    """One rotation, Pauli gate, native two-qubit gate or measurement.

    Attributes:
        kind: `rotation` (its angle is a parameter), `pauli`, `fixed` (another one-qubit gate without a
            parameter), `pair` (a native two-qubit gate), `turn` (a native two-qubit gate whose angle is a
            parameter), `barrier` or `measure`.
        qubits: One place; for two-qubit gates those of control and target.
        axes: The Pauli letter that the event is diagonal in, for each of its qubits; a `fixed` gate's key of
            `FRAMES`; ? for none.
        resynthesized: Whether the transpiler makes the gate anew, out of a run without parameters.
        is_swap: Whether a swap between barriers holds the gate, so that nothing merges with it.
        is_opaque: Whether the transpiler may do with fewer gates than are known here.
    """

    kind: str
    qubits: tuple[int, ...]
    axes: str
    resynthesized: bool = False
    is_swap: bool = False
    is_opaque: bool = False


def native_cost(name: str, gate: str) -> int:
    """Return the number of native two-qubit gates that one gene takes.

    Args:
        name: Name of the gene's gate, for example `CRX`; one-qubit gates take none.
        gate: Name of the native two-qubit gate.
    """
    if not name.startswith("C"):
        return 0
    return CONTROLLED_ROTATION_COST[gate].get(name, 1)


def controlled_events(letter: str, qubits: tuple[int, ...], gate: str) -> Iterator[Event]:
    """Yield the events of a controlled rotation about an axis, whose angle is a parameter.

    Args:
        letter: The axis, X, Y or Z.
        qubits: Places of control and target.
        gate: Name of the native two-qubit gate.
    """
    cost = native_cost(f"CR{letter}", gate)
    if cost == 1:
        yield Event("rotation", qubits[1:], letter)
        yield Event("turn", qubits, "Z" + letter)
        return
    # The angle's halves sit around two gates that anticommute with it.
    for _ in range(cost):
        yield Event("rotation", qubits[1:], letter)
        yield Event("pair", qubits, "Z" + _PARTNER[letter])


def ising_events(axes: str, qubits: tuple[int, ...], gate: str) -> Iterator[Event]:
    """Yield the events of a rotation about a two-qubit Pauli string, whose angle is a parameter.

    Args:
        axes: The string, for example ZZ.
        qubits: Places of both qubits.
        gate: Name of the native two-qubit gate.
    """
    if gate in TURNING_GATES:
        yield Event("turn", qubits, axes)
        return
    pair = Event("pair", qubits, axes[0] + _PARTNER[axes[1]], is_opaque=axes != "ZZ")
    yield pair
    yield Event("rotation", qubits[1:], axes[1])
    yield pair
