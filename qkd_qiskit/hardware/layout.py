"""The best chains of physical qubits for a chain-native circuit."""

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


@dataclass(frozen=True)
class RankedChain:
    """A chain of physical qubits with what a circuit would come to on it.

    Attributes:
        log_success: Logarithm of the predicted success probability.
        qubits: Physical qubits in chain order.
    """

    log_success: float
    qubits: tuple[int, ...]


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
    search = _ChainSearch(target, gate, load)
    chains, _ = search.grow(np.arange(len(search.nodes)), BEAM_WIDTH)
    return tuple(search.nodes[chains[0]].tolist()) if len(chains) else None


def ranked_chains(target: Target, gate: str, load: ChainLoad, *, width: int) -> list[RankedChain]:
    """Return the best chains from every qubit on, in the best order of each set of qubits.

    A beam search from each qubit: complete where no more than `width` chains begin there, as on heavy
    hexagons for eight qubits.

    Args:
        target: Usable gates of the device.
        gate: Name of the native two-qubit gate.
        load: What the circuit asks of each place.
        width: Most chains that are followed from one qubit.

    Returns:
        Distinct sets of qubits, the best first.
    """
    search = _ChainSearch(target, gate, load)
    found: dict[frozenset[int], RankedChain] = {}
    for start in range(len(search.nodes)):
        for chain, cost in zip(*search.grow(np.array([start]), width), strict=True):
            qubits = tuple(search.nodes[chain].tolist())
            ranked, key = RankedChain(-float(cost), qubits), frozenset(qubits)
            if key not in found or ranked.log_success > found[key].log_success:
                found[key] = ranked
    return sorted(found.values(), key=lambda chain: (-chain.log_success, chain.qubits))


class _ChainSearch:
    """Costs of all places on all qubits, and the beam that grows chains by them."""

    def __init__(self, target: Target, gate: str, load: ChainLoad) -> None:
        measured = target.qargs_for_operation_name("measure") or []
        self.nodes = np.array(sorted(q for (q,) in measured), dtype=np.int64)
        self._load = load
        self._link = _links(target, gate)[np.ix_(self.nodes, self.nodes)]
        properties = target.qubit_properties
        costs = [
            _place_costs(target, q, None if properties is None else properties[q], load)
            for q in self.nodes.tolist()
        ]
        self._costs = np.array(costs).reshape(len(self.nodes), len(load.pulses))

    def grow(self, starts: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return chains [C, n], as indices of `nodes`, and their costs [C], the cheapest first."""
        link, costs = self._link, self._costs
        order = starts[np.argsort(costs[starts, 0], kind="stable")]
        chains, so_far = order[:, None], costs[order, 0]
        for place in range(1, len(self._load.pulses)):
            step = link[chains[:, -1]]
            grown = so_far[:, None] + self._load.two_qubit[place - 1] * np.where(np.isinf(step), 0.0, step)
            grown += costs[:, place]
            grown[np.isinf(step)] = np.inf
            np.put_along_axis(grown, chains, np.inf, axis=1)
            # PERF: arrays instead of lists; with all pairs coupled the beam grows by tens of thousands.
            flat = grown.ravel()
            possible = np.flatnonzero(np.isfinite(flat))
            best = possible[np.argsort(flat[possible], kind="stable")[:width]]
            parents, nexts = np.divmod(best, max(1, len(self.nodes)))
            chains, so_far = np.column_stack([chains[parents], nexts]), flat[best]
        return chains, so_far


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
