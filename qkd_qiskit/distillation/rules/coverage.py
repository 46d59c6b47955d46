"""Each class averages over the clients that hold it."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.rules.base import AggregationRule


class Coverage(AggregationRule):
    """Average of each class over its holders; a class that nobody holds averages over all clients."""

    name = "coverage"

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the outputs, each column divided by the number of clients that count for its class."""
        # Shares before sums: every client's part of the average is rounded by itself.
        holders = self.census.holders
        counts = np.where(holders > 0, holders, self.census.clients)
        share = (holders == 0) / counts
        share[held] = 1.0 / counts[held]
        return np.asarray(lifted * share)
