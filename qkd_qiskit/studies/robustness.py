"""Bad clients: what silence, garbage and colluding liars cost, with the audit and without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.distillation import make_message
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.federation import ClientOutcome, distil_messages, run_client
from qkd_qiskit.progress import Progress
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.studies.federated import open_context, pack, percent, pooled_accuracy, pooled_difference
from qkd_qiskit.studies.swarm_data import Cell, run_cells

Spoil = Callable[[ClientOutcome], bytes | None]
BAD = 2
"""How many clients are bad: the last ones, except for liars, who are the holders of one class."""

ROBUSTNESS_COLUMNS = ("case", "accuracy", "minus honest", "left out")


def silent(client: ClientOutcome) -> None:
    """Send nothing."""


def garbage(client: ClientOutcome) -> bytes:
    """Send bytes that mean nothing."""
    return bytes(range(256)) * 4


def not_a_number(client: ClientOutcome) -> bytes:
    """Send outputs with NaN in them."""
    outputs = client.message.outputs.astype(np.float16)
    outputs[::7] = np.nan
    return dataclasses.replace(client.message, outputs=outputs).to_bytes()


def stale(client: ClientOutcome) -> bytes:
    """Answer on another public set."""
    return dataclasses.replace(client.message, public_digest="0" * 64).to_bytes()


def free_ride(client: ClientOutcome) -> bytes:
    """Answer the same to everything."""
    p = client.message.probabilities
    return _resent(client, np.broadcast_to(np.full(p.shape[1], 1 / p.shape[1]), p.shape))


def lie(client: ClientOutcome) -> bytes:
    """Exchange the first two outcomes: every image of one class is called another one."""
    p = client.message.probabilities.copy()
    p[:, [0, 1]] = p[:, [1, 0]]
    return _resent(client, p)


ATTACKS: dict[str, Spoil] = {
    "silent": silent,
    "garbage": garbage,
    "NaN": not_a_number,
    "stale digest": stale,
    "free riders": free_ride,
    "liars": lie,
}


def bad_ones(settings: ExperimentSettings, attack: str) -> tuple[int, ...]:
    """Positions of the bad clients: two holders of the rarest class for liars, the last two otherwise.

    Raises:
        DistillationError: If there are not more clients than bad ones, or the attack is unknown.
    """
    if attack not in ATTACKS:
        raise DistillationError(f"attack: expected one of {', '.join(ATTACKS)}, found {attack!r}")
    n = len(settings.clients)
    if n <= BAD:
        raise DistillationError(f"robustness: expected more than {BAD} clients, found {n}")
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


def study_robustness(
    settings: Sequence[ExperimentSettings], folder: Path, *, progress: Progress | None = None
) -> list[dict[str, str]]:
    """Run every attack with the audit and without it, on the same trained clients.

    Args:
        settings: One experiment a seed.
        folder: Where records lie; an interrupted study goes on there.
        progress: Told of every seed.

    Returns:
        Rows with the columns `ROBUSTNESS_COLUMNS`; accuracies in percent with bootstrap 95 % intervals.
    """
    cells = [
        Cell(f"seed{one.seed}", one.model_dump(mode="json"), lambda one=one: _attacked(one))  # type: ignore[misc]
        for one in settings
    ]
    records = run_cells("robustness", cells, folder, progress=progress)
    rows = []
    for case in records[0]["right"]:
        left_out = {name for record in records for name in record["left_out"][case]}
        rows.append(
            {
                "case": case,
                "accuracy": percent(pooled_accuracy(records, case)),
                "minus honest": percent(pooled_difference(records, case, records, "honest")),
                "left out": ", ".join(sorted(left_out)) or "-",
            }
        )
    return rows


def _attacked(settings: ExperimentSettings) -> dict[str, Any]:
    context = open_context(settings)
    compiler = ModelCompiler(noise=settings.noise.enabled, seed=settings.seed)
    trusting = dataclasses.replace(
        context,
        settings=settings.model_copy(
            update={"distillation": settings.distillation.model_copy(update={"audit": False})}
        ),
    )
    clients = [run_client(context, compiler, number) for number in range(len(settings.clients))]
    right, left_out = {}, {}
    for attack in ("", *ATTACKS):
        bad = bad_ones(settings, attack) if attack else ()
        messages = [
            ATTACKS[attack](client) if number in bad else client.message.to_bytes()
            for number, client in enumerate(clients)
        ]
        # Without the audit only what can be read makes a difference.
        modes = {"": context} | ({", no audit": trusting} if attack in ("free riders", "liars") else {})
        for suffix, mode in modes.items():
            case = (attack or "honest") + suffix
            right[case], left_out[case] = _taught(mode, compiler, messages)
    return {"right": right, "left_out": left_out}


def _taught(
    context: RunContext, compiler: ModelCompiler, messages: Sequence[bytes | None]
) -> tuple[str, list[str]]:
    found = distil_messages(context, compiler, messages)
    test = context.data.test
    answers = found.global_model.predict(found.compiled.noisy, test.inputs)
    left_out = [record.client for record in found.rounds.records if record.status != "used"]
    return pack(answers == test.labels), left_out


def _resent(client: ClientOutcome, probabilities: Any) -> bytes:
    sent = client.message
    again = make_message(sent.client, sent.model_index, sent.classes, probabilities, sent.public_digest)
    return again.to_bytes()
