"""Estimates, jobs and accuracies as rows, for tables and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from qkd_qiskit.runtime import (
    Batch,
    Ledger,
    Submission,
    SubmissionEstimate,
    SubmissionOutcome,
    SubmissionPlan,
    packing_of,
)
from qkd_qiskit.services.packing import CROSSTALK, saved_line
from qkd_qiskit.services.submission import Destination

ESTIMATE_COLUMNS = (
    ("device", "backend"),
    ("jobs", "jobs"),
    ("circuits", "circuits"),
    ("executions", "executions"),
    ("quantum\nseconds", "seconds"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "esp"),
)
BATCH_COLUMNS = (
    ("batch", "number"),
    ("samples", "samples"),
    ("state", "state"),
    ("job", "job_id"),
    ("seconds", "seconds"),
    ("message", "message"),
)
ACCURACY_COLUMNS = (("result", "kind"), ("accuracy", "accuracy"), ("95 % interval", "interval"))
# Wider tables than this do not fit into a terminal; the JSON file and the picture have all counts.
_MOST_OUTCOMES = 8


@dataclass(frozen=True)
class EstimateRow:
    """What a submission to a device will take, and what the reader should know of it."""

    backend: str
    estimate: SubmissionEstimate
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain data."""
        return {"backend": self.backend, **asdict(self.estimate), "notes": self.notes}


@dataclass(frozen=True)
class BatchRow:
    """One job of a submission."""

    backend: str
    batch: Batch
    samples: int

    def to_dict(self) -> dict[str, object]:
        """Return the row, with all that JSON readers may want."""
        return {"backend": self.backend, **asdict(self.batch), "samples": self.samples}


@dataclass(frozen=True)
class AccuracyRow:
    """Accuracy of one kind of result, with its 95 % interval, as text."""

    kind: str
    accuracy: str
    interval: str


def estimate_row(plan: SubmissionPlan, target: Destination) -> EstimateRow:
    """Return the estimate as a row; the local mode takes no quantum seconds."""
    note = (
        "local mode: simulated here, costs nothing"
        if target.local
        else f"an estimate: {plan.estimate.source}"
    )
    saved = saved_line(plan.estimate)
    return EstimateRow(
        target.device.name, plan.estimate, (note, *([] if saved is None else [saved, CROSSTALK]))
    )


def batch_rows(ledger: Ledger, submission: Submission) -> list[BatchRow]:
    """Return one row a batch; its samples are those of one model, however many copies measure them."""
    cells = packing_of(submission).cells
    return [
        BatchRow(submission.backend, batch, len(np.unique(cells[batch.start : batch.stop])))
        for batch in ledger.batches(submission.id)
    ]


def accuracy_rows(outcome: SubmissionOutcome) -> list[AccuracyRow]:
    """Return one row a kind of result."""
    return [
        AccuracyRow(kind, f"{value:.1%}", f"{low:.1%} to {high:.1%}")
        for kind, (value, low, high) in outcome.accuracies.items()
    ]


def count_columns(outcome: SubmissionOutcome) -> tuple[tuple[str, str], ...]:
    """Return the columns of `count_rows`: true class, samples, outcomes; none where they are many."""
    n_outcomes = outcome.counts.shape[1]
    if n_outcomes > _MOST_OUTCOMES:
        return ()
    n_bits = max(1, (n_outcomes - 1).bit_length())
    bits = [format(k, f"0{n_bits}b") for k in range(n_outcomes)]
    return (("true class", "class"), ("samples", "samples"), *((name, name) for name in bits))


def count_rows(outcome: SubmissionOutcome) -> list[dict[str, str | int]]:
    """Return raw counts of each outcome, added up over the samples of a class; keys as in `count_columns`."""
    names = [key for _, key in count_columns(outcome)[2:]]
    rows: list[dict[str, str | int]] = []
    for number in np.unique(outcome.labels).tolist():
        own = outcome.labels == number
        totals = outcome.counts[own].sum(axis=0).tolist()
        row: dict[str, str | int] = {"class": str(outcome.classes[number]), "samples": int(own.sum())}
        # Many outcomes have no columns, and so no names here.
        rows.append(row | dict(zip(names, totals, strict=False)))
    return rows
