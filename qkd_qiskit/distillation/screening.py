"""Which clients the server believes: an audit that tells weak answers from lies.

A weak client may be no better than chance where classes are hard to tell apart; what it says then counts for
little, see `rules.confusion`, and it is not left out. But whatever it cannot tell apart, it does not call
images of one class by that class's name less often than images of another one. A client that does so points
away from the truth: it is left out. The test looks at samples whose labels the server knows, and no client
knows which these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.stats import hypergeom

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.distillation.messages import ClientMessage
from qkd_qiskit.distillation.outputs import ClientOutputs
from qkd_qiskit.run.context import RunContext

FALSE_ALARM = 0.01
"""Bound of the chance of leaving out a client that tells no classes apart; others have a lower one."""


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
    public, answers = run.data.public, message.outputs_in(run.data.classes)
    rows = np.concatenate([public.calibration_rows, public.validation_rows])
    listed = rows - public.n_labelled
    # Originals, then copy after copy of all of them: equal places are copies of one.
    places = listed % public.n_listed
    found = audit(answers, listed, public.samples.labels[rows], run.data.classes, originals=places)
    if run.settings.distillation.audit:
        return found
    return replace(found, status=ClientStatus.USED, reason="")


def audit(
    client: ClientOutputs,
    rows: IntArray,
    labels: IntArray,
    names: Sequence[object],
    *,
    originals: IntArray | None = None,
) -> Screening:
    """Audit one client by its answers to samples whose labels the server knows.

    For each of its classes and each other one, Fisher's exact test asks whether it names the class less often
    where it is right than where it is wrong. All classes that it does not hold count as one other.

    Args:
        client: Its outputs on all samples that clients answer.
        rows: Audited rows of these.
        labels: Their global class indices.
        names: Names of all classes, for the reason.
        originals: Number of the original of each audited row; rows with one number are copies and have one
            vote together. None where no row is a copy.

    Returns:
        `DROPPED` if a test's chance is below `FALSE_ALARM` divided by the number of tests; otherwise `USED`.
    """
    outputs, labels = _votes(client.outputs[rows], labels, originals)
    wanted, answers = client.outcomes_of(labels), outputs.argmax(axis=1)
    hit = answers == wanted
    shares = [float(hit[wanted == k].mean()) for k in range(client.outputs.shape[1]) if (wanted == k).any()]
    agreement = float(np.mean(shares)) if shares else None
    groups = [(str(names[int(label)]), labels == label) for label in client.held]
    groups.append(("another class", ~np.isin(labels, client.held)))
    tests = [
        (own, other)
        for own in range(len(client.held))
        for other in range(len(groups))
        if other != own and groups[own][1].any() and groups[other][1].any()
    ]
    for own, other in tests:
        (name, here), (stranger, there) = groups[own], groups[other]
        named = answers == own
        if _chance(named, here, there) < FALSE_ALARM / len(tests):
            reason = (
                f"{int((named & here).sum())} of {int(here.sum())} labelled public samples of class {name} "
                f"answered as {name}, but {int((named & there).sum())} of {int(there.sum())} of {stranger}"
            )
            return Screening(client.client, ClientStatus.DROPPED, reason, agreement)
    return Screening(client.client, ClientStatus.USED, "", agreement)


def _votes(outputs: FloatArray, labels: IntArray, originals: IntArray | None) -> tuple[FloatArray, IntArray]:
    """Return one vote an original [M, C], the mean over its copies, and its label [M]."""
    if originals is None or not len(labels):
        return outputs, labels
    _, first, place = np.unique(originals, return_index=True, return_inverse=True)
    total = np.zeros((len(first), outputs.shape[1]))
    np.add.at(total, place, outputs)
    return total, labels[first]


def _chance(named: BoolArray, here: BoolArray, there: BoolArray) -> float:
    """Return the chance of so few names where they are right, if they fell on both groups alike."""
    right, wrong = int((named & here).sum()), int((named & there).sum())
    n_here, n_there = int(here.sum()), int(there.sum())
    return float(hypergeom.cdf(right, n_here + n_there, right + wrong, n_here))
