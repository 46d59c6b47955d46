"""The best chain of physical qubits for a chain-native circuit."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.transpiler import Target

from qkd_qiskit.hardware.counts import idle_fidelity, log_success
from qkd_qiskit.hardware.targets import error_of, placed_gates

BEAM_WIDTH = 2000


@dataclass(frozen=True)
class ChainLoad:
    """What a circuit asks of each place of a chain.

    Attributes:
        two_qubit: Native two-qubit gates between places i and i + 1; n - 1 numbers.
        pulses: One-qubit gates with an error, for each of the n places.
        idle: Idle seconds that matter, for each of the n places.
        measured: Places that are measured.
    """

    two_qubit: tuple[int, ...]
    pulses: tuple[int, ...]
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
    links = _links(target, gate)
    nodes = sorted(qubit for (qubit,) in target.qargs_for_operation_name("measure") or [])
    pulse = {q: _pulse_cost(target, q) for q in nodes}
    readout = {q: -log_success(error_of(target, "measure", (q,))) for q in nodes}

    def node_cost(place: int, q: int) -> float:
        idle = -log_success(1 - idle_fidelity(target, q, load.idle[place]))
        return load.pulses[place] * pulse[q] + idle + (readout[q] if place in load.measured else 0.0)

    beam: list[tuple[float, tuple[int, ...]]] = sorted((node_cost(0, q), (q,)) for q in nodes)
    for place in range(1, len(load.pulses)):
        costs = {q: node_cost(place, q) for q in nodes}
        grown = [
            (cost + load.two_qubit[place - 1] * edge + costs[q], (*chain, q))
            for cost, chain in beam
            for q, edge in links[chain[-1]].items()
            if q not in chain and q in costs
        ]
        beam = sorted(grown)[:BEAM_WIDTH]
    return beam[0][1] if beam else None


def _links(target: Target, gate: str) -> dict[int, dict[int, float]]:
    """Cost of one gate between neighbours: the mean of the directions that exist."""
    found: dict[tuple[int, int], list[float]] = {}
    for name, place, _ in placed_gates(target):
        if name == gate:
            cost = -log_success(error_of(target, name, place))
            found.setdefault((min(place), max(place)), []).append(cost)
    links: dict[int, dict[int, float]] = {q: {} for q in range(target.num_qubits)}
    for (a, b), costs in found.items():
        links[a][b] = links[b][a] = sum(costs) / len(costs)
    return links


def _pulse_cost(target: Target, qubit: int) -> float:
    """Cost of a typical one-qubit pulse: the dearest of the native ones."""
    gates = [n for n in ("sx", "rx", "ry") if n in target.operation_names and (qubit,) in target[n]]
    return max((-log_success(error_of(target, name, (qubit,))) for name in gates), default=0.0)
