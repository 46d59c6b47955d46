"""Bad clients: what silence, garbage and colluding liars cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.distillation import ClientMessage, make_message
from qkd_qiskit.errors import SweepError
from qkd_qiskit.federation import distil_messages
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_run,
    public_model,
    right,
    train_clients,
)

BAD = 2
"""How many clients are bad: the last ones, except for liars, who are the holders of one class."""


class AttackMeasurement(Measurement):
    """Spoil the messages of two clients, and distil from what the server accepts."""

    attack: str = "honest"

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the global model's answers with the test labels, and name whom the server left out."""
        run, compiler = open_run(cell.experiment)
        bad = bad_clients(cell.experiment, self.attack)
        own = public_model(run, compiler, folder)
        clients, _ = train_clients(run, compiler, folder, own)
        messages = [
            ATTACKS[self.attack](client.message) if number in bad else client.message.to_bytes()
            for number, client in enumerate(clients)
        ]
        found = distil_messages(run, compiler, messages, own=own)
        answers = found.global_model.predict(found.compiled.noisy, run.data.test.inputs)
        left_out = tuple(record.client for record in found.rounds.records if record.status != "used")
        return CellRecord(right={"global": right(run, answers)}, notes={"left out": left_out})


def silent(message: ClientMessage) -> None:
    """Send nothing."""


def garbage(message: ClientMessage) -> bytes:
    """Send bytes that mean nothing."""
    return bytes(range(256)) * 4


def not_a_number(message: ClientMessage) -> bytes:
    """Send outputs with NaN in them."""
    outputs = message.outputs.astype(np.float16)
    outputs[::7] = np.nan
    return dataclasses.replace(message, outputs=outputs).to_bytes()


def stale(message: ClientMessage) -> bytes:
    """Answer on another public set."""
    return dataclasses.replace(message, public_digest="0" * 64).to_bytes()


def free_ride(message: ClientMessage) -> bytes:
    """Answer the same to everything."""
    p = message.probabilities
    return _resent(message, np.broadcast_to(np.full(p.shape[1], 1 / p.shape[1]), p.shape))


def lie(message: ClientMessage) -> bytes:
    """Exchange the first two outcomes: every image of one class is called another one."""
    p = message.probabilities.copy()
    p[:, [0, 1]] = p[:, [1, 0]]
    return _resent(message, p)


ATTACKS: dict[str, Callable[[ClientMessage], bytes | None]] = {
    "silent": silent,
    "garbage": garbage,
    "NaN": not_a_number,
    "stale digest": stale,
    "free riders": free_ride,
    "liars": lie,
}


def bad_clients(settings: ExperimentSettings, attack: str) -> tuple[int, ...]:
    """Return the positions of bad clients: two holders of the rarest class for liars, else the last two.

    Raises:
        SweepError: If there are not more clients than bad ones, or the attack is unknown.
    """
    if attack == "honest":
        return ()
    if attack not in ATTACKS:
        raise SweepError(f"attack: expected honest or one of {', '.join(ATTACKS)}, found {attack!r}")
    n = len(settings.clients)
    if n <= BAD:
        raise SweepError(f"attack: expected more than {BAD} clients, found {n}")
    if attack != "liars":
        return tuple(range(n - BAD, n))
    holders: dict[Any, list[int]] = {}
    for number, client in enumerate(settings.clients):
        for label in client.classes or ():
            holders.setdefault(label, []).append(number)
    if not holders:
        return tuple(range(n - BAD, n))
    rarest = min(holders.values(), key=len)
    return tuple((rarest + [k for k in reversed(range(n)) if k not in rarest])[:BAD])


def _resent(sent: ClientMessage, probabilities: Any) -> bytes:
    again = make_message(sent.client, sent.model_index, sent.classes, probabilities, sent.public_digest)
    return again.to_bytes()
