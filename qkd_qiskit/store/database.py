"""The SQLite file of a run's folder, and the lock that one process holds on the folder."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.sealing import pack as pack
from qkd_qiskit.store.sealing import unpack as unpack

DATABASE_FILE = "run.sqlite"
LOCK_FILE = "run.lock"

SCHEMA_VERSION = 1

BUSY_SECONDS = 60.0
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
CREATE TABLE former_charge (submission TEXT NOT NULL, seconds REAL NOT NULL);
CREATE TABLE ledger_seal (submission TEXT NOT NULL, place TEXT NOT NULL,
    digest TEXT NOT NULL, PRIMARY KEY (submission, place));
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
        with guarded(StoreError, f"cannot open {self.path}"):
            folder.mkdir(parents=True, exist_ok=True)
        with self._errors():
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            self.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            # Whatever a file says of itself, nothing in it is run, and broken cells are noticed.
            self.execute("PRAGMA trusted_schema = OFF")
            self.execute("PRAGMA cell_size_check = ON")
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
            # A full disk may have ended the transaction, or refuse its end: the first error is told.
            with suppress(sqlite3.Error):
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
                    self.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if self._version() != SCHEMA_VERSION:
            raise StoreError(f"{self.path}: expected schema {SCHEMA_VERSION}, found {self._version()}")
        with self._errors():
            check_schema(self._connection, self.path)
        if self.rows("PRAGMA journal_mode") != [("wal",)]:
            # Refused while another process works on the file, which then does this, or stays with the mode.
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = WAL")

    def _version(self) -> int:
        ((version,),) = self.rows("PRAGMA user_version")
        return int(version)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        where = f"cannot use {self.path}: expected a file of this program, and room on the disk"
        with guarded(StoreError, where):
            yield


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file with tables, views or triggers that this program has not made.

    A view in the place of a table could answer any question with gigabytes.

    Raises:
        StoreError: If there is one.
    """
    known = {" ".join(statement.split()) for statement in _TABLES.split(";")}
    query = "SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL"
    found = [[part.decode("utf-8", "replace") for part in row] for row in connection.execute(query)]
    strangers = [name for name, sql in found if " ".join(sql.split()) not in known]
    if strangers:
        raise StoreError(f"{path}: expected the tables of this program, found {strangers[0]!r}")


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
