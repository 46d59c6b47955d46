"""The ledger of submissions: tables that hold, after any crash, what was intended and what came."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qpy

from qkd_qiskit.errors import StoreError, SubmissionError
from qkd_qiskit.runtime.service import JobCounts
from qkd_qiskit.store.database import Database, folder_lock, pack, unpack
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.mending import mend_database

FORMER_FILE = "jobs.sqlite"
"""The file of a ledger before it moved into the run's database."""

_MOST_SAMPLES = 2**40

State = Literal["planned", "intent", "submitted", "done", "failed", "cancelled"]


@dataclass(frozen=True, eq=False)
class Submission:
    """What is to be run: everything that its jobs need, frozen when it was planned.

    Attributes:
        id: Name, also the tag of all its jobs.
        created: ISO date and time.
        backend: Name of the device.
        settings: Shots, seed, options and estimates, in JSON's types.
        circuit: ISA circuit with bound weights; inputs are free.
        calibrations: Calibration circuits, measured like `circuit`.
        inputs: Encoded samples [N, F].
        labels: Class index of each sample [N].
    """

    id: str
    created: str
    backend: str
    settings: dict[str, Any]
    circuit: QuantumCircuit
    calibrations: tuple[QuantumCircuit, ...]
    inputs: NDArray[np.float64]
    labels: NDArray[np.int64]


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
        message: Why it failed.
        seconds: Quantum seconds that it took, where the service says so.
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

    def __post_init__(self) -> None:
        """Refuse the row of a damaged ledger.

        Raises:
            SubmissionError: If a value has another type, or no range of samples.
        """
        numbers = (self.number, self.start, self.stop, self.attempt)
        texts = (self.submission, self.state, self.message, self.tag or "", self.job_id or "")
        times = (self.intended or 0.0, self.seconds or 0.0)
        if not (
            all(type(number) is int and 0 <= number < _MOST_SAMPLES for number in numbers)
            and self.start <= self.stop
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(time, int | float) for time in times)
            and self.state in get_args(State)
        ):
            raise SubmissionError(f"batch {self.number!r} of {self.submission!r}: its record is damaged")


_BATCH_FIELDS = ", ".join(Batch.__dataclass_fields__)


class Ledger:
    """The ledger of one run folder; a context manager that holds the folder's lock.

    Every change is one transaction, on disk before the method returns. While it is open, no other process can
    open it, so that two commands cannot submit the same batch.
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
            self._db = opened.enter_context(Database(folder, durable=True))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._opened.close()

    def add(self, submission: Submission, ranges: Sequence[tuple[int, int]]) -> None:
        """Store a submission and its batches, all of them planned.

        Args:
            submission: What to run.
            ranges: First and one-behind-last sample of each batch.
        """
        buffer = io.BytesIO()
        qpy.dump([submission.circuit, *submission.calibrations], buffer)
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO submission VALUES (?, ?, ?, ?, ?, ?, ?)",
                submission.id,
                submission.created,
                submission.backend,
                json.dumps(submission.settings),
                buffer.getvalue(),
                pack(submission.inputs),
                pack(submission.labels),
            )
            self._db.insert(
                "INSERT INTO batch (submission, number, start, stop, state) VALUES (?, ?, ?, ?, 'planned')",
                [(submission.id, number, *limits) for number, limits in enumerate(ranges)],
            )

    @guarded(SubmissionError, "cannot read the stored submissions", keep=StoreError)
    def submissions(self) -> tuple[Submission, ...]:
        """Return all submissions, the oldest first."""
        rows = self._db.rows("SELECT * FROM submission ORDER BY created, rowid")
        return tuple(_submission(row) for row in rows)

    @guarded(SubmissionError, "cannot read the stored batches", keep=StoreError)
    def batches(self, submission: str, *states: State) -> tuple[Batch, ...]:
        """Return the batches of a submission, of some states or all."""
        rows = self._db.rows(
            f"SELECT {_BATCH_FIELDS} FROM batch WHERE submission = ? ORDER BY number", submission
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
        tag = f"{batch.submission}-b{batch.number}-a{batch.attempt + 1}"
        self._move(batch, "planned", "intent", attempt=batch.attempt + 1, tag=tag, intended=now, message="")
        return tag

    def accepted(self, batch: Batch, job_id: str) -> None:
        """Record the id of an intended batch's job."""
        self._move(batch, "intent", "submitted", job_id=job_id)

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
        )

    def ended(self, batch: Batch, state: Literal["failed", "cancelled"], message: str) -> None:
        """Record that a batch ends without counts."""
        self._move(batch, batch.state, state, message=message)

    def again(self, batch: Batch) -> None:
        """Plan a failed or cancelled batch anew; its old job is a former one from now on."""
        with self._db.transaction():
            if batch.job_id is not None:
                self._db.execute("INSERT INTO former VALUES (?, ?)", batch.submission, batch.job_id)
            self._update(batch, batch.state, "planned", job_id=None, message="")

    def former(self, submission: str) -> tuple[str, ...]:
        """Return the ids of jobs that failed or were cancelled, and whose batches were planned anew."""
        rows = self._db.rows("SELECT job_id FROM former WHERE submission = ?", submission)
        return tuple(job_id for (job_id,) in rows)

    @guarded(SubmissionError, "cannot read the stored counts", keep=StoreError)
    def counts(self, submission: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts of all finished batches.

        Returns:
            Sample numbers [n], counts [n, 2^m], and each sample's calibration counts [n, circuits, 2^m].

        Raises:
            SubmissionError: If there is none.
        """
        rows = self._db.rows(
            "SELECT start, stop, counts, calibration FROM batch WHERE submission = ? AND state = 'done' "
            "ORDER BY number",
            submission,
        )
        if not rows:
            raise SubmissionError(f"{submission}: no batch is done yet")
        found = [unpack(packed)[0] for _, _, packed, _ in rows]
        if any(len(part) != stop - start for part, (start, stop, _, _) in zip(found, rows, strict=True)):
            raise SubmissionError(f"{submission}: expected a row of counts for each sample of a batch")
        counts = np.concatenate(found)
        numbers = np.concatenate([np.arange(start, stop) for start, stop, _, _ in rows])
        calibration = np.concatenate(
            [np.repeat(unpack(packed)[0][None], stop - start, axis=0) for start, stop, _, packed in rows]
        )
        return numbers, counts, calibration

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


def _submission(row: tuple[Any, ...]) -> Submission:
    name, created, backend, settings, circuits, inputs, labels = row
    circuit, *calibrations = qpy.load(io.BytesIO(circuits))
    return Submission(
        name,
        created,
        backend,
        json.loads(settings),
        circuit,
        tuple(calibrations),
        unpack(inputs)[0],
        unpack(labels)[0],
    )
