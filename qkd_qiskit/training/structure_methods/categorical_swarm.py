"""Particle swarms over genomes of choices, for one aim and for two."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.training.optimizer import Box
from qkd_qiskit.training.structure_methods.archive import ParetoArchive, dominates
from qkd_qiskit.training.structure_methods.base import SearchStart, StructureMethod, draw_columns, one_hot
from qkd_qiskit.training.swarm import ParticleSwarm

# What a remembered distribution keeps of the choices that were not drawn.
_KEPT = 0.1


class CategoricalSwarm(StructureMethod):
    """A swarm whose particles are probabilities of choices.

    Integer and categorical particle swarm optimization (Strasser, Goodman, Sheppard, Butcher, *GECCO* 2016):
    a particle holds one probability for each choice of each place; velocities move these by the usual rule,
    they are clipped and normalized, and the genome that is tried is drawn from them. What is remembered as a
    best is the distribution, shifted towards the genome that was drawn.
    """

    def __init__(self, start: SearchStart) -> None:
        """Begin at the priors, shifted towards the first genomes."""
        self._start = start
        self._sizes = [len(prior) for prior in start.priors]
        self._edges = np.cumsum(self._sizes)
        self._first: IntArray | None = start.first()
        self._at = np.repeat(np.concatenate(list(start.priors))[None], start.batch, axis=0)
        n = self._at.shape[1]
        self._swarm = ParticleSwarm(
            self._at, Box(np.zeros(n), np.ones(n), np.zeros(n, dtype=bool)), rng=start.rng
        )
        self._best = np.full(start.batch, np.inf)
        self._best_gates = np.full(start.batch, np.inf)
        self._memory = self._at.copy()

    def ask(self) -> IntArray:
        """Return a genome of each particle."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        self._at = self._normalized(self._swarm.ask())
        self._swarm.place(self._at)
        # About one choice of a genome is drawn from its prior: the turbulence of MOPSO, for one aim too.
        share = 1 / len(self._sizes)
        mixed = (1 - share) * self._at + share * np.concatenate(list(self._start.priors))
        return draw_columns(mixed, self._edges, self._start.rng)

    def tell(self, genomes: IntArray, fitness: FloatArray, gates: FloatArray) -> None:
        """Remember what is better, and choose whom each particle follows."""
        shifted = _KEPT * self._at + (1 - _KEPT) * one_hot(genomes, self._sizes)
        better = self._better(fitness, gates)
        self._memory = np.where(better[:, None], shifted, self._memory)
        self._best = np.where(better, fitness, self._best)
        self._best_gates = np.where(better, gates, self._best_gates)
        self._swarm.follow(self._memory, self._leaders(shifted, fitness, gates))

    def _better(self, fitness: FloatArray, gates: FloatArray) -> BoolArray:
        """Return which particles [P] have found a new best of their own."""
        return np.asarray(fitness < self._best)

    def _leaders(self, shifted: FloatArray, fitness: FloatArray, gates: FloatArray) -> FloatArray:
        """Return the distribution that each particle follows: that of the best of all."""
        return np.repeat(self._memory[self._best.argmin()][None], len(fitness), axis=0)

    def _normalized(self, positions: FloatArray) -> FloatArray:
        parts = np.split(np.clip(positions, 1e-3, 1.0), self._edges[:-1], axis=1)
        return np.concatenate([part / part.sum(axis=1, keepdims=True) for part in parts], axis=1)


class FrontSwarm(CategoricalSwarm):
    """A swarm with two aims, fitness and native two-qubit gates: it follows a front, not one best.

    MOPSO (Coello Coello, Pulido, Lechuga, *IEEE Transactions on Evolutionary Computation* 8:256, 2004): an
    archive holds what nothing dominates; each particle follows a member from where the front is thin, by
    crowding distance (Raquel and Naval, *GECCO* 2005). A particle's own best gives way to what dominates it,
    and, where neither does, by the toss of a coin.
    """

    def __init__(self, start: SearchStart) -> None:
        """Begin with an empty archive."""
        super().__init__(start)
        self._archive = ParetoArchive(capacity=2 * start.batch)

    def _better(self, fitness: FloatArray, gates: FloatArray) -> BoolArray:
        new, old = np.stack([fitness, gates], 1), np.stack([self._best, self._best_gates], 1)
        coin = self._start.rng.random(len(fitness)) < 0.5
        return np.isfinite(fitness) & (dominates(new, old) | (~dominates(old, new) & coin))

    def _leaders(self, shifted: FloatArray, fitness: FloatArray, gates: FloatArray) -> FloatArray:
        known = np.isfinite(fitness)
        self._archive.add(np.stack([fitness, gates], 1)[known], shifted[known])
        if not len(self._archive.values):
            return self._memory
        return self._archive.leaders(len(fitness), self._start.rng)
