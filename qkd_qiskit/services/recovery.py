"""A store that is damaged or lost: submissions come back from plan files, jobs from the service by tags."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from qkd_qiskit.errors import ServiceError, StoreError, SubmissionError
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.runtime import JobService, Ledger, ServiceUncertain, Submission, SubmissionPlan
from qkd_qiskit.runtime.job_requests import fingerprint_tags
from qkd_qiskit.runtime.submission_record import plan_files, read_plan
from qkd_qiskit.services.submission import destination, make_runner
from qkd_qiskit.store.database import DATABASE_FILE, Database, folder_lock

_BATCH_TAG = re.compile(r"(?P<submission>.+)-b\d+-a\d+")
# What SQLite keeps beside a file while it is in use.
_BESIDE = ("", "-wal", "-shm")


def recover_jobs(run: Path) -> tuple[str, ...]:
    """Make a ledger whole again; nothing is sent.

    A file that SQLite cannot read is set aside, never deleted. Submissions that the ledger lacks come from
    their plan files; batches without a job get the one that the service lists with their tag; counts that
    cannot be read are to be collected again.

    Args:
        run: Folder of the run.

    Returns:
        What was done, a line each; empty where nothing was missing.

    Raises:
        SubmissionError: If there is no plan of a submission, and none in the ledger.
        StoreError: If another process works in the folder, or nothing can be written there.
        ServiceError: If a service does not answer; what the others know is kept.
    """
    said = _set_aside(run)
    with Ledger(run) as ledger:
        known = {one.id for one in ledger.submissions()}
        for path in plan_files(run):
            try:
                submission, ranges = read_plan(path)
            except SubmissionError as error:
                said.append(str(error))
                continue
            if submission.id not in known:
                ledger.add(submission, ranges)
                said.append(f"{submission.id}: found again in {path.name}")
                continue
            lost, former = ledger.complete(submission.id, ranges)
            if lost:
                said.append(f"{submission.id}: {lost} batches were damaged or lost")
            if former:
                said.append(f"{submission.id}: what its former jobs were charged is lost")
        found = ledger.submissions()
        if not found:
            raise SubmissionError(f"nothing was submitted from {run}: expected plan files in its folder jobs")
        silent = []
        for submission in found:
            try:
                said += _reclaim(run, ledger, submission)
            except SubmissionError as error:
                silent.append(f"{submission.id}: {error}")
    if silent:
        raise ServiceError("; ".join([*silent, *said]))
    return tuple(said)


def find_equal(service: JobService, plan: SubmissionPlan) -> str | None:
    """Return the name of an equal submission whose jobs the service has; None where it has none.

    Args:
        service: Where the jobs would go.
        plan: A submission that the ledger does not know.

    Raises:
        ServiceError: If the service does not answer.
    """
    names: Counter[str] = Counter()
    for tag in fingerprint_tags(plan.submission):
        try:
            listed = service.find(tag)
        except ServiceUncertain as error:
            raise ServiceError(f"cannot list jobs: {error}; nothing was sent") from None
        found = (_BATCH_TAG.fullmatch(other) for job in listed for other in job.tags)
        names.update(match["submission"] for match in found if match)
    return names.most_common(1)[0][0] if names else None


def take_over(ledger: Ledger, plan: SubmissionPlan, name: str, service: JobService) -> Submission:
    """Store a plan under the name of an equal submission whose ledger is lost, and take its jobs over.

    Circuit and estimate are those of today; they matter only for what is sent again. What the calibration of
    then has predicted is not known.

    Args:
        ledger: The open ledger, which does not know the submission.
        plan: The plan of the same command.
        name: What `find_equal` has found.
        service: Where the jobs are.

    Raises:
        SubmissionError: If copies were packed on a real device: their places hung on the calibration of then.
        ServiceError: If the service does not answer.
    """
    settings = plan.submission.settings
    if settings.get("packing") is not None and not settings["local"]:
        raise SubmissionError(
            f"{name}: expected its plan file in the run's folder jobs, found none; without it nobody knows "
            "which of its packed copies measured what"
        )
    submission = replace(plan.submission, id=name, predicted=None)
    ledger.add(submission, plan.ranges)
    make_runner(ledger, submission, service, NullProgress()).reclaim()
    return submission


def _reclaim(run: Path, ledger: Ledger, submission: Submission) -> list[str]:
    damaged = ledger.reopen_damaged(submission.id)
    said = [f"{submission.id}: the counts of {damaged} batches are collected again"] if damaged else []
    if ledger.batches(submission.id, "planned", "intent"):
        target = destination(run, submission.backend, local=submission.settings["local"])
        jobs = make_runner(ledger, submission, target.service, NullProgress()).reclaim()
        if jobs:
            said.append(f"{submission.id}: {jobs} jobs found again at the service by their tags")
    return said


def _set_aside(run: Path) -> list[str]:
    """Rename the database if it cannot be read, with what belongs to it."""
    with folder_lock(run):
        try:
            with Database(run) as database:
                sound = database.rows("PRAGMA quick_check") == [("ok",)]
        except StoreError as error:
            if "expected schema" in str(error):
                # It is whole, and another version's.
                raise
            sound = False
        if sound:
            return []
        number = 1
        while (aside := run / f"{DATABASE_FILE}.damaged-{number}").exists():
            number += 1
        try:
            for ending in _BESIDE:
                path = run / f"{DATABASE_FILE}{ending}"
                if path.exists():
                    path.rename(f"{aside}{ending}")
        except OSError as error:
            raise StoreError(f"cannot rename {run / DATABASE_FILE}: {error.strerror or error}") from None
    return [f"{DATABASE_FILE} is damaged; it is kept as {aside.name}"]
