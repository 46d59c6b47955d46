"""Submitting, finding again, collecting and cancelling the batches of a ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qkd_qiskit.errors import ServiceError, SubmissionError
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.runtime.batch import batch_tag
from qkd_qiskit.runtime.intents import POLL_SECONDS, resolve_intent
from qkd_qiskit.runtime.job_requests import job_request, with_tags
from qkd_qiskit.runtime.ledger import Batch, Ledger, Submission
from qkd_qiskit.runtime.odd_jobs import Oddity, count_fault, odd_line
from qkd_qiskit.runtime.service import FoundJob, JobService, ServiceRefused, ServiceUncertain

BY_USER = "by the user"
"""How the message of a batch ends that the user has ended."""

# How often jobs are asked again that answer oddly, once all others have ended.
_PATIENCE = 6


@dataclass
class JobRunner:
    """Moves the batches of one submission on.

    A batch is intended in the ledger before its job is sent, and every job carries the batch's tag. So
    whatever is lost, the next call finds out: an intended batch whose tag the service lists has its job; one
    whose tag it does not list, after the time in which it surely would, has none and is sent again. Where the
    list cannot be trusted, nothing is sent and the user is asked.

    A job that answers oddly (a status that nobody knows, no answer, counts that are not those asked for)
    holds up no other: the rest is collected first, then it is reported with the ways out.

    Attributes:
        ledger: The open ledger.
        submission: What is run.
        service: Runs the jobs.
        progress: Notified of batches sent and collected.
        clock: Seconds since the epoch.
        sleep: Waits.
        warnings: What the user should know of what was done, a line each.
    """

    ledger: Ledger
    submission: Submission
    service: JobService
    progress: Progress = field(default_factory=NullProgress)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    warnings: list[str] = field(default_factory=list)

    def submit(self) -> None:
        """Send everything that is not sent yet.

        Raises:
            ServiceError: If a job is refused, or it stays uncertain whether one was accepted.
            SubmissionError: If the stored circuit cannot be read.
            StoreError: If the plan file cannot be written.
        """
        for batch in self._batches("intent"):
            self.recover(batch)
        planned = self._batches("planned")
        if planned:
            self.ledger.keep_plan(self.submission)
        self.progress.start("submit", len(planned))
        for batch in planned:
            # Before anything is intended: a circuit that cannot be read is surely not sent.
            request = job_request(self.submission, batch.start, batch.stop)
            tag = self.ledger.intend(batch, self.clock())
            intended = self._read(batch)
            try:
                job_id = self.service.submit(with_tags(request, self.submission, intended, tag))
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
        return resolve_intent(self.ledger, batch, self.service, clock=self.clock, sleep=self.sleep)

    def adopt(self, number: int, job_id: str) -> None:
        """Take the user's word for the job of a batch that is in doubt, or has ended without counts.

        Raises:
            SubmissionError: If the batch has a job, or the job is another's.
            ServiceError: If the service does not answer.
        """
        batch = self._numbered(number, "intent", "planned", "failed", "cancelled")
        tags = {job.job_id: job.tags for job in self._listed()}
        if job_id not in tags:
            raise SubmissionError(f"expected a job with tag {self.submission.id}, found {job_id} without it")
        if not any(tag.startswith(batch_tag(batch, 0)[:-1]) for tag in tags[job_id]):
            raise SubmissionError(f"expected a job of batch {number}, found {job_id} of {tags[job_id][-1]}")
        self.ledger.accepted(batch, job_id)

    def forget(self, number: int) -> None:
        """Take the user's word that a batch has no job, or that its job is worth no waiting.

        A submitted batch is given up only where its job answers oddly. The job may go on and cost: a line in
        `warnings` says so, and how it is taken back.

        Raises:
            SubmissionError: If the batch is not in doubt.
        """
        batch = self._numbered(number, "intent", "submitted")
        if batch.state == "intent":
            self.ledger.not_accepted(batch)
            return
        odd = self._collect(batch)
        if odd is None:
            raise SubmissionError(
                f"batch {number} is not in doubt: its job {batch.job_id} answers; "
                "`--cancel` ends what is under way"
            )
        self._give_up(batch, f"{odd.problem}; given up {BY_USER}")

    def reclaim(self) -> int:
        """Find the jobs of batches that the ledger knows none of, by their tags; returns how many have one.

        Raises:
            ServiceError: If the service does not answer.
        """
        listed = self._listed()
        known = self._known()
        found = 0
        for batch in self._batches("planned", "intent"):
            prefix = batch_tag(batch, 0)[:-1]
            jobs = {
                int(attempt): job.job_id
                for job in listed
                for tag in job.tags
                if tag.startswith(prefix) and (attempt := tag.removeprefix(prefix)).isdecimal()
                if job.job_id not in known
            }
            if jobs:
                self.ledger.reclaimed(batch, jobs)
                found += 1
        return found

    def retry(self) -> int:
        """Plan failed and cancelled batches anew, and those whose jobs answer oddly; returns how many.

        A job that answers oddly is cancelled first. Where the service does not confirm that, a job whose
        status is unknown is given up, with a line in `warnings`. A job that does not answer stays for
        `collect` to report, and so does one that is done but whose counts cannot be had.
        """
        for batch in self._batches("submitted"):
            odd = self._collect(batch)
            if odd is not None:
                self._stop(batch, odd)
        ended = self._batches("failed", "cancelled")
        for batch in ended:
            self.ledger.again(batch)
        return len(ended)

    def collect(self, *, wait: bool = True) -> bool:
        """Fetch the counts of finished jobs, all that can be had.

        Args:
            wait: Whether to wait until every job has ended.

        Returns:
            Whether no job is under way any more.

        Raises:
            ServiceError: If jobs stay about which the service does not answer, or not what was asked for. All
                others are collected then.
        """
        self.progress.start("collect", len(self._batches("submitted")))
        answered, patience = False, 0
        while True:
            before = self._batches("submitted")
            odd = {batch: found for batch in before if (found := self._collect(batch)) is not None}
            left = self._batches("submitted")
            self.progress.advance("collect", len(before) - len(left))
            if not left:
                break
            answered = answered or len(odd) < len(before)
            patience = patience + 1 if len(odd) == len(left) else 0
            if not wait or patience > (_PATIENCE if answered else 0):
                break
            self.sleep(POLL_SECONDS)
        self._ask_for_charges()
        if odd and left:
            raise ServiceError(odd_line(odd, of=len(self._batches())))
        if not left:
            self.progress.done("collect")
        return not left

    def cancel(self) -> int:
        """Cancel what is under way, and what was planned; returns how many batches.

        Raises:
            ServiceError: If the service does not answer, or a batch is in doubt; all others are cancelled
                then.
        """
        problems = []
        for batch in self._batches("intent"):
            try:
                self.recover(batch)
            except ServiceError as error:
                problems.append(str(error))
        cancelled = 0
        for batch in self._batches("submitted", "planned"):
            if batch.state == "planned":
                self.ledger.ended(batch, "cancelled", BY_USER)
            else:
                odd = self._collect(batch)
                if not self._is_under_way(batch):
                    continue
                problem = self._stop(batch, odd)
                if problem is not None:
                    problems.append(problem)
                    continue
            cancelled += 1
        if problems:
            raise ServiceError(f"cancelled {cancelled} batches, not all: {'; '.join(problems[:3])}")
        return cancelled

    def strangers(self) -> tuple[str, ...]:
        """Jobs with this submission's tag that the ledger does not know; there should be none.

        Raises:
            ServiceError: If the service does not answer.
        """
        known, listed = self._known(), self._listed()
        pending = {batch.tag for batch in self._batches("intent")}
        return tuple(
            job.job_id for job in listed if job.job_id not in known and not pending.intersection(job.tags)
        )

    def _known(self) -> set[str | None]:
        return {batch.job_id for batch in self._batches()} | set(self.ledger.former(self.submission.id))

    def _listed(self) -> tuple[FoundJob, ...]:
        try:
            return self.service.find(self.submission.id)
        except ServiceUncertain as error:
            raise ServiceError(f"cannot list jobs: {error}") from None

    def _collect(self, batch: Batch) -> Oddity | None:
        """Bring one submitted batch to its end, if its job has ended; returns what is odd about the job."""
        assert batch.job_id is not None
        done = False
        try:
            state = self.service.state(batch.job_id)
            done = state.status == "done"
            if done:
                result = self.service.counts(batch.job_id)
                problem = count_fault(result, batch.stop - batch.start, self.submission.settings)
                if problem is None:
                    self.ledger.finished(batch, result)
                    return None
                odd = Oddity(problem, "no counts")
            elif state.status in ("failed", "cancelled"):
                self.ledger.ended(batch, state.status, state.message, self._charge(batch))
                return None
            elif state.status in ("queued", "running"):
                self.ledger.noted(batch, "")
                return None
            else:
                odd = Oddity(state.message or f"unknown status {state.status}", "unknown status")
        except ServiceUncertain as error:
            odd = Oddity(str(error), "no counts" if done else "no answer")
        self.ledger.noted(batch, odd.problem)
        return odd

    def _stop(self, batch: Batch, odd: Oddity | None) -> str | None:
        """Cancel the job of a submitted batch; returns why it is still under way, if it is."""
        assert batch.job_id is not None
        way_out = f"`jobs RUN --forget {batch.number}` gives it up"
        if odd is not None and odd.kind == "no counts":
            # It is paid for, and its counts may come tomorrow.
            return f"job {batch.job_id} is done, but {odd.problem}; {way_out}"
        try:
            self.service.cancel(batch.job_id)
        except ServiceUncertain as error:
            if odd is None:
                return f"cannot cancel {batch.job_id}: {error}"
            if odd.kind == "no answer":
                return f"cannot cancel {batch.job_id}: {error}; {way_out}"
            self._give_up(batch, f"not confirmed by the service ({error}), but ended {BY_USER}")
        else:
            self.ledger.ended(self._read(batch), "cancelled", BY_USER, self._charge(batch))
        return None

    def _give_up(self, batch: Batch, message: str) -> None:
        """End a submitted batch in the ledger, whatever its job does."""
        self.ledger.ended(self._read(batch), "cancelled", message)
        self.warnings.append(
            f"job {batch.job_id} of batch {batch.number} is given up, and may go on and cost: "
            f"`--adopt {batch.number}={batch.job_id}` takes it back"
        )

    def _charge(self, batch: Batch) -> float | None:
        assert batch.job_id is not None
        try:
            return self.service.seconds(batch.job_id)
        except ServiceUncertain:
            return None

    def _ask_for_charges(self) -> None:
        """Fetch charges that were not settled yet when the jobs ended."""
        for batch in self._batches("done", "failed", "cancelled"):
            if batch.job_id is not None and batch.seconds is None:
                seconds = self._charge(batch)
                if seconds is not None:
                    self.ledger.charged(batch, seconds)

    def _after_uncertain(self, batch: Batch, error: ServiceUncertain) -> None:
        if not self.recover(batch):
            raise ServiceError(
                f"batch {batch.number}: the service did not confirm it ({error}) and lists no job with its "
                "tag; nothing was sent twice, resume to send it again"
            )

    def _numbered(self, number: int, *states: str) -> Batch:
        found = [batch for batch in self._batches() if batch.number == number]
        if not found or found[0].state not in states:
            state = f"it is {found[0].state}" if found else "there is none"
            raise SubmissionError(f"batch {number} is not in doubt: {state}")
        return found[0]

    def _is_under_way(self, batch: Batch) -> bool:
        return self._read(batch).state == "submitted"

    def _read(self, batch: Batch) -> Batch:
        return self._batches()[batch.number]

    def _batches(self, *states: str) -> tuple[Batch, ...]:
        return self.ledger.batches(self.submission.id, *states)  # type: ignore[arg-type]
