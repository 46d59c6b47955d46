"""A spec as the events that a device will see: rotations and native two-qubit gates, in order, on virtual qubits.

What matters of a one-qubit rotation, or of one side of a two-qubit gate, is the Pauli axis that it is diagonal in:
gates with one axis on all shared qubits commute, and only changes of axis cost pulses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.vqcnn import Gene, VQCNNSpec

CONTROLLED_ROTATION_COST = {
    "cz": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "cx": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "ecr": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "rzz": {"CRX": 1, "CRY": 1, "CRZ": 1},
    "rxx": {"CRX": 1, "CRY": 2, "CRZ": 1},
}
"""Native gates that a controlled rotation takes. CX, CY and CZ take one everywhere."""

NATIVE_AXES = {"cz": "ZZ", "cx": "ZX", "ecr": "ZX", "rzz": "ZZ", "rxx": "XX"}
"""Axes of the native two-qubit gates, first qubit first."""


@dataclass(frozen=True)
class Event:
    """One rotation, Pauli gate, native two-qubit gate or measurement.

    Attributes:
        kind: `rotation` (its angle is a parameter), `pauli`, `pair` (a native two-qubit gate) or `measure`.
        qubits: One virtual qubit; for `pair` control and target.
        axes: The Pauli letter that the event is diagonal in, for each of its qubits.
    """

    kind: str
    qubits: tuple[int, ...]
    axes: str


def events_of(spec: VQCNNSpec, gate: str) -> tuple[Event, ...]:
    """All events of a spec on a device with a given native two-qubit gate.

    Args:
        spec: The structure.
        gate: Name of the native two-qubit gate.

    Raises:
        HardwareError: If the cost of kernels in this gate is not known.
    """
    if gate not in NATIVE_AXES:
        raise HardwareError(f"expected a native two-qubit gate among {', '.join(NATIVE_AXES)}, found {gate!r}")
    events: list[Event] = []
    if spec.encoding == "angle":
        for qubit in range(spec.n_qubits):
            events += [Event("rotation", (qubit,), "Y"), Event("rotation", (qubit,), "Z")]
    for block in spec.blocks:
        for gene in spec.kernels[block.layer].genes:
            events += _gene_events(gene, tuple(block.qubits[place] for place in gene.qubits), gate)
    events += [Event("measure", (qubit,), "Z") for qubit in spec.measured_qubits]
    return tuple(events)


def native_cost(name: str, gate: str) -> int:
    """Native two-qubit gates that one gene takes.

    Args:
        name: Name of the gene's gate, for example `CRX`; one-qubit gates take none.
        gate: Name of the native two-qubit gate.
    """
    if not name.startswith("C"):
        return 0
    return CONTROLLED_ROTATION_COST[gate].get(name, 1)


def may_cancel(events: tuple[Event, ...]) -> bool:
    """Whether the transpiler may merge two-qubit gates, so that their number is only an upper bound.

    It may where two gates on one pair and the same axes meet through commuting events, or where three gates on one
    pair follow each other without a parameter between them.
    """
    pairs = [i for i, event in enumerate(events) if event.kind == "pair"]
    return any(_meets_its_like(events, i) or _starts_free_run(events, i) for i in pairs)


def _gene_events(gene: Gene, qubits: tuple[int, ...], gate: str) -> Iterator[Event]:
    letter = gene.name[-1]
    if not gene.is_two_qubit:
        if gene.name != "I":
            yield Event("rotation" if gene.is_parametrized else "pauli", qubits, letter)
        return
    if not gene.is_parametrized:
        yield Event("pair", qubits, "Z" + letter)
        return
    # The angle's halves sit around two gates that anticommute with it; one parametrized gate shares its axis.
    cost = native_cost(gene.name, gate)
    partner = letter if cost == 1 else {"X": "Z", "Y": "X", "Z": "X"}[letter]
    for _ in range(cost):
        yield Event("rotation", qubits[1:], letter)
        yield Event("pair", qubits, "Z" + partner)


def _meets_its_like(events: tuple[Event, ...], start: int) -> bool:
    mine = dict(zip(events[start].qubits, events[start].axes, strict=True))
    for event in events[start + 1 :]:
        shared = mine.keys() & set(event.qubits)
        theirs = dict(zip(event.qubits, event.axes, strict=True))
        if not shared or event.kind == "pauli":
            continue
        if event.kind == "pair" and theirs == mine:
            return True
        if any(theirs[q] != mine[q] for q in shared):
            return False
    return False


def _starts_free_run(events: tuple[Event, ...], start: int) -> bool:
    pair, length = set(events[start].qubits), 1
    for event in events[start + 1 :]:
        if event.kind == "pauli" or not pair & set(event.qubits):
            continue
        if event.kind != "pair" or set(event.qubits) != pair:
            return False
        length += 1
        if length == 3:
            return True
    return False
