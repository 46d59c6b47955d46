"""Where each block acts, once the sides are chosen: the order of the steps, their axes and their meeting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from math import prod

from qkd_qiskit.simulation.contraction_plan import (
    ContractionPlan,
    Meeting,
    Network,
    ObservableStep,
    SampleStep,
    z_strings,
)
from qkd_qiskit.simulation.cost_model import Workload, meeting_seconds

# Clusters that meet are grouped in all ways up to this number; most plans have two.
_MOST_GROUPED = 6


class BlockOrder:
    """Which blocks come before and behind which; sets of blocks are bits of integers."""

    def __init__(self, network: Network) -> None:
        self.blocks = network.blocks
        n = len(self.blocks)
        self.all = (1 << n) - 1
        self.before = [0] * n
        self.behind = [0] * n
        last: dict[int, int] = {}
        for k, qubits in enumerate(self.blocks):
            for qubit in qubits:
                if qubit in last:
                    self.before[k] |= self.before[last[qubit]] | 1 << last[qubit]
                last[qubit] = k
        for k in range(n):
            for earlier in members(self.before[k]):
                self.behind[earlier] |= 1 << k
        self.last = last
        self._traced = [k for k in range(n) if any(last[q] == k for q in self.blocks[k])]

    def bond_cuts(self) -> Iterator[int]:
        """Yield for each bond of the chain the blocks that nothing across the bond comes before."""
        for bond in range(max((max(qubits) for qubits in self.blocks), default=0)):
            crossing = [k for k, qubits in enumerate(self.blocks) if min(qubits) <= bond < max(qubits)]
            cut = self.all
            for k in crossing:
                cut &= ~(self.behind[k] | 1 << k)
            yield cut

    def neighbours(self, cut: int) -> Iterator[int]:
        """Yield cuts with one block more or less, or with all that leads to a qubit's last block."""
        for k in range(len(self.blocks)):
            bit = 1 << k
            if cut & bit:
                if not self.behind[k] & cut:
                    yield cut & ~bit
            elif not self.before[k] & ~cut:
                yield cut | bit
        for k in self._traced:
            closed = self.before[k] | 1 << k
            yield cut | closed
            yield cut & ~(self.behind[k] | 1 << k)


def members(cut: int) -> Iterator[int]:
    """Yield the blocks of a cut, in circuit order."""
    while cut:
        lowest = cut & -cut
        yield lowest.bit_length() - 1
        cut ^= lowest


def lay_out(network: Network, order: BlockOrder, cut: int, workload: Workload) -> ContractionPlan:
    """Order the work on both sides of a cut.

    Args:
        network: The circuit's network.
        order: The order of its blocks.
        cut: The blocks that act on the samples, bit k for block k.
        workload: What the plan is for.
    """
    axis = _Axes(network, order)
    steps, clusters = _sample_side(network, order, cut, axis)
    alive = set(range(len(clusters))) - {number for step in steps for number in step.operands}
    observables, start_order, final = _observable_side(network, order, cut, axis)
    at_cut = {qubit: axis.at(qubit, cut) for qubit in final}
    start_shape = tuple(axis.end(qubit) for qubit in start_order)
    found = {number: clusters[number] for number in alive if set(clusters[number]) & set(final)}
    meeting = _meeting(found, network, final, at_cut, workload)
    return ContractionPlan(
        sample_steps=tuple(steps),
        observable_steps=tuple(observables),
        meeting=meeting,
        clusters=tuple(clusters),
        n_groups=len(network.groups),
        start=z_strings(network.measured, start_order, start_shape),
        start_shape=start_shape,
    )


class _Axes:
    """How many Pauli components of a qubit anything reads, at each point of the circuit."""

    def __init__(self, network: Network, order: BlockOrder) -> None:
        self._measured = set(network.measured)
        self._last = order.last

    def end(self, qubit: int) -> int:
        """Return 2 (I and Z) for a measured qubit behind its last block, 4 if it has none, 1 for others."""
        if qubit not in self._last:
            return 4
        return 2 if qubit in self._measured else 1

    def behind(self, block: int, qubit: int) -> int:
        return self.end(qubit) if self._last[qubit] == block else 4

    def at(self, qubit: int, cut: int) -> int:
        done = qubit in self._last and cut >> self._last[qubit] & 1
        return self.end(qubit) if done else 4

    def rows(self, block: int, qubits: tuple[int, ...]) -> tuple[int, ...]:
        """Return the rows of a block's matrix that something reads."""
        rows = [0]
        for qubit in qubits:
            components = {1: (0,), 2: (0, 3), 4: (0, 1, 2, 3)}[self.behind(block, qubit)]
            rows = [4 * row + component for row in rows for component in components]
        return tuple(rows)


def _sample_side(
    network: Network, order: BlockOrder, cut: int, axis: _Axes
) -> tuple[list[SampleStep], list[tuple[int, ...]]]:
    """Let the blocks of a cut act on the input groups, the smallest result first."""
    clusters = list(network.groups)
    sizes = {qubit: 4 for group in clusters for qubit in group}
    place = {qubit: number for number, group in enumerate(clusters) for qubit in group}
    left = list(members(cut))
    done, steps = 0, []

    def result(k: int) -> tuple[int, int]:
        qubits = network.blocks[k]
        inside = set(qubits) | {q for q in qubits for q in clusters[place[q]]}
        return prod(axis.behind(k, q) if q in qubits else sizes[q] for q in inside), k

    while left:
        k = min((k for k in left if not order.before[k] & ~done), key=result)
        left.remove(k)
        done |= 1 << k
        steps.append(_sample_step(network.blocks[k], k, clusters, sizes, place, axis, len(network.groups)))
    return steps, clusters


