"""Which samples are worth a label: those on which the teacher can least choose between two classes."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DistillationError


def least_certain(soft: FloatArray, n: int) -> IntArray:
    """The samples with the smallest margin between the two likeliest classes.

    Margin sampling (Scheffer, Decomain and Wrobel, IDA 2001), once and for the whole pool: a wrong soft label
    is seldom one with a large margin.

    Args:
        soft: Class probabilities [N, G], G at least 2.
        n: How many samples, 0 to N.

    Returns:
        Their rows [n], increasing; of equal margins the first rows.

    Raises:
        DistillationError: If there are no two classes, or not as many samples.

    Example:
        >>> least_certain(np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]]), 2)
        array([1, 2])
    """
    if soft.ndim != 2 or soft.shape[1] < 2:
        raise DistillationError(f"queries: expected soft labels of shape (N, G), G > 1, found {soft.shape}")
    if not 0 <= n <= len(soft):
        raise DistillationError(f"queries: expected to ask for 0 to {len(soft)} labels, found {n}")
    two = np.partition(soft, -2, axis=1)[:, -2:]
    return np.sort(np.argsort(two[:, 1] - two[:, 0], kind="stable")[:n])
