"""The product of experts (Hinton, Neural Computation 14:1771, 2002)."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR
from qkd_qiskit.distillation.rules.base import AggregationRule


class Product(AggregationRule):
    """Normalized product of the clients' probabilities.

    A client without reject outcome says nothing of classes that it does not hold: they get the geometric mean
    of its own.
    """

    name = "product"

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the logarithms of the outputs."""
        logs = np.log(np.maximum(lifted, OUTPUT_FLOOR))
        missing = np.setdiff1d(np.arange(logs.shape[1]), held)
        if not reject and len(missing):
            logs[:, missing] = logs[:, held].mean(axis=1, keepdims=True)
        return logs

    def combined(self) -> FloatArray:
        """Return the normalized exponentials of the sums of logarithms [N, G]."""
        return np.asarray(softmax(self.total, axis=1))
