"""Whether counts may come from given probabilities: chi-square, class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qkd_qiskit.errors import SimulationError

FALSE_ALARMS = 1e-3
# Below this many expected counts the chi-square distribution is a bad approximation.
_FEW = 5.0
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Agreement:
    """Result of `count_agreement`.

    Attributes:
        p_value: Probability of a deviation as large as the largest one found, corrected for the number of
            tests.
        alarm: The family-wise probability of a false alarm that was allowed.
        worst_class: The outcome that deviates most.
        n_tests: Number of tests.
    """

    p_value: float
    alarm: float
    worst_class: int
    n_tests: int

    @property
    def agrees(self) -> bool:
        """Whether the counts may come from the probabilities."""
        return self.p_value >= self.alarm


def count_agreement(counts: ArrayLike, probabilities: ArrayLike, *, alarm: float = FALSE_ALARMS) -> Agreement:
    """Test counts against exact probabilities, class by class.

    For each outcome, the squared standardized deviations are summed over the rows, which makes one chi-square
    test with as many degrees of freedom as rows. Cells with fewer than 5 expected counts (or fewer than 5
    expected misses) go into an exact binomial test of their own instead. All p-values are corrected after
    Bonferroni, so that `alarm` bounds the false alarms of the whole family.

    Args:
        counts: Counts `[N, C]`; each row sums to its shots, which may differ.
        probabilities: Exact probabilities `[N, C]`.
        alarm: Family-wise probability of a false alarm.

    Raises:
        SimulationError: If the shapes differ, a row has no shots, or a row of probabilities does not sum to
            1.
    """
    seen = np.asarray(counts)
    exact = np.asarray(probabilities, dtype=np.float64)
    if seen.ndim != 2 or seen.shape != exact.shape or 0 in seen.shape:
        raise SimulationError(
            f"expected counts like probabilities [N, C], found {seen.shape} and {exact.shape}"
        )
    shots = seen.sum(axis=1, keepdims=True)
    if (shots < 1).any():
        raise SimulationError(f"expected shots in every row, found none in row {int(np.argmin(shots))}")
    if np.abs(exact.sum(axis=1) - 1).max() > 1e-6 or exact.min() < -_ROUNDING:
        raise SimulationError("expected rows of probabilities that sum to 1")
    exact = np.clip(exact, 0.0, 1.0)
    exact[exact < _ROUNDING] = 0.0
    exact[exact > 1 - _ROUNDING] = 1.0
    expected = shots * exact
    rare = np.minimum(expected, shots - expected) < _FEW
    spread = np.where(rare, 1.0, expected * (1 - exact))
    squares = np.where(rare, 0.0, (seen - expected) ** 2 / spread)
    degrees = (~rare).sum(axis=0)
    tests = [
        (float(stats.chi2.sf(squares[:, c].sum(), degrees[c])), c) for c in np.flatnonzero(degrees).tolist()
    ]
    for row, c in np.argwhere(rare).tolist():
        tests.append((_binomial(int(seen[row, c]), int(shots[row, 0]), float(exact[row, c])), c))
    p_value, worst = min(tests)
    return Agreement(min(1.0, p_value * len(tests)), alarm, worst, len(tests))


def _binomial(count: int, shots: int, probability: float) -> float:
    """Return the two-sided tail probability: twice the smaller tail."""
    lower = stats.binom.cdf(count, shots, probability)
    upper = stats.binom.sf(count - 1, shots, probability)
    return float(min(1.0, 2 * min(lower, upper)))
