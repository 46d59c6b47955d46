"""The plain average; classes that few clients hold lose."""

from __future__ import annotations

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import normalized
from qkd_qiskit.distillation.rules.base import AggregationRule


class Mean(AggregationRule):
    """Average over all clients."""

    name = "mean"

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the outputs as they are."""
        return lifted

    def combined(self) -> FloatArray:
        """Return the average [N, G]."""
        return normalized(self.total / self.census.clients)
