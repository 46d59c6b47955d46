"""All rounds of an experiment between clients and server, in one process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qkd_qiskit.federation.announcement import Announcement, Task
from qkd_qiskit.federation.client import ClientRun
from qkd_qiskit.federation.context import Context
from qkd_qiskit.federation.local import LocalTransport
from qkd_qiskit.federation.server import ServerRun, run_server, teach

Tamper = Callable[[int, bytes], bytes | None]
"""Maps a client's position and message to what arrives; None is silence."""


def run_rounds(
    context: Context, transport: LocalTransport | None = None, *, tamper: Tamper | None = None
) -> tuple[tuple[ClientRun, ...], ServerRun]:
    """Run the clients and the server.

    With more than one round the server answers with its soft labels on the public samples, and the clients
    learn from them and answer again.

    Args:
        context: Shared by all stages.
        transport: Asks the clients; worker processes of this machine when omitted.
        tamper: What happens to messages on their way, for studies of bad clients.

    Raises:
        QKDError: If the settings cannot be met; the subclass tells the room.
    """
    asked = LocalTransport(context) if transport is None else transport
    data, settings = context.data, context.settings
    task = Task.of(settings, data.classes)
    soft = None
    for turn in range(1, settings.distillation.rounds + 1):
        known = data.originals.without_answers() if turn == 1 and data.originals else None
        query = Announcement(task, turn, data.public.digest, known, soft).to_bytes()
        arrived: list[bytes | None] = [None] * len(settings.clients)
        with context.timed("clients"):
            queries = dict.fromkeys(range(len(settings.clients)), query)
            context.bytes_down += len(queries) * len(query)
            for arrival in asked.exchange(queries, timeout=settings.federation.timeout):
                raw = arrival.raw
                if raw is not None and tamper is not None:
                    raw = tamper(arrival.position, raw)
                arrived[arrival.position] = raw
        if turn < settings.distillation.rounds:
            soft = teach(context, arrived)[2][: len(data.public.to_distil)].astype(np.float16)
    clients = tuple(asked.runs[number] for number in range(len(settings.clients)))
    return clients, run_server(context, arrived)
