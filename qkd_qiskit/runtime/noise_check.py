"""Whether the noise that a device's calibration tells explains what the device counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.hardware import Device, fold_angles, transpile_verified
from qkd_qiskit.models import SavedModel
from qkd_qiskit.simulation.agreement import FALSE_ALARMS, count_agreement
from qkd_qiskit.simulation.compiled import compile_transpiled

# From this variance on the total of an outcome's counts is normal, far into its tails.
_PLENTY = 400.0
_NONE = 1e-12


@dataclass(frozen=True, eq=False)
class NoiseComparison:
    """Counts of a device beside the probabilities that its calibration's noise model predicts.

    Attributes:
        distances: Total variation distance of each sample's frequencies from the prediction [n], in [0, 1].
        from_shots: What shot noise alone makes of each distance on average [n].
        from_ideal: Distance of each sample's frequencies from the noiseless probabilities [n].
        p_value: Probability of counts that deviate as much, if the noise model were right.
        alarm: Probability of a false alarm, for all samples and outcomes together.
    """

    distances: FloatArray
    from_shots: FloatArray
    from_ideal: FloatArray
    p_value: float
    alarm: float

    @property
    def explained(self) -> bool:
        """Whether the counts may come from the noise model."""
        return self.p_value >= self.alarm

    def warning(self) -> str | None:
        """Return one line where the noise model does not explain the counts; None where it does."""
        if self.explained:
            return None
        worst = int(np.argmax(self.distances - self.from_shots))
        return (
            f"the calibration's noise model does not explain the counts (p = {self.p_value:.1g}, alarm below "
            f"{self.alarm:g}): mean distance {self.distances.mean():.3f} where shot noise alone gives "
            f"{self.from_shots.mean():.3f}; largest at sample {worst}: {self.distances[worst]:.3f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison, ready for JSON."""
        return {
            "explained": self.explained,
            "p_value": self.p_value,
            "alarm": self.alarm,
            "distances": self.distances.tolist(),
            "from_shots": self.from_shots.tolist(),
            "from_ideal": self.from_ideal.tolist(),
        }


def predict_counts(model: SavedModel, device: Device, inputs: FloatArray) -> FloatArray | None:
    """Return the outcome probabilities [n, 2^m] of a model under the noise of a device's calibration.

    Args:
        model: The model.
        device: The device, on which it is transpiled as for a submission, with idle times as delays.
        inputs: Encoded samples [n, F].

    Returns:
        The probabilities; None where the exact engine cannot simulate the circuit.

    Raises:
        HardwareError: If the model does not fit the device.
    """
    try:
        transpiled = transpile_verified(model.spec, device, seed=model.seed)
        if device.fractional:
            # Angles in their legal range take gates of their own, which are noisy too.
            transpiled = fold_angles(transpiled, model.weights, device)
        return compile_transpiled(transpiled, device).noisy.probabilities(model.weights, inputs)
    except SimulationError:
        return None


def compare_noise(
    counts: NDArray[np.int64], predicted: ArrayLike, ideal: ArrayLike, *, alarm: float = FALSE_ALARMS
) -> NoiseComparison:
    """Compare counts with the predictions of a noise model.

    Two tests share the alarm. Each sample is compared with its own prediction (chi-square, and exact binomial
    tests where few counts are expected), which finds single samples that are off. The totals of each outcome
    over all samples are compared too, which finds a small shift that all samples have in common, such as a
    readout error that has grown.

    Args:
        counts: [n, 2^m]; rows may differ in their shots.
        predicted: Probabilities under the noise model [n, 2^m].
        ideal: Probabilities without noise [n, 2^m].
        alarm: Probability of a false alarm, for all tests together.

    Raises:
        SimulationError: If shapes differ, a row has no shots, or predictions do not sum to 1.
    """
    exact = np.asarray(predicted, dtype=np.float64)
    rows = count_agreement(counts, exact, alarm=alarm)
    # SciPy's binomial overflows for the smallest of floats.
    exact = np.where(exact < _NONE, 0.0, np.minimum(exact, 1.0))
    shots = counts.sum(axis=1, keepdims=True)
    frequencies = counts / shots
    return NoiseComparison(
        distances=_distance(frequencies, exact),
        from_shots=_shot_noise(exact, shots),
        from_ideal=_distance(frequencies, np.asarray(ideal, dtype=np.float64)),
        p_value=min(1.0, 2 * min(rows.p_value, _totals(counts, exact, shots))),
        alarm=alarm,
    )


def _distance(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(0.5 * np.abs(a - b).sum(axis=1))


def _shot_noise(probabilities: FloatArray, shots: NDArray[np.int64]) -> FloatArray:
    """Return the expected total variation distance [n] of frequencies from their own probabilities.

    The mean absolute deviation of each count is de Moivre's, see P. Diaconis and S. Zabell, Statistical
    Science 6, 284 (1991).
    """
    above = np.floor(shots * probabilities) + 1
    deviations = 2 * above * (1 - probabilities) * stats.binom.pmf(above, shots, probabilities)
    return np.asarray(0.5 * (deviations / shots).sum(axis=1))


def _totals(counts: NDArray[np.int64], probabilities: FloatArray, shots: NDArray[np.int64]) -> float:
    """Return the p-value of the outcomes' totals over all samples, corrected for their number."""
    variances = (shots * probabilities * (1 - probabilities)).sum(axis=0)
    tested = variances >= _PLENTY
    if not tested.any():
        return 1.0
    deviations = (counts - shots * probabilities).sum(axis=0)[tested] / np.sqrt(variances[tested])
    return float(min(1.0, tested.sum() * 2 * stats.norm.sf(np.abs(deviations).max())))
