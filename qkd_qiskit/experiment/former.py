"""What becomes of an earlier run's files when a folder gets another run: jobs are kept with their model."""

from __future__ import annotations

import logging
from pathlib import Path

from qkd_qiskit.data.kept_samples import DIGESTS_FILE, TEST_FILE
from qkd_qiskit.errors import StoreError
from qkd_qiskit.experiment.comparison import PREDICTIONS_FILE
from qkd_qiskit.experiment.result import REPORT_FILE, RESULTS_FILE
from qkd_qiskit.models import CLIENTS_FOLDER, DEVICES_FOLDER, MODEL_FILE, SETTINGS_FILE
from qkd_qiskit.store import Database, guarded, mend_database
from qkd_qiskit.store.database import DATABASE_FILE

_LOG = logging.getLogger(__name__)
_JOBS, _EXPORTS = "jobs", "export"
_FILES = (RESULTS_FILE, REPORT_FILE, MODEL_FILE, PREDICTIONS_FILE, TEST_FILE, DIGESTS_FILE)
_FOLDERS = ((CLIENTS_FOLDER, "*.npz"), (DEVICES_FOLDER, "*.toml"))
_BESIDE = ("", "-wal", "-shm")


def has_jobs(folder: Path) -> bool:
    """Return whether jobs were submitted from a folder, whose lock is held."""
    if (folder / _JOBS).is_dir() and any((folder / _JOBS).iterdir()):
        return True
    if not (folder / DATABASE_FILE).exists():
        return False
    mend_database(folder)
    with Database(folder) as database:
        return bool(database.rows("SELECT 1 FROM submission LIMIT 1"))


def leave_former_run(folder: Path) -> None:
    """Make room for another run in a folder, whose lock is held.

    Jobs belong to the model that was submitted, and may have cost money: with them all that belongs to that
    run moves into a folder of its own, where `jobs` goes on with them. Without jobs, its files are deleted.

    Args:
        folder: Folder of the runs.

    Raises:
        StoreError: If a file cannot be moved or deleted.
    """
    if has_jobs(folder):
        number = 1
        while (aside := folder / f"former-{number}").exists():
            number += 1
        with guarded(StoreError, f"cannot move the former run to {aside}"):
            aside.mkdir()
            names = [*_FILES, SETTINGS_FILE, *(name for name, _ in _FOLDERS), _JOBS, _EXPORTS]
            for name in [*names, *(f"{DATABASE_FILE}{ending}" for ending in _BESIDE)]:
                if (folder / name).exists():
                    (folder / name).rename(aside / name)
        _LOG.warning("%s: the former run and its jobs are kept in %s", folder, aside)
        return
    with guarded(StoreError, f"cannot delete the former run in {folder}"):
        # First, so that a folder with results is complete.
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)
        for name, pattern in _FOLDERS:
            for path in (folder / name).glob(pattern):
                path.unlink()
