"""Accuracies and paired differences between models, with score intervals.

They hold the values that a score test does not reject. So they have a width on every sample, also where all
answers are right, or two models agree on all of them: there a bootstrap, which knows nothing beyond its
sample, would claim certainty.

References: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927); T. Tango, Statistics in Medicine 17, 891 (1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.errors import DistillationError

_PRECISION = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        value: The estimate itself, on all samples.
        low: Lower end.
        high: Upper end.
        samples: Number of samples.
    """

    value: float
    low: float
    high: float
    samples: int


def accuracy_interval(correct: BoolArray, *, level: float = 0.95) -> Interval:
    """Return the share of right answers with Wilson's score interval.

    Args:
        correct: Whether each answer was right [N], N at least 1.
        level: Coverage, inside (0, 1).

    Raises:
        DistillationError: If there is no sample, or `correct` is not boolean.
    """
    _check(correct)
    z, n, right = _quantile(level), len(correct), int(correct.sum())
    share, weight = right / n, z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z * np.sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    # Rounding must not move an end beyond the estimate, nor beyond 0 and 1.
    low = 0.0 if right == 0 else float(centre - half)
    high = 1.0 if right == n else float(centre + half)
    return Interval(share, low, high, n)


def difference_interval(correct: BoolArray, baseline: BoolArray, *, level: float = 0.95) -> Interval:
    """Return the accuracy of a model minus that of a baseline, with Tango's score interval for paired shares.

    Args:
        correct: Whether the model was right [N], N at least 1.
        baseline: Whether the baseline was right on the same samples [N].
        level: Coverage, inside (0, 1).

    Raises:
        DistillationError: If there is no sample, an array is not boolean, or lengths differ.
    """
    _check(correct)
    _check(baseline)
    if len(correct) != len(baseline):
        raise DistillationError(
            f"paired difference: expected equal lengths, found {len(correct)} and {len(baseline)}"
        )
    z, n = _quantile(level), len(correct)
    wins, losses = int((correct & ~baseline).sum()), int((~correct & baseline).sum())
    value = (wins - losses) / n
    return Interval(value, -_upper_end(losses, wins, n, z), _upper_end(wins, losses, n, z), n)


def _upper_end(wins: int, losses: int, n: int, z: float) -> float:
    """Return the largest difference that the score test does not reject."""

    def excess(difference: float) -> float:
        """Return by how much the squared score lies above the limit, times its variance."""
        b = (2 * n + losses - wins) * difference - wins - losses
        c = -losses * difference * (1 - difference)
        # The likeliest share of losses that goes with this difference.
        share = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        return float((wins - losses - n * difference) ** 2 - z * z * variance)

    value = (wins - losses) / n
    if wins == n or excess(1.0) <= 0:
        return 1.0
    # At the estimate the score is 0, and so the excess negative, unless the variance is 0 as well.
    start = value + _PRECISION
    return float(brentq(excess, start, 1.0, xtol=_PRECISION)) if excess(start) < 0 else value


def independent_difference_interval(
    correct: BoolArray, baseline: BoolArray, *, level: float = 0.95
) -> Interval:
    """Return the accuracy of a model minus that of a baseline on other samples, with Newcombe's interval.

    It joins Wilson's intervals of the two: method 10 of R. G. Newcombe, Stat. in Medicine 17, 873 (1998).

    Args:
        correct: Whether the model was right [N], N at least 1.
        baseline: Whether the baseline was right on samples of its own [M], M at least 1.
        level: Coverage, inside (0, 1).

    Raises:
        DistillationError: If there is no sample, or an array is not boolean.
    """
    one, other = accuracy_interval(correct, level=level), accuracy_interval(baseline, level=level)
    value = one.value - other.value
    below = np.hypot(one.value - one.low, other.high - other.value)
    above = np.hypot(one.high - one.value, other.value - other.low)
    return Interval(value, float(value - below), float(value + above), len(correct))


def _check(correct: BoolArray) -> None:
    if correct.ndim != 1 or len(correct) == 0 or correct.dtype != np.bool_:
        raise DistillationError(
            f"interval: expected at least one boolean [N], found {correct.dtype} {correct.shape}"
        )


def _quantile(level: float) -> float:
    """Return how many standard deviations the level is wide, to either side."""
    if not 0 < level < 1:
        raise DistillationError(f"interval: expected a level inside (0, 1), found {level}")
    return float(norm.ppf((1 + level) / 2))
