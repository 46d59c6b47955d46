"""What the global model learns: the teacher's soft labels and the public hard labels."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PublicSet
from qkd_qiskit.distillation.copies import pool_copies
from qkd_qiskit.distillation.outputs import soften
from qkd_qiskit.distillation.recipes import Recipe
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


def student_targets(labels: IntArray | None, teacher: FloatArray, recipe: Recipe) -> Targets:
    """Return the targets of `alpha * CE(hard labels) + (1 - alpha) * soft loss(soft labels)`.

    Args:
        labels: Global class index of each public input [N], -1 where there is none; None for no hard labels.
        teacher: The teacher's class probabilities [N, G] on them.
        recipe: alpha, temperature and the soft loss, squared distance or Kullback-Leibler divergence; soft
            labels and student both stand at that temperature.

    Raises:
        DistillationError: If there are not as many soft labels as labels.
    """
    if teacher.ndim != 2 or (labels is not None and len(teacher) != len(labels)):
        n = "N" if labels is None else len(labels)
        raise DistillationError(f"student: expected soft labels of shape ({n}, G), found {teacher.shape}")
    return Targets(
        teacher.shape[1],
        labels=labels,
        soft=soften(teacher, recipe.temperature),
        alpha=recipe.alpha,
        temperature=recipe.temperature,
        soft_loss=recipe.soft_loss,
    )
