"""The squared distance of class probabilities from soft labels."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray


def soft_mse(logits: FloatArray, soft: FloatArray, temperature: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Return the mean over samples of the squared distance between class probabilities and soft labels.

    The squares are summed over the classes (the Brier score with soft labels), so that the weight of a
    sample does not fall with the number of classes.

    Args:
        logits: [..., N, C].
        soft: Soft labels [N, C], already at `temperature`.
        temperature: Divides the logits before the softmax.

    Returns:
        Values [...] and the gradient [..., N, C] with respect to the logits.
    """
    q = softmax(logits / temperature, axis=-1)
    samples = max(q.shape[-2], 1)
    difference = q - soft
    values = (difference**2).sum(axis=(-2, -1)) / samples
    inner = (difference * q).sum(axis=-1, keepdims=True)
    return np.asarray(values), np.asarray(2.0 * q * (difference - inner) / (samples * temperature))
