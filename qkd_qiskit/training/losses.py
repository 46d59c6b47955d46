"""Logits and cross-entropy of a VQCNN as pure array functions, with exact gradients.

Outcome probabilities p become logits `s * log(max(p, 1e-9))` over the class outcomes, with a trained
positive logit scale s; class probabilities are their softmax, which is `p**s` renormalized. Every loss is
a mean over samples and keeps all leading axes, so that a whole swarm is one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from qkd_qiskit.arrays import FloatArray, IntArray

PROBABILITY_FLOOR = 1e-9


def class_logits(probabilities: FloatArray, log_scale: ArrayLike, n_outcomes: int) -> FloatArray:
    """Return logits of the class outcomes.

    Args:
        probabilities: Outcome probabilities [..., N, 2^m], of which the first `n_outcomes` are classes.
        log_scale: Natural logarithm of the logit scale, of the leading shape [...].
        n_outcomes: Number of class outcomes, with the reject outcome where there is one.

    Returns:
        Logits [..., N, n_outcomes].
    """
    scale = np.exp(np.asarray(log_scale, dtype=np.float64))[..., None, None]
    return np.asarray(scale * np.log(np.maximum(probabilities[..., :n_outcomes], PROBABILITY_FLOOR)))


def logits_backward(
    logit_gradient: FloatArray, probabilities: FloatArray, logits: FloatArray, log_scale: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the gradients of a loss with respect to probabilities and log of the logit scale.

    Args:
        logit_gradient: Gradient with respect to the logits [..., N, n_outcomes].
        probabilities: The probabilities [..., N, 2^m] that gave the logits.
        logits: What `class_logits` returned for them.
        log_scale: The log of the logit scale [...].

    Returns:
        The gradient [..., N, 2^m], zero below the probability floor and for outcomes that are no class; and
        the gradient [...] with respect to `log_scale`.
    """
    n_outcomes = logits.shape[-1]
    scale = np.exp(np.asarray(log_scale, dtype=np.float64))[..., None, None]
    used = probabilities[..., :n_outcomes]
    gradient = np.zeros(np.shape(probabilities))
    slope = np.where(used > PROBABILITY_FLOOR, scale / np.maximum(used, PROBABILITY_FLOOR), 0.0)
    gradient[..., :n_outcomes] = logit_gradient * slope
    return gradient, np.asarray((logit_gradient * logits).sum(axis=(-2, -1)))


def cross_entropy(
    logits: FloatArray, labels: IntArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the weighted mean of the cross-entropy with hard labels, in nats.

    Args:
        logits: [..., N, C].
        labels: Outcome of each sample [N], 0 to C - 1; a sample with a negative label has none and is left
            out.
        weights: Nonnegative weight of each sample [N]; all ones when omitted.

    Returns:
        Values [...] and the gradient [..., N, C] with respect to the logits. Both are zero when no sample
        has a label.
    """
    labelled = labels >= 0
    share = np.where(labelled, 1.0 if weights is None else weights, 0.0)
    total = share.sum()
    if total > 0:
        share = share / total
    log_p = log_softmax(logits, axis=-1)
    one_hot = np.zeros(logits.shape[-2:])
    one_hot[np.flatnonzero(labelled), labels[labelled]] = 1.0
    values = -(log_p * (one_hot * share[:, None])).sum(axis=(-2, -1))
    return np.asarray(values), np.asarray((np.exp(log_p) - one_hot) * share[:, None])
