"""Trackers: programs in which people keep their runs; a further one is a file and a line here."""

from __future__ import annotations

from qkd_qiskit.errors import ReportingError, did_you_mean
from qkd_qiskit.trackers.base import TrackedRun, Tracker
from qkd_qiskit.trackers.mlflow import MlflowTracker

TRACKERS: dict[str, Tracker] = {tracker.name: tracker for tracker in (MlflowTracker(),)}

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "tracker_named"]


def tracker_named(name: str) -> Tracker:
    """Return a tracker that can be used.

    Args:
        name: One of `TRACKERS`.

    Raises:
        ReportingError: If there is no such tracker, or its package is missing.
    """
    if name not in TRACKERS:
        raise ReportingError(
            f"--track: expected one of {', '.join(TRACKERS)}, found {name!r}{did_you_mean(name, TRACKERS)}"
        )
    TRACKERS[name].require()
    return TRACKERS[name]
