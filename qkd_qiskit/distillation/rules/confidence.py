"""An average in which certain clients count more."""

from __future__ import annotations

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import certainty
from qkd_qiskit.distillation.rules.base import AggregationRule


class Confidence(AggregationRule):
    """Average weighted per sample by one minus the normalized entropy.

    A client that spreads its reject mass over many classes counts little.
    """

    name = "confidence"

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the outputs, each row times the client's share of the certainty of all."""
        return lifted * (certainty(lifted) / self.census.certainty)[:, None]
