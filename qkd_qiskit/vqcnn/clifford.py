"""Shortest strings of the parameter-free genes, as a table over the group that they generate."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.vqcnn.genes import Gene

GENERATORS: Final = tuple(
    Gene.from_string(word)
    for word in ("X0", "X1", "Y0", "Y1", "Z0", "Z1", "CX01", "CX10", "CY01", "CY10", "CZ01")
)
"""The parameter-free genes that differ as unitaries: CZ10 is CZ01, and I is nothing."""

# A signed two-qubit Pauli is one byte: 4 * (letter on the second) + (letter on the first), letters in the
# order I, X, Y, Z, plus 16 when negative. A group element, up to global phase, is the four bytes that it
# makes of the Paulis X0, Z0, X1, Z1; applying one more gate is then a `bytes.translate`.
_LETTERS: Final = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}
_START: Final = bytes((1, 3, 4, 12))


def shortest(run: Iterable[Gene]) -> tuple[Gene, ...]:
    """Return the shortest string of parameter-free genes with the same unitary up to global phase.

    Among strings of one length the one with the fewest two-qubit genes, then the first in the order of genes.

    Args:
        run: Parameter-free genes other than I.
    """
    return _table()[_element(run)]


def cx_cost(run: Iterable[Gene]) -> int:
    """Return how many CX (or CZ) the run takes when one-qubit gates are free: 0 to 3.

    Args:
        run: Parameter-free genes other than I.
    """
    # What X0 and Z0 become tells the class: identity, CX, iSWAP or SWAP.
    images = _element(run)[:2]
    crossing = {(image >> 2) & 3 for image in images} - {0}
    staying = {image & 3 for image in images} - {0}
    if len(crossing) < 2:
        return len(crossing)
    return 2 if staying else 3


def _element(run: Iterable[Gene]) -> bytes:
    element = _START
    for gene in run:
        element = element.translate(_action(gene))
    return element


@cache
def _action(gene: Gene) -> bytes:
    """Return translation table from each signed Pauli to its conjugate by the gate."""
    letter, identity = _LETTERS[gene.name[-1]], _LETTERS["I"]
    if gene.is_two_qubit:
        # Qubit 0 is the right factor of a Kronecker product.
        off, on = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
        parts = ((identity, off), (letter, on)) if gene.orientation == 0 else ((off, identity), (on, letter))
        unitary = np.kron(*parts[0]) + np.kron(*parts[1])
    else:
        unitary = np.kron(identity, letter) if gene.orientation == 0 else np.kron(letter, identity)
    paulis = _paulis()
    conjugated = unitary @ paulis @ unitary.conj().T
    overlaps = np.einsum("aij,bji->ab", conjugated, paulis).real / 4
    images = np.abs(overlaps).argmax(axis=1)
    table = bytearray(range(256))
    for pauli, image in enumerate(images):
        negative = overlaps[pauli, image] < 0
        table[pauli] = int(image) + 16 * negative
        table[pauli + 16] = int(image) + 16 * (not negative)
    return bytes(table)


@cache
def _paulis() -> NDArray[np.complex128]:
    letters = list(_LETTERS.values())
    return np.array([np.kron(second, first) for second in letters for first in letters])


@cache
def _table() -> dict[bytes, tuple[Gene, ...]]:
    """Breadth-first search over the whole group, from the empty string."""
    words: dict[bytes, tuple[Gene, ...]] = {_START: ()}
    layer = [_START]
    while layer:
        found: dict[bytes, tuple[Gene, ...]] = {}
        for element in layer:
            for gene in GENERATORS:
                image = element.translate(_action(gene))
                if image not in words:
                    word = (*words[element], gene)
                    if image not in found or _rank(word) < _rank(found[image]):
                        found[image] = word
        words.update(found)
        layer = list(found)
    return words


def _rank(word: tuple[Gene, ...]) -> tuple[int, tuple[Gene, ...]]:
    return sum(gene.is_two_qubit for gene in word), word
