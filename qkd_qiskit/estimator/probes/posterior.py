"""From held-out answers of several sizes to a distribution over the smallest sufficient size.

An accuracy curve is `plateau - deficit * g(size) - fall * log(size / smallest)`, where `g` decays from 1 at
the smallest size: exponentially in the size, with one of many reaches, or with one of many powers of it, so
that a curve may rise to the last size. A grid of deficits, decays and falls stands for all curves; each has a
smallest size within a point of its best. The rule's proposal and the headroom of a kernel machine weigh the
sizes before any probe, and the likelihood of the held-out answers after it. The plateau itself is unknown
and integrated out: only differences between sizes count, and they are paired, sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import logsumexp, ndtr

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.estimator.probes.settings import ProbeModel

POINT = 0.01
"""What counts as equally accurate."""

_DEFICITS = (0.0, *np.geomspace(0.004, 0.9, 36).tolist())
_REACHES = np.geomspace(0.08, 4.0, 14)
_POWERS = (0.1, 0.25, 0.5, 0.8, 1.2, 2.0)
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
    sizes, decays = _log_sizes(blocks), size_decays(blocks)
    shapes, falling = [], []
    for deficit in _DEFICITS:
        for decay in decays if deficit else decays[:1]:
            for fall in _FALLS:
                shapes.append(-deficit * decay - fall * sizes)
                falling.append(fall > 0)
    shape, falls = np.array(shapes), np.array(falling)
    smallest = np.argmax(shape >= shape.max(axis=1, keepdims=True) - POINT, axis=1)
    # Of the curves that need little most fall, as there are more ways to: their share must not follow.
    kind = 2 * smallest + falls
    alike = np.bincount(kind, minlength=2 * len(blocks))
    weight = np.where(falls, fall_share, 1 - fall_share) / alike[kind]
    total = np.bincount(smallest, weights=weight, minlength=len(blocks))
    return CurveGrid(shape, smallest, np.log(weight / total[smallest]))


def size_decays(blocks: Sequence[int], finer: int = 1) -> FloatArray:
    """Return ways in which a deficit may decay from 1 at the smallest size [D, R].

    Args:
        blocks: Sizes, ascending.
        finer: How many ways stand for each of the usual ones.
    """
    sizes = _log_sizes(blocks)
    reaches, powers = (
        np.interp(np.arange(0, len(values) - 1 + 1e-9, 1 / finer), np.arange(len(values)), values)
        for values in (_REACHES, _POWERS)
    )
    # exp(-(T - T0) / b) with b = reach * T0: a reach of 1 is gone after a few times the smallest size T0.
    return np.concatenate([np.exp(-np.expm1(sizes) / reaches[:, None]), np.exp(-powers[:, None] * sizes)])


def _log_sizes(blocks: Sequence[int]) -> FloatArray:
    return np.asarray(np.log(np.asarray(blocks, dtype=np.float64) / blocks[0]))


def prior_centre(smallest: int, proposal: float, headroom: float, model: ProbeModel) -> float:
    """Return the centre of the prior: the logarithm of the need over the smallest size."""
    return float(
        model.prior_offset
        + model.prior_slope * np.log(proposal / smallest)
        + model.prior_headroom * np.log1p(100.0 * headroom)
    )


def size_prior(blocks: Sequence[int], centre: float, model: ProbeModel) -> FloatArray:
    """Return the probability [R] that each size is the smallest sufficient one, before any probe.

    A log-normal; what lies between two sizes belongs to the larger one, as the need is rounded up, and all
    below the smallest to that.

    Args:
        blocks: Sizes, ascending.
        centre: What `prior_centre` gives.
        model: Spread, and the share that is spread evenly.
    """
    below = ndtr((_log_sizes(blocks) - centre) / model.prior_spread)
    mass = np.diff(below, prepend=0.0)
    mass[-1] += 1.0 - below[-1]
    mass = mass + model.prior_floor / len(blocks)
    return np.asarray(mass / mass.sum())


def paired_covariance(correct: FloatArray) -> FloatArray:
    """Return the covariance [R, R] of mean accuracies as those of a draw of samples.

    Args:
        correct: Share of each sample's trainings that were right, for each size [R, N].
    """
    n = correct.shape[1]
    centred = correct - correct.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T / max(n - 1, 1) / n)


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
        below = means[tried].max() - means[tried]
        noise += (model.curve_noise + model.steep_noise * below) ** 2
        precision = np.linalg.inv(covariance[np.ix_(tried, tried)] + np.diag(noise))
        residual = means[tried] - grid.shape[:, tried]
        level = precision.sum(axis=0)
        square = ((residual @ precision) * residual).sum(axis=1) - (residual @ level) ** 2 / level.sum()
        logs = logs - 0.5 * model.trust * square
    return np.asarray(np.exp(logs - logsumexp(logs)))
