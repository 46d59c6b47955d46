"""One job's share of a submission, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["planned", "intent", "submitted", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Batch:
    """One job of a submission.

    Attributes:
        submission: Name of the submission.
        number: Place among its batches, from 0.
        start: First sample.
        stop: One behind the last sample.
        state: `planned` (nothing sent), `intent` (perhaps sent), `submitted` (job id known), `done` (counts
            stored), `failed` or `cancelled`.
        attempt: How often it was intended.
        tag: Tag of the current attempt; None before the first.
        intended: Time of the current intent, in seconds since the epoch.
        job_id: The service's name for the job.
        message: Why it ended without counts, or what is odd about its job.
        seconds: Quantum seconds that its job was charged, where the service says so.
    """

    submission: str
    number: int
    start: int
    stop: int
    state: State
    attempt: int
    tag: str | None
    intended: float | None
    job_id: str | None
    message: str
    seconds: float | None


def batch_tag(batch: Batch, attempt: int) -> str:
    """Return the tag of a batch's job in an attempt, from 1."""
    return f"{batch.submission}-b{batch.number}-a{attempt}"
