"""A spec as the events that a device will see: rotations and native two-qubit gates, on places of a line.

Where nothing is routed, place and virtual qubit are the same.

What matters of a one-qubit rotation, or of one side of a two-qubit gate, is the Pauli axis that it is
diagonal in: gates with one axis on all shared qubits commute, and only changes of axis cost pulses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qiskit import QuantumCircuit

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.routing import Route, placed_genes, straight
from qkd_qiskit.vqcnn import Gene, VQCNNSpec, encoding_circuit, inputs_again
from qkd_qiskit.vqcnn.clifford import cx_cost

CONTROLLED_ROTATION_COST = {
    "cz": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "cx": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "ecr": {"CRX": 2, "CRY": 2, "CRZ": 2},
    "rzz": {"CRX": 1, "CRY": 1, "CRZ": 1},
    "rxx": {"CRX": 1, "CRY": 2, "CRZ": 1},
}
"""Native gates that a controlled rotation takes. CX, CY and CZ take one everywhere."""
_ROTATIONS = {"rx": "X", "ry": "Y", "rz": "Z"}


@dataclass(frozen=True)
class Event:
    """One rotation, Pauli gate, native two-qubit gate or measurement.

    Attributes:
        kind: `rotation` (its angle is a parameter), `pauli`, `pair` (a native two-qubit gate), `turn` (a
            native two-qubit gate whose angle is a parameter) or `measure`.
        qubits: One place; for two-qubit gates those of control and target.
        axes: The Pauli letter that the event is diagonal in, for each of its qubits.
        resynthesized: Whether the transpiler makes the gate anew, out of a run without parameters.
        is_swap: Whether a swap between barriers holds the gate, so that nothing merges with it.
    """

    kind: str
    qubits: tuple[int, ...]
    axes: str
    resynthesized: bool = False
    is_swap: bool = False


def events_of(spec: VQCNNSpec, gate: str, route: Route | None = None) -> tuple[Event, ...]:
    """Return all events of a spec on a device with a given native two-qubit gate.

    Args:
        spec: The structure.
        gate: Name of the native two-qubit gate.
        route: Where the blocks run; each virtual qubit on its own place when omitted.

    Raises:
        HardwareError: If the cost of kernels in this gate is not known, or the encoding has other gates than
            rotations.
    """
    if gate not in CONTROLLED_ROTATION_COST:
        raise HardwareError(
            f"expected a native two-qubit gate among {', '.join(CONTROLLED_ROTATION_COST)}, found {gate!r}"
        )
    events = list(_encoding_events(spec))
    route = straight(spec) if route is None else route
    between = _genes_before_inputs(spec)
    for number, (gene, places, _, _, from_swap) in enumerate(placed_genes(spec, route)):
        if number == between:
            events += _rotations(spec, inputs_again(spec))
        found = _gene_events(gene, places, gate)
        events += (replace(event, is_swap=True) for event in found) if from_swap else found
    if between == sum(len(spec.kernels[block.layer].genes) for block in spec.blocks):
        events += _rotations(spec, inputs_again(spec))
    events += [Event("measure", (place,), "Z") for place in route.measured]
    return _merge_free_runs(events)


def _genes_before_inputs(spec: VQCNNSpec) -> int | None:
    """Return how many genes come before rotations by inputs come again."""
    if spec.blocks_before_inputs is None:
        return None
    return sum(len(spec.kernels[block.layer].genes) for block in spec.blocks[: spec.blocks_before_inputs])


def _encoding_events(spec: VQCNNSpec) -> Iterator[Event]:
    return _rotations(spec, encoding_circuit(spec))


def _rotations(spec: VQCNNSpec, circuit: QuantumCircuit) -> Iterator[Event]:
    for item in circuit.data:
        name = item.operation.name
        if name not in _ROTATIONS:
            raise HardwareError(
                f"{spec.encoding} encoding: expected rotations among {', '.join(_ROTATIONS)}, found {name!r}"
            )
        yield Event("rotation", (circuit.find_bit(item.qubits[0]).index,), _ROTATIONS[name])


def native_cost(name: str, gate: str) -> int:
    """Return the number of native two-qubit gates that one gene takes.

    Args:
        name: Name of the gene's gate, for example `CRX`; one-qubit gates take none.
        gate: Name of the native two-qubit gate.
    """
    if not name.startswith("C"):
        return 0
    return CONTROLLED_ROTATION_COST[gate].get(name, 1)


def may_cancel(events: tuple[Event, ...]) -> bool:
    """Return whether the transpiler may merge two-qubit gates across rotations that commute with them.

    Then their number is only an upper bound. Runs without parameters are merged already.
    """
    return any(
        event.kind == "pair" and not event.is_swap and _meets_its_like(events, i)
        for i, event in enumerate(events)
    )


def _merge_free_runs(events: list[Event]) -> tuple[Event, ...]:
    """Cut parameter-free runs on one pair to the length that level 3 resynthesizes them to."""
    merged: list[Event] = []
    open_runs: dict[frozenset[int], list[Event]] = {}

    def close(qubits: set[int]) -> None:
        for pair in [pair for pair in open_runs if pair & qubits]:
            run = open_runs.pop(pair)
            kept = run[len(run) - _free_cost(run) :]
            merged.extend(replace(event, resynthesized=len(run) > 1) for event in kept)

    for event in events:
        if event.kind == "pauli":
            merged.append(event)
        elif event.kind == "pair" and not event.is_swap:
            pair = frozenset(event.qubits)
            if pair not in open_runs:
                close(set(pair))
            open_runs.setdefault(pair, []).append(event)
        else:
            close(set(event.qubits))
            merged.append(event)
    close({qubit for pair in open_runs for qubit in pair})
    return tuple(merged)


def _free_cost(run: list[Event]) -> int:
    """Count the two-qubit gates that a run on one pair takes, when one-qubit gates are free."""
    first = run[0].qubits[0]
    return cx_cost(Gene.from_string(_word(event, event.qubits[0] == first)) for event in run)


def _word(event: Event, same: bool) -> str:
    return f"C{event.axes[1]}{'01' if same else '10'}"


def _gene_events(gene: Gene, qubits: tuple[int, ...], gate: str) -> Iterator[Event]:
    letter = gene.name[-1]
    if not gene.is_two_qubit:
        if gene.name != "I":
            yield Event("rotation" if gene.is_parametrized else "pauli", qubits, letter)
        return
    if not gene.is_parametrized:
        yield Event("pair", qubits, "Z" + letter)
        return
    cost = native_cost(gene.name, gate)
    if cost == 1:
        yield Event("rotation", qubits[1:], letter)
        yield Event("turn", qubits, "Z" + letter)
        return
    # The angle's halves sit around two gates that anticommute with it.
    partner = {"X": "Z", "Y": "X", "Z": "X"}[letter]
    for _ in range(cost):
        yield Event("rotation", qubits[1:], letter)
        yield Event("pair", qubits, "Z" + partner)


def _meets_its_like(events: tuple[Event, ...], start: int) -> bool:
    """Return whether a gate meets another one on its pair through events that it commutes with."""
    mine = dict(zip(events[start].qubits, events[start].axes, strict=True))
    crossed = False
    for event in events[start + 1 :]:
        shared = mine.keys() & set(event.qubits)
        theirs = dict(zip(event.qubits, event.axes, strict=True))
        if not shared or event.kind == "pauli":
            continue
        if event.is_swap:
            return False
        if event.kind == "pair" and theirs.keys() == mine.keys() and (crossed or theirs == mine):
            return True
        if any(theirs[q] != mine[q] for q in shared):
            return False
        crossed = True
    return False
