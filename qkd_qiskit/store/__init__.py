"""Durable state of a run: one SQLite file in its folder, so that an interrupted run can go on.

The public names are imported when they are first used: a process that only writes a file needs neither NumPy
nor SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.store.answers import AnswerLog
    from qkd_qiskit.store.database import Database, folder_lock
    from qkd_qiskit.store.files import write_atomic
    from qkd_qiskit.store.records import RecordStore
    from qkd_qiskit.store.stages import StageStore, open_store

_HOMES = {
    "AnswerLog": "answers",
    "Database": "database",
    "RecordStore": "records",
    "StageStore": "stages",
    "folder_lock": "database",
    "open_store": "stages",
    "write_atomic": "files",
}

__all__ = [
    "AnswerLog",
    "Database",
    "RecordStore",
    "StageStore",
    "folder_lock",
    "open_store",
    "write_atomic",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
