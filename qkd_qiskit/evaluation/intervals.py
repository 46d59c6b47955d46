"""Accuracies with bootstrap intervals, and paired differences between models.

Resampling N answers that are right or wrong draws a binomial count, and resampling their paired differences a
multinomial one; both are drawn directly, which is the bootstrap itself and not an approximation of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.errors import DistillationError


@dataclass(frozen=True)
class BootstrapInterval:
    """An estimate with its bootstrap interval.

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


def accuracy_interval(
    correct: BoolArray, *, rng: np.random.Generator, level: float = 0.95, resamples: int = 10_000
) -> BootstrapInterval:
    """Return the share of right answers with its bootstrap percentile interval.

    If all answers are right, or all are wrong, the interval has no width: the bootstrap knows nothing
    beyond its sample.

    Args:
        correct: Whether each answer was right [N], N at least 1.
        rng: Source of the resampling.
        level: Coverage, inside (0, 1).
        resamples: Number of resamples.

    Raises:
        DistillationError: If there is no sample, or `correct` is not boolean.
    """
    _check(correct)
    n = len(correct)
    shares = rng.binomial(n, correct.mean(), size=resamples) / n
    return _interval(float(correct.mean()), shares, n, level)


def difference_interval(
    correct: BoolArray,
    baseline: BoolArray,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 10_000,
) -> BootstrapInterval:
    """Return the accuracy of a model minus that of a baseline, with its paired bootstrap interval.

    Args:
        correct: Whether the model was right [N], N at least 1.
        baseline: Whether the baseline was right on the same samples [N].
        rng: Source of the resampling.
        level: Coverage, inside (0, 1).
        resamples: Number of resamples.

    Raises:
        DistillationError: If there is no sample, an array is not boolean, or lengths differ.
    """
    _check(correct)
    _check(baseline)
    if len(correct) != len(baseline):
        raise DistillationError(
            f"paired difference: expected equal lengths, found {len(correct)} and {len(baseline)}"
        )
    n = len(correct)
    wins, losses = int((correct & ~baseline).sum()), int((~correct & baseline).sum())
    counts = rng.multinomial(n, [wins / n, losses / n, (n - wins - losses) / n], size=resamples)
    return _interval((wins - losses) / n, (counts[:, 0] - counts[:, 1]) / n, n, level)


def independent_difference_interval(
    correct: BoolArray,
    baseline: BoolArray,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 10_000,
) -> BootstrapInterval:
    """Return the accuracy of a model minus that of a baseline on other samples, with its bootstrap interval.

    Args:
        correct: Whether the model was right [N], N at least 1.
        baseline: Whether the baseline was right on samples of its own [M], M at least 1.
        rng: Source of the resampling.
        level: Coverage, inside (0, 1).
        resamples: Number of resamples.

    Raises:
        DistillationError: If there is no sample, or an array is not boolean.
    """
    _check(correct)
    _check(baseline)
    one = rng.binomial(len(correct), correct.mean(), size=resamples) / len(correct)
    other = rng.binomial(len(baseline), baseline.mean(), size=resamples) / len(baseline)
    return _interval(float(correct.mean() - baseline.mean()), one - other, len(correct), level)


def _check(correct: BoolArray) -> None:
    if correct.ndim != 1 or len(correct) == 0 or correct.dtype != np.bool_:
        raise DistillationError(
            f"bootstrap: expected at least one boolean [N], found {correct.dtype} {correct.shape}"
        )


def _interval(value: float, resampled: NDArray[np.float64], n: int, level: float) -> BootstrapInterval:
    if not 0 < level < 1:
        raise DistillationError(f"bootstrap: expected a level inside (0, 1), found {level}")
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return BootstrapInterval(value, float(low), float(high), n)
