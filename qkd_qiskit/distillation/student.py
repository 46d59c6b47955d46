"""What the global model learns: the teacher's soft labels and the public hard labels."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.data import PublicSet
from qkd_qiskit.distillation.calibration import fit_calibration
from qkd_qiskit.distillation.copies import pool_copies
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR, soften
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training import Targets


def student_soft_labels(public: PublicSet, answers: FloatArray, *, pool: bool) -> FloatArray:
    """Return soft labels of all samples to distil.

    Examples bear their labels, and blends the blend of what their originals bear: no client answers them.

    Args:
        public: The public set, as the server has it.
        answers: The teacher's class probabilities on all samples that clients answer [N, G].
        pool: Whether an original and its copies share the mean of their soft labels.

    Returns:
        Probabilities [M, G] in the order of `PublicSet.to_distil`.

    Raises:
        DistillationError: If the number of answers is another one.
    """
    if answers.ndim != 2 or len(answers) != public.n_answered:
        raise DistillationError(
            f"student: expected soft labels of {public.n_answered} samples, found shape {answers.shape}"
        )
    n_classes = answers.shape[1]
    whole = np.concatenate(
        [np.eye(n_classes)[public.labelled.labels], answers[public.unlabelled_rows - public.n_labelled]]
    )
    blank = np.full((len(public.blends), n_classes), 1.0 / n_classes)
    pooled = pool_copies(np.concatenate([whole, blank]), public.origins)
    return pooled if pool else np.concatenate([whole, pooled[len(whole) :]])


def worse_than_public_only(
    student: FloatArray, floor: FloatArray, labels: IntArray, originals: IntArray
) -> bool:
    """Return whether the student is worse than another model, by more than noise, on what neither has seen.

    Both are compared by cross-entropy, each at its best temperature, as one may be surer of itself than the
    other without knowing more: that tells models apart on far fewer samples than accuracy does. Noise is one
    standard error of the paired difference.

    Args:
        student: The student's class probabilities [N, G].
        floor: Those of the model trained on public data alone [N, G].
        labels: Class of each sample [N].
        originals: Number of each sample's original [N]; copies count as one sample together.
    """
    rows = np.arange(len(labels))
    losses = []
    for p in (student, floor):
        fitted = fit_calibration(p, labels, "temperature").apply(p)
        losses.append(-np.log(np.maximum(fitted[rows, labels], OUTPUT_FLOOR)))
    _, place, copies = np.unique(originals, return_inverse=True, return_counts=True)
    apart = np.bincount(place, weights=losses[0] - losses[1]) / copies
    noise = float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return bool(apart.mean() > noise)


def student_targets(
    labels: IntArray | None, teacher: FloatArray, distillation: DistillationSettings
) -> Targets:
    """Return the targets of `alpha * CE(hard labels) + (1 - alpha) * soft loss(soft labels)`.

    Args:
        labels: Global class index of each public input [N], -1 where there is none; None for no hard labels.
        teacher: The teacher's class probabilities [N, G] on them.
        distillation: alpha, temperature and the soft loss, squared distance or Kullback-Leibler divergence;
            soft labels and student both stand at that temperature.

    Raises:
        DistillationError: If there are not as many soft labels as labels.
    """
    if teacher.ndim != 2 or (labels is not None and len(teacher) != len(labels)):
        n = "N" if labels is None else len(labels)
        raise DistillationError(f"student: expected soft labels of shape ({n}, G), found {teacher.shape}")
    return Targets(
        teacher.shape[1],
        labels=labels,
        soft=soften(teacher, distillation.temperature),
        alpha=distillation.alpha,
        temperature=distillation.temperature,
        soft_loss=distillation.soft_loss,
    )
