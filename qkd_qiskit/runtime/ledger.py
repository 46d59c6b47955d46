"""The ledger of submissions: an SQLite file that knows, after any crash, what was intended and what came."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qpy

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime.service import JobCounts

LEDGER_FILE = "jobs.sqlite"
State = Literal["planned", "intent", "submitted", "done", "failed", "cancelled"]
Connect = Callable[[Path], sqlite3.Connection]

_SCHEMA = 1
_TABLES = """
CREATE TABLE submission (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, backend TEXT NOT NULL, settings TEXT NOT NULL,
    circuits BLOB NOT NULL, inputs BLOB NOT NULL, labels BLOB NOT NULL
);
CREATE TABLE batch (
    submission TEXT NOT NULL REFERENCES submission(id), number INTEGER NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, tag TEXT, intended REAL, job_id TEXT UNIQUE,
    message TEXT NOT NULL DEFAULT '', seconds REAL, counts BLOB, calibration BLOB,
    PRIMARY KEY (submission, number)
);
"""
# Newer than the first ledgers of this schema, and made in them too.
_FORMER = "CREATE TABLE IF NOT EXISTS former (submission TEXT NOT NULL, job_id TEXT NOT NULL)"


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


_BATCH_FIELDS = ", ".join(Batch.__dataclass_fields__)


class Ledger:
    """The ledger of one run folder; a context manager that holds the folder's lock.

    Every change is one transaction, on disk before the method returns. While it is open, no other process can
    open it, so that two commands cannot submit the same batch.
    """

    def __init__(self, folder: Path, *, connect: Connect | None = None) -> None:
        """Open the ledger of a run, and make it if there is none.

        Args:
            folder: Folder of the run.
            connect: Opens the database file; for tests.

        Raises:
            SubmissionError: If another process holds it, or it is damaged or of another schema.
        """
        path = folder / LEDGER_FILE
        try:
            self._db = (connect or _connect)(path)
            # An exclusive lock lasts until the connection ends, however it ends.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA synchronous = FULL")
            with self._change():
                (version,) = self._db.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in filter(str.strip, _TABLES.split(";")):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_SCHEMA}")
                elif version != _SCHEMA:
                    raise SubmissionError(f"{path}: expected schema {_SCHEMA}, found {version}")
                self._db.execute(_FORMER)
        except sqlite3.OperationalError as error:
            reason = "another command is using it" if "locked" in str(error) else str(error)
            raise SubmissionError(f"cannot open {path}: {reason}") from None
        except sqlite3.DatabaseError as error:
            raise SubmissionError(f"cannot read {path}: {error}") from None

    def __enter__(self) -> Ledger:
        """The ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def add(self, submission: Submission, ranges: Sequence[tuple[int, int]]) -> None:
        """Store a submission and its batches, all of them planned.

        Args:
            submission: What to run.
            ranges: First and one-behind-last sample of each batch.
        """
        buffer = io.BytesIO()
        qpy.dump([submission.circuit, *submission.calibrations], buffer)
        with self._change():
            self._db.execute(
                "INSERT INTO submission VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    submission.id,
                    submission.created,
                    submission.backend,
                    json.dumps(submission.settings),
                    buffer.getvalue(),
                    _pack(submission.inputs),
                    _pack(submission.labels),
                ),
            )
            self._db.executemany(
                "INSERT INTO batch (submission, number, start, stop, state) VALUES (?, ?, ?, ?, 'planned')",
                [(submission.id, number, *limits) for number, limits in enumerate(ranges)],
            )

    def submissions(self) -> tuple[Submission, ...]:
        """All submissions, the oldest first."""
        rows = self._db.execute("SELECT * FROM submission ORDER BY created, rowid").fetchall()
        return tuple(_submission(row) for row in rows)

    def batches(self, submission: str, *states: State) -> tuple[Batch, ...]:
        """Batches of a submission, of some states or all."""
        rows = self._db.execute(
            f"SELECT {_BATCH_FIELDS} FROM batch WHERE submission = ? ORDER BY number", (submission,)
        ).fetchall()
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
            counts=_pack(result.counts),
            calibration=_pack(result.calibration),
            seconds=result.seconds,
        )

    def ended(self, batch: Batch, state: Literal["failed", "cancelled"], message: str) -> None:
        """Record that a batch ends without counts."""
        self._move(batch, batch.state, state, message=message)

    def again(self, batch: Batch) -> None:
        """Plan a failed or cancelled batch anew; its old job is a former one from now on."""
        with self._change():
            if batch.job_id is not None:
                self._db.execute("INSERT INTO former VALUES (?, ?)", (batch.submission, batch.job_id))
            self._update(batch, batch.state, "planned", job_id=None, message="")

    def former(self, submission: str) -> tuple[str, ...]:
        """Ids of jobs that failed or were cancelled, and whose batches were planned anew."""
        rows = self._db.execute("SELECT job_id FROM former WHERE submission = ?", (submission,)).fetchall()
        return tuple(job_id for (job_id,) in rows)

    def counts(self, submission: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Counts of all finished batches.

        Returns:
            Sample numbers [n], counts [n, 2^m], and each sample's calibration counts [n, circuits, 2^m].
        """
        rows = self._db.execute(
            "SELECT start, stop, counts, calibration FROM batch WHERE submission = ? AND state = 'done' "
            "ORDER BY number",
            (submission,),
        ).fetchall()
        if not rows:
            raise SubmissionError(f"{submission}: no batch is done yet")
        numbers = np.concatenate([np.arange(start, stop) for start, stop, _, _ in rows])
        counts = np.concatenate([_unpack(packed) for _, _, packed, _ in rows])
        calibration = np.concatenate(
            [np.repeat(_unpack(packed)[None], stop - start, axis=0) for start, stop, _, packed in rows]
        )
        return numbers, counts, calibration

    def _move(self, batch: Batch, before: State, after: State, **values: object) -> None:
        """Change a batch's state, if it is still what it was when it was read."""
        with self._change():
            self._update(batch, before, after, **values)

    def _update(self, batch: Batch, before: State, after: State, **values: object) -> None:
        names = ["state", *values]
        done = self._db.execute(
            f"UPDATE batch SET {', '.join(f'{name} = ?' for name in names)} "
            "WHERE submission = ? AND number = ? AND state = ?",
            (after, *values.values(), batch.submission, batch.number, before),
        )
        if done.rowcount != 1:
            raise SubmissionError(
                f"batch {batch.number} of {batch.submission}: expected state {before} in the ledger"
            )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0.5)


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
        _unpack(inputs),
        _unpack(labels),
    )


def _pack(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unpack(packed: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(packed), allow_pickle=False)
    return array
