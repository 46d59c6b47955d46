"""Turns of the round: ask everybody, take what arrives, judge it, and go on with those that are of use."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.distillation import MAX_MESSAGE_BYTES, Screening
from qkd_qiskit.errors import FederationError
from qkd_qiskit.federation.aggregation import Aggregate, aggregate_messages, screen_message
from qkd_qiskit.federation.label_queries import check_label_queries
from qkd_qiskit.federation.message_store import MessageStore
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.federation.transport import Arrival, Transport
from qkd_qiskit.run.context import RunContext

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
        stood_in: Turns in which its answer to an earlier turn was judged instead.
    """

    client: str
    standing: str
    reason: str = ""
    agreement: float | None = None
    bytes_received: int = 0
    ignored: int = 0
    missed: tuple[int, ...] = ()
    stood_in: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {**asdict(self), "missed": list(self.missed), "stood_in": list(self.stood_in)}


@dataclass(frozen=True)
class RoundsResult:
    """What the server has after the last turn.

    Attributes:
        taught: What it learnt from the clients' last answers.
        participation: Every client's part, in the order of the settings.
        inbox: The last answers.
        bytes_down: Bytes of all queries.
    """

    taught: Aggregate
    participation: tuple[Participation, ...]
    inbox: MessageStore
    bytes_down: int


def run_rounds(context: RunContext, transport: Transport, *, folder: Path | None = None) -> RoundsResult:
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
        DistillationError: If none is, or labels are to be asked for that are not to be had.
        QKDError: What a local client raises.
    """
    settings, data = context.settings, context.data
    check_label_queries(context)
    if folder is not None and not context.resume:
        shutil.rmtree(folder, ignore_errors=True)
    originals = None if data.originals is None else data.originals.without_answers()
    query = TrainRequest(TaskDescription.of(settings, data.classes), 1, data.public.digest, originals)
    parts = tuple(Participation(client.name, "silent") for client in settings.clients)
    known: set[int] = set()
    bytes_down = 0
    for turn in range(1, settings.distillation.rounds + 1):
        query = replace(query, turn=turn)
        first, again = query.to_bytes(), replace(query, originals=None).to_bytes()
        asked = {k: again if k in known else first for k in range(len(parts))}
        inbox = MessageStore(folder, again)
        late = MessageStore(folder / "late" if folder and settings.federation.late == "use" else None, again)
        with context.timed("clients"):
            verdicts, parts = _run_round(
                context, transport, asked, _RoundCollector(context, inbox, late, parts), turn
            )
        bytes_down += sum(map(len, asked.values()))
        known |= inbox.positions
        taught = aggregate_messages(context, verdicts, inbox.message)
        query = replace(query, soft=_as_sent(taught, len(data.public.to_distil)))
    return RoundsResult(taught, parts, inbox, bytes_down)


def _run_round(
    context: RunContext,
    transport: Transport,
    asked: Mapping[int, bytes],
    desk: _RoundCollector,
    turn: int,
) -> tuple[list[Screening], tuple[Participation, ...]]:
    """Verdicts on one turn, and every client's part with it."""
    desk.take_kept(asked)
    missing = {position: raw for position, raw in asked.items() if position not in desk.verdicts}
    if missing:
        desk.take_all(transport.exchange(missing, timeout=context.settings.federation.timeout), missing)
    stood_in = desk.take_late()
    verdicts = [desk.verdict(position) for position in range(len(desk.parts))]
    after = []
    for position, (verdict, part) in enumerate(zip(verdicts, desk.parts, strict=True)):
        missed = part.missed if verdict.standing == "used" else (*part.missed, turn)
        after.append(
            replace(
                part,
                standing=verdict.standing,
                reason=verdict.reason,
                agreement=verdict.agreement,
                missed=missed,
                stood_in=(*part.stood_in, turn) if position in stood_in else part.stood_in,
            )
        )
        level = logging.INFO if verdict.standing == "used" else logging.WARNING
        _LOG.log(level, "turn %d: client %s %s %s", turn, verdict.client, verdict.standing, verdict.reason)
    used, least = sum(v.standing == "used" for v in verdicts), context.settings.federation.minimum
    if used < least and least > 1:
        causes = "; ".join(f"{v.client} {v.standing}: {v.reason}" for v in verdicts if v.reason)
        raise FederationError(f"turn {turn}: expected answers of {least} clients, found {used} ({causes})")
    return verdicts, tuple(after)


