"""How baselines are chosen and stopped: by the public labels that the server keeps to itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data import PreparedData, Samples
from qkd_qiskit.distillation.judging import Judge, difference


@dataclass(frozen=True, eq=False)
class PublicJudge:
    """Public samples whose labels nobody trains on yet: those that also judge the distilled model.

    Attributes:
        samples: Calibration and validation samples with their copies [N].
        judge: Compares models on them.
    """

    samples: Samples
    judge: Judge

    @classmethod
    def of(cls, data: PreparedData) -> PublicJudge:
        """Return the judge of an experiment."""
        public = data.public
        samples = public.held_back
        return cls(samples, Judge(samples.labels, public.held_back_origins.first))

    def losses(self, answers: FloatArray) -> FloatArray:
        """Return the cross-entropy of class probabilities [N, G] on each original; see `Judge`."""
        return self.judge.losses(answers)


def kept_round(losses: Sequence[FloatArray]) -> int:
    """Return after which round a training is kept: the last, or the best where that is better beyond noise.

    Noise is one standard error of the paired difference.

    Args:
        losses: On each judged original, at the start and after each round [rounds + 1][N].
    """
    last = len(losses) - 1
    best = int(np.argmin([loss.mean() for loss in losses]))
    apart, noise = difference(losses[last], losses[best])
    return best if apart > noise else last
