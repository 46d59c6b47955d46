"""Copies of circuits that share a device, each transpiled for its own qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.placement import ChainPlacement, PlacedChain
from qkd_qiskit.hardware.prediction import chain_load
from qkd_qiskit.hardware.transpile import TranspiledVQCNN, transpile_verified
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class PlacedCopy:
    """A circuit on qubits of its own.

    Attributes:
        number: Number of its structure, among those that were placed.
        chain: Its physical qubits in chain order.
        transpiled: Its own ISA circuit, with its counts.
    """

    number: int
    chain: tuple[int, ...]
    transpiled: TranspiledVQCNN

    @property
    def esp(self) -> float:
        """Expected success probability, counted on its own circuit."""
        return self.transpiled.report.counted.esp


def place_copies(
    circuits: Sequence[tuple[VQCNNSpec, int]],
    device: Device,
    *,
    copies: int | None = None,
    margin: int = 1,
    floor: float = 0.8,
) -> tuple[PlacedCopy, ...]:
    """Place as many copies as fit on disjoint healthy chains, and transpile each for its own.

    The first copy of the first structure is its best circuit, the one that `transpile_verified` makes.

    Args:
        circuits: Structures that run on a chain, each with its transpiler's seed.
        device: The device.
        copies: Copies of each structure; None for as many as fit.
        margin: Idle qubits on the shortest way between two copies, at least 0.
        floor: Least expected success probability over the best copy's of the same structure, predicted and
            counted, 0 to 1.

    Returns:
        The structures in their order, for each its copies, the best first.

    Raises:
        HardwareError: If a structure does not run on a chain, not so many copies fit, or a number is out of
            range.
    """
    loads = [chain_load(spec, device) for spec, _ in circuits]
    placement = ChainPlacement(device, loads, margin=margin, floor=floor)
    done: dict[PlacedChain, PlacedCopy] = {}
    refused: frozenset[PlacedChain] = frozenset()
    while True:
        chosen = placement.choose(copies, without=refused)
        for place in chosen:
            if place not in done:
                spec, seed = circuits[place.load]
                transpiled = transpile_verified(spec, device, seed=seed, chain=place.qubits)
                done[place] = PlacedCopy(place.load, place.qubits, transpiled)
        best = [max(done[p].esp for p in chosen if p.load == number) for number in range(len(circuits))]
        # The prediction ranks chains well, but a copy is charged for what was counted.
        low = {place for place in chosen if done[place].esp < floor * best[place.load]}
        if not low:
            return tuple(sorted((done[p] for p in chosen), key=lambda copy: (copy.number, -copy.esp)))
        refused |= low
