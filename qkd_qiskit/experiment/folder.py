"""What a run's folder holds before the run, and what may become of it: nothing is overwritten unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qkd_qiskit.config import ExperimentSettings, read_settings_json
from qkd_qiskit.errors import HardwareError, ReportingError, StoreError
from qkd_qiskit.experiment.former import has_jobs, leave_former_run
from qkd_qiskit.experiment.result import RESULTS_FILE, ExperimentResult
from qkd_qiskit.models import SETTINGS_FILE, check_device_names, keep_devices
from qkd_qiskit.store import Database, folder_lock, guarded, mend_database, write_atomic
from qkd_qiskit.store.database import DATABASE_FILE

# More differences than this are counted, not told.
_MOST_TOLD = 4


def plain_settings(settings: ExperimentSettings) -> dict[str, Any]:
    """Return what of the settings a result depends on, as JSON holds it."""
    # How many processes and threads work, how long they wait, what they keep, and what files may ask for:
    # this changes no result.
    return settings.model_dump(
        mode="json",
        exclude={"federation": True, "limits": True, "training": {"threads": True}},
    )


def take_folder(folder: Path, settings: ExperimentSettings, *, resume: bool, overwrite: bool) -> None:
    """Make a folder ready for a run, and note the run's settings and own devices in it.

    Args:
        folder: The folder, whose lock is held; made where it is missing.
        settings: Of the run.
        resume: Whether to go on with what is there.
        overwrite: Whether what is there may be replaced.

    Raises:
        StoreError: If both are asked for; if the folder holds a run and neither is; if a run of other
            settings is to be gone on with; or if the folder cannot be written.
        HardwareError: If two devices have one name, or one of the run has changed since.
    """
    if resume and overwrite:
        raise StoreError("expected --resume or --overwrite, found both")
    check_device_names(_backends(settings))
    held = _held(folder)
    if held is not None and not overwrite:
        if not resume:
            raise StoreError(
                f"{folder} holds {held}: --resume goes on with it, --overwrite replaces it, and --output "
                "names another folder"
            )
        _same_settings(folder, settings)
    if held is not None and overwrite:
        leave_former_run(folder)
    _note(folder, settings)


def _backends(settings: ExperimentSettings) -> list[str]:
    return [settings.server.backend, *(client.backend for client in settings.clients)]


def _note(folder: Path, settings: ExperimentSettings) -> None:
    with guarded(StoreError, f"cannot write into {folder}", keep=HardwareError):
        keep_devices(folder, _backends(settings))
        write_atomic(folder / SETTINGS_FILE, settings.model_dump_json(indent=2) + "\n")


def holds_run(folder: Path) -> bool:
    """Return whether a folder holds a run, finished or begun."""
    if not folder.exists():
        return False
    with folder_lock(folder):
        return _held(folder) is not None


def _held(folder: Path) -> str | None:
    """Return what a folder, whose lock is held, holds of a run, in words; None if nothing."""
    if (folder / RESULTS_FILE).exists():
        return "a finished run"
    if (folder / DATABASE_FILE).exists():
        mend_database(folder)
        with Database(folder) as database:
            if any(database.rows(f"SELECT 1 FROM {table} LIMIT 1") for table in ("stage", "answer")):
                return "a run that was begun"
    return "jobs of a run" if has_jobs(folder) else None


def _same_settings(folder: Path, settings: ExperimentSettings) -> None:
    path = folder / SETTINGS_FILE
    if not path.exists():
        return
    try:
        stored = plain_settings(read_settings_json(ExperimentSettings, path, StoreError))
    except StoreError:
        # A damaged file says nothing about the run: stages of other settings are never taken.
        return
    found = list(_differences(stored, plain_settings(settings)))
    if not found:
        return
    told = "; ".join(found[:_MOST_TOLD])
    more = f"; and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    raise StoreError(
        f"--resume: {folder} holds a run of other settings: {told}{more}; --overwrite replaces it, and "
        "--output names another folder"
    )


def _differences(stored: Any, given: Any, key: str = "") -> Iterator[str]:
    """Yield `key: X there, Y here` for every setting that differs."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in [*stored, *(name for name in given if name not in stored)]:
            inner = f"{key}.{name}" if key else name
            yield from _differences(stored.get(name), given.get(name), inner)
    elif isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        for place, (one, other) in enumerate(zip(stored, given, strict=True)):
            yield from _differences(one, other, f"{key}.{place}")
    elif stored != given:
        yield f"{key}: {json.dumps(stored)} there, {json.dumps(given)} here"


def leave_jobs_of_other_models(folder: Path, settings: ExperimentSettings, fingerprint: str) -> None:
    """Set a run aside whose stages nobody takes, with its jobs: those would stand beside another model.

    Args:
        folder: Folder of the run, whose lock is held.
        settings: Of the run that goes on there.
        fingerprint: Of its settings, samples and versions.

    Raises:
        StoreError: If a file cannot be moved.
    """
    if has_jobs(folder) and not _has_stages(folder, fingerprint):
        leave_former_run(folder)
        _note(folder, settings)


def _has_stages(folder: Path, fingerprint: str) -> bool:
    if not (folder / DATABASE_FILE).exists():
        return False
    with Database(folder) as database:
        return bool(database.rows("SELECT 1 FROM stage WHERE fingerprint = ? LIMIT 1", fingerprint))


def finished_here(folder: Path, fingerprint: str) -> ExperimentResult | None:
    """Return the result of a finished run of the same settings, samples and versions; None without one.

    Args:
        folder: Folder of the run.
        fingerprint: Of settings, samples and versions.
    """
    if not (folder / DATABASE_FILE).exists():
        return None
    with folder_lock(folder):
        mend_database(folder)
        if not _has_stages(folder, fingerprint):
            return None
    try:
        return ExperimentResult.load(folder)
    except ReportingError:
        return None
