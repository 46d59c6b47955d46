"""Calibration of outputs on labelled public samples: temperature, or scale and shift of the logs.

Noise acts approximately as scale and shift on a client's outputs, so a few labelled samples mend much of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training.losses import cross_entropy

CalibrationKind = Literal["none", "temperature", "affine"]
CALIBRATIONS: tuple[CalibrationKind, ...] = ("none", "temperature", "affine")

# Pulls scale to one and shift to zero: little against a hundred samples, enough to hold a handful.
_RIDGE = 0.01


@dataclass(frozen=True, eq=False)
class OutputCalibration:
    """A map of outputs q to `softmax(scale * log(q) + shift)`.

    Attributes:
        kind: `none`, `temperature` (scale only) or `affine` (scale and one shift an outcome).
        scale: Positive; the inverse of the temperature.
        shift: One number an outcome [C]; zeros unless `affine`.
        samples: Number of labelled samples that it was fitted on.
    """

    kind: CalibrationKind
    scale: float
    shift: FloatArray
    samples: int

    def apply(self, outputs: FloatArray) -> FloatArray:
        """Return calibrated probabilities [N, C] of outputs [N, C]; `none` only renormalizes."""
        return np.asarray(softmax(self.scale * _logs(outputs) + self.shift, axis=1))


def fit_calibration(outputs: FloatArray, labels: IntArray, kind: CalibrationKind) -> OutputCalibration:
    """Fit a calibration by cross-entropy, with a light pull towards the identity.

    Args:
        outputs: Outcome probabilities [N, C].
        labels: Outcome of each sample [N], 0 to C - 1; negative ones are left out.
        kind: What may move.

    Returns:
        The fitted calibration; the identity if no sample has a label.

    Raises:
        DistillationError: If the kind is unknown, or outputs and labels differ in number.
    """
    if kind not in CALIBRATIONS:
        raise DistillationError(f"calibration: expected one of {', '.join(CALIBRATIONS)}, found {kind!r}")
    if len(outputs) != len(labels):
        raise DistillationError(f"calibration: expected {len(outputs)} labels, found {len(labels)}")
    n_outcomes = outputs.shape[1]
    used = labels >= 0
    samples = int(used.sum())
    if kind == "none" or samples == 0:
        return OutputCalibration(kind, 1.0, np.zeros(n_outcomes), samples)
    logs, chosen = _logs(outputs[used]), labels[used]
    free_shifts = n_outcomes if kind == "affine" else 0

    def price(x: FloatArray) -> tuple[float, FloatArray]:
        scale, shift = np.exp(x[0]), x[1:] if free_shifts else 0.0
        value, gradient = cross_entropy(scale * logs + shift, chosen)
        slope = np.append(scale * (gradient * logs).sum(), gradient.sum(axis=0)[:free_shifts])
        return float(value) + _RIDGE * float(x @ x), slope + 2 * _RIDGE * x

    best = minimize(price, np.zeros(1 + free_shifts), jac=True, method="L-BFGS-B").x
    shift = best[1:] if free_shifts else np.zeros(n_outcomes)
    return OutputCalibration(kind, float(np.exp(best[0])), shift, samples)


def _logs(outputs: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(outputs.astype(np.float64), OUTPUT_FLOOR)))
