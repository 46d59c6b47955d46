"""Checks that encodings share."""

from __future__ import annotations

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import DataError


def checked_qubits(n_qubits: int) -> int:
    """Return the number itself, at least 1."""
    if n_qubits < 1:
        raise DataError(f"encoding: expected at least 1 qubit, found {n_qubits}")
    return n_qubits


def check_width(table: FloatArray, width: int, where: str) -> None:
    """Refuse a table of another width; `where` opens the message."""
    if table.shape[1] != width:
        raise DataError(f"{where}: expected {width} features, found {table.shape[1]}")
