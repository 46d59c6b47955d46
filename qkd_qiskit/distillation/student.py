"""What the global model learns: the teacher's soft labels and the public hard labels."""

from __future__ import annotations

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.distillation.outputs import soften
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training import Targets


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
