"""The round's transport over Flower: queries go out as messages, answers come in as they are ready.

A SuperNode is known by the name under which its key was registered. Every answer is pulled by itself, so
that one that is slow, huge or broken keeps nobody waiting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qkd_qiskit.deployment.flower import ConfigRecord, Grid, Message, RecordDict
from qkd_qiskit.deployment.gateway import NOTICES, TRAFFIC
from qkd_qiskit.deployment.optional import httpx
from qkd_qiskit.deployment.scarce import when_readable
from qkd_qiskit.distillation import MAX_MESSAGE_BYTES
from qkd_qiskit.errors import FederationError
from qkd_qiskit.evaluation.results import Wire
from qkd_qiskit.federation.transport import Arrival
from qkd_qiskit.store import added_lines, guarded, parse_json, read_json
from qkd_qiskit.text import printable

KIND = "query"
QUERY, ANSWER, RAW = "query", "answer", "raw"
_POLL = 0.5
# A client whose process fails is asked again; it goes on from its stages.
_MOST_FAILURES = 3
# Answers of a past round are looked for, and thrown away by Flower after this long.
_KEPT_SECONDS = 86_400.0
# Flower's code for an app that raised or ended by itself; the others mean that the client is away.
_APP_FAILED = (1, 2, 8)


@dataclass
class _PendingMessage:
    """A message under way."""

    position: int
    round: int


@dataclass
class FlowerTransport:
    """Exchanges queries and answers with SuperNodes.

    Attributes:
        grid: Flower's access to them.
        names: Names of the clients, by position.
        state: Folder of the gateway's notices.
    """

    grid: Grid
    names: Sequence[str]
    state: Path
    _pending: dict[str, _PendingMessage] = field(default_factory=dict)
    _activation: dict[int, tuple[int, str]] = field(default_factory=dict)
    _failures: dict[int, int] = field(default_factory=dict)
    _round: int = 0

    @property
    def clients(self) -> None:
        """None: the clients are elsewhere."""
        return None

    def traffic(self) -> dict[str, Wire] | None:
        """Return the bytes on the wire by client so far; None where no gateway of ours counts them."""
        path = self.state / TRAFFIC
        if not path.exists():
            return None
        counts = when_readable(lambda: read_json(path, FederationError, "bytes on the wire "))
        with guarded(FederationError, f"cannot read {path}"):
            return {name: Wire.model_validate(count) for name, count in counts.items()}

    def exchange(self, queries: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        """Send queries, and yield what arrives; see `Transport`.

        Args:
            queries: What to send, by position of the client.
            timeout: Seconds until whoever has not answered is silent.
        """
        self._round += 1
        self._failures.clear()
        pending = set(queries)
        seen: set[int] = set()
        notices = _Notices(self.state / NOTICES)
        deadline = time.monotonic() + timeout
        # One thread a client, so that those who upload for ever keep no thread from the others.
        pool = ThreadPoolExecutor(len(self.names), thread_name_prefix="pull")
        pulls: dict[Future[list[Message]], str] = {}
        try:
            while pending and time.monotonic() < deadline:
                seen |= self._ask(queries, pending, timeout)
                busy = set(pulls.values())
                pulls |= {
                    pool.submit(self._pull, message): message
                    for message in self._pending
                    if message not in busy
                }
                done, _ = wait(pulls, timeout=_POLL)
                for future in done:
                    for arrival in self._arrivals(pulls.pop(future), future):
                        if not arrival.late:
                            pending.discard(arrival.position)
                        yield arrival
                for name, reason, dropped in notices.new():
                    position = self.names.index(name) if name in self.names else -1
                    if position in pending:
                        pending.discard(position)
                        self._forget(position)
                    if position >= 0:
                        yield Arrival(position, None, reason, dropped=dropped)
                time.sleep(_POLL)
        finally:
            # A pull that hangs ends with the process; nobody waits for it.
            pool.shutdown(wait=False, cancel_futures=True)
        for position in sorted(pending):
            why = "no answer" if position in seen else "not connected"
            yield Arrival(position, None, f"{why} within {timeout:g} s")

    def _ask(self, queries: Mapping[int, bytes], pending: set[int], timeout: float) -> set[int]:
        """Send the queries of clients that are there and have none; returns who is there."""
        nodes = {node.name: node for node in self.grid.get_nodes()}
        here = {position for position in pending if self.names[position] in nodes}
        messages, positions = [], []
        for position in sorted(here):
            node = nodes[self.names[position]]
            # A restarted SuperNode has lost what it was asked.
            if self._activation.get(position) == (self._round, node.last_activated_at):
                continue
            if self._failures.get(position, 0) >= _MOST_FAILURES:
                continue
            self._activation[position] = (self._round, node.last_activated_at)
            content = RecordDict({QUERY: ConfigRecord({RAW: queries[position]})})
            messages.append(
                Message(
                    content,
                    message_type=KIND,
                    dst_node_id=node.node_id,
                    group_id=str(self._round),
                    ttl=timeout + _KEPT_SECONDS,
                )
            )
            positions.append(position)
        if messages:
            for position, message in zip(positions, self.grid.push_messages(messages), strict=True):
                if message:
                    self._pending[message] = _PendingMessage(position, self._round)
                else:
                    del self._activation[position]
        return here

    def _pull(self, message: str) -> list[Message]:
        return list(self.grid.pull_messages([message]))

    def _arrivals(self, message: str, pulled: Future[list[Message]]) -> Iterator[Arrival]:
        pending = self._pending.get(message)
        if pending is None:
            return
        late = pending.round != self._round
        try:
            replies = pulled.result()
        except Exception as error:
            # Whatever a client sends must not end the round, and Flower's decoding may raise anything.
            replies = []
            if not _is_connection_error(error):
                del self._pending[message]
                yield Arrival(pending.position, None, "its answer could not be taken apart", late=late)
        for reply in replies[:1]:
            del self._pending[message]
            if not reply.has_error():
                yield _arrival(pending.position, reply, late)
            elif not late and (reason := self._failed(pending.position, reply.error.code)):
                yield Arrival(pending.position, None, reason)

    def _failed(self, position: int, code: int) -> str:
        """Take note of a failure; a reason when the client is not to be asked again, else nothing."""
        if code not in _APP_FAILED:
            # Away: it is asked again when it is back, under another time of activation.
            return ""
        self._failures[position] = self._failures.get(position, 0) + 1
        if self._failures[position] >= _MOST_FAILURES:
            return f"its process failed {_MOST_FAILURES} times"
        self._activation.pop(position, None)
        return ""

    def _forget(self, position: int) -> None:
        self._pending = {
            key: pending for key, pending in self._pending.items() if pending.position != position
        }


class _Notices:
    """What the gateway has refused since this moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size if path.exists() else 0

    def new(self) -> list[tuple[str, str, int]]:
        """Return the client, the reason and the bytes of each."""
        try:
            if not self._path.exists() or self._path.stat().st_size <= self._read:
                return []
            lines, self._read = added_lines(self._path, FederationError, self._read)
        except (OSError, FederationError):
            # No descriptor is free at this moment, say; the next look finds the same.
            return []
        with guarded(FederationError, f"cannot read {self._path}"):
            notices = [parse_json(line, FederationError, "notice") for line in lines]
            return [
                (str(notice["client"]), printable(notice["reason"]), int(notice.get("bytes", 0)))
                for notice in notices
            ]


def _arrival(position: int, reply: Message, late: bool) -> Arrival:
    try:
        raw: Any = reply.content[ANSWER][RAW]
    except (KeyError, TypeError):
        raw = None
    if not isinstance(raw, bytes):
        return Arrival(position, None, "its answer holds no bytes", late=late)
    if len(raw) > MAX_MESSAGE_BYTES:
        reason = f"answer of {len(raw)} bytes refused"
        return Arrival(position, None, reason, late=late, dropped=len(raw))
    return Arrival(position, raw, late=late)


def _is_connection_error(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError)
