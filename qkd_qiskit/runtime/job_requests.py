"""What is sent: the jobs of a submission, and their tags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qkd_qiskit.runtime.batch import Batch
from qkd_qiskit.runtime.service import JobRequest
from qkd_qiskit.runtime.submission_record import Submission


def fingerprint_tags(submission: Submission) -> tuple[str, ...]:
    """Return the tag that jobs of equal submissions have in common; none without a fingerprint."""
    fingerprint = submission.settings.get("fingerprint")
    return () if fingerprint is None else (f"qkd-{fingerprint[:32]}",)


def job_request(submission: Submission, start: int, stop: int) -> JobRequest:
    """Return the job of some samples of a submission, without tags and a limit of its own.

    Args:
        submission: What is run.
        start: First sample.
        stop: One behind the last sample.

    Raises:
        SubmissionError: If the stored circuit cannot be read.
    """
    settings, circuit = submission.settings, submission.circuit
    inputs = submission.inputs[start:stop]
    columns = [inputs[:, parameter.index] for parameter in circuit.parameters]
    return JobRequest(
        circuit=circuit,
        values=np.stack(columns, axis=1) if columns else np.empty((len(inputs), 0)),
        calibrations=submission.calibrations,
        shots=settings["shots"],
        tags=(),
        seed=settings["seed"],
        dynamical_decoupling=settings["dynamical_decoupling"],
        twirling=settings["twirling"],
    )


def with_tags(request: JobRequest, submission: Submission, batch: Batch, tag: str) -> JobRequest:
    """Return the job of a batch with its tags, its seed and its share of the seconds.

    Args:
        request: The job, see `job_request`.
        submission: What it belongs to.
        batch: Which of its batches it is.
        tag: The batch's own tag.
    """
    limit = submission.settings["max_seconds"]
    share = (batch.stop - batch.start) / len(submission.inputs)
    return replace(
        request,
        tags=("qkd-qiskit", submission.id, *fingerprint_tags(submission), tag),
        seed=request.seed + batch.number,
        max_seconds=None if limit is None else max(1, int(limit * share)),
    )
