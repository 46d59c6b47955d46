"""Durable state of a run, and the guarded reader and writer of all files.

One SQLite file in a run's folder lets an interrupted run go on. Files from elsewhere are read, and files are
written, by the functions of this room alone. The public names are imported when they are first used: a
process that only writes a file needs neither NumPy nor SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.store.answers import AnswerLog
    from qkd_qiskit.store.array_files import ArrayArchive, open_npz, read_npy
    from qkd_qiskit.store.database import Database, folder_lock
    from qkd_qiskit.store.files import append_line, write_atomic
    from qkd_qiskit.store.guard import guarded
    from qkd_qiskit.store.limits import FileLimits, current_limits, use_limits
    from qkd_qiskit.store.mending import mend_database
    from qkd_qiskit.store.reading import (
        Unpacked,
        added_lines,
        check_path,
        parse_json,
        parse_toml,
        read_bytes,
        read_json,
        read_text,
        read_toml,
    )
    from qkd_qiskit.store.records import RecordStore
    from qkd_qiskit.store.stages import StageStore, open_store

_HOMES = {
    "AnswerLog": "answers",
    "ArrayArchive": "array_files",
    "Database": "database",
    "FileLimits": "limits",
    "RecordStore": "records",
    "StageStore": "stages",
    "Unpacked": "reading",
    "added_lines": "reading",
    "append_line": "files",
    "check_path": "reading",
    "current_limits": "limits",
    "folder_lock": "database",
    "mend_database": "mending",
    "guarded": "guard",
    "open_npz": "array_files",
    "open_store": "stages",
    "parse_json": "reading",
    "parse_toml": "reading",
    "read_bytes": "reading",
    "read_json": "reading",
    "read_npy": "array_files",
    "read_text": "reading",
    "read_toml": "reading",
    "use_limits": "limits",
    "write_atomic": "files",
}

__all__ = [
    "AnswerLog",
    "ArrayArchive",
    "Database",
    "FileLimits",
    "RecordStore",
    "StageStore",
    "Unpacked",
    "added_lines",
    "append_line",
    "check_path",
    "current_limits",
    "folder_lock",
    "guarded",
    "mend_database",
    "open_npz",
    "open_store",
    "parse_json",
    "parse_toml",
    "read_bytes",
    "read_json",
    "read_npy",
    "read_text",
    "read_toml",
    "use_limits",
    "write_atomic",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
