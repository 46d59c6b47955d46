"""Whether copies side by side count what each counts alone: crosstalk is in no noise model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.readings import packing_of
from qkd_qiskit.runtime.service import Counts
from qkd_qiskit.simulation.agreement import FALSE_ALARMS

# Below this many expected counts the chi-square distribution is a bad approximation.
_FEW = 5.0


@dataclass(frozen=True)
class CopyCheck:
    """One copy beside the others, against itself alone.

    Attributes:
        copy: Number of the copy.
        qubits: Its physical qubits in chain order.
        samples: Samples that ran both ways.
        distance: Mean total variation distance between the frequencies packed and alone, 0 to 1.
        expected_distance: Mean of what shots alone would make it, for equal probabilities.
        p_value: Of a chi-square test of equality, over all samples; corrected for the number of copies.
        agrees: Whether it may be equal, at a family-wise probability of a false alarm of 1e-3.
    """

    copy: int
    qubits: tuple[int, ...]
    samples: int
    distance: float
    expected_distance: float
    p_value: float
    agrees: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the check as a row."""
        return asdict(self)


def check_packing(ledger: Ledger, submission: Submission) -> tuple[CopyCheck, ...]:
    """Compare the copies of a submission that also ran alone; empty where they did not.

    Args:
        ledger: The open ledger.
        submission: One of its submissions.

    Raises:
        SubmissionError: If no batch is done yet.
    """
    packing = packing_of(submission)
    if not (submission.settings.get("packing") or {}).get("check"):
        return ()
    rows, counts, extras = ledger.counts(submission.id)
    n_readout = extras.shape[1] - packing.rows * len(packing.copies)
    checks = []
    for number, copy in enumerate(packing.copies):
        # Extras are those of the only job; the circuits alone are there row by row, copy by copy.
        own = n_readout + rows * len(packing.copies) + number
        size = 2**copy.bits
        packed, alone = counts[:, number, :size], extras[0, own, number, :size]
        p_value = min(1.0, equality_p_value(packed, alone) * len(packing.copies))
        distances, expected = _distances(packed, alone)
        checks.append(
            CopyCheck(number, copy.qubits, len(rows), distances, expected, p_value, p_value >= FALSE_ALARMS)
        )
    return tuple(checks)


def equality_p_value(first: Counts, second: Counts) -> float:
    """Probability of a deviation as large, if each row has the same probabilities both times.

    One chi-square test of homogeneity, its statistics and degrees of freedom added over the rows. Outcomes
    with few expected counts are taken together.

    Args:
        first: Counts [rows, outcomes].
        second: The same rows, counted independently; shots may differ.
    """
    statistic, degrees = 0.0, 0
    for pair in np.stack([first, second], axis=1):
        table = _merged(pair[:, pair.sum(axis=0) > 0])
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        statistic += float(((table - expected) ** 2 / expected).sum())
        degrees += table.shape[1] - 1
    return float(stats.chi2.sf(statistic, degrees)) if degrees else 1.0


def _merged(table: Counts) -> Counts:
    """Add rare outcomes to the next rarer ones, until each is expected often enough in both rows."""
    share = table.sum(axis=1).min() / table.sum()
    columns = sorted(table.T.tolist(), key=sum)
    while len(columns) > 1 and sum(columns[0]) * share < _FEW:
        rarest, second, *others = columns
        columns = sorted([[a + b for a, b in zip(rarest, second, strict=True)], *others], key=sum)
    return np.array(columns).T


def _distances(first: Counts, second: Counts) -> tuple[float, float]:
    """Return the mean total variation distance, and what shots alone would make of it."""
    shots = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    found = np.abs(first / shots[0] - second / shots[1]).sum(axis=1) / 2
    pooled = (first + second) / (shots[0] + shots[1])
    spread = np.sqrt(pooled * (1 - pooled) * (1 / shots[0] + 1 / shots[1]))
    # The mean absolute value of a normal deviate is sqrt(2 / pi) of its standard deviation.
    return float(found.mean()), float((np.sqrt(2 / np.pi) * spread).sum(axis=1).mean() / 2)
