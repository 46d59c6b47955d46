"""How a round ended, told by the ServerApp's process to the one that waits for it."""

from __future__ import annotations

import json
from pathlib import Path

from qkd_qiskit.deployment.scarce import when_readable
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import read_json

OUTCOME = "outcome.json"


def write_outcome(state: Path, error: str | None) -> None:
    """Write how the round ended: with an error, or well."""
    write_atomic(state / OUTCOME, json.dumps({"error": error}))


def read_outcome(state: Path) -> bool:
    """Return whether the round has ended well; not ended yet is False.

    Raises:
        FederationError: If it ended with an error, or what was written cannot be read.
    """
    path = state / OUTCOME
    if not path.exists():
        return False
    told = when_readable(lambda: read_json(path, FederationError, "outcome of the round "))
    if not isinstance(told, dict) or "error" not in told:
        raise FederationError(f"{path}: expected the outcome of a round, found something else")
    error = told["error"]
    if error is not None:
        raise FederationError(str(error))
    return True
