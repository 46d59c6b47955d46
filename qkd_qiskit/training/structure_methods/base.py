"""What the ways to search structures have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SearchStart:
    """What every way begins with, so that none has an advantage.

    Attributes:
        priors: Probabilities of the choices of each place of a genome: D arrays.
        known: Genomes that are tried first, [any number, D].
        batch: Genomes that are asked for at once.
        rng: Source of all randomness.
    """

    priors: Sequence[FloatArray]
    known: IntArray
    batch: int
    rng: np.random.Generator

    def draw(self, n: int) -> IntArray:
        """Return random genomes [n, D] from the priors."""
        columns = [self.rng.choice(len(prior), size=n, p=prior) for prior in self.priors]
        return np.stack(columns, axis=1).astype(np.int64)

    def first(self) -> IntArray:
        """Return the first batch [batch, D]: the known genomes, then random ones."""
        known = self.known[: self.batch]
        return np.concatenate([known.reshape(-1, len(self.priors)), self.draw(self.batch - len(known))])


class StructureMethod(Protocol):
    """A way to search: it is asked for genomes, and told what they are worth."""

    @abstractmethod
    def __init__(self, start: SearchStart) -> None:
        """Begin."""

    @abstractmethod
    def ask(self) -> IntArray:
        """Return the genomes [batch, D] to try next."""

    @abstractmethod
    def tell(self, genomes: IntArray, fitness: FloatArray, gates: FloatArray) -> None:
        """Take what the genomes of the last `ask` are worth.

        Args:
            genomes: The genomes [P, D].
            fitness: Loss plus price of each, [P]; infinite where it is no structure.
            gates: Native two-qubit gates of each, [P].
        """


def draw_columns(probabilities: FloatArray, edges: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw genomes [P, D] from probabilities [P, sum of sizes] whose places end at `edges` [D]."""
    drawn = []
    for part in np.split(probabilities, edges[:-1], axis=1):
        below = np.cumsum(part, axis=1)[:, :-1] / part.sum(axis=1, keepdims=True)
        drawn.append((rng.random((len(part), 1)) > below).sum(axis=1))
    return np.stack(drawn, axis=1).astype(np.int64)


def one_hot(genomes: IntArray, sizes: Sequence[int]) -> FloatArray:
    """Return genomes [P, D] as certain probabilities [P, sum of sizes]."""
    return np.concatenate([np.eye(size)[genomes[:, at]] for at, size in enumerate(sizes)], axis=1)
