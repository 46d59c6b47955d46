"""Labels that the server asks for once the clients have taught it; every model of the round gets them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PreparedData, Samples
from qkd_qiskit.distillation import least_certain
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.run.context import RunContext


@dataclass(frozen=True, eq=False)
class LabelQueryResult:
    """The labels that were asked for.

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
        """How many labels somebody had to give."""
        return len(np.unique(self.numbers))

    def samples(self, data: PreparedData) -> Samples:
        """The samples themselves, with their labels."""
        return Samples(data.public.to_distil.inputs[self.rows], self.labels)

    def told(self, labels: IntArray) -> IntArray:
        """Labels [N] of the samples to distil, with the answers in their places."""
        told = labels.copy()
        told[self.rows] = self.labels
        return told

    def corrected(self, soft: FloatArray) -> FloatArray:
        """Soft labels [N, G] of the samples to distil, with certainty where an answer is."""
        mended = soft.copy()
        mended[self.rows] = np.eye(soft.shape[1])[self.labels]
        return mended


def check_label_queries(context: RunContext) -> None:
    """Make sure that the labels which the settings ask for are to be had, before any client works.

    Raises:
        DistillationError: If the pool is too small, or nobody here knows its labels.
    """
    wanted, pool = context.settings.distillation.label_queries, len(context.data.split.public_unlabelled)
    if wanted > pool:
        raise DistillationError(
            f"distillation.label_queries: expected at most data.public_unlabelled = {pool}, found {wanted}"
        )
    if wanted and context.data.pool_labels is None:
        raise DistillationError(
            f"distillation.label_queries: expected 0 where the labels of the pool are unknown, found {wanted}"
        )


def query_labels(context: RunContext, soft: FloatArray) -> LabelQueryResult | None:
    """Ask for the labels of the unlabelled public originals on which the teacher is least certain.

    Args:
        context: Shared by all stages; its data must know these labels.
        soft: The teacher's class probabilities on the public samples [M, G].

    Returns:
        The answers; None where the settings ask for none.

    Raises:
        DistillationError: If the pool is too small, or nobody knows the labels.
    """
    wanted, data = context.settings.distillation.label_queries, context.data
    if not wanted:
        return None
    check_label_queries(context)
    known, public = data.pool_labels, data.public
    assert known is not None
    pool, n_train = len(data.split.public_unlabelled), len(data.split.public_train)
    own = soft[public.n_labelled : public.n_labelled + pool]
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
