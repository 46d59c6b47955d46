"""Whether an intended batch has a job: what is found out after a crash, or an answer that never came."""

from __future__ import annotations

from collections.abc import Callable

from qkd_qiskit.errors import ServiceError
from qkd_qiskit.runtime.ledger import Batch, Ledger
from qkd_qiskit.runtime.service import JobService, ServiceUncertain

POLL_SECONDS = 5.0
"""Seconds between two questions to the service."""

_LONGEST_SEND = 3600.0
_ASK = (
    "look at your jobs on the service, then say which it is: `jobs RUN --adopt {number}=JOB_ID`, or "
    "`jobs RUN --forget {number}` if there is none"
)


def resolve_intent(
    ledger: Ledger,
    batch: Batch,
    service: JobService,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Find out whether an intended batch has a job, and record it.

    Args:
        ledger: The open ledger.
        batch: An intended batch.
        service: Where it may have been sent.
        clock: Seconds since the epoch.
        sleep: Waits.

    Returns:
        Whether it has one. If not, it is planned again.

    Raises:
        ServiceError: If the service's answers leave it uncertain.
    """
    assert batch.tag is not None
    assert batch.intended is not None
    # A send goes on for minutes where the client tries again and again: a fresh intent may have reached
    # the service just now. So does an intent of the future, when the clock was set back.
    since = clock()
    if since - batch.intended > _LONGEST_SEND:
        since = batch.intended
    while True:
        found = _find(service, batch.tag, batch)
        if len(found) > 1:
            raise ServiceError(
                f"batch {batch.number}: expected one job with tag {batch.tag}, found {', '.join(found)}; "
                f"{_ASK.format(number=batch.number)}"
            )
        if found:
            ledger.accepted(batch, found[0])
            return True
        left = service.settle_seconds - (clock() - since)
        if left <= 0:
            break
        sleep(min(left, POLL_SECONDS))
    _check_list(ledger, batch, service)
    ledger.not_accepted(batch)
    return False


def _find(service: JobService, tag: str, batch: Batch) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(job.job_id for job in service.find(tag)))
    except ServiceUncertain as error:
        raise ServiceError(
            f"batch {batch.number} may have been accepted, but the service's list is unavailable "
            f"({error}); nothing was sent, resume later"
        ) from None


def _check_list(ledger: Ledger, batch: Batch, service: JobService) -> None:
    """Refuse to believe a list that lacks jobs which were accepted."""
    known = {other.job_id for other in ledger.batches(batch.submission, "submitted", "done")} - {None}
    missing = known - set(_find(service, batch.submission, batch))
    if missing:
        raise ServiceError(
            f"batch {batch.number} may have been accepted: the service's list lacks known jobs such as "
            f"{min(map(str, missing))}; {_ASK.format(number=batch.number)}"
        )
