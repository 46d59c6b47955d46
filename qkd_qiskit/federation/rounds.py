"""Rounds: request answers of all clients, screen what arrives, and aggregate what is of use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.distillation import (
    MAX_MESSAGE_BYTES,
    Aggregate,
    ClientMessage,
    ClientStatus,
    Screening,
    aggregate_messages,
    check_label_queries,
    check_message,
    screen_message,
    wanted_rules,
)
from qkd_qiskit.distillation.messages import MAX_HEADER_BYTES
from qkd_qiskit.errors import DistillationError, FederationError
from qkd_qiskit.evaluation.results import ClientRecord
from qkd_qiskit.federation.message_store import MessageStore
from qkd_qiskit.federation.rejection import decode_rejection
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.federation.transport import Arrival, Transport
from qkd_qiskit.run import RunContext
from qkd_qiskit.text import printable
from qkd_qiskit.training import make_optimizer, soft_loss_named, structure_method_named

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RoundsResult:
    """What the server has after the last round.

    Attributes:
        aggregate: What the clients' last answers say together.
        records: Every client's part in all rounds, in the order of the settings.
        messages: The last answers.
        bytes_down: Bytes of all requests.
    """

    aggregate: Aggregate
    records: tuple[ClientRecord, ...]
    messages: MessageStore
    bytes_down: int


def run_rounds(
    run: RunContext,
    transport: Transport,
    *,
    folder: Path | None = None,
    own: Callable[[], FloatArray] | None = None,
) -> RoundsResult:
    """Request answers of the clients in as many rounds as the experiment has.

    From the second round on, the request holds the server's soft labels; clients that have answered before
    get the public samples no second time.

    Args:
        run: Shared by all stages.
        transport: Carries the requests.
        folder: Folder of the database that keeps accepted answers; None keeps them in memory. A resumed run
            sends no request to those whose answers are there.
        own: Gives the class probabilities [N, G] of the server's own model on all samples that clients
            answer, once they have answered; None where the server has none.

    Raises:
        FederationError: If fewer clients than the settings demand are of use.
        DistillationError: If none is, or label queries or the aggregation rule are impossible.
        TrainingError: If the settings name an unknown optimizer or soft loss.
        QKDError: What a local client raises.
    """
    settings, data = run.settings, run.data
    # Before any client works.
    check_label_queries(run)
    wanted_rules(settings.distillation)
    make_optimizer(settings.training)
    structure_method_named(settings.training.structure.method)
    soft_loss_named(settings.distillation.soft_loss)
    originals = None if data.originals is None else data.originals.without_answers()
    request = TrainRequest(TaskDescription.of(settings, data.classes), 1, data.public.digest, originals)
    clients = [_ClientProgress(client.name) for client in settings.clients]
    known: set[int] = set()
    bytes_down = 0
    for number in range(1, settings.distillation.rounds + 1):
        request = replace(request, round=number)
        first, again = request.to_bytes(), replace(request, originals=None).to_bytes()
        requests = {k: again if k in known else first for k in range(len(clients))}
        messages = MessageStore(folder, again, resume=run.resume)
        late_folder = folder if settings.federation.late == "use" else None
        late = MessageStore(late_folder, again, late=True, resume=run.resume)
        with run.timed("clients"):
            used = _run_round(run, transport, requests, _RoundCollector(run, messages, late, clients), number)
        bytes_down += sum(map(len, requests.values()))
        known |= messages.positions
        aggregate = aggregate_messages(run, _Selected(messages, used), None if own is None else own())
        # What goes back to the clients: of every sample that they have answered, whatever it serves for here.
        request = replace(request, soft=aggregate.soft_labels.astype(np.float16))
    return RoundsResult(aggregate, tuple(client.record() for client in clients), messages, bytes_down)


def decode_answer(run: RunContext, name: str, raw: bytes) -> ClientMessage | Screening:
    """Decode what a client sent.

    Args:
        run: Shared by all stages.
        name: Name of the client to which the request went.
        raw: What arrived.

    Returns:
        A message that can be used, or why there is none.
    """
    code = decode_rejection(raw)
    if code is not None:
        return _rejected(name, f"the client refuses ({code.value}): {code.meaning}")
    data, public = run.data, run.data.public
    # A row of the largest message: a float16 for every class and the reject outcome.
    most = MAX_HEADER_BYTES + 2 * public.n_answered * (len(data.classes) + 1)
    if len(raw) > most:
        return _rejected(name, f"expected a message of at most {most} bytes, found {len(raw)}")
    try:
        message = ClientMessage.from_bytes(raw, sender=name)
        check_message(message, n_public=public.n_answered, public_digest=public.digest, classes=data.classes)
    except DistillationError as error:
        return _rejected(name, str(error))
    if message.client != name:
        # A name is input too; the screening carries the one that the server knows.
        return _rejected(name, "the message bears the name of another client")
    return message


def _rejected(name: str, reason: str) -> Screening:
    return Screening(name, ClientStatus.REJECTED, printable(reason))


def _run_round(
    run: RunContext,
    transport: Transport,
    requests: Mapping[int, bytes],
    collector: _RoundCollector,
    number: int,
) -> list[int]:
    """Return the positions of the clients whose answers in one round are used."""
    collector.take_kept(requests)
    missing = {position: raw for position, raw in requests.items() if position not in collector.screenings}
    if missing:
        collector.take_all(transport.exchange(missing, timeout=run.settings.federation.timeout), missing)
    stood_in = collector.take_late()
    used, causes = [], []
    for position, client in enumerate(collector.clients):
        screening = client.screening = collector.screening(position)
        level = logging.INFO
        if screening.status is ClientStatus.USED:
            used.append(position)
        else:
            level = logging.WARNING
            client.missed.append(number)
            causes.append(f"{screening.client} {screening.status}: {screening.reason}")
        if position in stood_in:
            client.stood_in.append(number)
        _LOG.log(level, "round %d: client %s %s %s", number, client.name, screening.status, screening.reason)
    least = run.settings.federation.minimum
    if len(used) < least and least > 1:
        raise FederationError(
            f"round {number}: expected answers of {least} clients, found {len(used)} ({'; '.join(causes)})"
        )
    if not used:
        raise DistillationError(
            f"expected at least one client to learn from, found none ({'; '.join(causes)})"
        )
    return used


@dataclass
class _ClientProgress:
    """What is counted of one client over all rounds."""

    name: str
    screening: Screening | None = None
    bytes_received: int = 0
    ignored: int = 0
    missed: list[int] = field(default_factory=list)
    stood_in: list[int] = field(default_factory=list)

    def record(self) -> ClientRecord:
        assert self.screening is not None
        return ClientRecord(
            client=self.name,
            status=self.screening.status.value,
            reason=self.screening.reason,
            ignored=self.ignored,
            missed=tuple(self.missed),
            stood_in=tuple(self.stood_in),
            agreement=self.screening.agreement,
            bytes_received=self.bytes_received,
        )


@dataclass(frozen=True)
class _Selected:
    """Messages of some clients, read one at a time whenever they are gone through."""

    messages: MessageStore
    positions: Sequence[int]

    def __iter__(self) -> Iterator[ClientMessage]:
        for position in self.positions:
            yield self.messages.message(position)


class _RoundCollector:
    """Takes the arrivals of one round: the first answer of each client counts."""

    def __init__(
        self, run: RunContext, messages: MessageStore, late: MessageStore, clients: Sequence[_ClientProgress]
    ) -> None:
        self.screenings: dict[int, Screening] = {}
        self.clients = clients
        self._run = run
        self._messages = messages
        self._late_messages = late
        self._late_rejected: dict[int, Screening] = {}
        self._silence: dict[int, str] = {}
        self._late: set[int] = set()
        self._stood_in: set[int] = set()

    def take_kept(self, requests: Mapping[int, bytes]) -> None:
        """Screen the answers that a server before this one has accepted."""
        for position in sorted(self._messages.positions & set(requests)):
            self._run.part_done("client", worked=False)
            message = self._messages.message(position)
            self.clients[position].bytes_received += message.n_bytes
            self._screen(position, message)
            if position in self._late_messages.positions:
                self._stood_in.add(position)

    def take_all(self, arrivals: Iterable[Arrival], requests: Mapping[int, bytes]) -> None:
        for arrival in arrivals:
            position, raw = arrival.position, arrival.raw
            if not 0 <= position < len(self.clients):
                _LOG.warning("an answer of nobody whom this round knows was ignored")
                continue
            client = self.clients[position]
            client.bytes_received += arrival.n_bytes
            self._run.part_done("client")
            if raw is None:
                self._silence.setdefault(position, printable(arrival.reason))
                continue
            if arrival.late or position not in requests or position in self.screenings:
                self._put_aside(position, raw, late=arrival.late)
            else:
                if position in self._late_messages.positions:
                    # What is in both stores has stood in, for a server that goes on after this one.
                    self._late_messages.remove(position)
                    self._ignore(position, "a late")
                self._screen(position, decode_answer(self._run, client.name, raw))

    def take_late(self) -> set[int]:
        """Screen late answers of clients that have sent no other, if the settings want it; return of whom."""
        kept = self._late_messages.positions & set(range(len(self.clients))) | set(self._late_rejected)
        for position in (kept & set(self.screenings)) - self._stood_in:
            self._ignore(position, "a late")
        found = kept - set(self.screenings)
        self._stood_in |= found
        for position in sorted(found):
            rejected = self._late_rejected.get(position)
            self._screen(position, rejected or self._late_messages.message(position))
            _LOG.warning("a late answer of client %s stands in", self.clients[position].name)
        return self._stood_in

    def screening(self, position: int) -> Screening:
        """Return what became of a client's answer."""
        name = self.clients[position].name
        if position in self.screenings:
            return self.screenings[position]
        if position in self._late:
            return Screening(name, ClientStatus.LATE, "its answer came after the round it belongs to")
        reason = self._silence.get(position) or "no message arrived"
        return Screening(name, ClientStatus.SILENT, reason)

    def _screen(self, position: int, answer: ClientMessage | Screening) -> None:
        """Decide whether an answer is used, and keep it if it can be."""
        if isinstance(answer, Screening):
            self.screenings[position] = answer
            return
        self.screenings[position] = screen_message(self._run, answer)
        if position not in self._messages.positions:
            self._messages.keep(position, answer)

    def _put_aside(self, position: int, raw: bytes, *, late: bool) -> None:
        """Take note of an answer that came late, or too often; a late one may be of use at the end."""
        self._late |= {position} if late else set()
        usable = late and len(raw) <= MAX_MESSAGE_BYTES and position not in self.screenings
        if not usable or self._run.settings.federation.late != "use":
            self._ignore(position, "a late" if late else "a further")
            return
        answer = decode_answer(self._run, self.clients[position].name, raw)
        if isinstance(answer, Screening):
            self._late_rejected[position] = answer
        else:
            # Of several late answers the last one counts.
            self._late_rejected.pop(position, None)
            self._late_messages.keep(position, answer)

    def _ignore(self, position: int, what: str) -> None:
        client = self.clients[position]
        client.ignored += 1
        _LOG.warning("%s answer of client %s was ignored", what, client.name)