class _RoundCollector:
    """Takes arrivals of one turn: the first of each client counts."""

    def __init__(
        self, context: RunContext, inbox: MessageStore, late: MessageStore, parts: tuple[Participation, ...]
    ) -> None:
        self.verdicts: dict[int, Screening] = {}
        self.parts = list(parts)
        self._context = context
        self._inbox = inbox
        self._late_inbox = late
        self._silence: dict[int, str] = {}
        self._late: set[int] = set()

    def take_kept(self, asked: Mapping[int, bytes]) -> None:
        """Judge the answers that a server before this one has accepted."""
        for position in sorted(self._inbox.positions & set(asked)):
            self.judge(position, self._inbox.message(position))

    def take_all(self, arrivals: Iterator[Arrival], asked: Mapping[int, bytes]) -> None:
        for arrival in arrivals:
            position, raw = arrival.position, arrival.raw
            if not 0 <= position < len(self.parts):
                _LOG.warning("an answer of nobody whom this round knows was ignored")
            elif raw is None:
                self._silence.setdefault(position, arrival.reason)
            elif arrival.late or position not in asked or position in self.verdicts:
                self._put_aside(position, raw, late=arrival.late)
            else:
                self.judge(position, raw)

    def take_late(self) -> set[int]:
        """Judge late answers of clients that have sent no other, if the settings want it; returns of whom."""
        kept = self._late_inbox.positions & set(range(len(self.parts)))
        for position in kept & set(self.verdicts):
            self._ignore(position, "a late")
        found = kept - set(self.verdicts)
        for position in sorted(found):
            self._decide(position, self._late_inbox.message(position))
            _LOG.warning("a late answer of client %s stands in", self.parts[position].client)
        return found

    def judge(self, position: int, raw: bytes) -> None:
        """Judge an answer, and keep it if it can be read."""
        self.parts[position] = self._received(position, raw)
        self._decide(position, raw)

    def _put_aside(self, position: int, raw: bytes, *, late: bool) -> None:
        """Take note of an answer that came late, or too often; a late one may be of use at the end."""
        self.parts[position] = self._received(position, raw)
        self._late |= {position} if late else set()
        usable = late and len(raw) <= MAX_MESSAGE_BYTES and position not in self.verdicts
        if usable and self._context.settings.federation.late == "use":
            self._late_inbox.keep(position, raw)
        else:
            self._ignore(position, "a late" if late else "a further")

    def _ignore(self, position: int, what: str) -> None:
        part = self.parts[position]
        self.parts[position] = replace(part, ignored=part.ignored + 1)
        _LOG.warning("%s answer of client %s was ignored", what, part.client)

    def _decide(self, position: int, raw: bytes) -> None:
        verdict = screen_message(self._context, self.parts[position].client, raw)
        self.verdicts[position] = verdict
        if verdict.standing in ("used", "dropped") and position not in self._inbox.positions:
            self._inbox.keep(position, raw)

    def verdict(self, position: int) -> Screening:
        """What became of a client."""
        name = self.parts[position].client
        if position in self.verdicts:
            return self.verdicts[position]
        if position in self._late:
            return Screening(name, "late", "its answer came after the turn it belongs to")
        return Screening(name, "silent", self._silence.get(position) or "no message arrived")

    def _received(self, position: int, raw: bytes) -> Participation:
        part = self.parts[position]
        return replace(part, bytes_received=part.bytes_received + len(raw))


def _as_sent(taught: Aggregate, n_distilled: int) -> NDArray[np.float16]:
    """The soft labels that go back to the clients."""
    return taught.soft[:n_distilled].astype(np.float16)
