"""An archive of what nothing dominates, thinned where it is crowded."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray


def dominates(first: FloatArray, second: FloatArray) -> BoolArray:
    """Return which rows of `first` [..., M] are at least as low everywhere and lower somewhere."""
    return np.asarray((first <= second).all(axis=-1) & (first < second).any(axis=-1))


def front(values: FloatArray) -> IntArray:
    """Return the rows of values [E, M] that no other dominates, the first one of equal rows, rising."""
    beaten = dominates(values[:, None], values[None]).any(axis=0)
    _, first = np.unique(values, axis=0, return_index=True)
    return np.intersect1d(np.flatnonzero(~beaten), first)


def crowding(values: FloatArray) -> FloatArray:
    """Return the crowding distance [E] of values [E, M]: infinite at the ends of each aim.

    Deb, Pratap, Agarwal, Meyarivan, *IEEE Transactions on Evolutionary Computation* 6:182, 2002.
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


class ParetoArchive:
    """Members that no other dominates, at most a given number.

    Attributes:
        values: Aims of the members [E, M], all to be low.
        members: What is kept of each, [E, D].
    """

    def __init__(self, capacity: int) -> None:
        """Make an empty archive for at most `capacity` members."""
        self._capacity = capacity
        self.values: FloatArray = np.empty((0, 0))
        self.members: FloatArray = np.empty((0, 0))

    def add(self, values: FloatArray, members: FloatArray) -> None:
        """Take new members; the most crowded ones go where there are too many.

        Args:
            values: Aims [P, M], finite.
            members: What is kept of each, [P, D].
        """
        if not len(values):
            return
        if len(self.values):
            values, members = np.concatenate([self.values, values]), np.concatenate([self.members, members])
        kept = front(values)
        while len(kept) > self._capacity:
            kept = np.delete(kept, crowding(values[kept]).argmin())
        self.values, self.members = values[kept], members[kept]

    def leaders(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n members [n, D], each the less crowded one of two drawn at random."""
        distance = crowding(self.values)
        rivals = rng.integers(len(self.values), size=(n, 2))
        chosen = rivals[np.arange(n), distance[rivals].argmax(axis=1)]
        return np.asarray(self.members[chosen])
