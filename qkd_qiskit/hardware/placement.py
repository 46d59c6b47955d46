"""As many chains of physical qubits as fit on a device at once, with idle qubits between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.layout import ChainLoad, RankedChain, ranked_chains
from qkd_qiskit.hardware.targets import placed_gates

CHAINS_FROM_A_QUBIT = 30
"""Chains that are followed from each qubit; on heavy hexagons these are all of eight qubits."""
_NODES, _GAP = 200, 1e-3


@dataclass(frozen=True)
class PlacedChain:
    """One circuit's place on a device.

    Attributes:
        load: Number of the circuit, among those that were placed.
        qubits: Physical qubits in chain order.
        relative: Predicted success probability over that of the circuit's best chain, at most 1.
    """

    load: int
    qubits: tuple[int, ...]
    relative: float


class ChainPlacement:
    """Places copies of one circuit or of several on disjoint healthy chains.

    The first circuit gets its best chain. Of all choices with this chain, equally many copies of each circuit
    and none below the floor, the one with the most copies is taken, and among those the one with the highest
    success probabilities. An integer program finds it: taking the best chain that is left, again and again,
    cuts a device up (7 chains of eight qubits on `ibm_fez`, where 12 fit). No two chains may meet one ball,
    around a qubit or a coupling, as wide as the margin: this says the same as a line for each two chains that
    are too near, and more tightly.
    """

    def __init__(self, device: Device, loads: Sequence[ChainLoad], *, margin: int, floor: float) -> None:
        """Find the chains that may be chosen from.

        Args:
            device: The device. Couplings count for the margin whether they are healthy or not.
            loads: What each circuit asks of each place of a chain.
            margin: Idle qubits on the shortest way between two copies, at least 0.
            floor: Least predicted success probability, over that of the circuit's best chain, 0 to 1.

        Raises:
            HardwareError: If a number is out of range, or there is no chain for a circuit.
        """
        if margin < 0 or not 0 <= floor <= 1:
            raise HardwareError(
                f"expected a margin of 0 or more and a floor from 0 to 1, found {margin} and {floor}"
            )
        self._device = device
        self._n_loads = len(loads)
        self._chains: list[PlacedChain] = []
        for number, load in enumerate(loads):
            found = ranked_chains(
                device.usable_target, device.two_qubit_gate, load, width=CHAINS_FROM_A_QUBIT
            )
            if not found:
                raise HardwareError(
                    f"device {device.name}: expected a chain of {len(load.pulses)} healthy qubits, found none"
                )
            self._chains += _above(found, number, floor)
        self._near = _membership(_balls(device, margin), self._chains)

    def choose(
        self, copies: int | None = None, *, without: frozenset[PlacedChain] = frozenset()
    ) -> tuple[PlacedChain, ...]:
        """Return the chains of the best choice: the circuits in order, for each the best chain first.

        Args:
            copies: Copies of each circuit; None for as many as fit.
            without: Chains that may not be chosen.

        Raises:
            HardwareError: If so many do not fit.
        """
        if copies is not None and copies < 1:
            raise HardwareError(f"copies: expected at least 1, found {copies}")
        chosen = self._solve(copies, without)
        if chosen is None:
            most = self._solve(None, without)
            fit = 0 if most is None else len(most) // self._n_loads
            raise HardwareError(
                f"device {self._device.name}: expected at most {fit} copies of "
                f"{'the circuit' if self._n_loads == 1 else f'{self._n_loads} circuits each'} with this "
                f"margin and this floor, found {copies or 1}"
            )
        return tuple(sorted(chosen, key=lambda chain: (chain.load, -chain.relative, chain.qubits)))

    def _solve(self, copies: int | None, without: frozenset[PlacedChain]) -> list[PlacedChain] | None:
        kept = [number for number, chain in enumerate(self._chains) if chain not in without]
        chains = [self._chains[number] for number in kept]
        loads = np.array([chain.load for chain in chains])
        relative = np.array([chain.relative for chain in chains])
        if len(set(loads.tolist())) < self._n_loads:
            return None
        near = self._near[:, kept]
        each = csr_array((np.arange(self._n_loads)[:, None] == loads).astype(np.float64))
        constraints = [LinearConstraint(near, -np.inf, 1)]
        if self._n_loads > 1:
            first = vstack([each[:1]] * (self._n_loads - 1))
            constraints.append(LinearConstraint(first - each[1:], 0, 0))
        if copies is not None:
            constraints.append(LinearConstraint(each[:1], copies, copies))
        # A copy more outweighs all success probabilities together.
        most = self._device.n_qubits // min(len(chain.qubits) for chain in chains)
        least = np.zeros(len(chains))
        # Where the best chain of one circuit leaves no room for another, it is given up.
        for least[0] in (1, 0) if self._n_loads > 1 else (1,):
            found = milp(
                -(1 + relative / (1 + most)),
                constraints=constraints,
                integrality=np.ones(len(chains)),
                bounds=Bounds(least, 1),
                # NOTE: a limit of time would make the choice depend on the machine.
                options={"node_limit": _NODES, "mip_rel_gap": _GAP},
            )
            if found.x is not None and found.x.any():
                return [chains[k] for k in np.flatnonzero(found.x > 0.5).tolist()]
        return None


def _above(found: list[RankedChain], number: int, floor: float) -> list[PlacedChain]:
    best = found[0].log_success
    chains = [PlacedChain(number, one.qubits, exp(one.log_success - best)) for one in found]
    return [chain for chain in chains if chain.relative >= floor]


def _balls(device: Device, margin: int) -> list[set[int]]:
    """Return sets of qubits such that two qubits lie in one of them if their distance is `margin` or less."""
    neighbours: dict[int, set[int]] = {qubit: set() for qubit in range(device.n_qubits)}
    for _, place, _ in placed_gates(device.target):
        if len(place) == 2:
            neighbours[place[0]].add(place[1])
            neighbours[place[1]].add(place[0])
    balls = {qubit: {qubit} for qubit in neighbours}
    radius, between = divmod(margin, 2)
    for _ in range(radius):
        balls = {qubit: ball.union(*(neighbours[other] for other in ball)) for qubit, ball in balls.items()}
    if not between:
        return list(balls.values())
    # A qubit without couplings is paired with itself.
    pairs = ((a, b) for a, others in neighbours.items() for b in others or {a} if a <= b)
    return [balls[a] | balls[b] for a, b in pairs]


def _membership(balls: list[set[int]], chains: list[PlacedChain]) -> csr_array:
    """Return which chain meets which ball, [balls, chains]; balls that fewer than two meet are left out."""
    sets = [set(chain.qubits) for chain in chains]
    rows: list[FloatArray] = []
    for ball in balls:
        met = np.array([not ball.isdisjoint(qubits) for qubits in sets], dtype=np.float64)
        if met.sum() > 1:
            rows.append(met)
    return csr_array(np.array(rows).reshape(len(rows), len(chains)))
