"""Files for users, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.store.files import write_atomic


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        ReportingError: If it cannot be written.
    """
    return write_atomic(path, content, ReportingError)
