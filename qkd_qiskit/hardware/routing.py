"""Routes of tree-pooling circuits along a line: survivors kept close, swaps absorbed where they are free.

Pooling leaves survivors apart, with traced-out qubits between them. But a general two-qubit block may end
with its qubits exchanged: for the `su4` kernel, block and SWAP together are the same block with three angles
shifted by a quarter turn (`SWAP = exp(i pi/4 (XX + YY + ZZ))` up to phase, and the kernel's core is an
exponential of the same three; Vatan and Williams, Phys. Rev. A 69:032315, 2004). A search over these free
choices finds where survivors should go; only the remaining distance costs SWAPs, of three gates each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import pi
from typing import NamedTuple

from qkd_qiskit.vqcnn import PRESETS, Gene, VQCNNSpec

BEAM_WIDTH = 512

_SU4 = PRESETS["su4"]
# Positions in the `su4` kernel: the first gene after its core, and the RZ that commutes out of the core.
_AFTER_CORE, _COMMUTES_OUT = 13, 11
# Quarter turns that make the core swap: its three rotations, then the next RZ on the place of either qubit.
_CORE_TURNS = {7: -1, 8: -1, 10: +1}
_NEXT_TURNS = {_COMMUTES_OUT: -1, 14: +1}
_SWAP = tuple(Gene.from_string(word) for word in ("CX01", "CX10", "CX01"))


class Move(NamedTuple):
    """A block, or a swap, on two places of the line.

    Attributes:
        block: Position in `spec.blocks`; None for a swap.
        places: Places of the block's first and second qubit, or the two that are swapped.
        crossed: Whether the block also exchanges its qubits.
    """

    block: int | None
    places: tuple[int, int]
    crossed: bool = False


@dataclass(frozen=True)
class Route:
    """How a circuit runs on a line of as many places as it has qubits; qubit q starts on place q.

    Attributes:
        moves: Blocks and swaps in order.
        measured: Place of each measured qubit at the end.
    """

    moves: tuple[Move, ...]
    measured: tuple[int, ...]

    @property
    def swaps(self) -> int:
        """Swaps that cost gates."""
        return sum(move.block is None for move in self.moves)

    @property
    def absorbed(self) -> int:
        """Swaps that blocks have absorbed."""
        return sum(move.crossed for move in self.moves)


class PlacedGene(NamedTuple):
    """A gene on places of the line (or on virtual qubits, where nothing is routed).

    Attributes:
        gene: The gate.
        places: Its one place, or those of control and target.
        weight: Position of its angle in the weight vector; None without a parameter.
        turn: Quarter turns that are added to the angle.
        from_swap: Whether it belongs to a swap.
    """

    gene: Gene
    places: tuple[int, ...]
    weight: int | None
    turn: int = 0
    from_swap: bool = False


def straight(spec: VQCNNSpec) -> Route:
    """Return the route without any swap: every virtual qubit stays on its own place."""
    moves = (Move(number, block.qubits) for number, block in enumerate(spec.blocks))
    return Route(tuple(moves), spec.measured_qubits)


def suits_a_line(spec: VQCNNSpec) -> bool:
    """Return whether a structure runs best on a line: it is chain-native, or its trees absorb their swaps.

    For that, a convolution must come before the first `tree` layer, so that the chain is a line already, and
    all blocks from there on must be able to exchange their qubits. A tree right at the start has no chain:
    on a device whose couplings branch it may need no swap at all, and level 3 finds that.
    """
    if spec.is_chain_native:
        return True
    if "tree" not in spec.plan or any(abs(first - second) > 1 for first, second in spec.encoding_pairs):
        return False
    first = spec.plan.index("tree")
    return "conv" in spec.plan[:first] and all(kernel == _SU4 for kernel in spec.kernels[first:])


@lru_cache(maxsize=256)
def line_route(spec: VQCNNSpec) -> Route:
    """Return the route on a line with the fewest swaps found; `straight` for a chain-native spec.

    A beam search over the blocks in order. Its states are the places of the qubits that are still active.

    Args:
        spec: Any structure.
    """
    if spec.is_chain_native:
        return straight(spec)
    beam = [_State(0, tuple(range(spec.n_qubits)), ())]
    pooled = False
    for number, block in enumerate(spec.blocks):
        pooled = pooled or block.kind == "tree"
        crossable = pooled and spec.kernels[block.layer] == _SU4
        ahead = [later.qubits for later in spec.blocks[number + 1 : number + 1 + 2 * spec.n_qubits]]
        dead = {earlier.qubits[0] for earlier in spec.blocks[: number + 1] if earlier.kind != "conv"}
        grown: dict[tuple[int, ...], _State] = {}
        for state in beam:
            for after in _run(state, number, block.qubits, crossable):
                key = tuple(place for qubit, place in enumerate(after.places) if qubit not in dead)
                if key not in grown or after.swaps < grown[key].swaps:
                    grown[key] = after
        beam = sorted(grown.values(), key=lambda state: (state.swaps + _apart(state, ahead), state.places))
        beam = beam[:BEAM_WIDTH]
    best = min(beam, key=lambda state: (state.swaps, state.places))
    return Route(best.moves, tuple(best.places[qubit] for qubit in spec.measured_qubits))


def placed_genes(spec: VQCNNSpec, route: Route) -> Iterator[PlacedGene]:
    """Return all genes of a spec along a route, those of swaps included."""
    for move in route.moves:
        if move.block is None:
            for gene in _SWAP:
                places = tuple(move.places[side] for side in gene.qubits)
                yield PlacedGene(gene, places, None, from_swap=True)
            continue
        block = spec.blocks[move.block]
        genes = spec.kernels[block.layer].genes
        weights = iter(block.weights)
        bound = [(gene, next(weights) if gene.is_parametrized else None) for gene in genes]
        if not move.crossed:
            for gene, weight in bound:
                yield PlacedGene(gene, tuple(move.places[side] for side in gene.qubits), weight)
            continue
        core = [number for number in range(_AFTER_CORE) if number != _COMMUTES_OUT]
        for number in core:
            gene, weight = bound[number]
            places = tuple(move.places[side] for side in gene.qubits)
            yield PlacedGene(gene, places, weight, _CORE_TURNS.get(number, 0))
        for number in (_COMMUTES_OUT, *range(_AFTER_CORE, len(genes))):
            gene, weight = bound[number]
            places = tuple(move.places[1 - side] for side in gene.qubits)
            yield PlacedGene(gene, places, weight, _NEXT_TURNS.get(number, 0))


def quarter_turns(turn: int) -> float:
    """Radians of a number of quarter turns."""
    return turn * pi / 2


class _State(NamedTuple):
    swaps: int
    places: tuple[int, ...]
    moves: tuple[Move, ...]


def _run(state: _State, number: int, pair: tuple[int, int], crossable: bool) -> Iterator[_State]:
    """Return all ways to bring a pair together and run its block, straight or with its qubits exchanged."""
    first, second = pair
    distance = abs(state.places[first] - state.places[second])
    for steps in range(distance):
        moved = _approach(state, first, second, steps)
        moved = _approach(moved, second, first, distance - 1 - steps)
        places = (moved.places[first], moved.places[second])
        yield moved._replace(moves=(*moved.moves, Move(number, places)))
        if crossable:
            crossed = _exchange(moved, first, second)
            yield crossed._replace(moves=(*moved.moves, Move(number, places, crossed=True)))


def _approach(state: _State, qubit: int, other: int, steps: int) -> _State:
    """Swap a qubit towards another one, place by place."""
    for _ in range(steps):
        here = state.places[qubit]
        there = here + (1 if state.places[other] > here else -1)
        state = _exchange(state, qubit, state.places.index(there))
        state = state._replace(
            swaps=state.swaps + 1, moves=(*state.moves, Move(None, (min(here, there), max(here, there))))
        )
    return state


def _exchange(state: _State, first: int, second: int) -> _State:
    places = list(state.places)
    places[first], places[second] = places[second], places[first]
    return state._replace(places=tuple(places))


def _apart(state: _State, pairs: list[tuple[int, int]]) -> float:
    """Half of the swaps that the coming blocks would take from here: what a state is likely to cost."""
    return sum(abs(state.places[a] - state.places[b]) - 1 for a, b in pairs) / 2
