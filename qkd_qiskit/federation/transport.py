"""What carries requests to clients and answers back; the only difference between local and remote clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qkd_qiskit.evaluation.results import Wire
from qkd_qiskit.federation.client import ClientOutcome


@dataclass(frozen=True)
class Arrival:
    """What came of one request.

    Attributes:
        position: Position of the client in the settings.
        raw: Its answer or its rejection, as it travelled; None for silence.
        reason: Why there is nothing, in the server's own words; empty where there is something.
        late: Whether it belongs to an earlier request, whose time is over.
        dropped: Bytes that came and were thrown away on the way, as too many or unreadable.
    """

    position: int
    raw: bytes | None
    reason: str = ""
    late: bool = False
    dropped: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes that came, used or not."""
        return self.dropped + (0 if self.raw is None else len(self.raw))


class Transport(Protocol):
    """Carries requests to clients, and answers back."""

    def exchange(self, requests: Mapping[int, bytes], /, *, timeout: float) -> Iterator[Arrival]:
        """Send requests, and take the answers.

        Args:
            requests: The request to each client, by its position.
            timeout: Seconds after which those that have not answered count as silent.

        Yields:
            One arrival a client, as they come in, in any order. A client without arrival is silent.
        """
        ...

    @property
    def clients(self) -> tuple[ClientOutcome, ...] | None:
        """What each client did, in the order of the settings; None where the clients are elsewhere."""
        ...

    def traffic(self) -> dict[str, Wire] | None:
        """Return the bytes on the wire by client; None where nothing has counted them."""
        ...


class RecordedTransport:
    """Answers with recorded messages, whatever is requested."""

    clients = None

    def __init__(self, messages: Sequence[bytes | None]) -> None:
        """Take the messages.

        Args:
            messages: What each client of the settings sends, as it travels; None for silence.
        """
        self._messages = messages

    def exchange(self, requests: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        """Yield the recorded messages of the clients that are requested."""
        for position in requests:
            yield Arrival(position, self._messages[position])

    def traffic(self) -> None:
        """Return None: nothing travels."""
