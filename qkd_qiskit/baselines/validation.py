"""How baselines are chosen and stopped: by the public labels that the server keeps to itself."""

from __future__ import annotations

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

    def loss(self, answers: FloatArray) -> float:
        """Return the cross-entropy of class probabilities [N, G] at their best temperature.

        One model may be surer of itself than another without knowing more: the temperature takes that out.
        """
        labels = self.samples.labels
        fitted = fit_calibration(answers, labels, "temperature").apply(answers)
        right = np.maximum(fitted[np.arange(len(labels)), labels], OUTPUT_FLOOR)
        _, place, copies = np.unique(self.originals, return_inverse=True, return_counts=True)
        return float(np.mean(np.bincount(place, weights=-np.log(right)) / copies))
