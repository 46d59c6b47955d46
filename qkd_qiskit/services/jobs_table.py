"""Estimates, jobs and accuracies as rows, for tables and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from qkd_qiskit.runtime import Ledger, Submission, SubmissionOutcome, SubmissionPlan
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


def estimate_row(plan: SubmissionPlan, target: Destination) -> dict[str, Any]:
    """The estimate as a row; the local mode takes no quantum seconds."""
    notes = (
        ["local mode: simulated here, costs nothing"]
        if target.local
        else [f"an estimate: {plan.estimate.source}"]
    )
    return {"backend": target.device.name, **asdict(plan.estimate), "notes": notes}


def batch_rows(ledger: Ledger, submission: Submission) -> list[dict[str, Any]]:
    """One row a batch, for tables and JSON."""
    return [
        {"backend": submission.backend, **asdict(batch), "samples": batch.stop - batch.start}
        for batch in ledger.batches(submission.id)
    ]


def accuracy_rows(outcome: SubmissionOutcome) -> list[dict[str, Any]]:
    """One row a kind of result."""
    return [
        {"kind": kind, "accuracy": f"{value:.1%}", "interval": f"{low:.1%} to {high:.1%}"}
        for kind, (value, low, high) in outcome.accuracies.items()
    ]


def count_columns(outcome: SubmissionOutcome) -> tuple[tuple[str, str], ...]:
    """Columns of `count_rows`: true class, samples, and every outcome of `meas`; none where they are many."""
    n_outcomes = outcome.counts.shape[1]
    if n_outcomes > _MOST_OUTCOMES:
        return ()
    n_bits = max(1, (n_outcomes - 1).bit_length())
    bits = [format(k, f"0{n_bits}b") for k in range(n_outcomes)]
    return (("true class", "class"), ("samples", "samples"), *((name, name) for name in bits))


def count_rows(outcome: SubmissionOutcome) -> list[dict[str, Any]]:
    """Raw counts of each outcome, added up over the samples of a class."""
    names = [key for _, key in count_columns(outcome)[2:]]
    rows = []
    for number in np.unique(outcome.labels).tolist():
        own = outcome.labels == number
        totals = outcome.counts[own].sum(axis=0).tolist()
        row = {"class": str(outcome.classes[number]), "samples": int(own.sum())}
        # Many outcomes have no columns, and so no names here.
        rows.append(row | dict(zip(names, totals, strict=False)))
    return rows
