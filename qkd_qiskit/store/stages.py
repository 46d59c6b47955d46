"""Finished stages of a run, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.answers import AnswerLog
from qkd_qiskit.store.database import DATABASE_FILE, Database, folder_lock
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.mending import mend_database
from qkd_qiskit.store.sealing import pack, seal_text, unpack, unseal_text

Record = TypeVar("Record")

_LOG = logging.getLogger(__name__)
# Jobs of the same file were paid for: no run deletes them.
_OF_ONE_RUN = ("stage", "stage_array", "answer", "message")


class StageStore:
    """Frozen dataclasses of arrays and plain values in the database of a run's folder.

    Each is stored with the fingerprint of the settings that it was made with; those of other settings are
    not found. A store holds no connection, so that worker processes get copies of it.

    Attributes:
        folder: Folder of the database; None stores nothing.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        """Open a store.

        Args:
            folder: Folder of the database; None stores nothing.
            fingerprint: Identifies the settings and versions that a stage depends on.
        """
        self.folder = folder
        self._fingerprint = fingerprint

    def given(self, *arrays: NDArray[Any]) -> StageStore:
        """Return the store of stages that depend on these arrays too, for example on what others sent."""
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        return StageStore(self.folder, f"{self._fingerprint}, given {digest.hexdigest()}")

    def save(self, key: str, record: Any) -> None:
        """Store a dataclass instance; its fields are arrays, numbers, strings, or tuples of them.

        Args:
            key: Place of the stage.
            record: The result of the stage.

        Raises:
            StoreError: If the database cannot be written.
        """
        if self.folder is None:
            return
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if name not in arrays}
        place = (self._fingerprint, key)
        with Database(self.folder) as database, database.transaction():
            database.execute(
                "INSERT OR REPLACE INTO stage VALUES (?, ?, ?)", *place, seal_text(json.dumps(plain))
            )
            database.execute("DELETE FROM stage_array WHERE fingerprint = ? AND key = ?", *place)
            database.insert(
                "INSERT INTO stage_array VALUES (?, ?, ?, ?)",
                ((*place, name, pack(array)) for name, array in arrays.items()),
            )

    def load(self, key: str, kind: type[Record]) -> Record | None:
        """Return the stored record of a stage, or None if there is none of these settings.

        A record that is damaged, or of another kind, counts as none: a warning names it.

        Args:
            key: Place of the stage.
            kind: The dataclass.

        Raises:
            StoreError: If the database cannot be read.
        """
        if self.folder is None or not (self.folder / DATABASE_FILE).exists():
            return None
        place = (self._fingerprint, key)
        with Database(self.folder) as database:
            found = database.rows("SELECT value FROM stage WHERE fingerprint = ? AND key = ?", *place)
            arrays = database.rows(
                "SELECT name, data FROM stage_array WHERE fingerprint = ? AND key = ?", *place
            )
        if not found:
            return None
        try:
            with guarded(StoreError, "what is stored"):
                values = {name: unpack(data)[0] for name, data in arrays}
                values |= {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in json.loads(unseal_text(found[0][0])).items()
                }
                return kind(**values)
        except StoreError as error:
            _LOG.warning(
                "stage %r in %s: expected a %s; %s; it is made anew",
                *(key, self.folder / DATABASE_FILE, kind.__name__, error),
            )
            return None

    def answers(self, key: str, *, resume: bool) -> AnswerLog:
        """Return the answers of a stage that is not finished yet; nothing is written without a folder.

        Args:
            key: Place of the stage.
            resume: Whether to go on with written ones. Those that other settings, another version of NumPy
                or SciPy, or another number of BLAS threads has written are not used: the stage would not
                end in the same bits.

        Raises:
            StoreError: If the database cannot be read or written.
        """
        if self.folder is None:
            return AnswerLog()
        threads = sorted({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
        libraries = f"numpy {version('numpy')}, scipy {version('scipy')}, BLAS threads {threads}"
        return AnswerLog(self.folder, f"{self._fingerprint}, {libraries}", key=key, resume=resume)


@contextmanager
def open_store(
    folder: Path | None, fingerprint: str, *, resume: bool = False, locked: bool = False
) -> Iterator[StageStore]:
    """Open the store of a run, and keep other runs out of the folder meanwhile.

    Args:
        folder: Folder of the run; None stores nothing.
        fingerprint: Identifies the settings and versions of the run.
        resume: Whether to go on with what an earlier run has stored; otherwise it is deleted.
        locked: Whether the caller holds the folder's lock.

    Yields:
        The store.

    Raises:
        StoreError: If another run is working in the folder, or it cannot be read or written. Of a damaged
            database all that can be read is kept.
    """
    if folder is None:
        yield StageStore(None, fingerprint)
        return
    with ExitStack() as opened:
        if not locked:
            opened.enter_context(folder_lock(folder))
        mend_database(folder)
        # PERF: as long as one connection is open, closing another one does not wait for the disk.
        database = opened.enter_context(Database(folder))
        if not resume:
            with database.transaction():
                for table in _OF_ONE_RUN:
                    database.execute(f"DELETE FROM {table}")
        else:
            stored = {
                str(text).partition(",")[0] for (text,) in database.rows("SELECT fingerprint FROM stage")
            }
            if stored and fingerprint not in stored:
                _LOG.warning("%s: stages of other settings or versions; they are made anew", folder)
        yield StageStore(folder, fingerprint)
