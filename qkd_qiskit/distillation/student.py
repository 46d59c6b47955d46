"""The global model: a VQCNN that learns the teacher's soft labels and the public hard labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qkd_qiskit.config import DistillationSettings, TrainingSettings
from qkd_qiskit.distillation.teacher import soften
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.progress import Progress
from qkd_qiskit.training import Targets, TrainedModel, train_model
from qkd_qiskit.training.losses import FloatArray, IntArray

if TYPE_CHECKING:
    from qkd_qiskit.simulation import Evaluator


def train_student(
    evaluator: Evaluator,
    inputs: FloatArray,
    labels: IntArray | None,
    teacher: FloatArray,
    *,
    distillation: DistillationSettings,
    training: TrainingSettings,
    initial: FloatArray | None = None,
    rng: np.random.Generator,
    progress: Progress | None = None,
    label: str = "global model",
) -> TrainedModel:
    """Train the global model on `alpha * CE(hard labels) + (1 - alpha) * MSE(soft labels)`.

    Args:
        evaluator: The global model's circuit, under the noise to train with.
        inputs: Encoded public inputs [N, F].
        labels: Global class index of each [N], -1 where there is none; None for no hard labels at all.
        teacher: The teacher's class probabilities [N, G] on them.
        distillation: alpha and temperature; soft labels and student both stand at that temperature.
        training: Sizes of swarm and refinement.
        initial: A parameter vector that joins the swarm.
        rng: Source of all randomness.
        progress: Told of every step.
        label: Name of this training in `progress`.

    Raises:
        DistillationError: If there are not as many soft labels as inputs.
    """
    if teacher.ndim != 2 or len(teacher) != len(inputs):
        raise DistillationError(
            f"student: expected soft labels of shape ({len(inputs)}, G), found {teacher.shape}"
        )
    targets = Targets(
        teacher.shape[1],
        labels=labels,
        soft=soften(teacher, distillation.temperature),
        alpha=distillation.alpha,
        temperature=distillation.temperature,
    )
    return train_model(
        evaluator, inputs, targets, training, initial=initial, rng=rng, progress=progress, label=label
    )
