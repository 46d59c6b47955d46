"""How baselines are chosen and stopped: by the public labels that the server keeps to itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PreparedData, Samples
from qkd_qiskit.distillation.calibration import fit_calibration
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR


@dataclass(frozen=True, eq=False)
class PublicJudge:
    """Public samples whose labels nobody trains on: those that also judge the distilled model.

    Attributes:
        samples: Calibration and validation samples with their copies [N].
        originals: Number of each sample's original [N]; an original and its copies count as one together.
    """

    samples: Samples
    originals: IntArray

    @classmethod
    def of(cls, data: PreparedData) -> PublicJudge:
        """Return the judge of an experiment."""
        public = data.public
        rows = np.concatenate([public.calibration_rows, public.validation_rows])
        return cls(public.samples.rows(rows), (rows - public.n_labelled) % public.n_listed)

    def losses(self, answers: FloatArray) -> FloatArray:
        """Return the cross-entropy of class probabilities [N, G] on each original, at their best temperature.

        One model may be surer of itself than another without knowing more: the temperature takes that out.
        """
        labels = self.samples.labels
        fitted = fit_calibration(answers, labels, "temperature").apply(answers)
        right = np.maximum(fitted[np.arange(len(labels)), labels], OUTPUT_FLOOR)
        _, place, copies = np.unique(self.originals, return_inverse=True, return_counts=True)
        return np.asarray(np.bincount(place, weights=-np.log(right)) / copies)


def kept_round(losses: Sequence[FloatArray]) -> int:
    """Return after which round a training is kept: the last, or the best where that is better beyond noise.

    Noise is one standard error of the paired difference.

    Args:
        losses: On each judged original, at the start and after each round [rounds + 1][N].
    """
    last = len(losses) - 1
    best = int(np.argmin([loss.mean() for loss in losses]))
    apart = losses[last] - losses[best]
    noise = float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return best if apart.mean() > noise else last
