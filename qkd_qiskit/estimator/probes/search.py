"""Which size is probed next, and when enough is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.estimator.probes.posterior import (
    POINT,
    CurveGrid,
    curve_grid,
    paired_covariance,
    size_posterior,
)
from qkd_qiskit.estimator.probes.settings import ProbeModel

Trial = Callable[[int, int], FloatArray]
"""Trains size number r in round number k; returns whether each held-out sample was right [N]."""

INTERVAL = 0.9
"""Probability of the stated interval."""

_FIRST_MASS = 0.02
_LEAST_INFORMATION = 0.002


@dataclass(eq=False)
class Evidence:
    """What is known of some sizes so far.

    Attributes:
        blocks: The sizes [R], ascending.
        prior: Probability of each to be the smallest sufficient one, before any probe [R].
        model: Numbers of the calibration.
        samples: Held-out samples, N.
        rounds: Rounds of trainings of each size [R].
        right: How often each sample was right [R, N].
    """

    blocks: tuple[int, ...]
    prior: FloatArray
    model: ProbeModel
    samples: int
    rounds: IntArray = field(init=False)
    right: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.rounds = np.zeros(len(self.blocks), dtype=np.int64)
        self.right = np.zeros((len(self.blocks), self.samples))

    def add(self, size: int, right: FloatArray) -> None:
        """Take in one round of trainings of a size."""
        self.rounds[size] += 1
        self.right[size] += right

    @property
    def grid(self) -> CurveGrid:
        """The curves that are thought possible."""
        return curve_grid(self.blocks, self.model.fall_share)

    @property
    def accuracy(self) -> FloatArray:
        """Mean held-out accuracy of each size [R]; NaN for a size that was not tried."""
        means = self.right.mean(axis=1) / np.maximum(self.rounds, 1)
        return np.asarray(np.where(self.rounds > 0, means, np.nan))

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the accuracies as a draw of samples [R, R]."""
        return paired_covariance(self.right / np.maximum(self.rounds, 1)[:, None])

    def curves(self) -> FloatArray:
        """Return the probability of each curve of the grid [G]."""
        means = np.nan_to_num(self.accuracy)
        return size_posterior(
            self.grid, self.prior, means, self.covariance, self.rounds, self.samples, self.model
        )

    def smallest(self) -> FloatArray:
        """Return the probability [R] of each size to be the smallest sufficient one."""
        found = np.bincount(self.grid.smallest, weights=self.curves(), minlength=len(self.blocks))
        return np.asarray(found, dtype=np.float64)

    def sufficient(self) -> FloatArray:
        """Return the probability [R] of each size to be within a point of the best."""
        shape = self.grid.shape
        return np.asarray(self.curves() @ (shape >= shape.max(axis=1, keepdims=True) - POINT))

    def granted(self, confidence: float) -> int:
        """Return the number of the smallest size that is sufficient with some confidence."""
        return granted_within(self.smallest(), self.sufficient(), confidence)

    def needs(self) -> tuple[FloatArray, FloatArray]:
        """Return the probability of each need [R], and how surely each size suffices for each need [R, R]."""
        shape, weight = self.grid.shape, self.curves()
        enough = shape >= shape.max(axis=1, keepdims=True) - POINT
        joint = np.zeros((len(self.blocks), len(self.blocks)))
        np.add.at(joint, self.grid.smallest, weight[:, None] * enough)
        smallest = self.smallest()
        return smallest, joint / np.maximum(smallest, 1e-300)[:, None]

    def fall(self) -> float:
        """Return how far the largest size is expected to lie below the best."""
        shape = self.grid.shape
        return float(self.curves() @ (shape.max(axis=1) - shape[:, -1]))

    def information(self) -> FloatArray:
        """Return what one more round of each size is expected to tell about the smallest one, in nats [R].

        The curves' values, less their mean over the sizes, vary between the curves of one smallest size and
        of another; a further round lowers the training noise of a size, never what its samples leave open.
        """
        weight = self.curves()
        tried = self.rounds > 0
        centred = self.grid.shape - self.grid.shape[:, tried if tried.any() else slice(None)].mean(
            axis=1, keepdims=True
        )
        mass = np.bincount(self.grid.smallest, weights=weight, minlength=len(self.blocks))
        group = np.zeros((len(self.blocks), len(self.blocks)))
        np.add.at(group, self.grid.smallest, weight[:, None] * centred)
        group /= np.maximum(mass, 1e-12)[:, None]
        between = mass @ (group - mass @ group) ** 2
        mean = self.right[tried].sum() / max(self.rounds.sum() * self.samples, 1)
        training = self.model.training_noise**2 + self.model.flip_share * mean * (1 - mean) / self.samples
        # What samples leave open is what their answers vary by, less what changes from round to round.
        seen = _sampling(self.covariance, tried)
        flips = self.model.flip_share * mean * (1 - mean) / self.samples / np.maximum(self.rounds, 1)
        sampling = np.maximum(seen - flips, 0.1 * seen)
        sampling = sampling + self.model.pseudo_errors / self.samples**2 + self.model.curve_noise**2
        after = between / (sampling + training / (self.rounds + 1))
        before = np.where(tried, between / (sampling + training / np.maximum(self.rounds, 1)), 0.0)
        return np.asarray(0.5 * (np.log1p(after) - np.log1p(before)))


