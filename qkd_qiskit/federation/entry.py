"""All rounds of an experiment: with clients of this process, or with clients elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qkd_qiskit.federation.client import ClientRun
from qkd_qiskit.federation.local import LocalTransport
from qkd_qiskit.federation.rounds import run_rounds
from qkd_qiskit.federation.server import PublicRun, ServerRun, run_public_server, run_server
from qkd_qiskit.federation.transport import Arrival, Transport
from qkd_qiskit.run.context import RunContext

Tamper = Callable[[int, bytes], bytes | None]
"""Maps a client's position and message to what arrives; None is silence."""


def run_local_federation(
    context: RunContext, *, tamper: Tamper | None = None
) -> tuple[tuple[ClientRun, ...], ServerRun]:
    """Run the clients and the server of an experiment whose data all lie here.

    With more than one round the server answers with its soft labels on the public samples, and the clients
    learn from them and answer again.

    Args:
        context: Shared by all stages.
        tamper: What happens to messages on their way, for studies of bad clients.

    Returns:
        What the clients did, and what the server did.

    Raises:
        QKDError: If the settings cannot be met; the subclass tells the room.
    """
    local = LocalTransport(context)
    lesson = run_rounds(context, local if tamper is None else _Tampered(local, tamper))
    clients = tuple(local.runs[number] for number in range(len(context.settings.clients)))
    return clients, run_server(context, lesson)


def run_remote_federation(
    context: RunContext, transport: Transport, *, folder: Path | None = None
) -> PublicRun:
    """Run the server of an experiment whose clients are elsewhere.

    Args:
        context: Shared by all stages; its data know no client's samples.
        transport: Asks the clients.
        folder: Where accepted answers are kept, so that a restarted server asks only for missing ones.

    Raises:
        FederationError: If fewer clients than the settings demand are of use.
        DistillationError: If none is.
        QKDError: If the global model's budget or circuit is impossible.
    """
    return run_public_server(context, run_rounds(context, transport, folder=folder))


@dataclass(frozen=True)
class _Tampered:
    transport: Transport
    tamper: Tamper

    def exchange(self, queries: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        for arrival in self.transport.exchange(queries, timeout=timeout):
            raw = arrival.raw
            yield replace(arrival, raw=None if raw is None else self.tamper(arrival.position, raw))
