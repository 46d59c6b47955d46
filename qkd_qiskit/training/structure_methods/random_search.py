"""Random search: the measure of all others."""

from __future__ import annotations

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.training.structure_methods.base import SearchStart, StructureMethod


class RandomSearch(StructureMethod):
    """Draws every genome anew (Bergstra and Bengio, *Journal of Machine Learning Research* 13:281, 2012)."""

    def __init__(self, start: SearchStart) -> None:
        """Begin."""
        self._start, self._first = start, True

    def ask(self) -> IntArray:
        """Return the known genomes first, then random ones."""
        first, self._first = self._first, False
        return self._start.first() if first else self._start.draw(self._start.batch)

    def tell(self, genomes: IntArray, fitness: FloatArray, gates: FloatArray) -> None:
        """Take what the genomes are worth, to no effect."""