def granted_size(sufficient: FloatArray, confidence: float) -> int:
    """Return the number of the smallest size that is sufficient with some confidence, or of the likeliest."""
    enough = np.flatnonzero(sufficient >= confidence)
    return int(enough[0]) if len(enough) else int(np.argmax(sufficient))


def granted_within(smallest: FloatArray, sufficient: FloatArray, confidence: float) -> int:
    """Return the number of the size that is granted with some confidence.

    Up to the confidence of the interval it lies within the interval: where little is known, larger sizes may
    be sufficient no more surely, as curves may fall.

    Args:
        smallest: Probability of each size to be the smallest sufficient one [R].
        sufficient: Probability of each size to be sufficient [R].
        confidence: Asked of the grant.
    """
    size = granted_size(sufficient, confidence)
    return size if confidence > INTERVAL else min(size, size_interval(smallest)[1])


def size_interval(smallest: FloatArray, level: float = INTERVAL) -> tuple[int, int]:
    """Return the numbers of the sizes that bound the shortest interval of a distribution [R].

    Of several with as few sizes it is the one with the most probability.
    """
    below = np.concatenate([[0.0], np.cumsum(smallest)])
    for length in range(1, len(smallest)):
        mass = below[length:] - below[:-length]
        low = int(np.argmax(mass))
        if mass[low] >= level * below[-1]:
            return low, low + length - 1
    return 0, len(smallest) - 1


def search_sizes(
    evidence: Evidence, trial: Trial, costs: Sequence[float], *, budget: float, most_rounds: int
) -> float:
    """Probe sizes until the budget is spent, or another round would tell too little.

    The first round goes over the sizes that the prior thinks likely, the next larger one for the plateau with
    them; then each round goes where the expected information for its cost is largest.

    Args:
        evidence: Gets the answers.
        trial: Trains one round of one size.
        costs: Of one round of each size [R].
        budget: Most costs in all; the first two sizes are tried in any case.
        most_rounds: Most rounds of one size.

    Returns:
        The costs that were spent.
    """
    cost, spent = np.asarray(costs, dtype=np.float64), 0.0
    likely = np.flatnonzero(evidence.prior >= _FIRST_MASS)
    first = list(range(int(likely[0]), min(int(likely[-1]) + 2, len(costs))))
    if cost[first].sum() > 0.7 * budget:
        first = first[:1] + first[1:-1][1::2] + first[-1:]
    for number, size in enumerate(first):
        if number < 2 or spent + cost[size] <= budget:
            evidence.add(size, trial(size, 0))
            spent += float(cost[size])
    while True:
        open_sizes = (evidence.rounds < most_rounds) & (spent + cost <= budget)
        information = np.where(open_sizes, evidence.information(), 0.0)
        size = int(np.argmax(information / cost))
        if information[size] < _LEAST_INFORMATION:
            return spent
        evidence.add(size, trial(size, int(evidence.rounds[size])))
        spent += float(cost[size])


def _sampling(covariance: FloatArray, tried: BoolArray) -> FloatArray:
    """Return the variance of each size's difference to those that were tried [R], as a draw of samples."""
    used = np.flatnonzero(tried)
    variance = np.diag(covariance)
    if len(used) < 2:
        return np.asarray(variance)
    level = covariance[np.ix_(used, used)].mean()
    paired = variance - 2.0 * covariance[:, used].mean(axis=1) + level
    return np.asarray(np.where(tried, np.maximum(paired, 0.0), float(np.mean(paired[used]))))
