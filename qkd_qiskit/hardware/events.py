"""A spec as the events that a device will see: rotations and native two-qubit gates, on places of a line.

Where nothing is routed, place and virtual qubit are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.encoding_events import again_events, encoding_events
from qkd_qiskit.hardware.gate_events import (
    CONTROLLED_ROTATION_COST,
    FRAMES,
    Event,
    controlled_events,
    native_cost,
)
from qkd_qiskit.hardware.routing import Route, placed_genes, straight
from qkd_qiskit.vqcnn import Gene, VQCNNSpec
from qkd_qiskit.vqcnn.clifford import cx_cost

__all__ = ["events_of", "may_cancel", "native_cost"]


def events_of(spec: VQCNNSpec, gate: str, route: Route | None = None) -> tuple[Event, ...]:
    """Return all events of a spec on a device with a given native two-qubit gate.

    Args:
        spec: The structure.
        gate: Name of the native two-qubit gate.
        route: Where the blocks run; each virtual qubit on its own place when omitted.

    Raises:
        HardwareError: If the cost of kernels in this gate, or of a gate of the encoding, is not known.
    """
    if gate not in CONTROLLED_ROTATION_COST:
        raise HardwareError(
            f"expected a native two-qubit gate among {', '.join(CONTROLLED_ROTATION_COST)}, found {gate!r}"
        )
    events = list(encoding_events(spec, gate))
    route = straight(spec) if route is None else route
    between = _genes_before_inputs(spec)
    for number, (gene, places, _, _, from_swap) in enumerate(placed_genes(spec, route)):
        if number == between:
            events += again_events(spec)
        found = _gene_events(gene, places, gate)
        events += (replace(event, is_swap=True) for event in found) if from_swap else found
    if between == sum(len(spec.kernels[block.layer].genes) for block in spec.blocks):
        events += again_events(spec)
    events += [Event("measure", (place,), "Z") for place in route.measured]
    return _merge_free_runs(events)


def _genes_before_inputs(spec: VQCNNSpec) -> int | None:
    """Return how many genes come before rotations by inputs come again."""
    if spec.blocks_before_inputs is None:
        return None
    return sum(len(spec.kernels[block.layer].genes) for block in spec.blocks[: spec.blocks_before_inputs])


def may_cancel(events: tuple[Event, ...]) -> bool:
    """Return whether the transpiler may merge two-qubit gates across rotations that commute with them.

    Then their number is only an upper bound. Runs without parameters are merged already.
    """
    return any(
        event.is_opaque or (event.kind == "pair" and not event.is_swap and _meets_its_like(events, i))
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
        elif event.kind == "pair" and not event.is_swap and not event.is_opaque:
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
    yield from controlled_events(letter, qubits, gate)


def _meets_its_like(events: tuple[Event, ...], start: int) -> bool:
    """Return whether a gate meets another one on its pair through events that it commutes with."""
    mine = dict(zip(events[start].qubits, events[start].axes, strict=True))
    crossed = False
    for event in events[start + 1 :]:
        shared = mine.keys() & set(event.qubits)
        theirs = dict(zip(event.qubits, event.axes, strict=True))
        if not shared or event.kind == "pauli":
            continue
        if event.kind == "barrier":
            return False
        if event.kind == "fixed":
            # Behind a gate that leaves no axis, all may commute.
            mine.update({q: FRAMES[event.axes].get(mine[q], "?") for q in shared})
            crossed = True
            continue
        if event.is_swap:
            return False
        if event.kind == "pair" and theirs.keys() == mine.keys() and (crossed or theirs == mine):
            return True
        if any(theirs[q] != mine[q] and mine[q] != "?" for q in shared):
            return False
        crossed = True
    return False
