"""From the clients' answers to a teacher: who is believed, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.distillation import (
    AGGREGATIONS,
    ClientMessage,
    ClientOutputs,
    Screening,
    Teacher,
    audit,
    build_teacher,
    check_message,
    pool_copies,
)
from qkd_qiskit.distillation.messages import MAX_HEADER_BYTES
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.federation.rejection import decode_rejection
from qkd_qiskit.run.context import RunContext


class Aggregate(NamedTuple):
    """What the server learnt from the clients in one turn.

    Attributes:
        verdicts: What became of each client, in the order of the settings.
        teacher: The calibrated, combined clients that are used.
        soft: Soft labels of the whole public set [N, G].
    """

    verdicts: tuple[Screening, ...]
    teacher: Teacher
    soft: FloatArray


def screen_message(context: RunContext, name: str, raw: bytes | None) -> Screening:
    """Whether what a client sent can be used, and whether it is believed.

    Args:
        context: Shared by all stages.
        name: Name of the client whom the server has asked.
        raw: What arrived; None for silence.
    """
    if raw is None:
        return Screening(name, "silent", "no message arrived")
    code = decode_rejection(raw)
    if code is not None:
        return Screening(name, "refused", f"the client refuses ({code.value}): {code.meaning}")
    data, public = context.data, context.data.public
    # A row of the largest message: a float16 for every class and the reject outcome.
    most = MAX_HEADER_BYTES + 2 * len(public.samples) * (len(data.classes) + 1)
    if len(raw) > most:
        return Screening(name, "refused", f"expected a message of at most {most} bytes, found {len(raw)}")
    try:
        message = ClientMessage.from_bytes(raw, sender=name)
        check_message(
            message, n_public=len(public.samples), public_digest=public.digest, classes=data.classes
        )
    except DistillationError as error:
        return Screening(name, "refused", str(error))
    if message.client != name:
        # A name is input too; the verdict carries the one that the server knows.
        return Screening(name, "refused", "the message bears the name of another client")
    rows = np.concatenate([np.arange(len(data.split.public_train)), public.calibration_rows])
    verdict = audit(_outputs(context, message), rows, public.samples.labels[rows], data.classes)
    if context.settings.distillation.audit:
        return verdict
    return replace(verdict, standing="used", reason="")


def aggregate_messages(
    context: RunContext, verdicts: Sequence[Screening], message: Callable[[int], bytes]
) -> Aggregate:
    """Make a teacher of the clients that are used; their messages are read one at a time.

    Args:
        context: Shared by all stages.
        verdicts: One a client, in the order of the settings.
        message: Gives the message of a client that is used, by its position, as often as it is asked.

    Raises:
        DistillationError: If no client is left whose message can be used.
    """
    used = [position for position, verdict in enumerate(verdicts) if verdict.standing == "used"]
    if not used:
        causes = "; ".join(f"{v.client} {v.standing}: {v.reason}" for v in verdicts)
        raise DistillationError(f"expected at least one client to learn from, found none ({causes})")
    return Aggregate(tuple(verdicts), *aggregate_outputs(context, _Used(context, used, message)))


def screen_and_aggregate(context: RunContext, messages: Sequence[bytes | None]) -> Aggregate:
    """Judge the clients, and make a teacher of those that are used.

    Args:
        context: Shared by all stages.
        messages: What each client of the settings sent; None for silence.

    Raises:
        DistillationError: If no client is left whose message can be used.
    """
    pairs = zip(context.settings.clients, messages, strict=True)
    verdicts = [screen_message(context, client.name, raw) for client, raw in pairs]
    # Clients that are used have sent something.
    return aggregate_messages(context, verdicts, lambda position: messages[position] or b"")


def aggregate_outputs(context: RunContext, clients: Iterable[ClientOutputs]) -> tuple[Teacher, FloatArray]:
    """The best teacher on the public validation part, and soft labels of the public set [N, G].

    Soft labels are its answers, pooled over copies where the settings want it.

    Args:
        context: Shared by all stages.
        clients: Outputs of clients; anything that can be gone through more than once.
    """
    data, public = context.data, context.data.public
    wanted = context.settings.distillation.aggregation
    teacher, soft = build_teacher(
        clients,
        n_classes=len(data.classes),
        calibration=(public.calibration_rows, public.samples.labels[public.calibration_rows]),
        validation=(public.validation_rows, public.samples.labels[public.validation_rows]),
        aggregations=AGGREGATIONS if wanted == "auto" else (wanted,),
    )
    if context.settings.distillation.pool_copies:
        n = len(public.to_distil)
        soft = np.concatenate([pool_copies(soft[:n], public.origins), soft[n:]])
    return teacher, soft


@dataclass(frozen=True)
class _Used:
    """Outputs of the clients that are used, decoded anew whenever they are gone through."""

    context: RunContext
    positions: Sequence[int]
    message: Callable[[int], bytes]

    def __iter__(self) -> Iterator[ClientOutputs]:
        for position in self.positions:
            yield _outputs(self.context, ClientMessage.from_bytes(self.message(position)))


def _outputs(context: RunContext, message: ClientMessage) -> ClientOutputs:
    held = np.array([context.data.classes.index(label) for label in message.classes], dtype=np.int64)
    return ClientOutputs(message.client, held, message.probabilities)
