"""All rounds of an experiment between clients and server, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qkd_qiskit.federation.client import ClientRun, refine_client, run_client
from qkd_qiskit.federation.context import Context
from qkd_qiskit.federation.server import ServerRun, run_server, teach

Tamper = Callable[[int, bytes], bytes | None]
"""Maps a client's position and message to what arrives; None is silence."""


def run_rounds(context: Context, *, tamper: Tamper | None = None) -> tuple[tuple[ClientRun, ...], ServerRun]:
    """Run the clients and the server.

    With more than one round the server answers with its soft labels on the public samples, and the clients
    learn from them and answer again.

    Args:
        context: Shared by all stages.
        tamper: What happens to messages on their way, for studies of bad clients.

    Raises:
        QKDError: If the settings cannot be met; the subclass tells the room.
    """
    turns = context.settings.distillation.rounds
    with context.timed("clients"):
        clients = tuple(run_client(context, number) for number in range(len(context.settings.clients)))
    for turn in range(2, turns + 1):
        _, _, soft = teach(context, _arrived(clients, tamper))
        known = soft[: len(context.data.public.to_distil)]
        with context.timed("clients"):
            clients = tuple(
                refine_client(context, number, run, known, turn) for number, run in enumerate(clients)
            )
    return clients, run_server(context, _arrived(clients, tamper))


def _arrived(clients: Sequence[ClientRun], tamper: Tamper | None) -> list[bytes | None]:
    sent = [client.message.to_bytes() for client in clients]
    return [raw if tamper is None else tamper(number, raw) for number, raw in enumerate(sent)]
