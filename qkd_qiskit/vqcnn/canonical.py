"""The canonical form of a gene string: what is left of it once the obvious merging and cancelling is done.

Every rewriting keeps the block as a trainable family: after it the same unitaries are reached, up to global
phase, by other angles. Only `open_boundary` goes further and looks at the next block.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from qkd_qiskit.vqcnn.clifford import shortest
from qkd_qiskit.vqcnn.genes import Gene

Genes = tuple[Gene, ...]


def reduce(genes: Genes) -> Genes:
    """Return the first of all strings that the rewritings reach, in the order of `_rank`.

    Genes that commute are sorted, equal neighbours cancel or merge, Paulis vanish in rotations about their
    axis, and parameter-free runs become their shortest equivalent. Every accepted step lowers the rank, so
    the loop ends, and its result is its own canonical form.
    """
    word = _sorted(tuple(gene for gene in genes if gene.axes))
    while True:
        better = next((w for w in map(_sorted, _rewritings(word)) if _rank(w) < _rank(word)), None)
        if better is None:
            return word
        word = better


def open_boundary(genes: Genes) -> Genes:
    """Drop two-qubit genes at the end that would cancel or merge with the first ones of an equal next block.

    The next block may meet the pair in either order: pooling at the right end of a chain does. One two-qubit
    gene always stays, since neighbouring pairs need it, and so does a parameter; a string without one stays
    as it is, since nothing of it is trained.

    Args:
        genes: A reduced string; so is the result.
    """
    if not _entangles_and_trains(genes):
        return genes
    while loss := _boundary_loss(genes):
        places = (place for place in reversed(range(len(genes))) if genes[place].is_two_qubit)
        shorter = filter(_entangles_and_trains, (reduce(genes[:at] + genes[at + 1 :]) for at in places))
        better = next((word for word in shorter if _boundary_loss(word) < loss), None)
        if better is None:
            break
        genes = better
    return genes


@cache
def commute(first: Gene, second: Gene) -> bool:
    """Return whether two genes may change places, where the sign of an angle does not matter.

    Genes commute where their axes agree on all shared qubits. A Pauli also passes a rotation about another
    axis, or a controlled rotation's target: the angle only changes its sign.
    """
    one, two = first.axes, second.axes
    differing = [place for place in one.keys() & two.keys() if one[place] != two[place]]
    if not differing:
        return True
    for pauli, other in ((first, second), (second, first)):
        if not pauli.is_two_qubit and not pauli.is_parametrized:
            if not other.is_two_qubit:
                return True
            return other.is_parametrized and pauli.orientation == other.qubits[1]
    return False


def _entangles_and_trains(genes: Genes) -> bool:
    return _two_qubit(genes) > 0 and any(gene.is_parametrized for gene in genes)


def _boundary_loss(genes: Genes) -> int:
    """Count the two-qubit genes lost where the string meets itself, and where it meets its mirror."""
    count = _two_qubit(genes)
    mirrored = tuple(Gene(gene.gate, 1 - gene.orientation) for gene in genes)
    return sum(2 * count - _two_qubit(reduce(genes + following)) for following in (genes, mirrored))


def _two_qubit(genes: Genes) -> int:
    return sum(gene.is_two_qubit for gene in genes)


def _rank(genes: Genes) -> tuple[int, int, Genes]:
    return len(genes), _two_qubit(genes), genes


def _sorted(genes: Genes) -> Genes:
    """Return the lexicographically first order that commuting genes allow."""
    left, word = list(genes), []
    while left:
        free = [at for at, gene in enumerate(left) if all(commute(gene, earlier) for earlier in left[:at])]
        word.append(left.pop(min(free, key=lambda at: left[at])))
    return tuple(word)


def _rewritings(genes: Genes) -> Iterator[Genes]:
    for start, end in product(range(len(genes)), repeat=2):
        fused = _fuse(genes[start], genes[end]) if start < end else None
        if fused is not None and all(commute(genes[end], between) for between in genes[start + 1 : end]):
            yield genes[:start] + fused + genes[start + 1 : end] + genes[end + 1 :]
    for anchor, gene in enumerate(genes):
        if not gene.is_parametrized:
            before, run_before = _gather(genes[:anchor][::-1])
            after, run_after = _gather(genes[anchor + 1 :])
            run = (*run_before[::-1], gene, *run_after)
            if shortest(run) != run:
                yield before[::-1] + shortest(run) + after


def _gather(genes: Genes) -> tuple[Genes, Genes]:
    """Split into what stays and the parameter-free genes that can move to the front."""
    stay: list[Gene] = []
    run: list[Gene] = []
    for gene in genes:
        movable = not gene.is_parametrized and all(commute(gene, other) for other in stay)
        (run if movable else stay).append(gene)
    return tuple(stay), tuple(run)


def _fuse(first: Gene, second: Gene) -> Genes | None:
    """Return what two neighbours become, or None where they stay two."""
    if first.gate == second.gate and (first.orientation == second.orientation or first.name == "CZ"):
        return (first,) if first.is_parametrized else ()
    if first.axes == second.axes and not first.is_two_qubit:
        return (first,) if first.is_parametrized else (second,)
    return None
