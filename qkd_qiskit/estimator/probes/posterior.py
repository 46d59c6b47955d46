"""From held-out answers of several sizes to a distribution over the smallest sufficient size.

An accuracy curve is `plateau - deficit * g(size) - fall * log(size / smallest)`, where `g` decays from 1 at the
smallest size to 0: exponentially in the size, with one of many reaches. A grid of deficits, reaches and falls
stands for all curves; each has a smallest size within a point of its best. The rule's proposal weighs the
sizes before any probe, and the likelihood of the held-out answers after it. The plateau itself is unknown
and integrated out: only differences between sizes count, and they are paired, sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.estimator.probes.settings import ProbeModel

POINT = 0.01
"""What counts as equally accurate."""

_DEFICITS = (0.0, 0.004, 0.008, 0.013, 0.02, 0.03, 0.045, 0.065, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.65)
_REACHES = np.geomspace(0.25, 4.0, 13)
_FALLS = (0.0, 0.006, 0.015, 0.04)


@dataclass(frozen=True, eq=False)
class CurveGrid:
    """Curves that are thought possible.

    Attributes:
        shape: Accuracy less the plateau of each curve at each size [G, R].
        smallest: Number of the smallest sufficient size of each curve [G].
        log_weight: Logarithm of its share among the curves of its smallest size [G].
    """

    shape: FloatArray
    smallest: IntArray
    log_weight: FloatArray


@lru_cache(maxsize=64)
def curve_grid(blocks: tuple[int, ...], fall_share: float) -> CurveGrid:
    """Return all curves over some sizes.

    Args:
        blocks: Sizes, ascending.
        fall_share: Share of curves that fall beyond their peak, in (0, 1).
    """
    sizes = np.log(np.asarray(blocks, dtype=np.float64) / blocks[0])
    shapes, weights = [], []
    for deficit in _DEFICITS:
        for reach in _REACHES if deficit else (1.0,):
            # exp(-(T - T0) / b) with b = reach * T0: a reach of 1 is gone after a few times the smallest size.
            decay = np.exp(-np.expm1(sizes) / reach)
            for fall in _FALLS:
                shapes.append(-deficit * decay - fall * sizes)
                weights.append(fall_share / (len(_FALLS) - 1) if fall else 1 - fall_share)
    shape, weight = np.array(shapes), np.array(weights)
    smallest = np.argmax(shape >= shape.max(axis=1, keepdims=True) - POINT, axis=1)
    total = np.bincount(smallest, weights=weight, minlength=len(blocks))
    return CurveGrid(shape, smallest, np.log(weight / total[smallest]))


def size_prior(blocks: Sequence[int], proposal: float, model: ProbeModel) -> FloatArray:
    """Return the probability [R] that each size is the smallest sufficient one, before any probe.

    A log-normal around the rule's proposal; what lies between two sizes belongs to the larger one, as the
    need is rounded up.

    Args:
        blocks: Sizes, ascending.
        proposal: The rule's need in blocks.
        model: Centre and spread.
    """
    centre = model.prior_offset + model.prior_slope * np.log(proposal / blocks[0])
    edges = np.log(np.asarray(blocks, dtype=np.float64) / blocks[0])
    below = norm.cdf((edges - centre) / model.prior_spread)
    mass = np.diff(below, prepend=0.0)
    mass[-1] += 1.0 - below[-1]
    mass = mass + model.prior_floor / len(blocks)
    return np.asarray(mass / mass.sum())


def paired_moments(correct: FloatArray, weights: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean accuracies [R], and their covariance [R, R] as that of a draw of samples.

    Args:
        correct: Share of each sample's trainings that were right, for each size [R, N].
        weights: Number of rounds of trainings behind each row [R].
    """
    n = correct.shape[1]
    centred = correct - correct.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / max(n - 1, 1) / n
    # A single round scatters more than the sample's own chance of being right: that part is training noise,
    # which `posterior` adds by its own parameter, so nothing is taken off here; it makes the interval wider.
    del weights
    return correct.mean(axis=1), np.asarray(covariance)


def size_posterior(
    grid: CurveGrid,
    prior: FloatArray,
    means: FloatArray,
    covariance: FloatArray,
    rounds: IntArray,
    samples: int,
    model: ProbeModel,
) -> FloatArray:
    """Return the probability [G] of every curve after the probes.

    Args:
        grid: The curves over all sizes.
        prior: Of the sizes [R].
        means: Accuracies [R] where `rounds` is positive.
        covariance: Of the means [R, R], as a draw of samples.
        rounds: Rounds of trainings of each size [R]; 0 for one that was not tried.
        samples: Number of held-out samples.
        model: Noise of a training, and how far the likelihood is trusted.
    """
    logs = np.log(prior)[grid.smallest] + grid.log_weight
    tried = np.flatnonzero(rounds)
    if len(tried) > 1:
        noise = model.training_noise**2 / rounds[tried] + model.pseudo_errors / samples**2
        precision = np.linalg.inv(covariance[np.ix_(tried, tried)] + np.diag(noise))
        residual = means[tried] - grid.shape[:, tried]
        level = precision.sum(axis=0)
        square = np.einsum("gi,ij,gj->g", residual, precision, residual) - (residual @ level) ** 2 / level.sum()
        logs = logs - 0.5 * model.trust * square
    return np.asarray(np.exp(logs - logsumexp(logs)))
