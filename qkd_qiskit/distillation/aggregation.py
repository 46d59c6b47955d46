"""From the clients' outputs to soft labels of the public samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.distillation.messages import ClientMessage
from qkd_qiskit.distillation.outputs import ClientOutputs
from qkd_qiskit.distillation.rules import known_rules
from qkd_qiskit.distillation.teacher import KnownLabels, Teacher, build_teacher
from qkd_qiskit.errors import DistillationError, did_you_mean
from qkd_qiskit.run.context import RunContext


@dataclass(frozen=True, eq=False)
class Aggregate:
    """What the clients say together.

    Attributes:
        teacher: The calibrated, combined clients.
        soft_labels: Class probabilities of all samples that clients answer [N, G].
    """

    teacher: Teacher
    soft_labels: FloatArray


def wanted_rules(distillation: DistillationSettings) -> tuple[str, ...]:
    """Return the names of the aggregation rules among which the settings choose.

    Raises:
        DistillationError: If there is no rule of the wanted name.
    """
    wanted, known = distillation.aggregation, known_rules()
    if wanted != "auto" and wanted not in known:
        raise DistillationError(
            f"distillation.aggregation: expected one of {', '.join(('auto', *known))}, found {wanted!r}"
            f"{did_you_mean(wanted, ('auto', *known))}"
        )
    return tuple(known) if wanted == "auto" else (wanted,)


def aggregate_messages(
    run: RunContext, messages: Iterable[ClientMessage], own: FloatArray | None = None
) -> Aggregate:
    """Aggregate the messages of the clients that are used; see `aggregate_outputs`.

    Args:
        run: Shared by all stages.
        messages: At least one; gone through more than once, one message at a time.
        own: Class probabilities [N, G] of the server's own model; None where it has none.
    """
    return aggregate_outputs(run, _Outputs(run, messages), own)


def aggregate_outputs(
    run: RunContext, clients: Iterable[ClientOutputs], own: FloatArray | None = None
) -> Aggregate:
    """Build the teacher that the server's own labels want, and let it label all that clients answer.

    Args:
        run: Shared by all stages.
        clients: Outputs of at least one client; anything that can be gone through more than once.
        own: Class probabilities [N, G] of the server's own model; None where it has none.

    Raises:
        DistillationError: If there is no client, nothing to choose a teacher with, or no rule of the wanted
            name.
    """
    data, public = run.data, run.data.public
    known = public.answered.labels
    calibration, validation = (
        rows - public.n_labelled for rows in (public.calibration_rows, public.validation_rows)
    )
    teacher, soft = build_teacher(
        clients,
        n_classes=len(data.classes),
        known=KnownLabels(
            (calibration, known[calibration]),
            (validation, known[validation]),
            copies=public.n_answered // public.n_listed - 1,
        ),
        own=own,
        aggregations=wanted_rules(run.settings.distillation),
    )
    return Aggregate(teacher, soft)


@dataclass(frozen=True)
class _Outputs:
    """The outputs in some messages, one client at a time whenever they are gone through."""

    run: RunContext
    messages: Iterable[ClientMessage]

    def __iter__(self) -> Iterator[ClientOutputs]:
        for message in self.messages:
            yield message.outputs_in(self.run.data.classes)
