"""What the counts of a submission say: accuracies, raw and mitigated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.evaluation import accuracy_interval
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.mitigation import mitigation_missing
from qkd_qiskit.runtime.noise_check import NoiseComparison, compare_noise
from qkd_qiskit.runtime.readings import read_samples
from qkd_qiskit.runtime.spending import SpendingLimit, spent
from qkd_qiskit.simulation import PauliEvaluator


@dataclass(frozen=True, eq=False)
class SubmissionOutcome:
    """Probabilities and accuracies of the samples whose jobs are done.

    Attributes:
        submission: What was run.
        classes: Sorted class set [K].
        labels: Class indices [n].
        counts: Raw counts [n, 2^m].
        probabilities: Outcome probabilities [n, 2^m] by kind: `raw`, `mitigated` where it was calibrated and
            the extra is installed, and `ideal` from the exact engine.
        accuracies: By kind: value, low and high end of Wilson's 95 % interval.
        noise: The counts beside the noise model of the calibration; None where it predicted nothing.
        seconds: Quantum seconds charged, former jobs included; None where the service did not say.
        notes: What the reader should know.
    """

    submission: Submission
    classes: tuple[int | str, ...]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    probabilities: dict[str, FloatArray]
    accuracies: dict[str, tuple[float, float, float]]
    noise: NoiseComparison | None
    seconds: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome, ready for JSON."""
        return {
            "submission": self.submission.id,
            "backend": self.submission.backend,
            "created": self.submission.created,
            "settings": self.submission.settings,
            "samples": len(self.labels),
            "accuracy": {
                kind: {"value": value, "interval": [low, high]}
                for kind, (value, low, high) in self.accuracies.items()
            },
            "seconds": self.seconds,
            "estimated_seconds": self.submission.settings.get("estimate", {}).get("seconds"),
            "price": SpendingLimit.of(self.submission.settings).price(self.seconds),
            "noise_model": None if self.noise is None else self.noise.to_dict(),
            "classes": list(self.classes),
            "outcomes": outcome_classes(self.counts.shape[1], self.classes),
            "labels": self.labels.tolist(),
            "counts": self.counts.tolist(),
            "probabilities": {kind: rows.tolist() for kind, rows in self.probabilities.items()},
            "notes": list(self.notes),
        }


def outcome_classes(n_outcomes: int, classes: Sequence[int | str]) -> dict[str, int | str | None]:
    """Return which class each outcome of `meas` stands for; None for outcomes that stand for no class.

    Args:
        n_outcomes: Outcomes that are wanted, at least 2; m is the least number of bits for them.
        classes: Sorted class set [K].
    """
    bits = (n_outcomes - 1).bit_length()
    return {format(k, f"0{bits}b"): classes[k] if k < len(classes) else None for k in range(2**bits)}


def evaluate_submission(
    ledger: Ledger, submission: Submission, model: SavedModel, *, number: int = 0
) -> SubmissionOutcome:
    """Evaluate the finished batches of a submission.

    Args:
        ledger: The open ledger.
        submission: One of its submissions.
        model: The model that was submitted.
        number: Its number, where several were packed.

    Raises:
        SubmissionError: If no batch is done yet.
    """
    found = read_samples(ledger, submission, model=number)
    labels, inputs, counts = found.labels, found.inputs, found.counts
    probabilities = dict(found.probabilities)
    notes = []
    if submission.settings["mitigate"] and "mitigated" not in probabilities:
        notes.append(mitigation_missing())
    probabilities["ideal"] = PauliEvaluator(model.spec).probabilities(model.weights, inputs)
    if submission.settings["local"]:
        notes.append("simulated: noise of calibration data is a best case for the real machine")
        if submission.settings.get("packing") is not None:
            notes.append("copies were simulated apart: crosstalk between them is in no noise model")
        if submission.settings["dynamical_decoupling"] or submission.settings["twirling"]:
            notes.append("dynamical decoupling and twirling have no effect in the local mode")
    if len(labels) < found.total:
        notes.append(f"{len(labels)} of {found.total} samples are done")
    accuracies = {}
    for kind, rows in probabilities.items():
        right = model.class_probabilities(rows).argmax(axis=1) == labels
        interval = accuracy_interval(right)
        accuracies[kind] = (interval.value, interval.low, interval.high)
    noise = None
    if submission.predicted is not None:
        noise = compare_noise(counts, submission.predicted[found.numbers], probabilities["ideal"])
        suppressed = submission.settings["twirling"] or submission.settings["dynamical_decoupling"]
        if suppressed and not submission.settings["local"]:
            notes.append("the noise model is that of the circuit without decoupling and twirling")
    return SubmissionOutcome(
        submission=submission,
        classes=model.classes,
        labels=labels,
        counts=counts,
        probabilities=probabilities,
        accuracies=accuracies,
        noise=noise,
        seconds=spent(ledger, submission).used,
        notes=tuple(notes),
    )
