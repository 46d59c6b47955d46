"""The best chain of physical qubits for a chain-native circuit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.transpiler import QubitProperties, Target

from qkd_qiskit.hardware.counts import log_success, relaxation_fidelity
from qkd_qiskit.hardware.targets import error_of, placed_gates

BEAM_WIDTH = 2000


@dataclass(frozen=True)
class ChainLoad:
    """What a circuit asks of each place of a chain.

    Attributes:
        two_qubit: Native two-qubit gates between places i and i + 1; n - 1 numbers.
        pulses: Expected one-qubit gates with an error, for each of the n places.
        idle: Idle seconds that matter, for each of the n places.
        measured: Places that are measured.
    """

    two_qubit: tuple[int, ...]
    pulses: tuple[float, ...]
    idle: tuple[float, ...]
    measured: frozenset[int]


def best_chain(target: Target, gate: str, load: ChainLoad) -> tuple[int, ...] | None:
    """Neighbouring physical qubits, one for each place, with the best success probability found.

    A beam search. Level 3's own (VF2) rates a layout by gate errors alone; this one also counts idle time.

    Args:
        target: Usable gates of the device.
        gate: Name of the native two-qubit gate.
        load: What the circuit asks of each place.

    Returns:
        Physical qubits in chain order; None if no chain was found.
    """
    nodes = np.array(sorted(q for (q,) in target.qargs_for_operation_name("measure") or []), dtype=np.int64)
    if not len(nodes):
        return None
    link = _links(target, gate)[np.ix_(nodes, nodes)]
    properties = target.qubit_properties
    costs = np.array(
        [_place_costs(target, q, None if properties is None else properties[q], load) for q in nodes.tolist()]
    )
    order = np.argsort(costs[:, 0], kind="stable")
    chains, so_far = order[:, None], costs[order, 0]
    for place in range(1, len(load.pulses)):
        step = link[chains[:, -1]]
        grown = so_far[:, None] + load.two_qubit[place - 1] * np.where(np.isinf(step), 0.0, step)
        grown += costs[:, place]
        grown[np.isinf(step)] = np.inf
        np.put_along_axis(grown, chains, np.inf, axis=1)
        # PERF: arrays instead of lists; with all pairs coupled the beam grows by tens of thousands a step.
        flat = grown.ravel()
        possible = np.flatnonzero(np.isfinite(flat))
        best = possible[np.argsort(flat[possible], kind="stable")[:BEAM_WIDTH]]
        parents, nexts = np.divmod(best, len(nodes))
        chains, so_far = np.column_stack([chains[parents], nexts]), flat[best]
    return tuple(nodes[chains[0]].tolist()) if len(chains) else None


def _place_costs(
    target: Target, qubit: int, properties: QubitProperties | None, load: ChainLoad
) -> list[float]:
    """Return what each place of the chain would cost on a qubit, its links aside."""
    pulse = _pulse_cost(target, qubit)
    readout = -log_success(error_of(target, "measure", (qubit,)))
    return [
        pulses * pulse
        - log_success(1 - relaxation_fidelity(properties, idle))
        + (readout if place in load.measured else 0.0)
        for place, (pulses, idle) in enumerate(zip(load.pulses, load.idle, strict=True))
    ]


def _links(target: Target, gate: str) -> NDArray[np.float64]:
    """Cost [Q, Q] of one gate between neighbours, the mean of its directions; infinite elsewhere."""
    found: dict[tuple[int, int], list[float]] = {}
    for name, place, _ in placed_gates(target):
        if name == gate:
            cost = -log_success(error_of(target, name, place))
            found.setdefault((min(place), max(place)), []).append(cost)
    links = np.full((target.num_qubits, target.num_qubits), np.inf)
    for (a, b), costs in found.items():
        links[a, b] = links[b, a] = sum(costs) / len(costs)
    return links


def _pulse_cost(target: Target, qubit: int) -> float:
    """Cost of a typical one-qubit pulse: the dearest of the native ones."""
    gates = [n for n in ("sx", "rx", "ry") if n in target.operation_names and (qubit,) in target[n]]
    return max((-log_success(error_of(target, name, (qubit,))) for name in gates), default=0.0)
