"""Submitting, finding again, collecting and cancelling the batches of a ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from qkd_qiskit.errors import ServiceError, SubmissionError
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.runtime.ledger import Batch, Ledger, Submission
from qkd_qiskit.runtime.limits import executed_shots
from qkd_qiskit.runtime.service import JobRequest, JobService, ServiceRefused, ServiceUncertain

_POLL_SECONDS = 5.0
_LONGEST_SEND = 3600.0


@dataclass
class JobRunner:
    """Moves the batches of one submission on.

    A batch is intended in the ledger before its job is sent, and every job carries the batch's tag. So
    whatever is lost, the next call finds out: an intended batch whose tag the service lists has its job; one
    whose tag it does not list, after the time in which it surely would, has none and is sent again. Where the
    list cannot be trusted, nothing is sent and the user is asked.

    Attributes:
        ledger: The open ledger.
        submission: What is run.
        service: Runs the jobs.
        progress: Notified of batches sent and collected.
        clock: Seconds since the epoch.
        sleep: Waits.
    """

    ledger: Ledger
    submission: Submission
    service: JobService
    progress: Progress = field(default_factory=NullProgress)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def submit(self) -> None:
        """Send everything that is not sent yet.

        Raises:
            ServiceError: If a job is refused, or it stays uncertain whether one was accepted.
        """
        for batch in self._batches("intent"):
            self.recover(batch)
        planned = self._batches("planned")
        self.progress.start("submit", len(planned))
        for batch in planned:
            tag = self.ledger.intend(batch, self.clock())
            intended = self._read(batch)
            try:
                job_id = self.service.submit(self._request(intended, tag))
            except ServiceRefused as error:
                self.ledger.not_accepted(intended)
                raise ServiceError(f"batch {batch.number} was refused: {error}") from None
            except ServiceUncertain as error:
                self._after_uncertain(intended, error)
            else:
                self.ledger.accepted(intended, job_id)
            self.progress.advance("submit")
        self.progress.done("submit")

    def recover(self, batch: Batch) -> bool:
        """Find out whether an intended batch has a job.

        Returns:
            Whether it has one. If not, it is planned again.

        Raises:
            ServiceError: If the service's answers leave it uncertain.
        """
        assert batch.tag is not None
        assert batch.intended is not None
        # A send goes on for minutes where the client tries again and again: a fresh intent may have reached
        # the service just now. So does an intent of the future, when the clock was set back.
        since = self.clock()
        if since - batch.intended > _LONGEST_SEND:
            since = batch.intended
        while True:
            found = self._find(batch.tag, batch)
            if len(found) > 1:
                raise ServiceError(
                    f"batch {batch.number}: expected one job with tag {batch.tag}, found {', '.join(found)}; "
                    f"{_ASK.format(number=batch.number)}"
                )
            if found:
                self.ledger.accepted(batch, found[0])
                return True
            left = self.service.settle_seconds - (self.clock() - since)
            if left <= 0:
                break
            self.sleep(min(left, _POLL_SECONDS))
        self._check_list(batch)
        self.ledger.not_accepted(batch)
        return False

    def adopt(self, number: int, job_id: str) -> None:
        """Take the user's word for the job of an intended batch.

        Raises:
            SubmissionError: If the batch is not in doubt, or the job is another's.
        """
        batch = self._doubtful(number)
        if job_id not in self._find(self.submission.id, batch):
            raise SubmissionError(f"expected a job with tag {self.submission.id}, found {job_id} without it")
        self.ledger.accepted(batch, job_id)

    def forget(self, number: int) -> None:
        """Take the user's word that an intended batch has no job.

        Raises:
            SubmissionError: If the batch is not in doubt.
        """
        self.ledger.not_accepted(self._doubtful(number))

    def retry(self) -> int:
        """Plan failed and cancelled batches anew; returns how many."""
        ended = self._batches("failed", "cancelled")
        for batch in ended:
            self.ledger.again(batch)
        return len(ended)

    def collect(self, *, wait: bool = True) -> bool:
        """Fetch the counts of finished jobs.

        Args:
            wait: Whether to wait until every job has ended.

        Returns:
            Whether no job is under way any more.

        Raises:
            ServiceError: If the service does not answer, or not what was asked for.
        """
        self.progress.start("collect", len(self._batches("submitted")))
        while True:
            for batch in self._batches("submitted"):
                if self._collect(batch):
                    self.progress.advance("collect")
            if not self._batches("submitted"):
                self.progress.done("collect")
                return True
            if not wait:
                return False
            self.sleep(_POLL_SECONDS)

    def cancel(self) -> int:
        """Cancel what is under way, and what was planned; returns how many batches.

        Raises:
            ServiceError: If the service does not answer, or a batch is in doubt.
        """
        for batch in self._batches("intent"):
            self.recover(batch)
        under_way = self._batches("submitted", "planned")
        for batch in under_way:
            if batch.job_id is not None and batch.state == "submitted":
                if self._collect(batch):
                    continue
                try:
                    self.service.cancel(batch.job_id)
                except ServiceUncertain as error:
                    raise ServiceError(f"cannot cancel {batch.job_id}: {error}") from None
            self.ledger.ended(batch, "cancelled", "by the user")
        return len(under_way)

    def strangers(self) -> tuple[str, ...]:
        """Jobs with this submission's tag that the ledger does not know; there should be none.

        Raises:
            ServiceError: If the service does not answer.
        """
        known = {batch.job_id for batch in self._batches()} | set(self.ledger.former(self.submission.id))
        try:
            listed = self.service.find(self.submission.id)
        except ServiceUncertain as error:
            raise ServiceError(f"cannot list jobs: {error}") from None
        pending = {batch.tag for batch in self._batches("intent")}
        return tuple(
            job.job_id for job in listed if job.job_id not in known and not pending.intersection(job.tags)
        )

    def _collect(self, batch: Batch) -> bool:
        """Bring one submitted batch to its end, if its job has ended."""
        assert batch.job_id is not None
        try:
            state = self.service.state(batch.job_id)
            if state.status == "done":
                result = self.service.counts(batch.job_id)
            elif state.status in ("failed", "cancelled"):
                self.ledger.ended(batch, state.status, state.message)
                return True
            else:
                return False
        except ServiceUncertain as error:
            raise ServiceError(
                f"job {batch.job_id} of batch {batch.number}: {error}; nothing is lost, ask again later"
            ) from None
        rows, shots = batch.stop - batch.start, self.submission.settings["shots"]
        most = executed_shots(shots, twirling=self.submission.settings["twirling"])
        found = result.counts.sum(axis=-1)
        if len(found) != rows or (found < shots).any() or (found > most).any():
            span = f"{shots} to {most}" if most > shots else f"{shots}"
            raise ServiceError(
                f"job {batch.job_id}: expected {rows} rows of {span} shots, found {result.counts.shape} "
                f"with {sorted(set(found.tolist()))[:3]}"
            )
        self.ledger.finished(batch, result)
        return True

    def _after_uncertain(self, batch: Batch, error: ServiceUncertain) -> None:
        if not self.recover(batch):
            raise ServiceError(
                f"batch {batch.number}: the service did not confirm it ({error}) and lists no job with its "
                "tag; nothing was sent twice, resume to send it again"
            )

    def _find(self, tag: str, batch: Batch) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(job.job_id for job in self.service.find(tag)))
        except ServiceUncertain as error:
            raise ServiceError(
                f"batch {batch.number} may have been accepted, but the service's list is unavailable "
                f"({error}); nothing was sent, resume later"
            ) from None

    def _check_list(self, batch: Batch) -> None:
        """Refuse to believe a list that lacks jobs which were accepted."""
        known = {other.job_id for other in self._batches("submitted", "done")} - {None}
        missing = known - set(self._find(self.submission.id, batch))
        if missing:
            raise ServiceError(
                f"batch {batch.number} may have been accepted: the service's list lacks known jobs such as "
                f"{min(map(str, missing))}; {_ASK.format(number=batch.number)}"
            )

    def _doubtful(self, number: int) -> Batch:
        found = [batch for batch in self._batches("intent") if batch.number == number]
        if not found:
            raise SubmissionError(f"batch {number} is not in doubt")
        return found[0]

    def _read(self, batch: Batch) -> Batch:
        return self._batches()[batch.number]

    def _batches(self, *states: str) -> tuple[Batch, ...]:
        return self.ledger.batches(self.submission.id, *states)  # type: ignore[arg-type]

    def _request(self, batch: Batch, tag: str) -> JobRequest:
        limit = self.submission.settings["max_seconds"]
        share = (batch.stop - batch.start) / len(self.submission.inputs)
        request = job_request(self.submission, batch.start, batch.stop)
        return replace(
            request,
            tags=("qkd-qiskit", self.submission.id, tag),
            seed=request.seed + batch.number,
            max_seconds=None if limit is None else max(1, int(limit * share)),
        )


def job_request(submission: Submission, start: int, stop: int) -> JobRequest:
    """Return the job of some samples of a submission, without tags and a limit of its own.

    Args:
        submission: What is run.
        start: First sample.
        stop: One behind the last sample.
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


_ASK = (
    "look at your jobs on the service, then say which it is: `jobs RUN --adopt {number}=JOB_ID`, or "
    "`jobs RUN --forget {number}` if there is none"
)
