"""The ledger of submissions: tables that hold, after any crash, what was intended and what came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import StoreError, SubmissionError
from qkd_qiskit.runtime.batch import Batch as Batch
from qkd_qiskit.runtime.batch import State, batch_tag
from qkd_qiskit.runtime.row_seals import (
    BATCH_FIELDS,
    FORMER,
    FORMER_CHARGE,
    SUBMISSION,
    RowSeals,
    batch_place,
)
from qkd_qiskit.runtime.service import JobCounts
from qkd_qiskit.runtime.service_text import safe_line
from qkd_qiskit.runtime.submission_record import Submission as Submission
from qkd_qiskit.runtime.submission_record import read_row, submission_row, write_plan
from qkd_qiskit.store.database import Database, folder_lock, pack, unpack
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.mending import mend_database

FORMER_FILE = "jobs.sqlite"
"""The file of a ledger before it moved into the run's database."""

_WAY_OUT = "`jobs RUN --recover` asks the service for its jobs"
_FORMER_CHARGES = "CREATE TABLE IF NOT EXISTS former_charge (submission TEXT NOT NULL, seconds REAL NOT NULL)"


class Ledger:
    """The ledger of one run folder; a context manager that holds the folder's lock.

    Every change is one transaction, on disk before the method returns. While it is open, no other process can
    open it, so that two commands cannot submit the same batch.

    Attributes:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        """Open the ledger of a run, and make it if there is none.

        Args:
            folder: Folder of the run.

        Raises:
            StoreError: If another process works in the folder, or its database is damaged.
            SubmissionError: If an earlier version has left its own ledger there: its jobs may still run.
        """
        if (folder / FORMER_FILE).exists():
            raise SubmissionError(
                f"{folder / FORMER_FILE}: expected none, found the jobs of an earlier version, "
                "which alone can collect them; move the file away to submit anew"
            )
        with ExitStack() as opened:
            opened.enter_context(folder_lock(folder))
            mend_database(folder)
            self.folder = folder
            self._db = opened.enter_context(Database(folder, durable=True))
            self._db.execute(_FORMER_CHARGES)
            self._seals = RowSeals(self._db)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._opened.close()

    def add(self, submission: Submission, ranges: Sequence[tuple[int, int]]) -> None:
        """Store a submission and its batches, all of them planned.

        A damaged submission of the same name is replaced; batches that are there and whole stay as they are.

        Args:
            submission: What to run.
            ranges: First and one-behind-last sample of each batch.

        Raises:
            StoreError: If it cannot be written.
        """
        with self._db.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO submission VALUES (?, ?, ?, ?, ?, ?, ?)", *submission_row(submission)
            )
            self._seals.write(submission.id, SUBMISSION)
            self._complete(submission.id, ranges)

    def complete(self, submission: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, bool]:
        """Plan batches anew whose rows are lost or damaged, and drop what is damaged of former jobs.

        The service tells by their tags which jobs they had.

        Args:
            submission: Name of a stored submission.
            ranges: First and one-behind-last sample of each batch.

        Returns:
            How many batches were planned anew, and whether former jobs were dropped.

        Raises:
            StoreError: If it cannot be written.
        """
        with self._db.transaction():
            return self._complete(submission, ranges)

    def _complete(self, submission: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, bool]:
        damaged, rows = self._seals.damaged(submission), self._batch_rows(submission)
        wanted = {number: ends for number, ends in enumerate(ranges) if not _is_sound(rows.get(number), ends)}
        wanted |= {number: ends for number, ends in enumerate(ranges) if batch_place(number) in damaged}
        for number in {*wanted, *(rows.keys() - set(range(len(ranges))))}:
            self._db.execute("DELETE FROM batch WHERE submission = ? AND number = ?", submission, number)
            self._seals.forget(submission, batch_place(number))
        self._db.insert(
            "INSERT INTO batch (submission, number, start, stop, state) VALUES (?, ?, ?, ?, 'planned')",
            [(submission, number, *ends) for number, ends in wanted.items()],
        )
        former = bool(damaged & {FORMER, FORMER_CHARGE})
        if former:
            for table in (FORMER, FORMER_CHARGE):
                self._db.execute(f"DELETE FROM {table} WHERE submission = ?", submission)
        self._seals.write(submission, FORMER, FORMER_CHARGE, *map(batch_place, wanted))
        return len(wanted), former

    def _batch_rows(self, submission: str) -> dict[object, tuple[Any, ...]]:
        rows = self._db.rows(f"SELECT number, {BATCH_FIELDS} FROM batch WHERE submission = ?", submission)
        return {number: tuple(row) for number, *row in rows}

    def keep_plan(self, submission: Submission) -> None:
        """Write the plan file of a submission, from which it comes back where the ledger is lost.

        Raises:
            StoreError: If it cannot be written.
        """
        ranges = [(batch.start, batch.stop) for batch in self.batches(submission.id)]
        write_plan(self.folder, submission, ranges)

    def store_settings(self, submission: Submission) -> None:
        """Store the settings of a submission that were changed since."""
        text = json.dumps(submission.settings)
        with self._db.transaction():
            self._db.execute("UPDATE submission SET settings = ? WHERE id = ?", text, submission.id)
            self._seals.write(submission.id, SUBMISSION)

    def submissions(self) -> tuple[Submission, ...]:
        """Return all submissions, the oldest first; those that are damaged are left out."""
        return tuple(one for one in self._read_all() if isinstance(one, Submission))

    def damaged(self) -> tuple[str, ...]:
        """Return what is wrong with the submissions that `submissions` leaves out, a line each."""
        return tuple(str(one) for one in self._read_all() if isinstance(one, SubmissionError))

    def _read_all(self) -> list[Submission | SubmissionError]:
        found: list[Submission | SubmissionError] = []
        lost = set(self._seals.submissions())
        for row in self._db.rows("SELECT * FROM submission ORDER BY created, rowid"):
            lost.discard(row[0])
            try:
                if SUBMISSION in self._seals.damaged(row[0]):
                    raise SubmissionError(f"submission {row[0]}: what is stored of it is damaged")
                found.append(read_row(row))
            except SubmissionError as error:
                found.append(error)
        return found + [SubmissionError(f"submission {name}: its record is lost") for name in sorted(lost)]

    @guarded(SubmissionError, "cannot read the stored batches", keep=StoreError)
    def batches(self, submission: str, *states: State) -> tuple[Batch, ...]:
        """Return the batches of a submission, of some states or all.

        Raises:
            SubmissionError: If a row is damaged or lost.
        """
        for place in sorted(self._seals.damaged(submission)):
            if place.startswith(batch_place("")):
                raise SubmissionError(f"{place} of {submission}: its record is damaged; {_WAY_OUT}")
        rows = self._db.rows(
            f"SELECT {BATCH_FIELDS} FROM batch WHERE submission = ? ORDER BY number", submission
        )
        found = (Batch(*row) for row in rows)
        return tuple(batch for batch in found if not states or batch.state in states)

    def intend(self, batch: Batch, now: float) -> str:
        """Record that a batch is about to be submitted.

        Args:
            batch: A planned batch.
            now: Seconds since the epoch.

        Returns:
            The tag that its job must carry.
        """
        tag = batch_tag(batch, batch.attempt + 1)
        self._move(batch, "planned", "intent", attempt=batch.attempt + 1, tag=tag, intended=now, message="")
        return tag

    def accepted(self, batch: Batch, job_id: str) -> None:
        """Record the id of a batch's job, whatever the batch was thought to be before."""
        with self._db.transaction():
            if batch.job_id not in (None, job_id):
                self._add_former(batch)
            self._update(batch, batch.state, "submitted", job_id=job_id, message="", seconds=None)

    def reclaimed(self, batch: Batch, jobs: Mapping[int, str]) -> None:
        """Record the jobs that a batch had, by attempt: the last is its job, the others are former ones."""
        last = max(jobs)
        with self._db.transaction():
            for attempt, job_id in jobs.items():
                if attempt != last and job_id not in self.former(batch.submission):
                    self._db.execute("INSERT INTO former VALUES (?, ?)", batch.submission, job_id)
            self._seals.write(batch.submission, FORMER)
            tag = batch_tag(batch, last)
            self._update(
                batch, batch.state, "submitted", attempt=last, tag=tag, job_id=jobs[last], message=""
            )

    def reopen_damaged(self, submission: str) -> int:
        """Mark finished batches whose counts cannot be read as submitted; returns how many."""
        reopened = 0
        for batch in self.batches(submission, "done"):
            try:
                self._read_counts("number = ?", submission, batch.number)
            except SubmissionError:
                self._move(batch, "done", "submitted", counts=None, calibration=None)
                reopened += 1
        return reopened

    def not_accepted(self, batch: Batch) -> None:
        """Record that an intended batch has surely no job."""
        self._move(batch, "intent", "planned")

    def finished(self, batch: Batch, result: JobCounts) -> None:
        """Store a submitted batch's counts."""
        self._move(
            batch,
            "submitted",
            "done",
            counts=pack(result.counts),
            calibration=pack(result.calibration),
            seconds=result.seconds,
            message="",
        )

    def ended(
        self,
        batch: Batch,
        state: Literal["failed", "cancelled"],
        message: str,
        seconds: float | None = None,
    ) -> None:
        """Record that a batch ends without counts, and what its job was charged nevertheless."""
        self._move(batch, batch.state, state, message=message, seconds=seconds)

    def noted(self, batch: Batch, message: str) -> None:
        """Record what is odd about the job of a submitted batch, or that nothing is any more."""
        if message != batch.message:
            self._move(batch, "submitted", "submitted", message=message)

    def charged(self, batch: Batch, seconds: float) -> None:
        """Record the quantum seconds that a batch's job was charged, once the service tells."""
        self._move(batch, batch.state, batch.state, seconds=seconds)

    def again(self, batch: Batch) -> None:
        """Plan a failed or cancelled batch anew; its old job is a former one from now on."""
        with self._db.transaction():
            self._add_former(batch)
            self._update(batch, batch.state, "planned", job_id=None, message="", seconds=None)

    def _add_former(self, batch: Batch) -> None:
        if batch.job_id is not None:
            self._db.execute("INSERT INTO former VALUES (?, ?)", batch.submission, batch.job_id)
        if batch.seconds is not None:
            self._db.execute("INSERT INTO former_charge VALUES (?, ?)", batch.submission, batch.seconds)
        self._seals.write(batch.submission, FORMER, FORMER_CHARGE)

    def former_seconds(self, submission: str) -> float:
        """Return the quantum seconds that are known to be charged for former jobs.

        Raises:
            SubmissionError: If they are damaged.
        """
        self._check_former(submission)
        rows = self._db.rows("SELECT seconds FROM former_charge WHERE submission = ?", submission)
        return float(sum(seconds for (seconds,) in rows))

    def former(self, submission: str) -> tuple[str, ...]:
        """Return the ids of jobs that failed or were cancelled, and whose batches were planned anew.

        Raises:
            SubmissionError: If they are damaged.
        """
        self._check_former(submission)
        rows = self._db.rows("SELECT job_id FROM former WHERE submission = ?", submission)
        return tuple(job_id for (job_id,) in rows)

    @guarded(SubmissionError, "cannot read the stored counts", keep=StoreError)
    def counts(self, submission: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts of all finished batches.

        Returns:
            Row numbers [n], counts [n, 2^m], and each row's calibration counts [n, circuits, 2^m]; of packed
            circuits [n, copies, 2^m] and [n, circuits, copies, 2^m].

        Raises:
            SubmissionError: If there is none, or they are damaged.
        """
        found = self._read_counts("state = 'done'", submission)
        if not found:
            raise SubmissionError(f"{submission}: no batch is done yet")
        numbers = np.concatenate([np.arange(start, stop) for start, stop, _, _ in found])
        counts = np.concatenate([counts for _, _, counts, _ in found])
        calibration = np.concatenate(
            [np.repeat(measured[None], stop - start, axis=0) for start, stop, _, measured in found]
        )
        return numbers, counts, calibration

    def _read_counts(
        self, which: str, submission: str, *values: object
    ) -> list[tuple[int, int, NDArray[np.int64], NDArray[np.int64]]]:
        """Return start, stop, counts and calibration of some batches."""
        rows = self._db.rows(
            f"SELECT number, start, stop, counts, calibration FROM batch WHERE submission = ? AND {which} "
            "ORDER BY number",
            *(submission, *values),
        )
        found = []
        for number, start, stop, *packed in rows:
            try:
                (counts,), (calibration,) = map(unpack, packed)
                if len(counts) != stop - start:
                    raise ValueError(f"expected {stop - start} rows, found {len(counts)}")
            except Exception as error:
                raise SubmissionError(
                    f"batch {number} of {submission}: its stored counts are damaged ({safe_line(error)}); "
                    "`jobs RUN --recover` collects them again"
                ) from None
            found.append((start, stop, counts, calibration))
        return found

    def _move(self, batch: Batch, before: State, after: State, **values: object) -> None:
        """Change a batch's state, if it is still what it was when it was read."""
        with self._db.transaction():
            self._update(batch, before, after, **values)

    def _update(self, batch: Batch, before: State, after: State, **values: object) -> None:
        names = ["state", *values]
        done = self._db.execute(
            f"UPDATE batch SET {', '.join(f'{name} = ?' for name in names)} "
            "WHERE submission = ? AND number = ? AND state = ?",
            *(after, *values.values(), batch.submission, batch.number, before),
        )
        if done.rowcount != 1:
            raise SubmissionError(
                f"batch {batch.number} of {batch.submission}: expected state {before} in the ledger"
            )
        self._seals.write(batch.submission, batch_place(batch.number))

    def _check_former(self, submission: str) -> None:
        if self._seals.damaged(submission) & {FORMER, FORMER_CHARGE}:
            raise SubmissionError(f"{submission}: what is known of its former jobs is damaged; {_WAY_OUT}")


def _is_sound(row: tuple[Any, ...] | None, ends: tuple[int, int]) -> bool:
    """Return whether a batch's row is there, readable, and of these samples."""
    if row is None:
        return False
    try:
        batch = Batch(*row)
    except SubmissionError:
        return False
    return (batch.start, batch.stop) == tuple(ends)
