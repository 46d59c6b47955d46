"""A tree-structured Parzen estimator over genomes of choices."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.training.structure_methods.base import SearchStart, StructureMethod, draw_columns, one_hot

_GOOD = 0.25
_CANDIDATES = 24
# Weight of the priors, in observations.
_PRIOR_WEIGHT = 1.0
# Puts a known genome behind all others.
_LAST = 1e6


class ParzenSearch(StructureMethod):
    """Draws from what the best quarter has in common, and keeps what the rest has least of it.

    Bergstra, Bardenet, Bengio, Kegl, *Advances in Neural Information Processing Systems* 24, 2011, for
    choices alone: each place has the frequencies of its choices among the best quarter and among the others,
    both mixed with the prior; of 24 draws from the first, that with the highest ratio is tried.
    """

    def __init__(self, start: SearchStart) -> None:
        """Begin."""
        self._start = start
        self._sizes = [len(prior) for prior in start.priors]
        self._genomes = np.empty((0, len(self._sizes)), dtype=np.int64)
        self._fitness = np.empty(0)

    def ask(self) -> IntArray:
        """Return the first batch, then the most promising of several draws for each place of the batch."""
        if not len(self._genomes):
            return self._start.first()
        order = np.argsort(self._fitness, kind="stable")
        n_good = max(1, int(np.ceil(_GOOD * len(order))))
        good, rest = (self._frequencies(rows) for rows in (order[:n_good], order[n_good:]))
        n, rng = self._start.batch, self._start.rng
        edges = np.cumsum(self._sizes)
        drawn = draw_columns(np.repeat(good[None], n * _CANDIDATES, axis=0), edges, rng)
        ratio = one_hot(drawn, self._sizes) @ np.log(good / rest)
        # What is known tells nothing new, and would count again.
        known = set(map(bytes, self._genomes))
        ratio[[bytes(row) in known for row in drawn]] -= _LAST
        best = ratio.reshape(n, _CANDIDATES).argmax(axis=1) + _CANDIDATES * np.arange(n)
        return np.asarray(drawn[best])

    def tell(self, genomes: IntArray, fitness: FloatArray, gates: FloatArray) -> None:
        """Remember all different genomes."""
        everyone = np.concatenate([self._genomes, genomes])
        worth = np.concatenate([self._fitness, fitness])
        _, first = np.unique(everyone, axis=0, return_index=True)
        self._genomes, self._fitness = everyone[np.sort(first)], worth[np.sort(first)]

    def _frequencies(self, rows: IntArray) -> FloatArray:
        prior = np.concatenate(list(self._start.priors))
        counts = one_hot(self._genomes[rows], self._sizes).sum(axis=0)
        return np.asarray((counts + _PRIOR_WEIGHT * prior) / (len(rows) + _PRIOR_WEIGHT))
