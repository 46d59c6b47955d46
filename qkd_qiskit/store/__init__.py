"""Files of a run: stages and answers that are kept, so that an interrupted run can go on.

The public names are imported when they are first used: a process that only writes a file needs neither NumPy
nor SciPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qkd_qiskit.store.checkpoints import StageStore
    from qkd_qiskit.store.database import Database, folder_lock
    from qkd_qiskit.store.files import write_atomic
    from qkd_qiskit.store.journal import Journal
    from qkd_qiskit.store.records import RecordStore

_HOMES = {
    "Database": "database",
    "Journal": "journal",
    "RecordStore": "records",
    "StageStore": "checkpoints",
    "folder_lock": "database",
    "write_atomic": "files",
}

__all__ = ["Database", "Journal", "RecordStore", "StageStore", "folder_lock", "write_atomic"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qkd_qiskit.store' has no attribute {name!r}")
    return getattr(import_module(f"qkd_qiskit.store.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
