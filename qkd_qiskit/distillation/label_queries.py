"""Label queries: labels for the public samples on which the teacher is least certain.

Every model of the run learns them; `known_samples` says what else it learns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PreparedData, Samples, joined
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.run.context import RunContext


@dataclass(frozen=True, eq=False)
class LabelQueryResult:
    """Labels of public samples that somebody gave at the server's request.

    Attributes:
        rows: Rows of the public samples to distil: the originals and all their copies [R], increasing.
        labels: Their class indices [R].
        numbers: Number of each row's original [R], as `PublicSet.origins` counts them.
        teacher_right: Share of the originals on which the teacher was right anyway.
    """

    rows: IntArray
    labels: IntArray
    numbers: IntArray
    teacher_right: float

    @property
    def n_labels(self) -> int:
        """Number of labels that had to be given."""
        return len(np.unique(self.numbers))

    def samples(self, data: PreparedData) -> Samples:
        """Return the samples themselves, with their labels."""
        return Samples(data.public.to_distil.inputs[self.rows], self.labels)

    def known_labels(self, labels: IntArray) -> IntArray:
        """Return labels [N] of the samples to distil, with the given ones in their places."""
        known = labels.copy()
        known[self.rows] = self.labels
        return known

    def corrected(self, soft: FloatArray) -> FloatArray:
        """Return soft labels [N, G] of the samples to distil, with certainty where a label was given."""
        known = soft.copy()
        known[self.rows] = np.eye(soft.shape[1])[self.labels]
        return known


def check_label_queries(run: RunContext) -> None:
    """Make sure that the labels which the settings ask for are to be had, before any client works.

    Raises:
        DistillationError: If the pool is too small, or nobody here knows its labels.
    """
    wanted, pool = run.settings.distillation.label_queries, len(run.data.split.public_unlabelled)
    if wanted > pool:
        raise DistillationError(
            f"distillation.label_queries: expected at most data.public_unlabelled = {pool}, found {wanted}"
        )
    if wanted and run.data.pool_labels is None:
        raise DistillationError(
            f"distillation.label_queries: expected 0 where the labels of the pool are unknown, found {wanted}"
        )


def query_labels(run: RunContext, soft: FloatArray) -> LabelQueryResult | None:
    """Take the labels of the unlabelled public originals on which the teacher is least certain.

    Args:
        run: Shared by all stages; its data must know these labels.
        soft: The teacher's class probabilities on all samples that clients answer [N, G].

    Returns:
        The labels; None where the settings want none.

    Raises:
        DistillationError: If the pool is too small, or nobody knows the labels.
    """
    wanted, data = run.settings.distillation.label_queries, run.data
    if not wanted:
        return None
    check_label_queries(run)
    known, public = data.pool_labels, data.public
    assert known is not None
    pool, n_train = len(data.split.public_unlabelled), len(data.split.public_train)
    # Originals stand before all copies.
    own = soft[public.unlabelled_rows[:pool] - public.n_labelled]
    chosen = least_certain(own, wanted)
    origins = public.origins
    rows = np.flatnonzero((origins.share == 1.0) & np.isin(origins.first, n_train + chosen))
    numbers = origins.first[rows]
    return LabelQueryResult(
        rows=rows,
        labels=known[numbers - n_train],
        numbers=numbers,
        teacher_right=float((own[chosen].argmax(axis=1) == known[chosen]).mean()),
    )


def known_samples(run: RunContext, queried: LabelQueryResult | None, *, refit: bool | None = None) -> Samples:
    """Return all public samples whose labels models learn, with their copies.

    Examples come first, then what the server has asked for, then the samples whose labels it keeps to itself.

    Args:
        run: Shared by all stages.
        queried: Labels that were given at the server's request; None for none.
        refit: Whether the labels that the server keeps to itself are among them; None as the settings say.
    """
    data = run.data
    parts = [data.public.labelled]
    if queried is not None:
        parts.append(queried.samples(data))
    if run.settings.distillation.refit if refit is None else refit:
        parts.append(data.public.held_back)
    return joined(*parts)


def least_certain(soft: FloatArray, n: int) -> IntArray:
    """Return the samples with the smallest margin between the two likeliest classes.

    Margin sampling (Scheffer, Decomain and Wrobel, IDA 2001), once and for the whole pool: a wrong soft label
    is seldom one with a large margin.

    Args:
        soft: Class probabilities [N, G], G at least 2.
        n: How many samples, 0 to N.

    Returns:
        Their rows [n], increasing; of equal margins the first rows.

    Raises:
        DistillationError: If there are no two classes, or not as many samples.

    Example:
        >>> least_certain(np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]]), 2)
        array([1, 2])
    """
    if soft.ndim != 2 or soft.shape[1] < 2:
        raise DistillationError(f"queries: expected soft labels of shape (N, G), G > 1, found {soft.shape}")
    if not 0 <= n <= len(soft):
        raise DistillationError(f"queries: expected to ask for 0 to {len(soft)} labels, found {n}")
    two = np.partition(soft, -2, axis=1)[:, -2:]
    return np.sort(np.argsort(two[:, 1] - two[:, 0], kind="stable")[:n])
