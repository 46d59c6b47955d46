"""What a submission will take: executions and quantum seconds, in closed form or from the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from qkd_qiskit.runtime.drafts import Draft
from qkd_qiskit.runtime.job_requests import job_request
from qkd_qiskit.runtime.ledger import Submission
from qkd_qiskit.runtime.limits import (
    DEFAULT_REP_DELAY,
    batch_ranges,
    executed_shots,
    instructions_per_qubit,
)
from qkd_qiskit.runtime.service import JobRequest, ServiceUncertain

CLOSED_FORM = "two seconds a job, and circuit duration and repetition delay for each execution"
DRY_RUN = "a dry run at the service"
_OVERHEAD_SECONDS = 2.0

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SubmissionEstimate:
    """What a submission will take.

    Attributes:
        jobs: Number of jobs.
        circuits: Circuits with their inputs bound, calibration included.
        executions: Circuits times shots; twirling rounds shots up.
        seconds: Quantum seconds.
        source: Where the seconds are from: `DRY_RUN`, or `CLOSED_FORM`, which may say why.
        two_qubit_gates: Native two-qubit gates of the circuit, or of the worst of its copies.
        esp: Predicted probability that one execution is free of errors, of the circuit or its worst copy.
        copies: Copies that run side by side.
        executions_alone: Executions of the same samples without packing.
        seconds_alone: Quantum seconds of the same, from the same source; None where it has none.
    """

    jobs: int
    circuits: int
    executions: int
    seconds: float
    source: str
    two_qubit_gates: int
    esp: float
    copies: int = 1
    executions_alone: int | None = None
    seconds_alone: float | None = None


def quantum_seconds(
    duration: float, *, circuits: int, shots: int, rep_delay: float = DEFAULT_REP_DELAY, jobs: int = 1
) -> float:
    """Return the quantum seconds of circuits in closed form.

    Args:
        duration: Seconds of one circuit.
        circuits: Circuits with their inputs bound.
        shots: Shots of each.
        rep_delay: Seconds between two executions.
        jobs: Jobs that they are sent in.
    """
    return jobs * _OVERHEAD_SECONDS + circuits * shots * (duration + rep_delay)


def closed_form(
    draft: Draft,
    *,
    shots: int,
    rep_delay: float,
    suppression: tuple[bool, bool] = (False, False),
    batch: int | None = None,
) -> tuple[Ranges, SubmissionEstimate]:
    """Cut a draft into jobs within the service's limits, and estimate what they take.

    Args:
        draft: Circuits and inputs.
        shots: Shots of each circuit.
        rep_delay: Seconds between two executions.
        suppression: Whether the service decouples, and whether it twirls.
        batch: Most samples in one job; None for as many as the limits allow.

    Returns:
        First and one-behind-last row of each job, and the estimate.

    Raises:
        SubmissionError: If not even one row fits into a job.
    """
    each = draft.duration + rep_delay
    executed = executed_shots(shots, twirling=suppression[1])
    packing = draft.packing
    in_a_row = 1 if packing is None else packing.copies_of_each
    ranges = batch_ranges(
        len(draft.inputs),
        executed,
        seconds_each=each,
        instructions_each=instructions_per_qubit(draft.circuit, grows=any(suppression)),
        n_calibrations=len(draft.extras),
        batch=None if batch is None else max(1, batch // in_a_row),
    )
    circuits = len(draft.inputs) + len(draft.extras) * len(ranges)
    return ranges, SubmissionEstimate(
        jobs=len(ranges),
        circuits=circuits,
        executions=circuits * executed,
        seconds=quantum_seconds(
            draft.duration, circuits=circuits, shots=executed, rep_delay=rep_delay, jobs=len(ranges)
        ),
        source=CLOSED_FORM,
        two_qubit_gates=draft.two_qubit_gates,
        esp=draft.esp,
        copies=1 if packing is None else len(packing.copies),
    )


def asked(
    estimate: SubmissionEstimate, submission: Submission, ranges: Ranges, ask: Callable[[JobRequest], float]
) -> SubmissionEstimate:
    """Put the service's own seconds into an estimate, if told: those of the largest job for each.

    Args:
        estimate: In closed form.
        submission: What will run.
        ranges: Its jobs.
        ask: Gives the service's own estimate of a job's quantum seconds.
    """
    start, stop = max(ranges, key=lambda limits: limits[1] - limits[0])
    try:
        seconds = ask(job_request(submission, start, stop))
    except ServiceUncertain as error:
        return replace(estimate, source=f"{CLOSED_FORM}; no dry run: {error}")
    return replace(estimate, seconds=len(ranges) * seconds, source=DRY_RUN)


def beside_alone(estimate: SubmissionEstimate, others: Sequence[SubmissionEstimate]) -> SubmissionEstimate:
    """Put what the models would take without packing beside an estimate.

    Args:
        estimate: Of the packed submission.
        others: Of each model alone; none where nothing is packed.
    """
    if not others:
        return estimate
    # Seconds of the service beside rough ones would be no comparison.
    comparable = {other.source == DRY_RUN for other in others} == {estimate.source == DRY_RUN}
    return replace(
        estimate,
        executions_alone=sum(other.executions for other in others),
        seconds_alone=sum(other.seconds for other in others) if comparable else None,
    )
