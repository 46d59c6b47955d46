"""Jobs that answer oddly: what is wrong with them, and the ways out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from qkd_qiskit.runtime.ledger import Batch
from qkd_qiskit.runtime.limits import executed_shots
from qkd_qiskit.runtime.service import JobCounts

_MOST_TOLD = 3


@dataclass(frozen=True)
class Oddity:
    """What is odd about a job.

    Attributes:
        problem: One line.
        kind: The service does not answer, has a status that is none of ours, or calls the job done and does
            not give the counts that were asked for.
    """

    problem: str
    kind: Literal["no answer", "unknown status", "no counts"]


def count_fault(result: JobCounts, rows: int, settings: Mapping[str, Any]) -> str | None:
    """Return why counts are not those that were asked for; None where they are.

    Args:
        result: What the job counted.
        rows: Samples of its batch.
        settings: Those of the submission.
    """
    shots, counts, calibration = settings["shots"], result.counts, result.calibration
    most = executed_shots(shots, twirling=settings["twirling"])
    found = counts.sum(axis=-1) if counts.ndim > 1 else np.empty(0, dtype=np.int64)
    if len(found) != rows or (counts < 0).any() or (found < shots).any() or (found > most).any():
        span = f"{shots} to {most}" if most > shots else f"{shots}"
        sums = np.unique(found)[:3].tolist()
        return f"expected {rows} rows of {span} shots, found {counts.shape} with {sums}"
    if settings.get("mitigate"):
        wanted = (2, *counts.shape[1:])
        like = calibration.ndim == counts.ndim and calibration.shape[1:] == counts.shape[1:]
        if not like or len(calibration) < 2 or not calibration[:2].sum(axis=-1).all():
            return f"expected counts {wanted} of the calibration circuits, found {calibration.shape}"
    return None


def odd_line(odd: Mapping[Batch, Oddity], *, of: int) -> str:
    """Say in one line which jobs answer oddly, and what can be done.

    Args:
        odd: What is odd about the jobs of some batches, one at least.
        of: Number of all batches.
    """
    told = [
        f"job {batch.job_id} of batch {batch.number}: {found.problem}"
        for batch, found in list(odd.items())[:_MOST_TOLD]
    ]
    more = f"; and {len(odd) - _MOST_TOLD} more" if len(odd) > _MOST_TOLD else ""
    first = next(iter(odd)).number
    return (
        f"{len(odd)} of {of} jobs answer oddly: {'; '.join(told)}{more}; nothing is lost, ask again later, "
        f"or end it: `jobs RUN --cancel`, `--retry`, or `--forget {first}` if neither helps"
    )
