"""Estimates, jobs and accuracies as rows, for tables and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qkd_qiskit.runtime import Ledger, Plan, Submission, SubmissionOutcome
from qkd_qiskit.serving.submitting import Destination

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


def estimate_row(plan: Plan, target: Destination) -> dict[str, Any]:
    """The estimate as a row; the local mode takes no quantum seconds."""
    notes = (
        ["local mode: simulated here, costs nothing"]
        if target.local
        else ["an estimate: two seconds a job, and circuit duration and repetition delay for each execution"]
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