def _sample_step(
    qubits: tuple[int, ...],
    k: int,
    clusters: list[tuple[int, ...]],
    sizes: dict[int, int],
    place: dict[int, int],
    axis: _Axes,
    n_groups: int,
) -> SampleStep:
    operands = list(dict.fromkeys(place[q] for q in qubits))
    # Of two clusters the one that ends with the block's qubit goes first, so that nothing has to move.
    if len(operands) == 2 and clusters[operands[0]][-1] not in qubits:
        operands.reverse()
    joined = tuple(q for number in operands for q in clusters[number])
    shape = tuple(sizes[q] for q in joined)
    arranged = _side_by_side(joined, qubits)
    where = arranged.index(qubits[0])
    left = prod(sizes[q] for q in arranged[:where])
    right = prod(sizes[q] for q in arranged[where + len(qubits) :])
    for qubit in qubits:
        sizes[qubit] = axis.behind(k, qubit)
    result = tuple(q for q in arranged if sizes[q] > 1)
    number = len(clusters)
    clusters.append(result)
    for qubit in result:
        place[qubit] = number
    return SampleStep(
        block=k,
        operands=tuple(operands),
        result=number,
        shape=shape,
        permutation=_permutation(joined, arranged),
        left=left,
        right=right,
        width=4 ** len(qubits),
        rows=axis.rows(k, qubits),
        shares=all(number < n_groups for number in operands),
    )


def _observable_side(
    network: Network, order: BlockOrder, cut: int, axis: _Axes
) -> tuple[list[ObservableStep], tuple[int, ...], tuple[int, ...]]:
    """Let the other blocks act on the observables, latest first; return the qubits at both ends too."""
    held = sorted(network.measured)
    start = tuple(held)
    sizes = {qubit: axis.end(qubit) for qubit in held}
    left = list(members(order.all & ~cut))
    missing, steps = order.all & ~cut, []

    def growth(k: int) -> tuple[float, int]:
        return prod(4 / sizes.get(q, 1) for q in network.blocks[k]), -k

    while left:
        k = min((k for k in left if not order.behind[k] & missing), key=growth)
        left.remove(k)
        missing &= ~(1 << k)
        qubits = network.blocks[k]
        inside = tuple(q for q in qubits if q in held)
        arranged = _side_by_side(tuple(held), inside)
        where = arranged.index(inside[0])
        steps.append(
            ObservableStep(
                block=k,
                shape=tuple(sizes[q] for q in held),
                permutation=_permutation(tuple(held), arranged),
                left=prod(sizes[q] for q in arranged[:where]),
                right=prod(sizes[q] for q in arranged[where + len(inside) :]),
                width=4 ** len(qubits),
                rows=axis.rows(k, qubits),
                order=arranged,
                inside=inside,
            )
        )
        held = [*arranged[:where], *qubits, *arranged[where + len(inside) :]]
        sizes.update(dict.fromkeys(qubits, 4))
    return steps, start, tuple(held)


def _side_by_side(order: tuple[int, ...], qubits: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order with `qubits` next to each other, as few others moved as possible."""
    if len(qubits) < 2 or order.index(qubits[1]) == order.index(qubits[0]) + 1:
        return order
    moved = [qubit for qubit in order if qubit != qubits[1]]
    moved.insert(moved.index(qubits[0]) + 1, qubits[1])
    return tuple(moved)


def _permutation(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if before == after else tuple(before.index(qubit) for qubit in after)


def _meeting(
    clusters: dict[int, tuple[int, ...]],
    network: Network,
    order: tuple[int, ...],
    sizes: dict[int, int],
    workload: Workload,
) -> Meeting:
    """Choose which clusters are multiplied out before they meet the observables."""
    numbers = sorted(clusters, key=lambda number: min(order.index(q) for q in clusters[number]))
    whole = {number: prod(sizes[q] for q in clusters[number]) for number in numbers}

    def made(joined: tuple[int, ...]) -> Meeting:
        reduced = tuple(number for number in numbers if number not in joined)
        after = tuple(q for number in (*reduced, *joined) for q in clusters[number])
        return Meeting(
            shape=tuple(sizes[q] for q in order),
            permutation=_permutation(order, after),
            joined=joined,
            reduced=reduced,
            joined_size=prod(whole[number] for number in joined),
            reduced_sizes=tuple(whole[number] for number in reduced),
        )

    shared, n_strings = range(len(network.groups)), network.n_strings
    choices = [made(joined) for joined in _groupings(numbers)]
    return min(choices, key=lambda meeting: meeting_seconds(meeting, shared, n_strings, workload))


def _groupings(numbers: list[int]) -> Iterable[tuple[int, ...]]:
    """Yield sets of clusters: all of them, or of many only runs of neighbours at either end."""
    if len(numbers) <= _MOST_GROUPED:
        for count in range(1, len(numbers) + 1):
            yield from combinations(numbers, count)
        return
    for count in range(1, len(numbers) + 1):
        yield tuple(numbers[:count])
        yield tuple(numbers[-count:])
