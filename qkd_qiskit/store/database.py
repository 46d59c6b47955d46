"""The SQLite file of a run's folder, and the lock that one process holds on the folder."""

from __future__ import annotations

import io
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import StoreError

DATABASE_FILE = "run.sqlite"
LOCK_FILE = "run.lock"

_SCHEMA = 1
_BUSY_SECONDS = 60.0
_WAIT_SECONDS = 0.05
_TABLES = """
CREATE TABLE stage (
    fingerprint TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (fingerprint, key)
);
CREATE TABLE stage_array (
    fingerprint TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (fingerprint, key, name)
);
CREATE TABLE answer (
    fingerprint TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL,
    question BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (fingerprint, key, position)
);
CREATE TABLE message (
    request TEXT NOT NULL, client INTEGER NOT NULL, late INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (request, client, late)
);
CREATE TABLE exchange (round INTEGER PRIMARY KEY, request BLOB NOT NULL, answer BLOB NOT NULL);
CREATE TABLE public_set (request BLOB NOT NULL);
CREATE TABLE record (
    sweep TEXT NOT NULL, cell TEXT NOT NULL, fingerprint TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (sweep, cell, fingerprint)
);
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
CREATE TABLE former (submission TEXT NOT NULL, job_id TEXT NOT NULL);
"""


class Database:
    """One connection to the SQLite file of a folder; a context manager that closes it.

    Several processes may work on one file. Each statement outside of `transaction` is a transaction of its
    own: whatever kills the process, it is there whole or not at all.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Open the file, and make it with all its tables if there is none.

        Args:
            folder: Folder of the file; made when missing.
            durable: Whether every transaction waits for the disk. Otherwise a crash of the operating system
                may lose the last ones; a crash of the process loses none.

        Raises:
            StoreError: If the file cannot be read or written, or holds other tables.
        """
        self.path = folder / DATABASE_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot open {self.path}: {error.strerror or error}") from None
        with self._errors():
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            self.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._prepare()
        except BaseException:
            self.close()
            raise

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Execute one statement.

        Raises:
            StoreError: If the file cannot be read or written.
        """
        with self._errors():
            return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Raises:
            StoreError: If the file cannot be read.
        """
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    def insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute one statement for each row.

        Raises:
            StoreError: If the file cannot be written.
        """
        with self._errors():
            self._connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all statements of a block one transaction; an exception undoes them.

        Raises:
            StoreError: If the file cannot be written.
        """
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def _prepare(self) -> None:
        """Make the tables where they are missing, and let readers work beside a writer."""
        if self._version() == 0:
            with self.transaction():
                if self._version() == 0:
                    for statement in filter(str.strip, _TABLES.split(";")):
                        self.execute(statement)
                    self.execute(f"PRAGMA user_version = {_SCHEMA}")
        if self._version() != _SCHEMA:
            raise StoreError(f"{self.path}: expected schema {_SCHEMA}, found {self._version()}")
        if self.rows("PRAGMA journal_mode") != [("wal",)]:
            # Refused while another process works on the file, which then does this, or stays with the mode.
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = WAL")

    def _version(self) -> int:
        ((version,),) = self.rows("PRAGMA user_version")
        return int(version)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot use {self.path}: expected a file of this program, and room on the disk; {error}"
            ) from None


@contextmanager
def folder_lock(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes from working in a folder; the system lets go of it when this process ends.

    Args:
        folder: The folder; made when missing.
        wait: Whether to wait for the process that works there, instead of refusing.

    Raises:
        StoreError: If another process works there, or the folder cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=0.0)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.Error as error:
                if "locked" not in str(error):
                    raise StoreError(f"cannot lock {path}: {error}") from None
                if not wait:
                    raise StoreError(f"{folder}: another run or command is working there") from None
            time.sleep(_WAIT_SECONDS)
        yield
    finally:
        connection.close()


def pack(*arrays: NDArray[Any]) -> bytes:
    """Return arrays as bytes, one after the other in NumPy's file format."""
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[NDArray[Any], ...]:
    """Return the arrays that `pack` has made bytes of.

    Raises:
        ValueError: If the bytes are something else.
    """
    buffer, arrays = io.BytesIO(data), []
    while buffer.tell() < len(data):
        arrays.append(np.load(buffer, allow_pickle=False))
    return tuple(arrays)
