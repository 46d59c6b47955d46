"""Which clients the server believes: an audit on labelled public samples.

A client must answer most labelled public samples of each class that it claims to hold. Garbage, constant
answers and swapped labels fail for some class, whoever else holds that class: so the audit also finds liars
who agree with each other. It cannot find a client that answers audited samples honestly and lies on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.stats import binom

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.distillation.messages import ClientMessage
from qkd_qiskit.distillation.outputs import ClientOutputs
from qkd_qiskit.run.context import RunContext

FALSE_ALARM = 0.01
"""Chance of dropping a client that answers half of the samples rightly; honest clients do far better."""


class ClientStatus(StrEnum):
    """What became of a client's answer; the values are those of `results.json`."""

    USED = "used"
    DROPPED = "dropped"
    REJECTED = "refused"
    SILENT = "silent"
    LATE = "late"


@dataclass(frozen=True)
class Screening:
    """Whether one client's answer is used.

    Attributes:
        client: Its name.
        status: `DROPPED` is left out by the audit, and `REJECTED` as its message could not be used.
        reason: Why, in one line; empty for `USED`.
        agreement: Mean over its outcomes of the share of audited samples that it answered rightly; None where
            there was nothing to audit.
    """

    client: str
    status: ClientStatus
    reason: str = ""
    agreement: float | None = None


def screen_message(run: RunContext, message: ClientMessage) -> Screening:
    """Audit a message, where the settings want it; without audit every message is used.

    Args:
        run: Shared by all stages.
        message: A message that can be used; see `message_fault`.
    """
    data, public = run.data, run.data.public
    rows = np.concatenate([np.arange(len(data.split.public_train)), public.calibration_rows])
    found = audit(message.outputs_in(data.classes), rows, public.samples.labels[rows], data.classes)
    if run.settings.distillation.audit:
        return found
    return replace(found, status=ClientStatus.USED, reason="")


def audit(client: ClientOutputs, rows: IntArray, labels: IntArray, names: Sequence[object]) -> Screening:
    """Audit one client by its answers to labelled public samples.

    Args:
        client: Its outputs on the whole public set.
        rows: Audited rows of the public set.
        labels: Their global class indices.
        names: Names of all classes, for the reason.

    Returns:
        `DROPPED` if it answers clearly less than half of the audited samples rightly, of all or of one of
        its classes: if half right would give so few hits with a probability below `FALSE_ALARM`, divided by
        the number of its classes; otherwise `USED`.
    """
    wanted = client.outcomes_of(labels)
    hit = client.outputs[rows].argmax(axis=1) == wanted
    shares = [float(hit[wanted == k].mean()) for k in range(client.outputs.shape[1]) if (wanted == k).any()]
    agreement = float(np.mean(shares)) if shares else None
    checks = [
        (f" of class {names[int(label)]}", hit[wanted == position], FALSE_ALARM / len(client.held))
        for position, label in enumerate(client.held)
    ]
    for what, hits, level in [*checks, ("", hit, FALSE_ALARM)]:
        right, n = int(hits.sum()), len(hits)
        if n and binom.cdf(right, n, 0.5) < level:
            reason = f"{right} of {n} labelled public samples{what} answered rightly"
            return Screening(client.client, ClientStatus.DROPPED, reason, agreement)
    return Screening(client.client, ClientStatus.USED, "", agreement)
