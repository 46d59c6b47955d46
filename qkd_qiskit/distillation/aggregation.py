"""From the clients' outputs to soft labels of the public samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.distillation.copies import pool_copies
from qkd_qiskit.distillation.messages import ClientMessage
from qkd_qiskit.distillation.outputs import ClientOutputs
from qkd_qiskit.distillation.rules import RULES
from qkd_qiskit.distillation.teacher import Teacher, build_teacher
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.run.context import RunContext


@dataclass(frozen=True, eq=False)
class Aggregate:
    """What the clients say together.

    Attributes:
        teacher: The calibrated, combined clients.
        soft_labels: Soft labels of the whole public set [N, G].
    """

    teacher: Teacher
    soft_labels: FloatArray


def wanted_rules(distillation: DistillationSettings) -> tuple[str, ...]:
    """Return the names of the aggregation rules among which the settings choose.

    Raises:
        DistillationError: If there is no rule of the wanted name.
    """
    wanted = distillation.aggregation
    if wanted != "auto" and wanted not in RULES:
        raise DistillationError(
            f"distillation.aggregation: expected one of {', '.join(('auto', *RULES))}, found {wanted!r}"
        )
    return tuple(RULES) if wanted == "auto" else (wanted,)


def aggregate_messages(run: RunContext, messages: Iterable[ClientMessage]) -> Aggregate:
    """Aggregate the messages of the clients that are used; see `aggregate_outputs`.

    Args:
        run: Shared by all stages.
        messages: At least one; gone through more than once, one message at a time.
    """
    return aggregate_outputs(run, _Outputs(run, messages))


def aggregate_outputs(run: RunContext, clients: Iterable[ClientOutputs]) -> Aggregate:
    """Build the best teacher on the public validation part, and let it label the public set.

    The soft labels are its answers, pooled over copies where the settings want it.

    Args:
        run: Shared by all stages.
        clients: Outputs of at least one client; anything that can be gone through more than once.

    Raises:
        DistillationError: If there is no client, nothing to choose a teacher with, or no rule of the wanted
            name.
    """
    data, public = run.data, run.data.public
    teacher, soft = build_teacher(
        clients,
        n_classes=len(data.classes),
        calibration=(public.calibration_rows, public.samples.labels[public.calibration_rows]),
        validation=(public.validation_rows, public.samples.labels[public.validation_rows]),
        aggregations=wanted_rules(run.settings.distillation),
    )
    if run.settings.distillation.pool_copies:
        n = len(public.to_distil)
        soft = np.concatenate([pool_copies(soft[:n], public.origins), soft[n:]])
    return Aggregate(teacher, soft)


@dataclass(frozen=True)
class _Outputs:
    """The outputs in some messages, one client at a time whenever they are gone through."""

    run: RunContext
    messages: Iterable[ClientMessage]

    def __iter__(self) -> Iterator[ClientOutputs]:
        for message in self.messages:
            yield message.outputs_in(self.run.data.classes)
