"""Turns of the round: ask everybody, take what arrives, judge it, and go on with those that are of use."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.distillation import Verdict
from qkd_qiskit.errors import FederationError
from qkd_qiskit.federation.announcement import Announcement, Task
from qkd_qiskit.federation.context import Context
from qkd_qiskit.federation.inbox import Inbox
from qkd_qiskit.federation.teaching import Taught, judge, learn
from qkd_qiskit.federation.transport import Arrival, Transport

_LOG = logging.getLogger("qkd_qiskit.federation")


@dataclass(frozen=True)
class Participation:
    """A client's part in all turns.

    Attributes:
        client: Its name.
        standing: What became of its answer in the last turn: `used`, `dropped`, `refused`, `silent` or
            `late`.
        reason: Why, in one line; empty for `used`.
        agreement: Share of audited samples that it answered rightly, as the audit counts it.
        bytes_received: Bytes of its answers, those included that were of no use.
        ignored: Answers that came twice or late.
        missed: Turns in which it was not used.
    """

    client: str
    standing: str
    reason: str = ""
    agreement: float | None = None
    bytes_received: int = 0
    ignored: int = 0
    missed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """What the server has after the last turn.

    Attributes:
        taught: What it learnt from the clients' last answers.
        participation: Every client's part, in the order of the settings.
        inbox: The last answers.
        bytes_down: Bytes of all queries.
    """

    taught: Taught
    participation: tuple[Participation, ...]
    inbox: Inbox
    bytes_down: int


def hold_turns(context: Context, transport: Transport, *, folder: Path | None = None) -> Lesson:
    """Ask the clients in as many turns as the experiment has rounds.

    From the second turn on, the query holds the server's soft labels; clients that have answered before get
    the public samples no second time.

    Args:
        context: Shared by all stages.
        transport: Asks the clients.
        folder: Where accepted answers are kept; None keeps them in memory. A resumed run asks only those
            whose answers are not there.

    Raises:
        FederationError: If fewer clients than the settings demand are of use.
        DistillationError: If none is.
        QKDError: What a local client raises.
    """
    settings, data = context.settings, context.data
    if folder is not None and not context.resume:
        shutil.rmtree(folder, ignore_errors=True)
    originals = None if data.originals is None else data.originals.without_answers()
    query = Announcement(Task.of(settings, data.classes), 1, data.public.digest, originals)
    parts = tuple(Participation(client.name, "silent") for client in settings.clients)
    known: set[int] = set()
    bytes_down = 0
    for turn in range(1, settings.distillation.rounds + 1):
        query = replace(query, turn=turn)
        first, again = query.to_bytes(), replace(query, originals=None).to_bytes()
        asked = {k: again if k in known else first for k in range(len(parts))}
        inbox = Inbox(folder, again)
        with context.timed("clients"):
            verdicts, parts = _hold_turn(context, transport, asked, inbox, parts, turn)
        bytes_down += sum(map(len, asked.values()))
        known |= inbox.positions
        taught = learn(context, verdicts, inbox.message)
        query = replace(query, soft=_as_sent(taught, len(data.public.to_distil)))
    return Lesson(taught, parts, inbox, bytes_down)


def _hold_turn(
    context: Context,
    transport: Transport,
    asked: Mapping[int, bytes],
    inbox: Inbox,
    parts: tuple[Participation, ...],
    turn: int,
) -> tuple[list[Verdict], tuple[Participation, ...]]:
    """Verdicts on one turn, and every client's part with it."""
    desk = _Desk(context, inbox, list(parts))
    for position in sorted(inbox.positions & set(asked)):
        desk.judge(position, inbox.message(position))
    missing = {position: raw for position, raw in asked.items() if position not in desk.verdicts}
    if missing:
        desk.take_all(transport.exchange(missing, timeout=context.settings.federation.timeout), missing)
    verdicts = [desk.verdict(position) for position in range(len(parts))]
    after = []
    for verdict, part in zip(verdicts, desk.parts, strict=True):
        missed = part.missed if verdict.standing == "used" else (*part.missed, turn)
        after.append(
            replace(
                part,
                standing=verdict.standing,
                reason=verdict.reason,
                agreement=verdict.agreement,
                missed=missed,
            )
        )
        level = logging.INFO if verdict.standing == "used" else logging.WARNING
        _LOG.log(level, "turn %d: client %s %s %s", turn, verdict.client, verdict.standing, verdict.reason)
    used, least = sum(v.standing == "used" for v in verdicts), context.settings.federation.minimum
    if used < least and least > 1:
        causes = "; ".join(f"{v.client} {v.standing}: {v.reason}" for v in verdicts if v.reason)
        raise FederationError(f"turn {turn}: expected answers of {least} clients, found {used} ({causes})")
    return verdicts, tuple(after)


class _Desk:
    """Takes arrivals of one turn: the first of each client counts."""

    def __init__(self, context: Context, inbox: Inbox, parts: list[Participation]) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self.parts = parts
        self._context = context
        self._inbox = inbox
        self._silence: dict[int, str] = {}
        self._late: set[int] = set()

    def take_all(self, arrivals: Iterator[Arrival], asked: Mapping[int, bytes]) -> None:
        for arrival in arrivals:
            position, raw = arrival.position, arrival.raw
            if not 0 <= position < len(self.parts):
                _LOG.warning("an answer of nobody whom this round knows was ignored")
            elif raw is None:
                self._silence.setdefault(position, arrival.reason)
            elif arrival.late or position not in asked or position in self.verdicts:
                part = self._received(position, raw)
                self.parts[position] = replace(part, ignored=part.ignored + 1)
                self._late |= {position} if arrival.late else set()
                what = "a late" if arrival.late else "a further"
                _LOG.warning("%s answer of client %s was ignored", what, part.client)
            else:
                self.judge(position, raw)

    def judge(self, position: int, raw: bytes) -> None:
        """Judge an answer, and keep it if it can be read."""
        part = self._received(position, raw)
        self.parts[position] = part
        verdict = judge(self._context, part.client, raw)
        self.verdicts[position] = verdict
        if verdict.standing in ("used", "dropped") and position not in self._inbox.positions:
            self._inbox.keep(position, raw)

    def verdict(self, position: int) -> Verdict:
        """What became of a client."""
        name = self.parts[position].client
        if position in self.verdicts:
            return self.verdicts[position]
        if position in self._late:
            return Verdict(name, "late", "its answer came after the turn it belongs to")
        return Verdict(name, "silent", self._silence.get(position) or "no message arrived")

    def _received(self, position: int, raw: bytes) -> Participation:
        part = self.parts[position]
        return replace(part, bytes_received=part.bytes_received + len(raw))


def _as_sent(taught: Taught, n_distilled: int) -> NDArray[np.float16]:
    """The soft labels that go back to the clients."""
    return taught.soft[:n_distilled].astype(np.float16)
