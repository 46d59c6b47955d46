"""What the counts of a submission say: accuracies, raw and mitigated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.evaluation import accuracy_interval
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.mitigation import mitigation_missing
from qkd_qiskit.runtime.readings import read_samples
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
        accuracies: By kind: value, low and high end of the bootstrap 95 % interval.
        seconds: Quantum seconds charged; None where the service did not say.
        notes: What the reader should know.
    """

    submission: Submission
    classes: tuple[int | str, ...]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    probabilities: dict[str, FloatArray]
    accuracies: dict[str, tuple[float, float, float]]
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
            "classes": list(self.classes),
            "labels": self.labels.tolist(),
            "counts": self.counts.tolist(),
            "probabilities": {kind: rows.tolist() for kind, rows in self.probabilities.items()},
            "notes": list(self.notes),
        }


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
        if submission.settings["dynamical_decoupling"] or submission.settings["twirling"]:
            notes.append("dynamical decoupling and twirling have no effect in the local mode")
    if len(labels) < found.total:
        notes.append(f"{len(labels)} of {found.total} samples are done")
    accuracies = {}
    for kind, rows in probabilities.items():
        right = model.class_probabilities(rows).argmax(axis=1) == labels
        interval = accuracy_interval(right, rng=np.random.default_rng(submission.settings["seed"]))
        accuracies[kind] = (interval.value, interval.low, interval.high)
    charged = [batch.seconds for batch in ledger.batches(submission.id, "done")]
    known = [seconds for seconds in charged if seconds is not None]
    return SubmissionOutcome(
        submission=submission,
        classes=model.classes,
        labels=labels,
        counts=counts,
        probabilities=probabilities,
        accuracies=accuracies,
        seconds=sum(known) if known else None,
        notes=tuple(notes),
    )
