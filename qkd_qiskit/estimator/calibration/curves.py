"""Accuracy against size of each task of a calibration sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask
from qkd_qiskit.estimator.calibration.records import UnitRecord
from qkd_qiskit.estimator.probes.posterior import size_decays

POINT = 0.01 + 1e-9
"""What counts as equally accurate: one point, the tolerance of 'sufficient', and what rounding may add."""


@dataclass(frozen=True)
class Curve:
    """Accuracy of one task against the size of the structure, as means over seeds.

    Attributes:
        task: The task.
        records: Its records, one a seed.
        blocks: Sizes of the trained structures, ascending [R].
        accuracy: Mean accuracy [R].
        seeds: Accuracy of each seed [S, R].
        granted: Accuracy of granted structures that are no rungs, by seed and blocks.
    """

    task: CalibrationTask
    records: tuple[UnitRecord, ...]
    blocks: tuple[int, ...]
    accuracy: NDArray[np.float64]
    seeds: NDArray[np.float64]
    granted: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def plateau(self) -> float:
        """The best mean accuracy."""
        return float(self.accuracy.max())

    @property
    def smallest(self) -> int:
        """Blocks of the smallest structure whose mean accuracy is within a point of the plateau."""
        return self.blocks[int(np.argmax(self.accuracy >= self.plateau - POINT))]

    @property
    def smooth_smallest(self) -> int:
        """The same on the rising curve nearest to the means, which chance moves less: what is fitted."""
        return self.blocks[int(np.argmax(self.smooth >= self.smooth[-1] - POINT))]

    @property
    def smooth(self) -> NDArray[np.float64]:
        """The rising curve nearest to the mean accuracies [R]."""
        return np.asarray(isotonic_regression(self.accuracy))

    @property
    def saturating(self) -> NDArray[np.float64]:
        """The curve `plateau - deficit * decay` nearest to the mean accuracies [R]: the truth of probes.

        The best of several accuracies is best by chance too: read from the rising curve, the need of one draw
        is a quarter too large in the mean, and twice too large or too small as a rule. This curve has three
        numbers to fit, and foretells what other draws give better.
        """
        mean = self.accuracy.mean()
        best, least = np.full(len(self.blocks), mean), np.inf
        for decay in size_decays(self.blocks, finer=10):
            x = decay - decay.mean()
            curve = mean + min(float(x @ self.accuracy / (x @ x)), 0.0) * x
            error = float(((self.accuracy - curve) ** 2).sum())
            if error < least:
                best, least = curve, error
        return best

    @property
    def overlap(self) -> float:
        """Mean class overlap of the draws."""
        return float(np.mean([record.statistics.overlap for record in self.records]))

    def seed_accuracy(self, seed: int, blocks: int) -> float:
        """Return a seed's accuracy with a structure, or with the largest trained one that is not larger."""
        if (seed, blocks) in self.granted:
            return self.granted[seed, blocks]
        place = max((i for i, size in enumerate(self.blocks) if size <= blocks), default=0)
        row = next(i for i, record in enumerate(self.records) if record.seed == seed)
        return float(self.seeds[row, place])


def curves(
    plan: CalibrationPlan,
    records: Sequence[UnitRecord],
    granted: Mapping[tuple[str, int, int], float] | None = None,
) -> tuple[Curve, ...]:
    """Return accuracy curves of all tasks that have records, in the plan's order.

    Args:
        plan: The sweep.
        records: Its records.
        granted: Accuracy by task, seed and blocks of structures that are no rungs.
    """
    found = []
    for task in plan.tasks:
        own = tuple(sorted((r for r in records if r.task == task.name), key=lambda record: record.seed))
        if own:
            seeds = np.array([[rung.accuracy for rung in record.rungs] for record in own])
            blocks = tuple(rung.blocks for rung in own[0].rungs)
            extra = {key[1:]: value for key, value in (granted or {}).items() if key[0] == task.name}
            found.append(Curve(task, own, blocks, seeds.mean(axis=0), seeds, extra))
    return tuple(found)
