"""Estimates, jobs and accuracies as rows, for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from qkd_qiskit.runtime import (
    Batch,
    Ledger,
    NoiseComparison,
    SpendingLimit,
    Submission,
    SubmissionEstimate,
    SubmissionOutcome,
    SubmissionPlan,
    estimated_seconds,
    packing_of,
    spent,
)
from qkd_qiskit.runtime.jobs import BY_USER
from qkd_qiskit.runtime.mitigation import has_mitigation, mitigation_missing
from qkd_qiskit.services.packing import CROSSTALK, saved_line
from qkd_qiskit.services.submission import Destination

_ESTIMATE_COLUMNS = (
    ("device", "backend"),
    ("jobs", "jobs"),
    ("circuits", "circuits"),
    ("executions", "executions"),
    ("quantum\nseconds", "seconds"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "esp"),
)
_BATCH_COLUMNS = (
    ("batch", "number"),
    ("samples", "samples"),
    ("state", "state"),
    ("job", "job_id"),
    ("estimated\nseconds", "estimated_seconds"),
    ("used\nseconds", "seconds"),
    ("message", "message"),
)
_PRICE = ("price", "price")
NOISE_COLUMNS = (
    ("samples", "samples"),
    ("distance from\nthe noise model", "distance"),
    ("from shots\nalone", "from_shots"),
    ("distance from\nnoiseless", "from_ideal"),
    ("p", "p_value"),
    ("explained", "explained"),
)
ACCURACY_COLUMNS = (("result", "kind"), ("accuracy", "accuracy"), ("95 % interval", "interval"))
# Wider tables than this do not fit into a terminal; the JSON file and the picture have all counts.
_MOST_OUTCOMES = 8


@dataclass(frozen=True)
class EstimateRow:
    """What a submission to a device will take, and what the reader should know of it."""

    backend: str
    estimate: SubmissionEstimate
    price: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain data."""
        return {
            "backend": self.backend,
            **asdict(self.estimate),
            "price": self.price,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class BatchRow:
    """One job of a submission."""

    backend: str
    batch: Batch
    samples: int
    estimated_seconds: float | None
    price: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the row, with all that JSON readers may want; `seconds` are those that were used."""
        return {
            "backend": self.backend,
            **asdict(self.batch),
            "samples": self.samples,
            "estimated_seconds": self.estimated_seconds,
            "price": self.price,
        }


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
    notes, settings = [note], plan.submission.settings
    saved = saved_line(plan.estimate)
    if saved is not None:
        notes += [saved, CROSSTALK]
    if settings["mitigate"] and not has_mitigation():
        notes.append(
            f"{mitigation_missing()}; the calibration circuits run all the same, so that it can follow later"
        )
    notes += map(outcome_line, settings.get("outcomes", ()))
    price = SpendingLimit.of(settings).price(plan.estimate.seconds)
    return EstimateRow(target.device.name, plan.estimate, price, tuple(dict.fromkeys(notes)))


def estimate_columns(row: EstimateRow) -> tuple[tuple[str, str], ...]:
    """Return the columns of an estimate; its price only where one is known."""
    return _ESTIMATE_COLUMNS if row.price is None else (*_ESTIMATE_COLUMNS, _PRICE)


def outcome_line(outcomes: Mapping[str, int | str | None]) -> str:
    """Say in one line which class each bit string stands for, see `outcome_classes`."""
    words = (
        f"{bits} is {'no class' if name is None else f'class {name}'}" for bits, name in outcomes.items()
    )
    return f"outcomes, as bits of meas: {', '.join(words)}"


def batch_rows(ledger: Ledger, submission: Submission) -> list[BatchRow]:
    """Return one row a batch; its samples are those of one model, however many copies measure them."""
    cells, budget = packing_of(submission).cells, SpendingLimit.of(submission.settings)
    return [
        BatchRow(
            submission.backend,
            batch,
            len(np.unique(cells[batch.start : batch.stop])),
            estimated_seconds(submission, batch),
            budget.price(batch.seconds),
        )
        for batch in ledger.batches(submission.id)
    ]


def batch_columns(submission: Submission) -> tuple[tuple[str, str], ...]:
    """Return the columns of the batches; prices only where one is known."""
    if submission.settings.get("price_per_second") is None:
        return _BATCH_COLUMNS
    return (*_BATCH_COLUMNS[:-1], _PRICE, _BATCH_COLUMNS[-1])


def spending_line(ledger: Ledger, submission: Submission) -> str | None:
    """Return what was used beside what was estimated, in one line; None where nothing was charged."""
    found, budget = spent(ledger, submission), SpendingLimit.of(submission.settings)
    if found.used is None:
        return None

    def amount(seconds: float) -> str:
        price = budget.price(seconds)
        return f"{seconds:.1f}" if price is None else f"{seconds:.1f} (price {price:.2f})"

    parts = [f"used {amount(found.used)}"]
    if found.former:
        parts.append(f"{found.former:.1f} of them by jobs that were sent again")
    if found.estimated is not None:
        parts.insert(0, f"estimated {amount(found.estimated)}")
    return f"quantum seconds: {', '.join(parts)}"


def ended_line(run: Path, ledger: Ledger, submission: Submission) -> str | None:
    """Say which jobs ended without counts, and not by the user's will; None where there are none."""
    lost = [
        batch
        for batch in ledger.batches(submission.id, "failed", "cancelled")
        if batch.state == "failed" or not batch.message.endswith(BY_USER)
    ]
    if not lost:
        return None
    what = "failed" if all(batch.state == "failed" for batch in lost) else "ended without counts"
    reason = next((batch.message for batch in lost if batch.message), "no reason given")
    # The service's time limit for a job is its share of the most seconds.
    limit = "" if submission.settings.get("max_seconds") is None else " [--max-seconds N]"
    return (
        f"{len(lost)} of {len(ledger.batches(submission.id))} jobs {what}: {reason}; "
        f"`qkd-qiskit jobs {run} --retry{limit}` sends them again"
    )


def noise_row(comparison: NoiseComparison) -> dict[str, object]:
    """Return a comparison with the calibration's noise model as a row: means over the samples."""
    return {
        "samples": len(comparison.distances),
        "distance": float(comparison.distances.mean()),
        "from_shots": float(comparison.from_shots.mean()),
        "from_ideal": float(comparison.from_ideal.mean()),
        "p_value": comparison.p_value,
        "explained": comparison.explained,
    }


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
