"""The Kullback-Leibler divergence of class probabilities from soft labels."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, xlogy

from qkd_qiskit.arrays import FloatArray


def soft_kl(logits: FloatArray, soft: FloatArray, temperature: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Return the mean Kullback-Leibler divergence from the soft labels, times the squared temperature.

    The factor keeps the gradient's size when the temperature changes (Hinton et al., arXiv:1503.02531).

    Args:
        logits: [..., N, C].
        soft: Soft labels [N, C], already at `temperature`; each row sums to one.
        temperature: Divides the logits before the softmax.

    Returns:
        Values [...] in nats and the gradient [..., N, C] with respect to the logits.
    """
    log_q = log_softmax(logits / temperature, axis=-1)
    samples = max(log_q.shape[-2], 1)
    values = (xlogy(soft, soft) - soft * log_q).sum(axis=(-2, -1)) * temperature**2 / samples
    return np.asarray(values), np.asarray((np.exp(log_q) - soft) * temperature / samples)
