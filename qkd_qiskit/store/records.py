"""Finished cells of sweeps, so that an interrupted sweep goes on where it stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qkd_qiskit.store.database import Database
from qkd_qiskit.store.sealing import seal_text, unseal_text

_LOG = logging.getLogger(__name__)


class RecordStore:
    """Records in JSON's types, by sweep, cell and fingerprint of what the cell depends on."""

    def __init__(self, folder: Path | None) -> None:
        """Open a store.

        Args:
            folder: Folder of the database; None keeps nothing.
        """
        self._folder = folder

    def load(self, sweep: str, cell: str, fingerprint: str) -> dict[str, Any] | None:
        """Return the record of a cell, or None if there is none with this fingerprint, or a damaged one.

        Raises:
            StoreError: If the database cannot be read.
        """
        if self._folder is None:
            return None
        with Database(self._folder) as database:
            found = database.rows(
                "SELECT value FROM record WHERE sweep = ? AND cell = ? AND fingerprint = ?",
                *(sweep, cell, fingerprint),
            )
        if not found:
            return None
        try:
            record = json.loads(unseal_text(found[0][0]))
            return record if isinstance(record, dict) else None
        except ValueError as error:
            _LOG.warning("record of %s, %s in %s: %s; it is made anew", sweep, cell, self._folder, error)
            return None

    def save(self, sweep: str, cell: str, fingerprint: str, record: Mapping[str, Any]) -> None:
        """Store the record of a cell; it replaces an earlier one with the same fingerprint.

        Raises:
            StoreError: If the database cannot be written.
        """
        if self._folder is None:
            return
        with Database(self._folder) as database:
            database.execute(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)",
                *(sweep, cell, fingerprint, seal_text(json.dumps(dict(record)))),
            )
