"""A genetic algorithm over genomes of choices."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.training.structure_methods.base import SearchStart, StructureMethod


class GeneticSearch(StructureMethod):
    """Tournaments of two, uniform crossover, and one to two mutations a child; the best of all survive.

    Holland, *Adaptation in Natural and Artificial Systems*, 1975; parents and children compete for the places
    of the next generation. A mutation draws a choice from its prior.
    """

    def __init__(self, start: SearchStart) -> None:
        """Begin."""
        self._start = start
        self._genomes: IntArray | None = None
        self._fitness = np.empty(0)

    def ask(self) -> IntArray:
        """Return the first generation, then children."""
        start, parents = self._start, self._genomes
        if parents is None:
            return start.first()
        rng, n = start.rng, start.batch
        rivals = rng.integers(len(parents), size=(2, n, 2))
        # The population is sorted: the lower place wins.
        mothers, fathers = parents[rivals.min(axis=2)]
        children = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        mutated = rng.random(children.shape) < 1.5 / children.shape[1]
        return np.where(mutated, start.draw(n), children)

    def tell(self, genomes: IntArray, fitness: FloatArray, gates: FloatArray) -> None:
        """Keep the best different genomes of parents and children."""
        everyone = genomes if self._genomes is None else np.concatenate([self._genomes, genomes])
        worth = np.concatenate([self._fitness, fitness])
        _, different = np.unique(everyone, axis=0, return_index=True)
        order = different[np.lexsort((different, worth[different]))][: self._start.batch]
        self._genomes, self._fitness = everyone[order], worth[order]
